"""The figures of the data show what they say."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from kdbook.figures import CLASS_COLORS, class_palette
from kdbook.figures import dataset as figures
from kdlib import data


def shown(axes):
    """Return the array of the only picture in the axes."""
    (picture,) = axes.get_images()
    return np.asarray(picture.get_array())


def test_pictures_come_in_order_with_their_titles():
    panels = [(f"number {n}", np.full((3, 5, 3), n, np.uint8)) for n in range(3)]
    figure = figures.pictures(panels, columns=2, title="three")
    assert [axes.get_title() for axes in figure.axes] == ["number 0", "number 1", "number 2", ""]
    for axes, (_, picture) in zip(figure.axes, panels, strict=False):
        np.testing.assert_array_equal(shown(axes), picture)
    assert figure.get_suptitle() == "three"


def test_no_pictures():
    with pytest.raises(ValueError, match="no pictures came"):
        figures.pictures([])


def test_masks_stand_beside_their_images_in_the_colours_of_the_book():
    labels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    image = np.zeros((2, 3, 3), np.uint8)
    figure = figures.images_with_masks([image, image + 9], [labels, labels[::-1]], ["a", "b"])
    np.testing.assert_array_equal(shown(figure.axes[1]), class_palette()[labels])
    np.testing.assert_array_equal(shown(figure.axes[2]), image + 9)
    np.testing.assert_array_equal(shown(figure.axes[3]), class_palette()[labels[::-1]])
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == list(data.CLASS_NAMES)


def test_the_grid_has_a_number_for_each_patch_and_a_pale_rest():
    image = np.full((10, 15, 3), 40, np.uint8)
    axes = figures.patch_grid(image, 4).axes[0]
    assert [text.get_text() for text in axes.texts] == [
        "0, 0",
        "0, 1",
        "0, 2",
        "1, 0",
        "1, 1",
        "1, 2",
    ]
    picture = shown(axes)
    assert (picture[:8, :12] == 40).all()
    assert (picture[8:] > 180).all() and (picture[:, 12:] > 180).all()
    assert len(axes.lines) == 3 + 4


def test_bars_are_as_long_as_the_shares():
    shares = {"one": [0.1, 0.5, 0.05, 0.15, 0.2, 0.0], "two": [0, 0, 0, 0, 0.4, 0.6]}
    axes = figures.share_bars(shares).axes[0]
    for bars, name, column in zip(axes.containers, CLASS_COLORS, zip(*shares.values(), strict=True),
                                  strict=True):  # fmt: skip
        assert [bar.get_width() for bar in bars] == pytest.approx([100 * value for value in column])
        assert to_hex(bars[0].get_facecolor()).upper() == CLASS_COLORS[name]
    assert axes.containers[4][0].get_x() == pytest.approx(80)
    assert [text.get_text() for text in axes.texts] == ["10", "50", "15", "20", "40", "60"]


def test_maps_say_where_the_patches_of_an_image_went():
    city = data.synthetic.city(n_images=9, size=64)
    patches = data.cut(city, 32)
    by_image, by_patch = (data.split(patches, city, by=by) for by in ("image", "patch"))
    without = data.Split(by_image.train.take(by_image.train.image_index != 0), *(
        by_image.validation, by_image.test), by="image")  # fmt: skip
    figure = figures.split_maps({"a": by_image, "b": by_patch, "c": without}, city)

    def names(axes):
        colors = {to_hex(color): name for name, color in figures.SPLIT_COLORS.items()}
        return [colors[to_hex(p.get_facecolor())] for p in axes.patches if isinstance(p, Rectangle)]

    expected = ["train", "train", "test", "train", "train", "validation", "train", "train", "test"]
    assert names(figure.axes[0]) == expected
    assert "in several parts" in names(figure.axes[1])
    assert names(figure.axes[2]) == ["dropped", *expected[1:]]
    legend = {text.get_text() for text in figure.legends[0].get_texts()}
    assert legend == set(figures.SPLIT_COLORS)
