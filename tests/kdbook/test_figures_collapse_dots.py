import numpy as np
import pytest

from kdbook.figures.collapse_dots import seed_dots

VALUES = {"source": [0.1, 0.2, 0.0], "high-rate": [3.0, 4.0, 5.0]}
FLAGS = {"source": [False, False, True], "high-rate": [True, True, True]}


def dots(axes):
    """Return (value, row) of all dots of a panel, and those of the crosses."""
    drawn = [np.ma.getdata(each.get_offsets()) for each in axes.collections]
    return drawn[0::2], drawn[1::2]


def test_every_training_is_drawn_once_in_its_row():
    axes = seed_dots({"gradient": VALUES}, FLAGS).axes[0]
    sound, collapsed = dots(axes)
    assert np.concatenate(sound).tolist() == [[0.1, 0.0], [0.2, 0.0]]
    assert np.concatenate(collapsed).tolist() == [[0.0, 0], [3, 1], [4, 1], [5, 1]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["source", "high-rate"]
    top, bottom = axes.get_ylim()
    assert top > bottom, "the first setting is not at the top"


def test_a_value_of_zero_shows_on_a_logarithmic_axis():
    axes = seed_dots({"gradient": VALUES}, FLAGS, log=["gradient"]).axes[0]
    assert axes.get_xscale() == "log"
    collapsed = np.concatenate(dots(axes)[1])
    assert collapsed[0, 0] == pytest.approx(0.1 / 3)


def test_panels_share_the_rows():
    figure = seed_dots({"gradient": VALUES, "loss": VALUES}, FLAGS)
    assert [axes.get_xlabel() for axes in figure.axes] == ["gradient", "loss"]


@pytest.mark.parametrize("panels", [{}, {"gradient": {}}])
def test_refuses_to_draw_nothing(panels):
    with pytest.raises(ValueError, match="nothing to draw"):
        seed_dots(panels, FLAGS)


def test_refuses_values_without_flags():
    with pytest.raises(ValueError, match="2 values for 'source'; expected one for each of its 3"):
        seed_dots({"gradient": {"source": [1, 2]}}, FLAGS)
    with pytest.raises(ValueError, match="0 flags"):
        seed_dots({"gradient": {"other": [1]}}, FLAGS)
