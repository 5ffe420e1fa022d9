"""Images of any size, in overlapping tiles without seams.

A U-Net looks at a limited surrounding of each pixel. If every tile brings that much more than the
part of it that is used, a pixel gets the very answer that it gets in the whole image, and memory
does not grow with the image. Tiles start at multiples of 16, so that each max-pooling takes the
same four pixels as in the whole image.
"""

import keras
import numpy as np
from tqdm.auto import tqdm

from kdlib._arguments import checked_whole
from kdlib.data import PALETTE
from kdlib.network_ends import check_class_scores, only_output

GRID = 16
"""Pixels that the U-Nets halve to one: four times two."""


def receptive_radius(halvings=4, convolutions=2):
    """Return how far away, in pixels, the input can lie that an output of a U-Net depends on.

    A 3 × 3 convolution at the depth of ``d`` halvings looks one pixel of that depth further, which
    is ``2**d`` pixels of the image. Following an interval from the output down to the bottom and
    up to the input gives the radius; it depends on where a pixel lies in its block of 16, and the
    largest counts.

    Parameters
    ----------
    halvings : int
        How often the network halves the image, 0 or more.
    convolutions : int
        3 × 3 convolutions in each block, 0 or more.

    Returns
    -------
    int

    References
    ----------
    A. Araujo, W. Norris, J. Sim, "Computing receptive fields of convolutional neural networks",
    Distill 2019.

    Examples
    --------
    >>> receptive_radius(halvings=0), receptive_radius()
    (2, 107)
    """
    reach = 0
    for place in range(2**halvings):
        low = high = place
        for _ in range(halvings):  # the expanding half, from the output to the bottom
            low, high = (low - convolutions) // 2, (high + convolutions) // 2
        for _ in range(halvings):  # the contracting half, from the bottom to the input
            low, high = 2 * (low - convolutions), 2 * (high + convolutions) + 1
        reach = max(reach, place - low + convolutions, high + convolutions - place)
    return reach


