"""Square patches cut from the images, and the ways to split them."""

import dataclasses

import numpy as np
from patchify import patchify, unpatchify

from kdlib.data.classes import CLASS_NAMES, N_CLASSES, VOID

TEST_PARTS = (3, 9)
"""Parts of every tile that are the test set in the split by image: fixed and published."""

VALIDATION_PARTS = (6,)
"""Parts of every tile that are the validation set in the splits by image and by tile."""


@dataclasses.dataclass(frozen=True, eq=False)
class Patches:
    """Patches of one size, and where each was cut.

    Parameters
    ----------
    images : array of uint8, shape (n, height, width, 3)
        Colours, 0 to 255.
    labels : array of uint8, shape (n, height, width)
        Class numbers, 0 to 5.
    image_index, tile, row, column : array of int, shape (n,)
        Number of the image in its set, its tile, and the place in the grid of patches, from 0.
    """

    images: np.ndarray
    labels: np.ndarray
    image_index: np.ndarray
    tile: np.ndarray
    row: np.ndarray
    column: np.ndarray

    def __len__(self):
        """Number of patches."""
        return len(self.images)

    def take(self, indices):
        """Give the patches at these indices (or where a boolean mask is true), as copies."""
        fields = dataclasses.fields(self)
        return Patches(**{field.name: getattr(self, field.name)[indices] for field in fields})


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Patches to learn from, to choose with, and to judge by. ``by`` names the rule."""

    train: Patches
    validation: Patches
    test: Patches
    by: str


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
        If size is not a positive integer or an image is smaller than one patch.

    Examples
    --------
    >>> from kdlib.data import synthetic
    >>> len(cut(synthetic.city(n_images=1, size=256), size=128))
    4
    """
    if not isinstance(size, (int, np.integer)) or size < 1:
        raise ValueError(f"expected a patch size of at least 1 pixel, as an integer; got {size!r}")
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
        cut_labels = patchify(label, (size, size), step=size).reshape(-1, size, size)
        stop = start + len(cut_labels)
        labels[start:stop] = cut_labels
        images[start:stop] = patchify(image, (size, size, 3), step=size).reshape(-1, size, size, 3)
        start = stop
    return Patches(images, labels, *_places(image_set, shapes))


def _places(image_set, shapes):
    """Image number, tile, row and column of every patch."""
    index = np.repeat(np.arange(len(shapes)), [rows * columns for rows, columns in shapes])
    grids = [np.indices(shape).reshape(2, -1) for shape in shapes]
    row, column = np.concatenate(grids, axis=1)
    return index, np.asarray(image_set.tile)[index], row, column


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
    """
    values = np.asarray(values)
    if len(values) != len(patches):
        raise ValueError(
            f"expected one entry for each of {len(patches)} patches; got {len(values)}"
        )
    here = np.flatnonzero(patches.image_index == image_index)
    rows, columns = patches.row[here].max(initial=-1) + 1, patches.column[here].max(initial=-1) + 1
    if not len(here) or len(here) != rows * columns:
        raise ValueError(
            f"image {image_index}: {len(here)} of {rows * columns or 'unknown'} patches are here. "
            "Join before patches are taken apart by a split, or split by image."
        )
    order = here[np.lexsort((patches.column[here], patches.row[here]))]
    grid = values[order].reshape(rows, columns, *values.shape[1:])
    height, width = rows * values.shape[1], columns * values.shape[2]
    if values.ndim == 3:
        return unpatchify(grid, (height, width))
    return unpatchify(grid[:, :, np.newaxis], (height, width, values.shape[3]))


def split(patches, image_set, by="image", held_out_tile=None, seed=0):
    """Divide patches into train, validation and test.

    Parameters
    ----------
    patches : Patches
        As :func:`cut` gives them.
    image_set : ImageSet
        The images that they were cut from.
    by : str
        "image": the parts 3 and 9 of every tile are the test set, part 6 is for validation; fixed.
        "tile": the held-out tile is the test set, part 6 of every other tile is for validation.
        "patch": drawn at random, in the same proportions as "image". Neighbours in one image end
        up on both sides: for the lesson on leaks only.
    held_out_tile : int, optional
        Which tile to hold out, for "tile" alone.
    seed : int
        For "patch" alone.

    Returns
    -------
    Split

    Raises
    ------
    ValueError
        If ``by`` is unknown, or the tile is missing or not among the patches.
    """
    if by not in ("image", "tile", "patch"):
        raise ValueError(f"expected by='image', 'tile' or 'patch'; got {by!r}")
    if (by == "tile") != (held_out_tile is not None):
        raise ValueError(
            f"held_out_tile belongs to by='tile', and only to it; got by={by!r}, "
            f"held_out_tile={held_out_tile!r}"
        )
    if by == "patch":
        order = np.random.default_rng(seed).permutation(len(patches))
        test, validation = _random_masks(order)
    else:
        part = np.asarray(image_set.part)[patches.image_index]
        test = np.isin(part, TEST_PARTS)
        validation = np.isin(part, VALIDATION_PARTS)
        if by == "tile":
            test = _tile_mask(patches, held_out_tile)
            validation &= ~test
    train = ~(test | validation)
    return Split(*(patches.take(mask) for mask in (train, validation, test)), by=by)


def _random_masks(order):
    """Mark the first two ninths of a random order as test, the next ninth as validation."""
    parts = 9
    n_test = round(len(order) * len(TEST_PARTS) / parts)
    n_validation = round(len(order) * len(VALIDATION_PARTS) / parts)
    place = np.argsort(order)
    return place < n_test, (place >= n_test) & (place < n_test + n_validation)


def _tile_mask(patches, held_out_tile):
    """Mark the patches of the held-out tile."""
    mask = patches.tile == held_out_tile
    if not mask.any():
        raise ValueError(
            f"held_out_tile={held_out_tile!r} is not among the tiles {np.unique(patches.tile)}"
        )
    return mask


def check_disjoint(split):
    """Prove that no image gave patches to two parts of a split.

    Parameters
    ----------
    split : Split

    Raises
    ------
    ValueError
        If an image is in two parts. The message names the parts and the images.
    """
    images = {
        name: set(getattr(split, name).image_index.tolist())
        for name in ("train", "validation", "test")
    }
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        shared = sorted(images[first] & images[second])
        if shared:
            listed = ", ".join(map(str, shared[:10])) + (", ..." if len(shared) > 10 else "")
            raise ValueError(
                f"split by {split.by}: {first} and {second} share {len(shared)} images "
                f"(numbers {listed}). Split by image or by tile."
            )


def check_classes(split, void_class=VOID):
    """Prove that every named class has pixels in all three parts of a split.

    Parameters
    ----------
    split : Split
    void_class : int or None
        Class that may be absent.

    Raises
    ------
    ValueError
        If a class is missing. The message names the part and the classes.
    """
    for name in ("train", "validation", "test"):
        shares = class_shares(getattr(split, name).labels)
        missing = [CLASS_NAMES[c] for c in np.flatnonzero(shares == 0) if c != void_class]
        if missing:
            raise ValueError(f"split by {split.by}: no {', '.join(missing)} in {name}")


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
    counts = np.bincount(labels.ravel(), minlength=n_classes)
    if len(counts) > n_classes:
        raise ValueError(f"expected class numbers below {n_classes}; got {len(counts) - 1}")
    return counts / labels.size
