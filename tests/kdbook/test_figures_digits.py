"""The figures of chapter 02 draw the numbers that they are given, and refuse what does not fit."""

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from kdbook.figures import MODEL_COLORS, digits

TARGETS = np.array([[0.1, 0.2, 0.7], [0.9, 0.1, 0.0]])
IMAGES = np.linspace(0, 1, 18).reshape(2, 3, 3)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def lines(axes, label):
    """Return the lines of the axes that stand in the legend under this label."""
    return [line for line in axes.lines if line.get_label() == label]


def dots(axes, color):
    """Return the points of all markers of one colour, shape (n, 2)."""
    found = [
        line.get_xydata()
        for line in axes.lines
        if line.get_marker() == "o" and to_rgb(line.get_color()) == to_rgb(color)
    ]
    return np.concatenate(found)


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_soft_targets_show_image_and_bars_side_by_side():
    figure = digits.soft_targets(IMAGES, TARGETS, missing=1, titles=["one", "two"])
    for row in range(2):
        picture, bars = figure.axes[2 * row : 2 * row + 2]
        assert np.array_equal(picture.images[0].get_array(), IMAGES[row])
        assert np.allclose([bar.get_height() for bar in bars.patches], TARGETS[row])
        assert bars.get_title(loc="left") == ["one", "two"][row]


def test_soft_targets_set_the_missing_class_apart():
    bars = digits.soft_targets(IMAGES, TARGETS, missing=1, titles=["", ""]).axes[1].patches
    marked = [bar.get_facecolor()[:3] == to_rgb(digits.MISSING) for bar in bars]
    assert marked == [False, True, False]


@pytest.mark.parametrize(
    ("row", "missing", "written"),
    [
        ([0.1, 0.2, 0.7], 0, ["10 %", "70 %"]),
        ([0.1, 0.2, 0.7], 2, ["70 %"]),
        ([0.9, 0.1, 0.0], 2, ["0", "90 %"]),
    ],
)
def test_soft_targets_number_the_missing_class_and_the_winner(row, missing, written):
    figure = digits.soft_targets(IMAGES[:1], [row], missing, titles=[""])
    assert texts(figure.axes[1]) == written


@pytest.mark.parametrize(("missing", "side"), [(1, "right"), (3, "left"), (0, "center")])
def test_the_number_of_a_low_bar_moves_away_from_the_winner_beside_it(missing, side):
    row = [0.0, 0.05, 0.9, 0.05]
    figure = digits.soft_targets(IMAGES[:1], [row], missing, titles=[""])
    assert figure.axes[1].texts[0].get_horizontalalignment() == side


@pytest.mark.parametrize(
    ("images", "probabilities", "titles"),
    [([], [], []), (IMAGES, TARGETS[:1], ["", ""]), (IMAGES, TARGETS, [""])],
)
def test_soft_targets_refuse_what_does_not_match(images, probabilities, titles):
    with pytest.raises(ValueError, match="expected as many of each"):
        digits.soft_targets(images, probabilities, 0, titles)


def test_leads_draw_each_image_once_in_the_row_of_its_kind():
    a_3, no_3 = np.array([0.5, -1.0, 2.0]), np.array([4.0, 9.0])
    axes = digits.leads({"teacher": (a_3, no_3)}, {"teacher": 1.5}, missing=3).axes[0]
    for values, color, row in ((a_3, digits.MISSING, 0), (no_3, digits.OTHERS, 1)):
        points = dots(axes, color)
        assert np.array_equal(points[:, 0], values)
        assert (np.abs(points[:, 1] - row) < 0.31).all()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a 3", "not a 3"]
    assert "class 3" in axes.get_xlabel()


def test_leads_draw_both_limits_in_each_panel():
    pair = ([1.0], [2.0])
    figure = digits.leads({"teacher": pair, "control": pair}, {"teacher": 1.5, "control": -2.0}, 3)
    limits = [[line.get_xdata()[0] for line in axes.lines[2:]] for axes in figure.axes]
    assert limits == [[0, 1.5], [0, -2.0]]
    assert legend(figure) == ["3 wins left of here, before the correction", "after it"]


