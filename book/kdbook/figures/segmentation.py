"""Patches, their labels and what models made of them, side by side."""

import numpy as np
from matplotlib.patches import Patch

from kdbook.figures.style import CLASS_COLORS, MODEL_COLORS, new_figure, rgb_bytes, styled

COLUMNS = 3
"""Pictures in a row: on a phone each is still 120 pixels wide."""

BOTH_RIGHT, BOTH_WRONG, NOT_COUNTED = "#FFFFFF", "#222222", "#DDDDDD"


@styled
def gallery(images, labels, predictions, compare=None, void_class=None, titles=None, palette=None):
    r"""Show patches with their labels, what each model predicts, and which of two is right.

    - ``images``: array of uint8, shape (n, height, width, 3). The patches, n from 1 up.
    - ``labels``: array of int, shape (n, height, width). True class ids, in the order of
      :data:`kdbook.figures.CLASS_COLORS`, or of the palette.
    - ``predictions``: dict of str to array of int, shape (n, height, width). Model name, as in
      :data:`kdbook.figures.MODEL_COLORS`, and the classes that it predicts.
    - ``compare``: pair of str. Two of these models. A last picture then shows where only one of
      them is right.
    - ``void_class``: true label whose pixels are grey in the comparison, and do not count in the
      share of pixels that is right.
    - ``titles``: sequence of str. A line above each patch, such as its place.
    - ``palette``: kdlib.data.Palette. Names and colours of other classes than those of the book.

    >>> image, label = np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 8, 8), np.uint8)
    >>> figure = gallery(image, label, {"teacher": label, "control": label + 1})
    >>> [axes.get_title() for axes in figure.axes if axes.get_title()]
    ['image', 'true classes', 'teacher\n100 % right', 'control\n0 % right']
    """
    _check(images, labels, predictions, compare)
    colors = CLASS_COLORS if palette is None else dict(zip(palette.names, palette.hex, strict=True))
    panels = 2 + len(predictions) + (compare is not None)
    rows = -(-panels // COLUMNS)
    height = len(images) * (rows * 2.25 + 0.2 * (titles is not None)) + 1.0
    figure, axes = new_figure(rows * len(images), COLUMNS, height=height, squeeze=False)
    for empty in axes.reshape(len(images), -1)[:, panels:].flat:
        empty.set_axis_off()
    for number in range(len(images)):
        block = axes[number * rows : (number + 1) * rows].ravel()
        one = {name: masks[number] for name, masks in predictions.items()}
        _patch(block, images[number], labels[number], one, compare, void_class, colors)
        if titles is not None:
            _headline(block[0], titles[number])
    _legend(figure, labels, predictions, compare, colors)
    return figure


def _patch(block, image, labels, predictions, compare, void_class, colors):
    """Draw one patch into the axes of its block."""
    palette = rgb_bytes(colors.values())
    counted = labels != (-1 if void_class is None else void_class)
    pictures = [("image", image), ("true classes", palette[labels])]
    for name, predicted in predictions.items():
        right = f"{100 * np.mean((predicted == labels)[counted]):.0f}" if counted.any() else "–"
        pictures.append((f"{name}\n{right} % right", palette[predicted]))
    if compare:
        picture = who_is_right(labels, *(predictions[name] for name in compare), compare, counted)
        pictures.append(("which of the\ntwo is right?", picture))
    for axes, (title, picture) in zip(block, pictures, strict=False):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(title, fontsize=12)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=True, color="#888888", linewidth=0.8)


def _headline(axes, text):
    """Write a line above the first picture of a patch that may be wider than the picture."""
    axes.set_title("\n\n" + axes.get_title(), fontsize=12)  # two empty lines: room for it
    place = {"xycoords": "axes fraction", "textcoords": "offset points", "xytext": (0, 33)}
    line = axes.annotate(text, (0, 1), fontweight="bold", **place)
    line.set_in_layout(False)


def who_is_right(labels, first, second, names, counted):
    """Colour each pixel by which of two predictions is right.

    - ``labels``, ``first``, ``second``: array of int, shape (height, width). True and predicted
      class ids.
    - ``names``: pair of str. The two models: each lends its colour to the pixels that it alone gets
      right.
    - ``counted``: array of bool, shape (height, width). False where a pixel is void.
    - Returns numpy.ndarray: uint8, shape (height, width, 3).

    >>> labels, second = np.array([[0, 0, 0]]), np.array([[0, 1, 1]])
    >>> who_is_right(labels, labels, second, ("teacher", "control"), labels == 0)[0, 0].tolist()
    [255, 255, 255]
    """
    colors = [BOTH_WRONG, MODEL_COLORS[names[0]], MODEL_COLORS[names[1]], BOTH_RIGHT, NOT_COUNTED]
    table = rgb_bytes(colors)
    case = (first == labels) + 2 * (second == labels)
    return table[np.where(counted, case, 4)]


def _legend(figure, labels, predictions, compare, colors):
    """Put the colours of the classes that occur, and of the comparison, below the patches."""
    present = np.unique(np.concatenate([np.ravel(labels), *map(np.ravel, predictions.values())]))
    names = np.array(list(colors))[present]
    keys = [(name, colors[name]) for name in names]
    if compare:
        keys += [(f"only the {name} is right", MODEL_COLORS[name]) for name in compare]
        keys += [("both are right", BOTH_RIGHT), ("both are wrong", BOTH_WRONG)]
    handles = [Patch(facecolor=color, edgecolor="#888888", label=name) for name, color in keys]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)


def _check(images, labels, predictions, compare):
    if len(images) == 0 or not predictions:
        raise ValueError("nothing to show; expected one patch or more, and one model or more.")
    shapes = {name: np.shape(masks) for name, masks in predictions.items()}
    if np.shape(images)[:3] != np.shape(labels) or set(shapes.values()) != {np.shape(labels)}:
        raise ValueError(
            f"images of shape {np.shape(images)}, labels {np.shape(labels)} and predictions "
            f"{shapes} came; expected (n, height, width, 3), and (n, height, width) for the others."
        )
    if compare is not None and not (len(compare) == 2 and set(compare) <= set(predictions)):
        raise ValueError(f"compare is {compare!r}; expected two of {list(predictions)}.")
