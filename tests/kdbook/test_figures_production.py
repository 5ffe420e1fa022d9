"""The figure of chapter 10: each file stands where its numbers say."""

import pytest
from matplotlib.colors import to_hex

from kdbook import figures
from kdbook.figures import production


def test_points_stand_at_their_numbers_in_the_colour_of_their_model():
    points = {
        ("teacher", "ONNX"): (7.8, 0.66),
        ("teacher", "int8"): (2.1, 0.65),
        ("distilled student", "int8"): (0.15, 0.48),
    }
    axes = production.trade_off(points, "megabytes").axes[0]
    drawn = [line for line in axes.lines if len(line.get_xdata())]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in drawn] == [*points.values()]
    assert [to_hex(line.get_color()).upper() for line in drawn] == [
        figures.MODEL_COLORS[model] for model, _ in points
    ]
    assert drawn[0].get_marker() != drawn[1].get_marker() == drawn[2].get_marker()
    low, high = axes.get_ylim()  # the scores fill most of the height
    assert axes.get_xscale() == "log" and 0.6 < (0.66 - 0.48) / (high - low) < 0.9
    assert axes.get_xlabel() == "megabytes" and axes.get_ylabel() == "mean IoU"


def test_the_legend_names_models_and_kinds():
    figure = production.trade_off({("teacher", "ONNX"): (1, 0.5)}, "ms")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["teacher", "ONNX"]


@pytest.mark.parametrize("points", [{}, {("teacher", "ONNX"): (0, 0.5)}])
def test_costs_that_cannot_be_drawn(points):
    with pytest.raises(ValueError, match="expected one or more, all above 0"):
        production.trade_off(points, "ms")
