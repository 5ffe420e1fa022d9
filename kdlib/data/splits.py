"""Ways to divide patches into train, validation and test, and proofs that a split is sound."""

import dataclasses

import numpy as np

from kdlib._arguments import checked_whole
from kdlib.data._shared_pixels import check_apart, equal_patches
from kdlib.data.ground import touches
from kdlib.data.palette import OF_THE_PALETTE
from kdlib.data.patches import Patches, class_shares

TEST_PARTS = (3, 9)
"""Parts of every tile that are the test set in the split by image: fixed and published."""

VALIDATION_PARTS = (6,)
"""Parts of every tile that are the validation set in the splits by image and by tile."""


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Patches to learn from, to choose with, and to judge by. ``by`` names the rule.

    Examples
    --------
    >>> from kdlib.data import cut, synthetic
    >>> patches = cut(synthetic.city(n_images=3, size=64), size=64)
    >>> one_each = Split(*(patches.take([number]) for number in range(3)), by="hand")
    >>> one_each.test.image_index.tolist()
    [2]
    """

    train: Patches
    validation: Patches
    test: Patches
    by: str


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
        In both, patches for validation that show ground of the test set are dropped, and so are
        those for training that show ground of either. Tiles of the Dubai images overlap.
        "patch": drawn at random, in the same proportions as "image". Neighbours in one image end
        up on both sides: for the lesson on leaks only.
    held_out_tile : int, optional
        Which tile to hold out, for "tile" alone.
    seed : int
        For "patch" alone, 0 or more.

    Returns
    -------
    Split

    Raises
    ------
    ValueError
        If ``by`` is unknown, the tile is missing or not among the patches, a part of the split
        would be empty, because there are too few images, or, but for "patch", an image shows pixels
        of an image in another part: a copy, a cut-out, a mosaic. Where places on the ground are
        known, they decide instead. See ``kdlib.data._shared_pixels``. Also if the patches were not
        cut from these images, or the seed is no integer of 0 or more.

    Examples
    --------
    >>> from kdlib.data import cut, synthetic
    >>> images = synthetic.city(n_images=9, size=64)
    >>> parts = split(cut(images, size=32), images)
    >>> len(parts.train), len(parts.validation), len(parts.test)
    (24, 4, 8)
    """
    if by not in ("image", "tile", "patch"):
        raise ValueError(f"expected by='image', 'tile' or 'patch'; got {by!r}")
    if (by == "tile") != (held_out_tile is not None):
        raise ValueError(
            f"held_out_tile belongs to by='tile', and only to it; got by={by!r}, "
            f"held_out_tile={held_out_tile!r}"
        )
    seed = checked_whole(seed, "seed", least=0)
    _check_source(patches, image_set)
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
    if by != "patch":
        validation &= ~_on_ground_of(patches, test)
        train &= ~_on_ground_of(patches, test | validation)
    for name, mask in (("train", train), ("validation", validation), ("test", test)):
        if not mask.any():
            remedy = _remedy(image_set, by)
            raise ValueError(f"split by {by}: no patch is left for {name}. {remedy}")
    if by != "patch" and image_set.ground is None:
        masks = {"train": train, "validation": validation, "test": test}
        part_of = {n: name for name in masks for n in patches.image_index[masks[name]].tolist()}
        check_apart(image_set, part_of)
    return Split(*(patches.take(mask) for mask in (train, validation, test)), by=by)


def _check_source(patches, image_set):
    """Refuse patches of other images: the parts of the split would say nothing about them."""
    remedy = "split(cut(images), images). Crops are taken from the parts, after the split."
    numbers, first = np.unique(patches.image_index, return_index=True)
    if len(numbers) and numbers[-1] >= len(image_set):
        raise ValueError(
            f"the patches are of images up to number {numbers[-1]}, and {image_set.name!r} has "
            f"{len(image_set)}; expected the images that they were cut from: {remedy}"
        )
    foreign = [
        number
        for number, one in zip(numbers, first, strict=True)
        if not _is_of(patches, one, image_set)
    ]
    if foreign:
        raise ValueError(
            f"the patches of image {foreign[0]} are not in {image_set.name!r}, where that is "
            f"{image_set.title(foreign[0])}; expected the images that they were cut from: {remedy}"
        )