MARGIN = -(-receptive_radius() // GRID) * GRID
"""What the tiles of the book's U-Nets overlap on each side, in pixels: a multiple of 16."""


def segment(model, image, tile=512, margin=MARGIN, progress=False, grid=GRID):
    """Return the most probable class of each pixel of an image of any size.

    Parameters
    ----------
    model : keras.Model or kdlib.deploy.inference.ExportedModel
        As of :func:`kdlib.unet.unet`. One that takes a single size of image decides the tile.
    image : array of uint8, shape (height, width, 3)
        Colours, 0 to 255.
    tile : int
        Height and width of a tile with its margins, in pixels: a multiple of 16. Larger ones are
        faster and need more memory.
    margin : int
        How much of a tile on each side is there only to be looked at: a multiple of 16, less than
        half of the tile. With :data:`MARGIN` no pixel sees that there are tiles.
    progress : bool
        Whether to show a bar.
    grid : int
        What height and width of a tile must be divisible by: 16 for the U-Nets of the book.

    Returns
    -------
    numpy.ndarray
        uint8, shape (height, width).

    Raises
    ------
    ValueError
        If the image is not one of RGB in uint8, tile, margin and grid do not fit each other or the
        size that the network takes, or it does not give a number for each class at each pixel.

    Examples
    --------
    >>> from kdlib.unet import unet
    >>> model = unet((1, 1, 1, 1, 1), 6, None, None)
    >>> segment(model, np.zeros((50, 30, 3), np.uint8)).shape
    (50, 30)
    """
    labels = np.empty(np.shape(image)[:2], np.uint8)
    for rows, columns, probabilities in parts(model, image, tile, margin, progress, grid):
        check_class_scores(probabilities.shape)
        labels[rows, columns] = probabilities.argmax(axis=-1)
    return labels


def parts(model, image, tile=512, margin=MARGIN, progress=False, grid=GRID):
    """Yield an image's probabilities part by part, each pixel once, with one tile in memory.

    Parameters and errors are those of :func:`segment`.

    Yields
    ------
    rows, columns : slice
        Where in the image the part lies.
    probabilities : numpy.ndarray
        float32, shape (rows, columns, n_classes).

    Examples
    --------
    >>> from kdlib.unet import unet
    >>> model = unet((1, 1, 1, 1, 1), 6, None, None)
    >>> for rows, columns, part in parts(model, np.zeros((50, 30, 3), np.uint8)):
    ...     print(rows, columns, part.shape)
    slice(0, 50, None) slice(0, 30, None) (50, 30, 6)
    """
    image = np.asarray(image)
    _check(image, tile, margin, grid)
    heights, widths = (
        _spans(length, fixed or tile, margin, bool(fixed), grid)
        for length, fixed in zip(image.shape[:2], model.input_shape[1:3], strict=True)
    )
    both = [(rows, columns) for rows in heights for columns in widths]
    for (top, height, *rows), (left, width, *columns) in tqdm(
        both, desc="tiles", unit="tile", disable=not progress
    ):
        answer = model(_crop(image, top, height, left, width), training=False)
        answer = keras.ops.convert_to_numpy(only_output(answer))[0]
        if answer.shape[:-1] != (height, width):
            raise ValueError(
                f"the network answers {height} × {width} pixels with shape {answer.shape}; "
                "expected (height, width, classes)."
            )
        within = (slice(rows[0] - top, rows[1] - top), slice(columns[0] - left, columns[1] - left))
        yield slice(*rows), slice(*columns), answer[within]


def overlay(image, labels, opacity=0.5, colours=PALETTE):
    """Return an image with the colours of its classes laid over it.

    Parameters
    ----------
    image : array of uint8, shape (height, width, 3)
    labels : array of int, shape (height, width)
        Class numbers, as :func:`segment` returns them.
    opacity : float
        Of the colours, from 0 to 1.
    colours : array of uint8, shape (n_classes, 3)
        By default those of the Dubai masks.

    Returns
    -------
    numpy.ndarray
        uint8, shape (height, width, 3).

    Raises
    ------
    ValueError
        If image and labels have different sizes, or the opacity is out of its range.

    Examples
    --------
    >>> overlay(np.zeros((1, 1, 3), np.uint8), np.array([[1]]), opacity=0.5).tolist()
    [[[66, 20, 123]]]
    """
    if np.shape(image) != (*np.shape(labels), 3):
        raise ValueError(
            f"image of shape {np.shape(image)} and labels of shape {np.shape(labels)} came; "
            "expected (height, width, 3) and (height, width)."
        )
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity is {opacity!r}; expected a number from 0 to 1.")
    mixed = np.empty(np.shape(image), np.uint8)
    for row in range(len(mixed)):  # a row at a time: floats of a large image would fill the memory
        mixed[row] = (1 - opacity) * np.float32(image[row]) + opacity * colours[labels[row]]
    return mixed


def _spans(length, tile, margin, fixed, grid):
    """Return (start, size, first, last) along one axis: a tile, and the part of it that is used."""
    padded = -(-length // grid) * grid
    size = tile if fixed else min(tile, padded)
    narrow = size < padded and 2 * margin >= size
    if narrow and fixed:
        raise ValueError(
            f"a margin of {margin} came, and the network takes images of {size} pixels only; "
            f"expected a margin of at most {(size - 1) // 2 // grid * grid}, less than half of "
            "that. Or build, or export, the network for larger images."
        )
    if narrow or (size % grid and not fixed):
        raise ValueError(
            f"tiles of {size} pixels with a margin of {margin} came; expected a multiple of {grid} "
            f"that is more than two margins, for example {-(-(2 * margin + 256) // grid) * grid}."
        )
    last = max(padded - size, 0)
    starts = [*range(0, last, size - 2 * margin), last] if last else [0]
    # Where one part ends, the next begins; the border of the image has no margin.
    cuts = [0, *(start + margin for start in starts[1:]), length]
    return [(start, size, *cuts[n : n + 2]) for n, start in enumerate(starts)]


def _crop(image, top, height, left, width):
    """Return a tile as float, in a batch of one; beyond the image its last pixels are repeated."""
    part = image[top : top + height, left : left + width]
    missing = ((0, height - part.shape[0]), (0, width - part.shape[1]), (0, 0))
    return (np.pad(part, missing, mode="edge") * np.float32(1 / 255))[np.newaxis]


def _check(image, tile, margin, grid):
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(
            f"an image of shape {image.shape} and type {image.dtype} came; expected (height, "
            "width, 3) of uint8, colours from 0 to 255."
        )
    checked_whole(grid, "grid")
    for name, value, least in (("tile", tile, grid), ("margin", margin, 0)):
        if checked_whole(value, name, least) % grid:
            raise ValueError(
                f"{name} is {value}; expected a multiple of {grid}, because the networks halve "
                "images. Otherwise a tile pools other pixels than the whole image."
            )
