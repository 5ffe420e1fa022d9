"""Figures of the data: images with their masks, the grid of patches, shares, and splits."""

import numpy as np
from matplotlib.patches import Patch, Rectangle

from kdbook.figures.style import CLASS_COLORS, class_palette, new_figure, styled

SPLIT_COLORS = {
    "train": "#CFCFCF",
    "validation": "#E69F00",
    "test": "#56B4E9",
    "in several parts": "#FFFFFF",
    "dropped": "#222222",
}
"""Colour of an image by the part of the split that its patches are in."""


@styled
def pictures(panels, columns=2, height=None, title=""):
    """Draw pictures in rows, each with its title.

    - ``panels``: list of (str, array of uint8, shape (height, width, 3)). Title and picture. A
      title may be empty.
    - ``columns``: pictures in a row.
    - ``height``: of a row, in inches. By default so that a square picture fills it.
    - ``title``: stands above all.

    >>> figure = pictures([("black", np.zeros((4, 4, 3), np.uint8))], columns=1)
    >>> len(figure.axes)
    1
    """
    if not panels:
        raise ValueError("no pictures came; expected one (title, picture) or more.")
    rows = -(-len(panels) // columns)
    height = height or 6.2 / columns + 0.3
    figure, axes = new_figure(
        rows, columns, height=rows * height + 0.3 * bool(title), squeeze=False
    )
    figure.suptitle(title)
    for place in axes.flat:
        place.set_axis_off()
    for place, (name, picture) in zip(axes.flat, panels, strict=False):
        place.imshow(picture, interpolation="nearest")
        place.set_title(name, fontsize=12)
    return figure


@styled
def images_with_masks(images, labels, titles):
    """Draw images, and beside each the class of every pixel in the colours of the book.

    - ``images``: sequence of arrays of uint8, shape (height, width, 3).
    - ``labels``: sequence of arrays of int, shape (height, width). Class ids, in the order of
      :data:`kdbook.figures.CLASS_COLORS`.
    - ``titles``: sequence of str. One an image.

    >>> labels = np.zeros((4, 4), np.uint8)
    >>> figure = images_with_masks([np.zeros((4, 4, 3), np.uint8)], [labels], ["black"])
    >>> len(figure.axes)
    2
    """
    panels = []
    for image, label, title in zip(images, labels, titles, strict=True):
        panels += [(title, image), ("its classes", class_palette()[label])]
    figure = pictures.__wrapped__(panels, height=_row_height(images))
    figure.set_figheight(figure.get_figheight() + 0.5)
    _legend(figure, CLASS_COLORS)
    return figure


def _row_height(images):
    """Height that the tallest picture needs at half the width of the figure, in inches."""
    return 2.9 * max(image.shape[0] / image.shape[1] for image in images) + 0.35


def _legend(figure, colors, columns=3):
    handles = [Patch(facecolor=c, edgecolor="#888888", label=name) for name, c in colors.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)


@styled
def patch_grid(image, size):
    """Draw an image with the grid of its patches; what no patch holds is pale.

    - ``image``: array of uint8, shape (height, width, 3).
    - ``size``: height and width of a patch, in pixels.

    >>> figure = patch_grid(np.zeros((10, 10, 3), np.uint8), 4)
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['0, 0', '0, 1', '1, 0', '1, 1']
    """
    height, width = image.shape[:2]
    rows, columns = height // size, width // size
    pale = (image // 4 + 191).astype(np.uint8)
    pale[: rows * size, : columns * size] = image[: rows * size, : columns * size]
    figure, axes = new_figure(height=5.6 * height / width + 0.2)
    axes.imshow(pale)
    axes.set_axis_off()
    for row in range(rows + 1):
        axes.plot([0, columns * size], [row * size] * 2, color="white", linewidth=2)
    for column in range(columns + 1):
        axes.plot([column * size] * 2, [0, rows * size], color="white", linewidth=2)
    for row, column in np.ndindex(rows, columns):
        axes.text(
            (column + 0.5) * size, (row + 0.5) * size, f"{row}, {column}", ha="center", va="center",
            bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none"},
        )  # fmt: skip
    axes.set(xlim=(0, width), ylim=(height, 0))
    return figure


@styled
def share_bars(shares):
    """Draw the share of each class as parts of a bar, one bar a group.

    - ``shares``: dict of str to array of float, shape (6,). Name of each group and its shares,
      which sum to 1, in the order of :data:`kdbook.figures.CLASS_COLORS`.

    >>> figure = share_bars({"tile 1": [0.1, 0.5, 0.1, 0.1, 0.2, 0.0]})
    >>> figure.axes[0].get_xlabel()
    'share of the pixels, in percent'
    """
    figure, axes = new_figure(height=1.5 + 0.36 * len(shares))
    table = 100 * np.array([np.asarray(each, float) for each in shares.values()])
    left = np.zeros(len(shares))
    for (name, color), values in zip(CLASS_COLORS.items(), table.T, strict=True):
        axes.barh(list(shares), values, left=left, color=color, edgecolor="white", height=0.8)
        for row, value in enumerate(values):
            if value >= 6:  # a thinner part has no room for its number
                dark = name in ("Road", "Water", "Vegetation")
                axes.text(left[row] + value / 2, row, f"{value:.0f}", ha="center", va="center",
                          color="white" if dark else "black", fontsize=12)  # fmt: skip
        left += values
    axes.set(xlabel="share of the pixels, in percent", xlim=(0, 100))
    axes.invert_yaxis()
    axes.spines["left"].set_visible(False)
    axes.tick_params(left=False)
    _legend(figure, CLASS_COLORS)
    return figure


@styled
def split_maps(splits, image_set):
    """Draw which images give patches to which part, one map of tiles × parts a split.

    - ``splits``: dict of str to Split. Title and split.
    - ``image_set``: ImageSet. The images that were split.

    >>> from kdlib import data
    >>> city = data.synthetic.city(n_images=9, size=64)
    >>> figure = split_maps({"image": data.split(data.cut(city, 32), city)}, city)
    >>> figure.axes[0].get_xlabel()
    'part'
    """
    figure, axes = new_figure(1, len(splits), height=3.4, squeeze=False, sharey=True)
    seen = set()
    tiles, parts = np.unique(image_set.tile), np.unique(image_set.part)
    for place, (title, split) in zip(axes.flat, splits.items(), strict=True):
        for index, (tile, part) in enumerate(zip(image_set.tile, image_set.part, strict=True)):
            name = _part_of(split, index)
            seen.add(name)
            corner = (part - 0.42, tile - 0.42)
            place.add_patch(
                Rectangle(corner, 0.84, 0.84, facecolor=SPLIT_COLORS[name], edgecolor="#888888")
            )
        place.set(title=title, xlabel="part", xticks=parts[::2], yticks=tiles,
                  xlim=(parts.min() - 0.6, parts.max() + 0.6),
                  ylim=(tiles.max() + 0.6, tiles.min() - 0.6))  # fmt: skip
        place.spines[["left", "bottom"]].set_visible(False)
        place.tick_params(length=0)
    axes[0, 0].set_ylabel("tile")
    shown = {name: color for name, color in SPLIT_COLORS.items() if name in seen}
    _legend(figure, shown, columns=2)
    return figure


def _part_of(split, index):
    """Name the part of a split that an image gave its patches to."""
    names = [
        name
        for name in ("train", "validation", "test")
        if (getattr(split, name).image_index == index).any()
    ]
    if not names:
        return "dropped"
    return names[0] if len(names) == 1 else "in several parts"
