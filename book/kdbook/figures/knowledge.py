"""Where the teacher's dark knowledge lies: maps of it, and its share near class boundaries."""

import numpy as np

from kdbook.figures.style import DASHED, new_figure, styled
from kdbook.figures.sweep_maps import COLORS, MARKERS


@styled
def maps(images, values, boundaries, titles, label, highest):
    """Draw each image, and beside it a map over its pixels with the class boundaries on top.

    - ``images``: sequence of arrays of uint8, shape (height, width, 3).
    - ``values``: sequence of arrays of float, shape (height, width). At least 0: for example the
      entropy of each pixel.
    - ``boundaries``: sequence of arrays of bool, shape (height, width). True where a line is to be
      drawn.
    - ``titles``: sequence of str. One an image.
    - ``label``: what the values are, with their unit.
    - ``highest``: the end of the colour scale, above 0: that of all maps.

    >>> one = np.zeros((4, 4))
    >>> figure = maps([np.zeros((4, 4, 3), np.uint8)], [one], [one > 0], ["a"], "nats", 1.0)
    >>> figure.axes[0].get_title()
    'a'
    """
    shapes = {np.shape(one)[:2] for group in (images, values, boundaries) for one in group}
    if not len(images) or len(shapes) > 1:
        raise ValueError(
            f"images and maps have the sizes {sorted(shapes)}; expected one image or more, all of "
            "one size."
        )
    rows = zip(images, values, boundaries, titles, strict=True)
    figure, axes = new_figure(len(images), 2, height=3.0 * len(images) + 0.4, squeeze=False)
    for (left, right), (image, value, boundary, title) in zip(axes, rows, strict=True):
        left.imshow(image)
        left.set_title(title, fontsize=12)
        drawn = right.imshow(value, cmap="cividis", vmin=0, vmax=highest)
        right.contour(boundary, levels=[0.5], colors=COLORS[2], linewidths=0.9)
        for place in (left, right):
            place.set_axis_off()
    figure.colorbar(drawn, ax=axes[:, 1], label=label, orientation="horizontal", shrink=0.9)
    return figure


@styled
def within(distances, shares, reference):
    """Draw which share of something lies within a distance, beside the share of the pixels.

    - ``distances``: sequence of float.
    - ``shares``: dict of str to sequence of float. A line each, from 0 to 1.
    - ``reference``: sequence of float. The share of the pixels: a dashed line. What follows it does
      not mind the boundaries.

    >>> figure = within([0, 1], {"entropy": [0.5, 0.9]}, [0.2, 0.4])
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['entropy', 'pixels']
    """
    for name, line in {**shares, "pixels": reference}.items():
        values = np.asarray(line, float)
        if values.shape != np.shape(distances) or not ((values >= 0) & (values <= 1)).all():
            raise ValueError(
                f"the shares of {name} are {values.tolist()}; expected {len(distances)} numbers "
                "from 0 to 1."
            )
    figure, axes = new_figure(height=3.6)
    for number, (name, line) in enumerate(shares.items()):
        look = {"color": COLORS[number % 4], "marker": MARKERS[number % 4]}
        axes.plot(distances, line, **look, markersize=5, label=name)
    axes.plot(distances, reference, label="pixels", **DASHED)
    axes.set(xlabel="pixels from the nearest class boundary, at most")
    axes.set(ylabel="share of the total", ylim=(0, 1.02))
    figure.legend(loc="outside upper center", ncols=2)
    return figure
