"""The figures of chapter 04: what they show is what they were given, and bad input is refused."""

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.patches import FancyArrowPatch, Rectangle

from kdbook.figures import CLASS_COLORS, teacher_network
from kdlib.unet import STUDENT_FILTERS, TEACHER_FILTERS, unet

BLOCKS = ["c1", "c2", "c3", "c4", "c5", "u6", "u7", "u8", "u9", "logits"]


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def boxes(figure):
    return [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]


@pytest.mark.parametrize("filters", [TEACHER_FILTERS, STUDENT_FILTERS])
@pytest.mark.parametrize("normalization", [None, "batch"])
def test_the_diagram_names_every_block_with_its_filters(filters, normalization):
    figure = teacher_network.unet_diagram(unet(filters, n_classes=3, normalization=normalization))
    written = texts(figure)
    assert written[0:20:2] == BLOCKS
    down = [str(n) for n in filters]
    assert written[1:20:2] == [*down, *down[3::-1], "3"]


def test_the_diagram_writes_the_sizes_of_the_five_levels():
    figure = teacher_network.unet_diagram(unet((1, 1, 1, 1, 1), image_height=None))
    sizes = [text for text in texts(figure) if "×" in text]
    assert sizes == ["256 × 256", "128 × 128", "64 × 64", "32 × 32", "16 × 16"]


def test_the_boxes_of_the_diagram_form_a_u():
    figure = teacher_network.unet_diagram(unet(TEACHER_FILTERS))
    levels = [round(-(box.get_y() + box.get_height() / 2)) for box in boxes(figure)]
    assert levels == [0, 1, 2, 3, 4, 3, 2, 1, 0, 0]
    widths = [box.get_width() for box in boxes(figure)]
    assert np.allclose(np.square(widths[:5]) / widths[4] ** 2, np.array(TEACHER_FILTERS) / 256)


def test_the_diagram_has_nine_arrows_along_the_u_and_four_copies_across():
    figure = teacher_network.unet_diagram(unet((1, 2, 3, 4, 5)))
    arrows = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    across = [arrow for arrow in arrows if arrow.get_edgecolor() == to_rgba(teacher_network.COPY)]
    assert (len(arrows) - len(across), len(across)) == (9, 4)


def test_a_model_that_is_no_unet_is_refused():
    import keras

    with pytest.raises(ValueError, match="'one' has no layers .*'c1'.*'logits'"):
        teacher_network.unet_diagram(
            keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="one")
        )


def test_share_bars_are_as_long_as_the_shares_and_end_at_one():
    shares = {"first": [0.1, 0.5, 0.4], "labels": [0.3, 0.3, 0.4]}
    figure = teacher_network.share_bars(shares)
    table = np.array(list(shares.values()))
    drawn = np.array([bar.get_width() for bar in boxes(figure)]).reshape(3, 2).T
    starts = np.array([bar.get_x() for bar in boxes(figure)]).reshape(3, 2).T
    assert np.allclose(drawn, table)
    assert np.allclose(starts, np.cumsum(table, axis=1) - table)
    colors = [bar.get_facecolor()[:3] for bar in boxes(figure)[::2]]
    assert np.allclose(colors, [to_rgb(color) for color in list(CLASS_COLORS.values())[:3]])


@pytest.mark.parametrize(
    ("shares", "names", "message"),
    [
        ({}, None, "nothing to draw"),
        ({"a": [0.5, 0.6]}, None, "'a'.*sum to 1"),
        ({"a": [1.5, -0.5]}, None, "'a'.*from 0 on"),
        ({"a": [1.0], "b": [0.5, 0.5]}, None, "'b'.*expected 1 numbers"),
        ({"a": [0.5, 0.5]}, ["Land"], "'a'.*expected 1 numbers"),
        ({"a": [np.nan, 1.0]}, None, "'a'.*sum to 1"),
    ],
)
def test_share_bars_refuse_what_is_no_distribution(shares, names, message):
    with pytest.raises(ValueError, match=message):
        teacher_network.share_bars(shares, names)


def test_the_readers_own_settings_are_left_alone():
    before = dict(matplotlib.rcParams)
    teacher_network.share_bars({"a": [1.0]}, ["Land"])
    assert dict(matplotlib.rcParams) == before