def _is_of(patches, one, image_set):
    """Tell whether a patch shows its place in the images, or has its labels; one may be edited."""
    number = patches.image_index[one]
    height, width = patches.labels.shape[1:]
    top, left = patches.row[one] * height, patches.column[one] * width
    place = np.s_[top : top + height, left : left + width]
    pairs = ((patches.labels, image_set.labels), (patches.images, image_set.images))
    return any(np.array_equal(mine[one], theirs[number][place]) for mine, theirs in pairs)


def _remedy(image_set, by):
    """Say what would fill an empty part."""
    rule = f"Parts {TEST_PARTS} of a tile are for test, {VALIDATION_PARTS} for validation"
    return {
        "image": f"{rule}: at least 6 images are needed, and {len(image_set)} came. Add images.",
        "tile": f"{rule}, but for the held-out tile: add images, or split by image.",
        "patch": "Cut smaller patches, or add images.",
    }[by]


def _on_ground_of(patches, mask):
    """Mark all patches that show ground of the marked ones."""
    if patches.ground is None:
        return np.zeros(len(patches), dtype=bool)
    return touches(patches.ground, patches.ground[mask], patches.labels.shape[1])


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
    """Prove that no two parts of a split share an image or a patch, or show the same ground.

    Parameters
    ----------
    split : Split

    Raises
    ------
    ValueError
        If they do. The message names the parts, and the images or the number of patches.

    Examples
    --------
    >>> from kdlib.data import cut, synthetic
    >>> images = synthetic.city(n_images=9, size=64)
    >>> patches = cut(images, size=32)
    >>> check_disjoint(split(patches, images, by="image"))
    >>> check_disjoint(split(patches, images, by="patch"))
    Traceback (most recent call last):
    ...
    ValueError: split by patch: train and ... share ... images ... Split by image or by tile.
    """
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        one, other = getattr(split, first), getattr(split, second)
        shared = sorted({*one.image_index.tolist()} & {*other.image_index.tolist()})
        if shared:
            listed = ", ".join(map(str, shared[:10])) + (", ..." if len(shared) > 10 else "")
            raise ValueError(
                f"split by {split.by}: {first} and {second} share {len(shared)} images "
                f"(numbers {listed}). Split by image or by tile."
            )
        if one.ground is None or other.ground is None:
            if twins := equal_patches(one.images, other.images):
                image, twin = one.image_index[twins[0]], other.image_index[twins[1]]
                raise ValueError(
                    f"split by {split.by}: a patch of image {image} in {first} and one of image "
                    f"{twin} in {second} have the same pixels. Leave one of these images out."
                )
            continue
        twice = touches(one.ground, other.ground, one.labels.shape[1]).sum()
        if twice:
            raise ValueError(
                f"split by {split.by}: {twice} patches of {first} show ground that {second} shows "
                "too, in other images. Make the split with kdlib.data.split, which drops them."
            )


def check_classes(split, void_class=OF_THE_PALETTE):
    """Prove that every named class has pixels in all three parts of a split.

    Parameters
    ----------
    split : Split
    void_class : int or None
        Number of the class that may be absent; by default the void class of the patches' palette.

    Raises
    ------
    ValueError
        If a class is missing: the message names the part and the classes. Also if ``void_class`` is
        no class number of the palette.

    Examples
    --------
    >>> from kdlib.data import cut, synthetic
    >>> images = synthetic.city(n_images=9, size=32)
    >>> check_classes(split(cut(images, size=32), images))
    Traceback (most recent call last):
    ...
    ValueError: split by image: no ... in ...
    """
    for name in ("train", "validation", "test"):
        patches = getattr(split, name)
        palette = patches.palette
        void = palette.void_or(void_class)
        shares = class_shares(patches.labels, len(palette))
        missing = [palette.names[c] for c in np.flatnonzero(shares == 0) if c != void]
        if missing:
            raise ValueError(f"split by {split.by}: no {', '.join(missing)} in {name}")
