"""The figures of chapter 06: what they draw equals what they were given."""

import io

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text
from PIL import Image

from kdbook import figures
from kdbook.figures import curves, scores, segmentation, style
from kdlib import metrics
from kdlib.data import Palette

MODELS = ("teacher", "student from scratch", "distilled student")


def texts(axes):
    return [text.get_text() for text in axes.texts]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def assert_fits_a_phone(figure):
    """At most six inches wide, and no text below twelve points: nine pixels on a screen of 360."""
    assert figure.get_figwidth() <= style.WIDTH
    figure.canvas.draw()
    written = [text for text in figure.findobj(Text) if text.get_text()]
    assert min(text.get_fontsize() for text in written) >= 12
    width = Image.open(io.BytesIO(style.png(figure))).width // style.sharpness(figure)
    assert width <= 700, "something sticks out at the side"


def patches(n=2, size=16):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    labels = rng.integers(0, 6, (n, size, size))
    return images, labels, {name: rng.integers(0, 5, labels.shape) for name in MODELS}


def test_gallery_shows_each_picture_in_the_colours_of_the_classes():
    images, labels, predictions = patches()
    figure = segmentation.gallery(images, labels, predictions, MODELS[1:], void_class=5)
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == 2 * 6
    np.testing.assert_array_equal(shown[0].images[0].get_array(), images[0])
    np.testing.assert_array_equal(
        shown[7].images[0].get_array(), figures.class_palette()[labels[1]]
    )
    predicted = figures.class_palette()[predictions["teacher"][1]]
    np.testing.assert_array_equal(shown[8].images[0].get_array(), predicted)
    right = np.mean((predictions["teacher"][1] == labels[1])[labels[1] != 5])
    assert shown[8].get_title() == f"teacher\n{100 * right:.0f} % right"
    assert legend(figure)[-4:] == [
        "only the student from scratch is right",
        "only the distilled student is right",
        "both are right",
        "both are wrong",
    ]
    assert_fits_a_phone(figure)


def test_gallery_keys_only_the_classes_that_occur_and_heads_each_patch():
    images, labels, _ = patches(n=1)
    figure = segmentation.gallery(
        images, labels * 0 + 4, {"teacher": labels * 0 + 1}, titles=["tile 1"]
    )
    assert legend(figure) == ["Land", "Water"]
    assert texts(figure.axes[0]) == ["tile 1"]
    assert_fits_a_phone(figure)


def test_gallery_has_the_names_and_colours_of_another_palette():
    images, labels, _ = patches(n=1)
    palette = Palette({"field": "#7CB342", "river": "#1565C0", "none": "black"}, void="none")
    figure = segmentation.gallery(
        images, labels * 0, {"teacher": labels * 0 + 1}, void_class=2, palette=palette
    )
    assert legend(figure) == ["field", "river"]
    shown = [np.unique(a.images[0].get_array().reshape(-1, 3), axis=0) for a in figure.axes[1:3]]
    assert [colours.tolist() for colours in shown] == [[[124, 179, 66]], [[21, 101, 192]]]


def test_gallery_of_a_patch_that_is_all_void():
    images, labels, _ = patches(n=1)
    figure = segmentation.gallery(images, labels * 0 + 5, {"teacher": labels}, void_class=5)
    assert figure.axes[2].get_title() == "teacher\n– % right"


def test_who_is_right_on_a_hand_drawn_mask():
    labels = np.array([[0, 0, 0, 0, 5]])
    first, second = np.array([[0, 0, 1, 1, 5]]), np.array([[0, 1, 0, 1, 5]])
    names = ("student from scratch", "distilled student")
    found = segmentation.who_is_right(labels, first, second, names, labels != 5)
    scratch, distilled = (figures.MODEL_COLORS[name].lower() for name in names)
    expected = ["#ffffff", scratch, distilled, "#222222", "#dddddd"]
    assert [to_hex(color / 255) for color in found[0]] == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predictions": {}}, "nothing to show"),
        ({"images": np.zeros((0, 4, 4, 3))}, "nothing to show"),
        ({"labels": np.zeros((2, 8, 8), int)}, r"labels \(2, 8, 8\)"),
        ({"compare": ("teacher", "nobody")}, "expected two of"),
        ({"compare": ("teacher",)}, "expected two of"),
    ],
)
def test_gallery_refuses_what_does_not_fit(change, message):
    images, labels, predictions = patches()
    arguments = {"images": images, "labels": labels, "predictions": predictions, **change}
    with pytest.raises(ValueError, match=message):
        segmentation.gallery(**arguments)


