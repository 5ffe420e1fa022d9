"""The figures of chapter 11: each point and line stands where its numbers say."""

import numpy as np
import pytest

from kdbook.figures import scaling


def texts(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_steps_stand_at_their_costs_with_their_intervals():
    rows = {
        "cached": {"float32": (1.2, 1.1, 1.4), "bfloat16": (0.8, 0.7, 0.9)},
        "online": {"float32": (3.0, 2.5, 3.5)},
    }
    figure = scaling.step_costs(rows)
    lines = figure.axes[0].lines
    points = [line.get_xdata()[0] for line in lines if line.get_linestyle() == "None"]
    bars = [tuple(line.get_xdata()) for line in lines if len(line.get_xdata()) == 2]
    assert points == [1.2, 0.8, 3.0]
    assert bars[:3] == [(1.1, 1.4), (0.7, 0.9), (2.5, 3.5)]
    assert texts(figure.legends[0]) == ["float32", "bfloat16"]


@pytest.mark.parametrize("rows", [{}, {"cached": {"float32": (1.0, 0.0, 2.0)}}])
def test_costs_that_cannot_be_drawn(rows):
    with pytest.raises(ValueError, match="expected rows of three numbers, all above 0"):
        scaling.step_costs(rows)


def test_a_law_has_the_slope_that_was_given_through_the_middle_of_its_points():
    sizes, costs = [1.0, 10.0, 100.0], [2.0, 30.0, 400.0]
    figure = scaling.power_laws({"pixels": {"student": (sizes, costs, 1.2)}}, "seconds")
    points, line = figure.axes[0].lines
    assert points.get_xdata().tolist() == sizes and points.get_ydata().tolist() == costs
    drawn = np.log(line.get_ydata())
    assert (drawn[2] - drawn[0]) / np.log(100) == pytest.approx(1.2)
    assert drawn.mean() == pytest.approx(np.log(costs).mean())
    assert (figure.axes[0].get_xscale(), figure.axes[0].get_yscale()) == ("log", "log")
    assert figure.axes[0].get_ylabel() == "seconds"
    figure.canvas.draw()
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["1", "10", "100"]


def test_without_a_slope_points_are_joined():
    figure = scaling.power_laws({"patches": {"read": ([1, 2], [3, 3], None)}}, "MiB")
    (line,) = figure.axes[0].lines
    assert line.get_linestyle() == "-"


@pytest.mark.parametrize("series", [([1, 0], [1, 1], None), ([1, 2], [1, 2, 3], None)])
def test_laws_that_cannot_be_drawn(series):
    with pytest.raises(ValueError, match="as many of one as of the other, all above 0"):
        scaling.power_laws({"pixels": {"student": series}}, "seconds")
    with pytest.raises(ValueError, match="nothing to draw"):
        scaling.power_laws({}, "seconds")


def test_curves_start_where_their_first_second_is():
    curves = {"online": ([5, 10], [[0.2, 0.4], [0.4, 0.6]]), "cached": ([8, 10], [0.1, 0.2])}
    figure = scaling.in_time(curves, references={"constant predictor": 0.12})
    lines = figure.axes[0].lines
    means = {line.get_label(): line for line in lines if not line.get_label().startswith("_")}
    assert means["online"].get_xdata().tolist() == [5, 10]
    assert means["online"].get_ydata().tolist() == pytest.approx([0.3, 0.5])
    assert means["cached"].get_xdata().tolist() == [8, 10]
    assert list(means["constant predictor"].get_ydata()) == [0.12, 0.12]
    assert len(lines) == 2 + 3  # two seeds of one way, two means, and the reference


def test_curves_that_cannot_be_drawn():
    with pytest.raises(ValueError, match="no curves came"):
        scaling.in_time({})
    with pytest.raises(ValueError, match="'online' has 1 seconds and 2 looks"):
        scaling.in_time({"online": ([5], [[0.2, 0.4]])})