@pytest.mark.parametrize(
    ("panels", "offsets", "message"),
    [
        ({}, {}, "expected one model or more"),
        ({"teacher": ([1.0], [2.0])}, {"control": 1.0}, "'teacher'.*'control'"),
        ({"teacher": ([1.0], [])}, {"teacher": 1.0}, "a row of 'teacher' is empty"),
    ],
)
def test_leads_refuse_what_does_not_match(panels, offsets, message):
    with pytest.raises(ValueError, match=message):
        digits.leads(panels, offsets, missing=3)


def test_the_sweep_draws_every_seed_and_their_mean():
    values = np.array([[0.5, 0.7, 0.9], [0.6, 0.9, 1.0]])
    axes = digits.temperature_sweep([1, 4, 16], {"distilled student": values}, "recall").axes[0]
    (mean,) = lines(axes, "distilled student")
    assert np.allclose(mean.get_xydata(), np.transpose([[1, 4, 16], values.mean(axis=0)]))
    seeds = [line.get_ydata() for line in axes.lines if line is not mean]
    assert np.allclose(seeds, values)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "4", "16"]


def test_the_sweep_draws_references_as_level_lines():
    references = {"label smoothing": 0.5, "elimination": 0.45, "student from scratch": 0.1, "x": 0}
    figure = digits.temperature_sweep([1, 4], {"teacher": [[0.1, 0.2]]}, "recall", references)
    for name, value in references.items():
        (line,) = lines(figure.axes[0], name)
        assert set(line.get_ydata()) == {value}
    assert legend(figure) == ["teacher", *references]


@pytest.mark.parametrize(
    ("curves", "message"),
    [({}, "no curves"), ({"teacher": [[0.1]]}, "'teacher' has values of shape .*expected 2")],
)
def test_the_sweep_refuses_what_does_not_match(curves, message):
    with pytest.raises(ValueError, match=message):
        digits.temperature_sweep([1, 4], curves, "recall")


def test_by_digit_draws_mean_and_range():
    values = np.array([[0.2, 0.4], [0.6, 1.0], [0.5, 0.5]])
    axes = digits.by_digit({"teacher": values}, "recall").axes[0]
    (points,) = lines(axes, "teacher")
    assert np.allclose(points.get_xydata(), np.transpose([values.mean(axis=1), [0, 1, 2]]))
    ranges = np.array(axes.collections[0].get_segments())[:, :, 0]
    assert np.allclose(ranges, np.transpose([values.min(axis=1), values.max(axis=1)]))


def test_by_digit_keeps_each_model_in_the_band_of_its_digit():
    values = {name: np.full((10, 1), 0.5) for name in MODEL_COLORS}
    axes = digits.by_digit(values, "recall").axes[0]
    rows = np.array([lines(axes, name)[0].get_ydata() for name in values])
    assert (np.abs(rows - np.arange(10)) < 0.5).all()
    assert (np.diff(rows, axis=0) > 0.1).all()


def test_by_digit_draws_the_reference():
    figure = digits.by_digit({"teacher": [[0.5]]}, "recall", ("by chance", 0.1))
    (line,) = lines(figure.axes[0], "by chance")
    assert set(line.get_xdata()) == {0.1}
    assert legend(figure) == ["teacher", "by chance"]


@pytest.mark.parametrize(
    "values", [{}, {"a": [0.1, 0.2]}, {"a": [[0.1]], "b": [[0.1], [0.2]]}, {"a": 0.1}]
)
def test_by_digit_refuses_what_does_not_match(values):
    with pytest.raises(ValueError, match="expected one model or more"):
        digits.by_digit(values, "recall")


def test_controls_share_a_colour_and_differ_in_shape_and_dash():
    names = ["distilled student", "shuffled teacher", "label smoothing", "student from scratch"]
    axes = digits.temperature_sweep([1, 4], {n: [[0.1, 0.2]] for n in names}, "recall").axes[0]
    drawn = [lines(axes, name)[0] for name in names]
    colors = [line.get_color() for line in drawn]
    assert colors == [MODEL_COLORS[key] for key in (names[0], "control", "control", names[3])]
    assert len({line.get_marker() for line in drawn}) == 4
    assert drawn[1].get_linestyle() != drawn[2].get_linestyle()


def test_the_readers_own_settings_are_left_alone():
    before = dict(matplotlib.rcParams)
    digits.by_digit({"teacher": [[0.5]]}, "recall")
    assert dict(matplotlib.rcParams) == before
