"""The figures of chapter 01 show the numbers that they were given."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from kdbook.figures import pixels, soft_targets, temperature
from kdbook.figures.style import CLASS_COLORS, WIDTH, png

THREE = ["Road", "Land", "Water"]
LOGITS = np.array([1.0, 5.0, 6.0, 0.0, -4.0, -3.0])
GRID = np.array([1.0, 4.0, 16.0])


def widths(axes):
    return [bar.get_width() for bar in axes.patches]


def reference(logits, t):
    """The softmax straight from its formula, without kdlib."""
    powers = np.exp(np.asarray(logits) / t)
    return powers / powers.sum()


def all_figures():
    return {
        "bars": soft_targets.probability_bars({"a": np.full(6, 1 / 6), "b": np.eye(6)[0]}),
        "frame": soft_targets.temperature_frame(LOGITS, 4),
        "pushes": soft_targets.gradient_bars({"a": LOGITS}),
        "entropy": temperature.entropy_curves({"a pixel": LOGITS}, GRID),
        "lines": temperature.log_probability_lines(LOGITS, [1, 4]),
        "norms": temperature.gradient_norms(GRID, [1, 2, 3], [1, 0.1, 0.01], 0.5),
        "limit": temperature.limit_curve(GRID, [1, 2, 3], 3.0),
        "pixels": pixels.marked_pixels(np.zeros((64, 64, 3), np.uint8), {"a": (32, 32)}),
    }


@pytest.mark.parametrize("name", all_figures())
def test_figures_fit_a_phone(name):
    figure = all_figures()[name]
    png(figure)  # draws, so that sizes are known
    texts = [t for t in figure.findobj(lambda a: hasattr(a, "get_fontsize")) if t.get_text()]
    assert figure.get_figwidth() <= WIDTH
    assert texts and min(text.get_fontsize() for text in texts) >= 9
    assert figure.get_facecolor() == (1, 1, 1, 1)


def test_bars_have_the_length_and_colour_of_their_class():
    figure = soft_targets.probability_bars({"T = 4": [0.649, 0.239, 0.113]}, THREE)
    (axes,) = figure.axes
    assert widths(axes) == pytest.approx([0.649, 0.239, 0.113])
    assert [to_hex(bar.get_facecolor()).upper() for bar in axes.patches] == [
        CLASS_COLORS[name] for name in THREE
    ]
    assert [label.get_text() for label in axes.get_yticklabels()] == THREE
    assert [text.get_text() for text in axes.texts] == ["65 %", "24 %", "11 %"]


def test_panels_share_a_scale_and_none_is_left_over():
    panels = {"a": [1, 0, 0], "b": [0.2, 0.3, 0.5], "c": [0, 1, 0]}
    figure = soft_targets.probability_bars(panels, THREE, columns=2, title="Three")
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "c"]
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert figure.get_suptitle() == "Three"


def test_the_first_class_is_on_top():
    (axes,) = soft_targets.probability_bars({"a": [1, 0, 0]}, THREE).axes
    assert axes.yaxis_inverted()


@pytest.mark.parametrize("t", [0.25, 1, 4, 50])
def test_a_frame_shows_the_softmax_and_its_entropy(t):
    (axes,) = soft_targets.temperature_frame(LOGITS, t).axes
    p = reference(LOGITS, t)
    assert widths(axes) == pytest.approx(p)
    bits = -(p * np.log2(p)).sum()
    assert axes.get_title() == f"T = {t:g}: {bits:.2f} of 2.58 bits left open"


def test_a_push_goes_against_the_gradient():
    (axes,) = soft_targets.gradient_bars({"a": [0.5, -0.25, 0.001]}, THREE).axes
    assert widths(axes) == pytest.approx([-0.5, 0.25, -0.001])
    assert [text.get_text() for text in axes.texts] == ["−0.50", "+0.25", "0.00"]


def test_pushes_share_a_scale_that_holds_them_all():
    figure = soft_targets.gradient_bars({"small": [0.1, 0, -0.1], "large": [2, -1, -1]}, THREE)
    limits = {axes.get_xlim() for axes in figure.axes}
    assert len(limits) == 1
    low, high = limits.pop()
    assert low == -high and high > 2


def test_no_push_at_all_can_be_drawn():
    (axes,) = soft_targets.gradient_bars({"none": [0, 0, 0]}, THREE).axes
    assert axes.get_xlim() == (-1, 1)


@given(st.floats(0, 1))
def test_a_share_in_words_is_never_rounded_to_certainty(value):
    text = soft_targets.percent(value)
    assert (text == "0") == (value == 0)
    assert (text == "100 %") == (value == 1)
    assert abs(float(text.strip("<> %")) / 100 - value) <= 0.0051


def test_entropy_curves_hold_the_entropy():
    logits = {"a": LOGITS, "b": np.zeros(6)}
    axes = temperature.entropy_curves(logits, GRID, title="Open").axes[0]
    curves = [line for line in axes.lines if len(line.get_xdata()) == len(GRID)]
    expected = [-(p * np.log2(p)).sum() for p in (reference(LOGITS, t) for t in GRID)]
    assert curves[0].get_ydata() == pytest.approx(expected)
    assert curves[1].get_ydata() == pytest.approx([np.log2(6)] * 3)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]
    assert axes.get_title() == "Open"


def test_more_pixels_than_line_styles_are_all_drawn():
    logits = {str(i): LOGITS + i for i in range(6)}
    axes = temperature.entropy_curves(logits, GRID).axes[0]
    assert len(axes.get_legend().get_texts()) == 6


@pytest.mark.parametrize("t", [0.5, 1, 4, 50])
def test_a_log_probability_line_has_slope_one_over_t(t):
    axes = temperature.log_probability_lines(LOGITS, [t]).axes[0]
    x, y = axes.lines[0].get_data()
    assert np.diff(y) / np.diff(x) == pytest.approx(np.full(5, 1 / t / np.log(10)))
    assert 10**y == pytest.approx(np.sort(reference(LOGITS, t)))


def test_gradient_norms_are_drawn_on_logarithmic_axes():
    axes = temperature.gradient_norms(GRID, [1, 2, 3], [1, 0.1, 0.01], 0.5).axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [list(line.get_ydata()) for line in axes.lines] == [
        [1, 2, 3],
        [1, 0.1, 0.01],
        [0.5, 0.5],
    ]


def test_the_limit_is_inside_the_picture():
    axes = temperature.limit_curve(GRID, [1, 2, 2.5], 7.0).axes[0]
    assert list(axes.lines[0].get_ydata()) == [1, 2, 2.5]
    assert list(axes.lines[1].get_ydata()) == [7, 7]
    assert axes.get_ylim()[1] > 7


def test_marked_pixels_are_lettered_and_enlarged():
    image = np.random.default_rng(0).integers(0, 256, (80, 90, 3), dtype=np.uint8)
    places = {"first": (20, 30), "second": (50, 60)}
    figure = pixels.marked_pixels(image, places, reach=10)
    whole, *close_ups = figure.axes
    assert np.array_equal(whole.images[0].get_array(), image)
    assert [axes.get_title() for axes in close_ups] == ["A first", "B second"]
    assert np.array_equal(close_ups[1].images[0].get_array(), image[40:61, 50:71])
    assert [tuple(line.get_xydata()[0]) for line in whole.lines] == [(30, 20), (60, 50)]


@pytest.mark.parametrize("place", [(15, 40), (40, 15), (48, 40), (40, 48), (-1, 40)])
def test_a_pixel_too_close_to_the_border_is_named(place):
    with pytest.raises(ValueError, match="'corner' is at .* in an image of 64 x 64"):
        pixels.marked_pixels(np.zeros((64, 64, 3), np.uint8), {"corner": place})


def test_nothing_to_draw():
    with pytest.raises(ValueError, match="no pixel"):
        pixels.marked_pixels(np.zeros((64, 64, 3), np.uint8), {})
    with pytest.raises(ValueError, match="no panel"):
        soft_targets.probability_bars({})


@pytest.mark.parametrize("draw", [soft_targets.probability_bars, soft_targets.gradient_bars])
def test_panels_that_do_not_fit_their_names(draw):
    with pytest.raises(ValueError, match=r"panel 'a' has shape \(2,\); expected \(3,\)"):
        draw({"a": [0.5, 0.5]}, THREE)
    with pytest.raises(ValueError, match="Lava"):
        draw({"a": [1.0]}, ["Lava"])


def test_logits_that_do_not_fit_their_names():
    with pytest.raises(ValueError, match=r"logits has shape \(6,\); expected \(3,\)"):
        temperature.log_probability_lines(LOGITS, [1], THREE)
