"""The figures of chapter 05 draw the numbers that they are given."""

import numpy as np
import pytest

from kdbook.figures import MODEL_COLORS, distilling


def curves(*losses):
    """What FairCurves holds: one dict an epoch."""
    return [
        {"loss": v, "student_loss": 2 * v, "distillation_loss": v / 2, "mean_iou": 0.3}
        for v in losses
    ]


def test_loss_parts_draws_every_part_of_every_set():
    runs = {
        "distilled student": {"training": curves(3, 2, 1), "validation": curves(4, 3, 2)},
        "control": {"validation": curves(5, 5, 5)},
    }
    figure = distilling.loss_parts(runs)
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(distilling.PARTS)
    for axes, factor in zip(figure.axes, (1, 2, 0.5), strict=True):
        lines = {line.get_label(): line for line in axes.lines}
        assert len(lines) == 3
        solid = lines["distilled student, validation patches"]
        dashed = lines["distilled student, training patches"]
        assert np.array_equal(solid.get_xdata(), [1, 2, 3])
        assert np.allclose(solid.get_ydata(), factor * np.array([4, 3, 2]))
        assert np.allclose(dashed.get_ydata(), factor * np.array([3, 2, 1]))
        assert solid.get_linestyle() == "-" != dashed.get_linestyle()
        assert solid.get_color() == MODEL_COLORS["distilled student"]
        assert lines["control, validation patches"].get_color() == MODEL_COLORS["control"]
        assert axes.get_ylim()[0] == 0
    assert len(figure.legends[0].get_texts()) == 3


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ({}, "nothing to draw"),
        ({"control": {}}, "'control' has curves for"),
        ({"control": {"validation": []}}, "one epoch or more"),
        ({"control": {"test": curves(1)}}, "'test'"),
        ({"control": {"validation": [{"loss": 1.0}]}}, "no 'student_loss'"),
    ],
)
def test_loss_parts_refuses_what_it_cannot_draw(runs, message):
    with pytest.raises(ValueError, match=message):
        distilling.loss_parts(runs)


def test_moving_teacher_draws_three_lines_from_0():
    values = [2.0, 1.0, 0.8], [2.0, 0.1, 0.002], [2.0, 1.7, 1.9]
    figure = distilling.moving_teacher(*values)
    (axes,) = figure.axes
    assert axes.get_yscale() == "linear" and axes.get_ylim()[0] == 0
    assert [list(line.get_ydata()) for line in axes.lines] == [list(v) for v in values]
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == 3
    assert len(figure.legends[0].get_texts()) == 3


@pytest.mark.parametrize("lines", [([], [], []), ([1.0], [1.0, 2.0], [1.0])])
def test_moving_teacher_refuses_lines_that_do_not_match(lines):
    with pytest.raises(ValueError, match="expected the same"):
        distilling.moving_teacher(*lines)