def test_class_bars_are_as_long_as_the_scores():
    values = {"teacher": [0.25, 0.5], "distilled student": [np.nan, 1.0]}
    figure = scores.class_bars(values, ["Road", "Water"], "recall", baseline=[np.nan, 0.5])
    (axes,) = figure.axes
    widths = [[bar.get_width() for bar in container] for container in axes.containers]
    assert widths == [[0.25, 0.5], [0.0, 1.0]]
    assert texts(axes) == ["0.25", "0.50", "none", "1.00"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["Road", "Water"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the first class is at the top"
    assert set(legend(figure)) == {"teacher", "distilled student", "constant predictor"}
    assert_fits_a_phone(figure)


def test_confusion_matrices_show_shares_of_the_rows_and_counts():
    matrix = [[75_000, 25_000, 0], [0, 0, 0]]
    figure = scores.confusion_matrices({"teacher": matrix}, ["Road", "Water", "Unlabeled"])
    (axes,) = figure.axes
    # A class without pixels that nobody predicted has no column.
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25], [0, 0]])
    assert texts(axes) == ["75 %\n75 k", "25 %\n25 k", "", ""]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["Road", "Water"]
    assert_fits_a_phone(figure)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0 k"), (9960, "10 k"), (999_600, "1.0 M"), (2.5, "2")],
)
def test_short_count(count, text):
    assert scores.short_count(count) == text


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (scores.class_bars, ({}, ["Road"], "IoU"), "nothing to draw"),
        (scores.class_bars, ({"teacher": [1.0]}, ["A", "B"], "IoU"), r"shape \(1,\)"),
        (scores.confusion_matrices, ({}, ["Road"]), "no matrix came"),
        (scores.confusion_matrices, ({"teacher": [[1, 2]]}, ["Road"]), "expected 1 columns"),
        (scores.confusion_matrices, ({"teacher": [[1], [2]]}, ["Road"]), "at most as many rows"),
        (curves.learning_curves, ({}, "loss"), "nothing to draw"),
        (curves.learning_curves, ({"training": {}}, "loss"), "nothing to draw"),
        (curves.learning_curves, ({"training": {"teacher": []}}, "loss"), "is empty"),
        (curves.reliability_diagram, ({},), "no curves came"),
        (curves.paired_differences, ({}, "mean IoU"), "no pairs came"),
        (curves.paired_differences, ({"B − A": ([1], [2])}, "mean IoU"), "at least 2"),
    ],
)
def test_nothing_to_draw_is_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


def test_labels_of_panels_below_each_other_do_not_overlap():
    panels = {title: {"a": [1.0, 2.0]} for title in ("training images", "validation images")}
    figure = curves.learning_curves(panels, "distillation loss (nats a pixel)")
    figure.draw_without_rendering()
    upper, lower = (axes.yaxis.label.get_window_extent() for axes in figure.axes)
    assert lower.y1 < upper.y0


def test_learning_curves_show_seeds_thin_and_their_mean_thick():
    seeds = np.array([[1.0, 0.6, 0.4], [0.8, 0.4, 0.2]])
    panels = {
        "training": {"student from scratch": seeds},
        "validation": {"student from scratch": [1.0, 0.7, 0.5]},
    }
    figure = curves.learning_curves(panels, "loss", {"constant predictor": 1.1})
    top, bottom = figure.axes
    lines = sorted(top.lines, key=lambda line: line.get_linewidth())
    np.testing.assert_array_equal([line.get_ydata() for line in lines[:2]], seeds)
    np.testing.assert_allclose(lines[-1].get_ydata(), seeds.mean(axis=0))
    np.testing.assert_array_equal(lines[-1].get_xdata(), [1, 2, 3])
    assert len(bottom.lines) == 2
    assert top.get_ylim() == bottom.get_ylim(), "panels on one scale"
    assert legend(figure) == ["student from scratch", "constant predictor"]
    assert_fits_a_phone(figure)


def test_reliability_diagram_draws_the_curve():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 1, 1], 300)
    curve = metrics.reliability_curve(rng.integers(0, 3, 300), probabilities)
    figure = curves.reliability_diagram({"teacher": curve})
    line = figure.axes[0].lines[1]
    np.testing.assert_array_equal(line.get_ydata(), curve.accuracy)
    np.testing.assert_array_equal(line.get_xdata(), curve.confidence)
    assert legend(figure) == [f"teacher: ECE {curve.error:.3f}"]
    step = figure.axes[1].lines[0].get_ydata()
    assert step[:-1].sum() == pytest.approx(1)
    assert_fits_a_phone(figure)


def test_paired_differences_show_every_seed_and_the_interval():
    a, b = [0.52, 0.50, 0.55], [0.50, 0.49, 0.51]
    figure = curves.paired_differences({"B − A": (a, b), "C − A": (b, a)}, "mean IoU")
    (axes,) = figure.axes
    seeds, interval, mean = axes.lines[:3]
    np.testing.assert_allclose(seeds.get_xdata(), np.subtract(a, b))
    expected = metrics.paired_difference(a, b)
    np.testing.assert_allclose(interval.get_xdata(), expected[1:])
    np.testing.assert_allclose(mean.get_xdata(), expected.mean)
    assert texts(axes)[0] == "B − A:  +0.023  [-0.015, +0.061]"
    assert_fits_a_phone(figure)


@pytest.mark.parametrize("name", figures.MODEL_COLORS)
def test_models_have_colours_and_markers_of_their_own(name):
    assert style.model_color(name) == figures.MODEL_COLORS[name]
    others = [style.model_marker(other) for other in figures.MODEL_COLORS if other != name]
    assert style.model_marker(name) not in others
