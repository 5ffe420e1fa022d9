"""The figure of the study: what it draws equals the table it was given."""

import numpy as np
import pytest

from kdlib.metrics import paired_difference
from kdlib.plots.study import forest, seed_differences
from kdlib.study.table import Row
from tests.unit.test_plots_scores import assert_fits_a_phone

SCRATCH = {"mean IoU": (0.50, 0.48, 0.52), "expected calibration error": (0.02, 0.03, 0.02)}
ARMS = {
    "distilled": {"mean IoU": (0.56, 0.55, 0.57), "expected calibration error": (0.05, 0.06, 0.05)},
    "shuffled": {"mean IoU": (0.50, 0.50, 0.49), "expected calibration error": (0.02, 0.02, 0.04)},
}
SEEDS = (0, 1, 2)


@pytest.fixture
def rows():
    made = [Row("scratch", score, values, SEEDS, None, None) for score, values in SCRATCH.items()]
    for arm, scores in ARMS.items():
        for score, values in scores.items():
            difference = paired_difference(values, SCRATCH[score])
            made.append(Row(arm, score, values, SEEDS, "scratch", difference))
    return made


def test_a_panel_shows_seeds_means_and_intervals(rows):
    figure = forest(rows, list(SCRATCH), {"distilled": "distilled student", "shuffled": "shuffled"})
    first, second = figure.axes[:2]
    _, dots, bar, diamond, other_dots, *_ = first.lines
    np.testing.assert_allclose(dots.get_xdata(), [0.06, 0.07, 0.05])
    expected = paired_difference(ARMS["distilled"]["mean IoU"], SCRATCH["mean IoU"])
    np.testing.assert_allclose(bar.get_xdata(), expected[1:])
    np.testing.assert_allclose(diamond.get_xdata(), [expected.mean])
    np.testing.assert_allclose(other_dots.get_xdata(), [0.0, 0.02, -0.03])
    assert [label.get_text() for label in first.get_yticklabels()][0] == "distilled student"
    assert (first.get_xlabel(), second.get_xlabel()) == ("better →", "← better")
    assert_fits_a_phone(figure)


def test_a_diamond_is_filled_only_where_the_interval_leaves_out_0(rows):
    axes = forest(rows, ["mean IoU"]).axes[0]
    sure, unsure = (line for line in axes.lines if line.get_marker() == "D")
    assert sure.get_markerfacecolor() != "white" and unsure.get_markerfacecolor() == "white"


def test_a_seed_without_partner_has_no_difference(rows):
    found = {(row.arm, row.score): row for row in rows}
    row = Row("few", "mean IoU", (0.5, 0.6), (2, 7), "scratch", None)
    np.testing.assert_allclose(seed_differences(row, found), [-0.02, np.nan])


def test_an_unknown_score_or_an_arm_without_interval(rows):
    with pytest.raises(ValueError, match="no score 'mean Dice'; there are expected calib.*IoU"):
        forest(rows, ["mean Dice"])
    with pytest.raises(ValueError, match="arm 'scratch' has no interval for mean IoU"):
        forest(rows, ["mean IoU"], {"scratch": "scratch"})
