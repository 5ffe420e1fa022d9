"""The figures of chapter 09 that show where dark knowledge lies: what is drawn is what came."""

import numpy as np
import pytest
from matplotlib.contour import ContourSet

from kdbook.figures import knowledge, style

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (2, 6, 8, 3), np.uint8)
VALUES = RNG.uniform(0, 1.5, (2, 6, 8))
BOUNDARIES = np.zeros((2, 6, 8), bool)
BOUNDARIES[0, :, 3:5] = True  # columns
BOUNDARIES[1, 2:4] = True  # rows
TITLES = ["first", "second"]


def drawn_maps(label="nats", highest=1.6):
    return knowledge.maps(IMAGES, VALUES, BOUNDARIES, TITLES, label, highest)


def test_each_image_stands_beside_its_map():
    axes = drawn_maps().axes
    assert len(axes) == 5  # two rows of two, and the colour scale
    for number in range(2):
        left, right = axes[2 * number : 2 * number + 2]
        np.testing.assert_array_equal(left.images[0].get_array(), IMAGES[number])
        np.testing.assert_array_equal(right.images[0].get_array(), VALUES[number])
        assert left.get_title() == TITLES[number] and right.get_title() == ""
        assert not left.axison and not right.axison


def test_all_maps_share_one_scale_that_starts_at_0():
    *panels, scale = drawn_maps("entropy (nats)", 1.6).axes
    assert [panel.images[0].get_clim() for panel in panels[1::2]] == [(0, 1.6), (0, 1.6)]
    assert scale.get_xlabel() == "entropy (nats)" and scale.get_xlim() == (0, 1.6)


def test_the_lines_run_around_the_boundaries_of_their_own_image():
    panels = drawn_maps().axes
    for panel, across, place in ((panels[1], 0, (2.5, 4.5)), (panels[3], 1, (1.5, 3.5))):
        (lines,) = (each for each in panel.collections if isinstance(each, ContourSet))
        points = np.concatenate([path.vertices for path in lines.get_paths()])
        assert sorted(set(points[:, across])) == list(place)
    assert not any(panel.collections for panel in panels[0:4:2])


def test_a_map_shows_the_same_pixels_as_its_image():
    for left, right in np.reshape(drawn_maps().axes[:4], (2, 2)):
        assert left.get_xlim() == right.get_xlim() and left.get_ylim() == right.get_ylim()


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        ((IMAGES[:0], VALUES[:0], BOUNDARIES[:0], []), r"\[\]"),
        ((IMAGES, VALUES[:, :4], BOUNDARIES, TITLES), r"\[\(4, 8\), \(6, 8\)\]"),
        ((IMAGES, VALUES, BOUNDARIES[:, :, :5], TITLES), r"\[\(6, 5\), \(6, 8\)\]"),
        (([IMAGES[0], IMAGES[1, :4]], VALUES, BOUNDARIES, TITLES), r"\[\(4, 8\), \(6, 8\)\]"),
    ],
)
def test_maps_that_cannot_be_drawn(given, sizes):
    with pytest.raises(ValueError, match=f"sizes {sizes}; expected one image or more, all of one"):
        knowledge.maps(*given, "nats", 1.6)


@pytest.mark.parametrize("part", range(4))
def test_each_image_needs_a_map_a_boundary_and_a_title(part):
    given = [IMAGES, VALUES, BOUNDARIES, TITLES]
    given[part] = given[part][:1]
    with pytest.raises(ValueError):
        knowledge.maps(*given, "nats", 1.6)


REACH = (0, 2, 8)
SHARES = {"entropy": [0.2, 0.5, 1.0], "to learn": [0.1, 0.6, 0.9]}
PIXELS = [0.05, 0.2, 0.7]


def test_a_line_for_each_share_and_a_dashed_one_for_the_pixels():
    (axes,) = knowledge.within(REACH, SHARES, PIXELS).axes
    *lines, reference = axes.lines
    assert [line.get_label() for line in lines] == [*SHARES]
    for line, values in zip(axes.lines, [*SHARES.values(), PIXELS], strict=True):
        assert list(line.get_xdata()) == [*REACH] and list(line.get_ydata()) == values
    assert reference.get_label() == "pixels" and reference.get_color() == style.DASHED["color"]
    assert reference.is_dashed()


def test_lines_differ_in_more_than_their_colour():
    shares = dict.fromkeys("abcd", PIXELS)
    (axes,) = knowledge.within(REACH, shares, PIXELS).axes
    assert len({line.get_marker() for line in axes.lines[:4]}) == 4


def test_shares_are_read_from_0_to_1_and_named_in_the_legend():
    figure = knowledge.within(REACH, SHARES, PIXELS)
    (axes,) = figure.axes
    low, high = axes.get_ylim()
    assert low == 0 and 1 <= high < 1.1
    assert axes.get_xlabel() == "pixels from the nearest class boundary, at most"
    assert axes.get_ylabel() == "share of the total"
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["entropy", "to learn", "pixels"]


@pytest.mark.parametrize(
    ("shares", "pixels", "message"),
    [
        ({"entropy": [0.2, 0.5]}, PIXELS, r"shares of entropy are \[0.2, 0.5\]; expected 3 "),
        ({"entropy": [0.2, 0.5, 1.1]}, PIXELS, r"shares of entropy are \[0.2, 0.5, 1.1\]"),
        ({"entropy": [-0.1, 0.5, 1.0]}, PIXELS, r"shares of entropy are \[-0.1, 0.5, 1.0\]"),
        ({"entropy": [0.2, np.nan, 1.0]}, PIXELS, r"shares of entropy are \[0.2, nan, 1.0\]"),
        (SHARES, PIXELS[:2], r"shares of pixels are \[0.05, 0.2\]; expected 3 numbers from 0 to 1"),
    ],
)
def test_shares_that_cannot_be_drawn(shares, pixels, message):
    with pytest.raises(ValueError, match=message):
        knowledge.within(REACH, shares, pixels)
