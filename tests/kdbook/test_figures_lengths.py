"""The figure of gain against length: what it draws are the means, and Student's intervals."""

import numpy as np
import pytest
from scipy import stats

from kdbook.figures import lengths

RUNS = {
    "student from scratch": {1000: [0.40, 0.44, 0.42], 3000: [0.50, 0.52, 0.54], 9000: [0.55]},
    "distilled student": {1000: [0.39, 0.45, 0.42], 3000: [0.56, 0.55, 0.57], 9000: [0.58]},
}


def draw(runs=RUNS, **options):
    return lengths.gain_against_length(runs, "student from scratch", 1 / 400, **options)


def test_lines_go_through_the_means_and_bars_are_intervals_of_the_paired_differences():
    scores, gains = draw(references={"teacher": 0.66}).axes
    lines = {line.get_label(): line for line in scores.get_lines()}
    for name, found in RUNS.items():
        np.testing.assert_allclose(lines[name].get_ydata(), [np.mean(s) for s in found.values()])
    assert set(lines["teacher"].get_ydata()) == {0.66}
    (bars,) = gains.containers
    for steps, bar in zip(RUNS["distilled student"], bars[2][0].get_segments(), strict=True):
        a, b = (RUNS[name][steps] for name in ("distilled student", "student from scratch"))
        mean = np.mean(np.subtract(a, b))
        half = 0
        if len(a) > 1:
            half = stats.t.ppf(0.975, len(a) - 1) * stats.sem(np.subtract(a, b))
        np.testing.assert_allclose(bar[:, 1], [mean - half, mean + half])


def test_ticks_say_steps_and_passes():
    ticks = [label.get_text() for label in draw().axes[1].get_xticklabels()]
    assert ticks == ["1,000\n2.5", "3,000\n7.5", "9,000\n22.5"]


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ({"distilled student": {1: [0.5]}}, "expected 'student from scratch' and another"),
        ({"student from scratch": {1: [0.5]}}, "and another one"),
        (
            {"student from scratch": {1: [0.5]}, "distilled student": {1: [0.5, 0.6]}},
            "'distilled student' has 2 seeds at 1 steps and 'student from scratch' 1",
        ),
        (
            {"student from scratch": {1: [0.5]}, "distilled student": {2: [0.5]}},
            "1 seeds at 2 steps and 'student from scratch' 0",
        ),
    ],
)
def test_arms_that_cannot_be_compared_are_refused(runs, message):
    with pytest.raises(ValueError, match=message):
        draw(runs)
