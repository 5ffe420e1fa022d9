"""The figure of the study: what it draws equals the table it was given."""

import numpy as np
import pytest

from kdbook.figures.forests import forest, seed_differences, strips
from kdbook.figures.style import model_color
from kdbook.study.arm_table import Row
from kdlib.metrics import paired_difference
from tests.kdbook.test_figures_scores import assert_fits_a_phone

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


GROUPS = {
    "10 % of the labels": {"labels alone": [0.31, 0.36, 0.41], "teacher, few labels": [0.56]},
    "all labels": {"distilled student": [0.4, 0.5]},
}


def test_a_strip_has_a_dot_for_each_run_and_a_line_at_the_mean():
    figure = strips(GROUPS, "mean IoU")
    (axes,) = figure.axes
    dots, means = axes.lines[::2], axes.lines[1::2]
    rows = [values for group in GROUPS.values() for values in group.values()]
    for values, line, mean, place in zip(rows, dots, means, (1, 2, 4), strict=True):
        np.testing.assert_allclose(line.get_xdata(), values)
        np.testing.assert_allclose(mean.get_xdata(), [np.mean(values)])
        assert set(line.get_ydata()) == set(mean.get_ydata()) == {place}
    assert [line.get_color() for line in dots] == [
        model_color(name) for name in ("labels alone", "teacher", "distilled student")
    ]
    assert axes.get_xlabel() == "mean IoU"
    assert_fits_a_phone(figure)


def test_strips_stand_below_their_heading_from_the_top_down():
    axes = strips(GROUPS, "mean IoU").axes[0]
    weights = {label.get_text(): label.get_weight() for label in axes.get_yticklabels()}
    assert weights == {
        "10 % of the labels": "bold", "labels alone": "normal", "teacher, few labels": "normal",
        "all labels": "bold", "distilled student": "normal",
    }  # fmt: skip
    assert axes.yaxis_inverted()


@pytest.mark.parametrize("groups", [{}, {"all labels": {}}])
def test_strips_of_nothing(groups):
    with pytest.raises(ValueError, match="no rows came; expected {heading: {name: values}}"):
        strips(groups, "mean IoU")


@pytest.mark.parametrize("values", [[], [0.5, float("nan")]])
def test_a_strip_without_numbers(values):
    with pytest.raises(ValueError, match=r"row 'a' is \[.*\]; expected finite numbers"):
        strips({"all": {"a": values}}, "mean IoU")
