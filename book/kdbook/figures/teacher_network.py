"""Figures of chapter 04: the U-Net as built, and what it predicts."""

import numpy as np
from matplotlib.patches import FancyArrowPatch, Rectangle

from kdbook.figures.style import CLASS_COLORS, INK, new_figure, styled

COPY = "#8C6D1F"
BLOCK, OUTPUT = "#CFC9EC", "#3B2E7E"
WIDEST = 0.8


@styled
def unet_diagram(model):
    """Draw a U-Net from its own layers: filters, sizes at 256 × 256, and the skip connections.

    - ``model``: as :func:`kdlib.unet.unet` builds it: with layers c1 to c5, u6 to u9 and logits.
    - Returns a figure: a box for each block. The more filters, the wider; the smaller its image,
      the lower it lies and the shorter it is.

    >>> from kdlib.unet import unet
    >>> figure = unet_diagram(unet((2, 4, 8, 16, 32)))
    >>> [text.get_text() for text in figure.axes[0].texts[:2]]
    ['c1', '2']
    """
    blocks = _blocks(model)
    figure, axes = new_figure(height=4.3)
    places = {}
    most = max(filters for _, filters, _ in blocks)
    for column, (name, filters, level) in enumerate(blocks):
        tall, wide = 0.86 - 0.14 * level, WIDEST * np.sqrt(filters / most)
        places[name] = column, -level, wide, tall
        _box(axes, places[name], name, filters)
    for row in range(5):
        size = f"{256 // 2**row} × {256 // 2**row}"
        axes.text(-0.6, -row, size, ha="right", va="center", fontsize=12)
    _arrows(axes, places)
    axes.set(xlim=(-2.15, len(blocks) - 0.4), ylim=(-4.5, 0.75))
    axes.set_axis_off()
    return figure


def _blocks(model):
    """Return (name, filters, how often halved) of c1 to c5, u6 to u9 and logits, in order."""
    names = [*(f"c{n}" for n in range(1, 6)), *(f"u{n}" for n in range(6, 10)), "logits"]
    known = {layer.name for layer in model.layers}
    if missing := [name for name in names if name not in known]:
        raise ValueError(
            f"model {model.name!r} has no layers {missing}; expected a U-Net of kdlib.unet, with "
            "layers c1 to c5, u6 to u9 and logits."
        )
    levels = [0, 1, 2, 3, 4, 3, 2, 1, 0, 0]
    filters = [model.get_layer(name).output.shape[-1] for name in names]
    return list(zip(names, filters, levels, strict=True))


def _box(axes, place, name, filters):
    """Draw one block, its name above and its number of filters below."""
    x, y, wide, tall = place
    color = OUTPUT if name == "logits" else BLOCK
    corner = (x - wide / 2, y - tall / 2)
    axes.add_patch(Rectangle(corner, wide, tall, facecolor=color, edgecolor=INK))
    axes.text(x, y + tall / 2 + 0.04, name, ha="center", va="bottom", weight="bold", fontsize=12)
    axes.text(x, y - tall / 2 - 0.05, f"{filters}", ha="center", va="top", fontsize=12)


def _arrows(axes, places):
    """Join the blocks: down by pooling, up by transposed convolutions, across by copies."""
    names = list(places)
    for before, after in zip(names, names[1:], strict=False):
        x, y, wide, _ = places[before]
        to_x, to_y, to_wide, _ = places[after]
        _arrow(axes, (x + wide / 2, y), (to_x - to_wide / 2, to_y), color=INK)
    for depth in range(1, 5):
        x, y, wide, tall = places[f"c{depth}"]
        to_x, to_y, to_wide, _ = places[f"u{10 - depth}"]
        lift = tall / 4
        _arrow(axes, (x + wide / 2, y + lift), (to_x - to_wide / 2, to_y + lift), color=COPY,
               linestyle=(0, (4, 2)))  # fmt: skip
    x = np.mean([places["c1"][0], places["u9"][0]])
    axes.text(x, 0.27, "copied across, and joined", color=COPY, ha="center", fontsize=12)


def _arrow(axes, start, end, **style):
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=9, shrinkA=1,
                                   shrinkB=1, linewidth=1.2, **style))  # fmt: skip


@styled
def share_bars(shares, class_names=None):
    """Draw which share of the pixels falls to each class, one stacked bar a row.

    - ``shares``: dict of str to array of float, shape (n_classes,). Name of each row, from the top
      down, and the share of each class, 0 to 1. "labels" is set apart from the others.
    - ``class_names``: sequence of str. Names among :data:`kdbook.figures.CLASS_COLORS`, by default
      its first classes.

    >>> figure = share_bars({"epoch 1": [0, 1], "labels": [0.25, 0.75]}, ["Road", "Land"])
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['epoch 1', 'labels']
    """
    shares = {name: np.asarray(values, float) for name, values in shares.items()}
    names = _checked_names(shares, class_names)
    figure, axes = new_figure(height=1.15 + 0.3 * len(shares))
    # What is not the model's answer gets a line of air above it.
    rows = np.cumsum([1.0 + 0.5 * (name == "labels") for name in shares])
    left = np.zeros(len(rows))
    for number, name in enumerate(names):
        wide = np.array([values[number] for values in shares.values()])
        axes.barh(rows, wide, 0.8, left, color=CLASS_COLORS[name], edgecolor="white",
                  linewidth=0.5, label=name)  # fmt: skip
        left += wide
    axes.set(yticks=rows, yticklabels=list(shares), xlim=(0, 1))
    axes.set(xlabel="share of the pixels", ylim=(rows[-1] + 0.6, rows[0] - 0.6))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _checked_names(shares, class_names):
    """Return the names of the classes, or refuse shares that do not fit them."""
    if not shares:
        raise ValueError("nothing to draw; expected one row of shares or more.")
    n_classes = np.size(next(iter(shares.values())))
    names = list(CLASS_COLORS)[:n_classes] if class_names is None else list(class_names)
    for row, values in shares.items():
        fits = values.shape == (len(names),) and (values >= 0).all()
        if not (fits and np.isclose(values.sum(), 1)):
            raise ValueError(
                f"the shares of {row!r} are {values}; expected {len(names)} numbers from 0 on "
                f"that sum to 1, for {names}."
            )
    return names
