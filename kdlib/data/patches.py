"""Square patches, cut from the images and put together again."""

import dataclasses

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from kdlib._arguments import checked_whole
from kdlib.data.classes import DUBAI_PALETTE, N_CLASSES
from kdlib.data.palette import Palette


@dataclasses.dataclass(frozen=True, eq=False)
class Patches:
    """Patches of one size, and where each was cut.

    Parameters
    ----------
    images : array of uint8, shape (n, height, width, 3)
        Colours, 0 to 255.
    labels : array of uint8, shape (n, height, width)
        Class numbers, those of ``palette``.
    image_index, tile, row, column : array of int, shape (n,)
        Number of the image in its set, its tile, and the place in the grid of patches, from 0.
    ground : array of int, shape (n, 3), optional
        Scene, top and left of each patch on the ground, in pixels. None if no two images of the
        set show the same ground.
    palette : Palette
        Names and mask colours of the classes, by default those of the Dubai data.

    Examples
    --------
    >>> from kdlib.data import synthetic
    >>> patches = cut(synthetic.city(n_images=1, size=64), size=32)
    >>> patches.row.tolist(), patches.column.tolist()
    ([0, 0, 1, 1], [0, 1, 0, 1])
    >>> patches.take([3]).labels.shape
    (1, 32, 32)
    """

    images: np.ndarray
    labels: np.ndarray
    image_index: np.ndarray
    tile: np.ndarray
    row: np.ndarray
    column: np.ndarray
    ground: np.ndarray | None = None
    palette: Palette = DUBAI_PALETTE

    def __len__(self):
        """Return the number of patches."""
        return len(self.images)

    def __repr__(self):
        """Give number, size and classes, not the arrays."""
        size = " × ".join(map(str, self.labels.shape[1:]))
        return f"Patches({len(self)} of {size} pixels, {len(self.palette)} classes)"

    def take(self, indices):
        """Give the patches at these indices (or where a boolean mask is true), as copies.

        Raises
        ------
        IndexError
            If there is no patch at one of them.
        """
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        palette = values.pop("palette")
        try:
            taken = {name: None if a is None else a[indices] for name, a in values.items()}
        except IndexError as error:
            raise IndexError(
                f"{len(self)} patches are here; expected whole numbers below that, or as many "
                f"booleans: {error}."
            ) from error
        return Patches(**taken, palette=palette)


