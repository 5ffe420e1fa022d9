"""Single pixels of an image, marked and enlarged."""

import string
import textwrap

from matplotlib.figure import Figure

from kdbook.figures.style import DPI, WIDTH, styled


@styled
def marked_pixels(image, places, reach=16):
    """Draw an image with a few of its pixels marked, and what lies around each of them.

    - ``image``: numpy.ndarray. uint8, shape (H, W, 3).
    - ``places``: dict of str to tuple of int. Name of each pixel, and its (row, column), at least
      ``reach`` away from the border.
    - ``reach``: how many pixels to each side of a marked one its close-up shows.
    - Returns a figure: the image above, lettered A, B, ..., and the close-ups in a row below it.

    >>> import numpy as np
    >>> image = np.zeros((64, 64, 3), np.uint8)
    >>> figure = marked_pixels(image, {"the middle": (32, 32)})
    >>> [axes.get_title() for axes in figure.axes]
    ['', 'A the middle']
    """
    height, width = image.shape[:2]
    if not places:
        raise ValueError("no pixel to mark; expected at least one name with its (row, column).")
    for name, (row, column) in places.items():
        if not (reach <= row < height - reach and reach <= column < width - reach):
            raise ValueError(
                f"{name!r} is at ({row}, {column}) in an image of {height} x {width}; expected it "
                f"at least {reach} pixels from the border. Choose another, or a smaller reach."
            )
    figure = Figure(figsize=(WIDTH, 6.4), dpi=DPI, layout="constrained")
    grid = figure.add_gridspec(2, len(places), height_ratios=[3, 1.25])
    whole = figure.add_subplot(grid[0, :])
    whole.imshow(image)
    whole.set_axis_off()
    for position, (name, (row, column)) in enumerate(places.items()):
        letter = string.ascii_uppercase[position]
        _mark(whole, row, column, letter)
        close_up = figure.add_subplot(grid[1, position])
        rows, columns = (slice(at - reach, at + reach + 1) for at in (row, column))
        close_up.imshow(image[rows, columns])
        close_up.plot(reach, reach, "s", ms=7, mec="white", mew=2, mfc="none")
        close_up.set_title(textwrap.fill(f"{letter} {name}", 14), fontsize=12)
        close_up.set_axis_off()
    return figure


def _mark(axes, row, column, letter):
    """Put a lettered disc beside a pixel, and a line from it to the pixel."""
    axes.annotate(
        letter, (column, row), (column + 15, row - 15), color="white", ha="center", va="center",
        bbox={"boxstyle": "circle,pad=0.25", "facecolor": "#222222", "edgecolor": "white"},
        arrowprops={"arrowstyle": "-", "color": "white", "linewidth": 1.5}, fontweight="bold",
    )  # fmt: skip
    axes.plot(column, row, "s", ms=5, mec="white", mew=1.5, mfc="#222222")
