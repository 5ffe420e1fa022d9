"""Figures of sweeps and searches: what is drawn is what came."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from kdbook.figures import sweep_maps, tuning

MEANS = np.array([[0.40, 0.41, np.nan], [0.42, 0.45, 0.44]])


def test_the_heat_map_has_numbers_frames_and_the_noise():
    framed = np.array([[False, False, False], [False, True, True]])
    figure = sweep_maps.heat_map((0.0, 0.3), (1.0, 2.0, 4.0), MEANS, framed, 0.02, "mean IoU")
    axes, scale = figure.axes
    assert [text.get_text() for text in axes.texts] == [".400", ".410", ".420", ".450", ".440"]
    frames = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [(p.get_x() + 0.46, p.get_y() + 0.46) for p in frames] == [(1, 1), (2, 1)]
    (bar,) = [line for line in scale.lines if len(line.get_ydata()) == 2]
    assert np.ptp(bar.get_ydata()) == pytest.approx(0.02)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "4"]


def test_a_noise_larger_than_the_scale_still_fits():
    framed = np.ones((1, 2), bool)
    figure = sweep_maps.heat_map((0.0,), (1.0, 2.0), np.array([[0.4, 0.41]]), framed, 0.1, "x")
    low, high = figure.axes[1].get_ylim()
    assert high - low == pytest.approx(0.1)


def test_profiles_have_a_line_with_bars_for_each_alpha():
    figure = sweep_maps.profiles((1, 2, 4), {"α = 0": MEANS[1]}, 0.01, {"alone": 0.43}, "mean IoU")
    (axes,) = figure.axes
    (container,) = axes.containers
    np.testing.assert_allclose(container.lines[0].get_ydata(), MEANS[1])
    bars = container.lines[2][0].get_segments()
    np.testing.assert_allclose(bars[0][:, 1], [0.41, 0.43])
    assert {text.get_text() for text in figure.legends[0].texts} == {"α = 0", "alone"}


def test_halving_shows_what_was_trained_and_what_was_not():
    curves = np.array([[0.1, 0.2, 0.3, 0.4], [0.0, 0.1, 0.2, 0.5]])
    (axes,) = tuning.halving(curves, [4, 2], [1, 2]).axes
    trained = [line for line in axes.lines if line.get_linestyle() == "-"]
    assert [len(line.get_xdata()) for line in trained] == [4, 2]
    dotted = [line for line in axes.lines if line.get_linestyle() == ":"]
    np.testing.assert_allclose(dotted[1].get_ydata(), curves[1, 1:])


def test_anytime_draws_each_search_with_its_interval():
    rise = np.linspace(0.1, 0.4, 5)
    panels = {"a": {"BOHB": (rise, rise - 0.1, rise + 0.1)}, "b": {"mine": (rise, rise, rise)}}
    figure = tuning.anytime(panels, "mean IoU")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a", "b"]
    assert figure.axes[0].lines[0].get_color() == tuning.METHODS["BOHB"][0]
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), rise)
    assert len(figure.axes[0].collections) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sweep_maps.heat_map([0], [1], MEANS, MEANS > 0, 0.1, "x"), r"expected \(1, 1\)"),
        (
            lambda: sweep_maps.heat_map([0], [1], MEANS[:1, 2:], MEANS[:1, 2:] > 0, 0.1, "x"),
            "no mean",
        ),
        (lambda: sweep_maps.profiles([1], {}, 0.1, {}, "x"), "no lines came"),
        (lambda: tuning.halving(MEANS, [1], []), "2 curves and 1 ends"),
        (lambda: tuning.anytime({"a": {}}, "x"), "nothing to draw"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