def cut(image_set, size=256):
    """Cut all images into square patches, from the top left, without overlap.

    What is left over at the right and at the bottom is dropped, as patchify does.

    Parameters
    ----------
    image_set : ImageSet
        Images of any size of at least one patch.
    size : int
        Height and width of a patch, in pixels.

    Returns
    -------
    Patches
        Image by image, row by row.

    Raises
    ------
    ValueError
        If size is not a positive integer, there is no image, or one is smaller than one patch.

    Examples
    --------
    >>> from kdlib.data import synthetic
    >>> len(cut(synthetic.city(n_images=1, size=256), size=128))
    4
    """
    size = checked_whole(size, "size")
    if len(image_set) == 0:
        raise ValueError(f"{image_set.name!r} holds no images; expected at least one to cut.")
    shapes = [(labels.shape[0] // size, labels.shape[1] // size) for labels in image_set.labels]
    for index, shape in enumerate(shapes):
        if 0 in shape:
            height, width = image_set.labels[index].shape
            raise ValueError(
                f"{image_set.title(index)}: {height} × {width} pixels hold no patch of "
                f"{size} × {size}. Choose a smaller size."
            )
    count = sum(rows * columns for rows, columns in shapes)
    images = np.empty((count, size, size, 3), dtype=np.uint8)
    labels = np.empty((count, size, size), dtype=np.uint8)
    start = 0
    for image, label in zip(image_set.images, image_set.labels, strict=True):
        cut_labels = _windows(label, size)
        stop = start + len(cut_labels)
        labels[start:stop], images[start:stop] = cut_labels, _windows(image, size)
        start = stop
    return Patches(images, labels, *_places(image_set, shapes, size), image_set.palette)


def _windows(image, size):
    """Every square of an image, or of its labels, that lies on the grid, row by row."""
    around = (size, size, *image.shape[2:])
    return sliding_window_view(image, around)[::size, ::size].reshape(-1, *around)


def _places(image_set, shapes, size):
    """Image number, tile, row, column and place on the ground of every patch."""
    index = np.repeat(np.arange(len(shapes)), [rows * columns for rows, columns in shapes])
    grids = [np.indices(shape).reshape(2, -1) for shape in shapes]
    row, column = np.concatenate(grids, axis=1)
    ground = None
    if image_set.ground is not None:
        steps = np.stack([np.zeros_like(row), row * size, column * size], axis=1)
        ground = image_set.ground[index] + steps
    return index, np.asarray(image_set.tile)[index], row, column, ground


def join(values, patches, image_index):
    """Put the patches of one image together again, the reverse of :func:`cut`.

    Parameters
    ----------
    values : array, shape (n, height, width) or (n, height, width, channels)
        One entry a patch: ``patches.images``, ``patches.labels``, or a model's predictions.
    patches : Patches
        Where each entry belongs.
    image_index : int
        Number of the image in its set.

    Returns
    -------
    array, shape (rows * height, columns * width) or (rows * height, columns * width, channels)
        The image without the remainder that cutting dropped.

    Raises
    ------
    ValueError
        If values and patches differ in number, or a patch of the image is missing.

    Examples
    --------
    >>> from kdlib.data import synthetic
    >>> images = synthetic.city(n_images=1, size=64)
    >>> patches = cut(images, size=32)
    >>> bool((join(patches.labels, patches, 0) == images.labels[0]).all())
    True
    """
    values = np.asarray(values)
    if values.ndim == 0 or len(values) != len(patches):
        raise ValueError(
            f"expected one entry for each of {len(patches)} patches; got "
            f"{len(values) if values.ndim else 'a single number'}"
        )
    if values.ndim not in (3, 4):
        raise ValueError(
            f"values have shape {values.shape}; expected (n, height, width) or (n, height, width, "
            "channels)."
        )
    here = np.flatnonzero(patches.image_index == image_index)
    rows, columns = patches.row[here].max(initial=-1) + 1, patches.column[here].max(initial=-1) + 1
    if not len(here) or len(here) != rows * columns:
        raise ValueError(
            f"image {image_index}: {len(here)} of {rows * columns or 'unknown'} patches are here. "
            "Join before patches are taken apart by a split, or split by image."
        )
    order = here[np.lexsort((patches.column[here], patches.row[here]))]
    height, width, *channels = values.shape[1:]
    grid = values[order].reshape(rows, columns, height, width, *channels)
    return grid.swapaxes(1, 2).reshape(rows * height, columns * width, *channels)


def class_shares(labels, n_classes=N_CLASSES):
    """Give the share of the pixels that each class holds.

    Parameters
    ----------
    labels : array of int
        Class numbers, any shape.
    n_classes : int
        Number of classes.

    Returns
    -------
    array of float, shape (n_classes,)
        Shares, 0 to 1, that sum to 1.

    Raises
    ------
    ValueError
        If there are no labels, or one is out of range.

    Examples
    --------
    >>> class_shares([[0, 1], [1, 1]], n_classes=2).tolist()
    [0.25, 0.75]
    """
    labels = np.asarray(labels)
    if labels.size == 0:
        raise ValueError("expected labels; got an empty array")
    if labels.dtype.kind not in "biuf":
        raise ValueError(f"expected class numbers; got an array of {labels.dtype}")
    # Comparing bytes is far faster than np.bincount, which makes 8-byte integers of them first.
    counts = np.array([np.count_nonzero(labels == number) for number in range(n_classes)])
    if counts.sum() != labels.size:
        raise ValueError(
            f"expected class numbers from 0 to {n_classes - 1}; got some from {labels.min()} to "
            f"{labels.max()}"
        )
    return counts / labels.size
