"""Cutting and joining, splits, and the proofs that a split is sound."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdlib import data


def image_set(shapes, tiles=None, parts=None, seed=0):
    """Make images of these shapes, every pixel of its own."""
    rng = np.random.default_rng(seed)
    labels = tuple(rng.integers(0, 6, shape, dtype=np.uint8) for shape in shapes)
    images = tuple(rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes)
    tiles = np.ones(len(shapes), int) if tiles is None else np.asarray(tiles)
    parts = np.arange(1, len(shapes) + 1) if parts is None else np.asarray(parts)
    return data.ImageSet("test", images, labels, tiles, parts, "")


@pytest.fixture
def two_tiles():
    """Eighteen images of 2 × 2 patches in two tiles."""
    tiles, parts = np.repeat([1, 2], 9), np.tile(np.arange(1, 10), 2)
    images = image_set([(8, 8)] * 18, tiles, parts)
    return images, data.cut(images, size=4)


def test_patches_are_cut_from_the_top_left_and_the_rest_is_dropped():
    images = image_set([(7, 9), (4, 5)])
    patches = data.cut(images, size=3)
    assert patches.image_index.tolist() == [0] * 6 + [1]
    assert patches.row.tolist() == [0, 0, 0, 1, 1, 1, 0]
    assert patches.column.tolist() == [0, 1, 2, 0, 1, 2, 0]
    for index, row, column, image, labels in zip(
        patches.image_index, patches.row, patches.column, patches.images, patches.labels,
        strict=True,
    ):  # fmt: skip
        window = np.s_[3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
        np.testing.assert_array_equal(image, images.images[index][window])
        np.testing.assert_array_equal(labels, images.labels[index][window])


@settings(max_examples=40, deadline=None)
@given(height=st.integers(4, 19), width=st.integers(4, 19), size=st.integers(1, 4))
def test_patches_are_those_of_patchify(height, width, size):
    """The usual tool, which chapter 03 shows; joined again by it, too."""
    patchify = pytest.importorskip("patchify")
    images = image_set([(height, width)], seed=height)
    patches = data.cut(images, size=size)
    of_images = patchify.patchify(images.images[0], (size, size, 3), step=size)
    of_labels = patchify.patchify(images.labels[0], (size, size), step=size)
    np.testing.assert_array_equal(patches.images, of_images.reshape(-1, size, size, 3))
    np.testing.assert_array_equal(patches.labels, of_labels.reshape(-1, size, size))
    assert (patches.row[-1] + 1, patches.column[-1] + 1) == of_labels.shape[:2]
    whole = (height // size * size, width // size * size)
    np.testing.assert_array_equal(
        data.join(patches.images, patches, 0), patchify.unpatchify(of_images, (*whole, 3))
    )
    np.testing.assert_array_equal(
        data.join(patches.labels, patches, 0), patchify.unpatchify(of_labels, whole)
    )


@settings(max_examples=40, deadline=None)
@given(
    shapes=st.lists(st.tuples(st.integers(4, 19), st.integers(4, 19)), min_size=1, max_size=3),
    size=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_join_undoes_cut_in_any_order_of_the_patches(shapes, size, seed):
    images = image_set(shapes, seed=seed)
    patches = data.cut(images, size=size)
    patches = patches.take(np.random.default_rng(seed).permutation(len(patches)))
    for index, (height, width) in enumerate(shapes):
        whole = np.s_[: height // size * size, : width // size * size]
        np.testing.assert_array_equal(
            data.join(patches.images, patches, index), images.images[index][whole]
        )
        np.testing.assert_array_equal(
            data.join(patches.labels, patches, index), images.labels[index][whole]
        )


def test_join_takes_predictions_of_any_kind():
    images = image_set([(8, 12)])
    patches = data.cut(images, size=4)
    logits = np.random.default_rng(1).normal(size=(6, 4, 4, 7))
    joined = data.join(logits, patches, 0)
    assert joined.shape == (8, 12, 7) and joined.dtype == float
    np.testing.assert_array_equal(joined[4:8, 8:12], logits[5])


def test_join_needs_every_patch():
    patches = data.cut(image_set([(8, 12)]), size=4)
    fewer = patches.take(np.array([0, 1, 2, 3, 5]))
    with pytest.raises(ValueError, match="5 of 6 patches are here"):
        data.join(fewer.labels, fewer, 0)
    with pytest.raises(ValueError, match="expected one entry for each of 6 patches; got 5"):
        data.join(fewer.labels, patches, 0)
    with pytest.raises(ValueError, match="image 3: 0 of unknown patches"):
        data.join(patches.labels, patches, 3)


@pytest.mark.parametrize("wanted", [range(7), [6], [-7], np.array([True] * 7)])
def test_patches_that_are_not_there(wanted):
    patches = data.cut(image_set([(8, 12)]), size=4)
    with pytest.raises(IndexError, match="^6 patches are here; expected whole numbers below that"):
        patches.take(wanted)


def test_images_and_patches_are_shown_in_a_line():
    names = "Building, Land, Road, Vegetation, Water, Unlabeled"
    images = image_set([(8, 12), (16, 4), (8, 4)])
    assert repr(images) == (
        f"ImageSet('test': 3 images of 8 × 4 to 16 × 4 pixels, 6 classes: {names})"
    )
    same = image_set([(8, 12)] * 2)
    assert repr(same) == f"ImageSet('test': 2 images of 8 × 12 pixels, 6 classes: {names})"
    assert repr(data.cut(same, size=4)) == "Patches(12 of 4 × 4 pixels, 6 classes)"


def test_an_image_smaller_than_a_patch():
    images = image_set([(8, 8), (8, 3)], tiles=[1, 1], parts=[4, 5])
    with pytest.raises(ValueError, match="tile 1 part 5: 8 × 3 pixels hold no patch of 4 × 4"):
        data.cut(images, size=4)


@pytest.mark.parametrize("size", [0, -4, 2.5, "4", None])
def test_patch_size_must_be_a_positive_integer(size):
    with pytest.raises(ValueError, match="size is .*; expected an integer of 1 or more"):
        data.cut(image_set([(8, 8)]), size=size)


def test_the_split_by_image_is_the_published_one(two_tiles):
    images, patches = two_tiles
    split = data.split(patches, images)
    for part, numbers in (
        (split.test, {3, 9}), (split.validation, {6}), (split.train, {1, 2, 4, 5, 7, 8})
    ):  # fmt: skip
        assert set(images.part[part.image_index]) == numbers
        assert set(part.tile) == {1, 2}
    assert split.by == "image"
    data.check_disjoint(split)


def test_the_split_by_tile_holds_one_tile_out(two_tiles):
    images, patches = two_tiles
    split = data.split(patches, images, by="tile", held_out_tile=2)
    assert set(split.test.tile) == {2} and len(split.test) == 36
    assert set(split.train.tile) == set(split.validation.tile) == {1}
    assert set(images.part[split.validation.image_index]) == {6}
    data.check_disjoint(split)


def test_the_split_by_patch_is_seeded_and_leaks(two_tiles):
    images, patches = two_tiles
    split = data.split(patches, images, by="patch", seed=4)
    again = data.split(patches, images, by="patch", seed=4)
    np.testing.assert_array_equal(split.test.images, again.test.images)
    other = data.split(patches, images, by="patch", seed=5)
    assert not np.array_equal(split.test.images, other.test.images)
    assert [len(split.train), len(split.validation), len(split.test)] == [48, 8, 16]
    with pytest.raises(ValueError, match=r"by patch: train and .* share .* images \(numbers"):
        data.check_disjoint(split)


def expected_to_be_empty(by, parts, held_out):
    """Name the parts of the split that no image falls into; two patches come from each image."""
    if by == "patch":
        patches = 2 * len(parts)
        validation, test = round(patches / 9), round(2 * patches / 9)
        sizes = {"train": patches - validation - test, "validation": validation, "test": test}
        return [name for name, size in sizes.items() if size == 0]
    tests = held_out if by == "tile" else np.isin(parts, [3, 9])
    validations = np.equal(parts, 6) & ~tests
    masks = {"train": ~tests & ~validations, "validation": validations, "test": tests}
    return [name for name, mask in masks.items() if not mask.any()]


@settings(max_examples=40, deadline=None)
@given(
    parts=st.lists(st.integers(1, 9), min_size=1, max_size=20),
    by=st.sampled_from(["image", "tile", "patch"]),
    seed=st.integers(0, 9),
)
def test_every_split_is_a_partition(parts, by, seed):
    tiles = np.random.default_rng(seed).integers(1, 4, len(parts))
    images = image_set([(4, 8)] * len(parts), tiles, parts, seed)
    patches = data.cut(images, size=4)
    held_out = int(tiles[0]) if by == "tile" else None
    empty = expected_to_be_empty(by, parts, tiles == held_out)
    if empty:
        with pytest.raises(ValueError, match=f"by {by}: no patch is left for {empty[0]}"):
            data.split(patches, images, by=by, held_out_tile=held_out, seed=seed)
        return
    split = data.split(patches, images, by=by, held_out_tile=held_out, seed=seed)
    places = [
        (int(index), int(column))
        for part in (split.train, split.validation, split.test)
        for index, column in zip(part.image_index, part.column, strict=True)
    ]
    assert sorted(places) == sorted((index, c) for index in range(len(parts)) for c in (0, 1))
    if by != "patch":
        data.check_disjoint(split)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "tiles"}, "'image', 'tile' or 'patch'; got 'tiles'"),
        ({"by": "tile"}, "held_out_tile=None"),
        ({"by": "image", "held_out_tile": 2}, "held_out_tile belongs to by='tile'"),
        ({"by": "tile", "held_out_tile": 7}, r"7 is not among the tiles \[1 2\]"),
    ],
)
def test_a_split_that_makes_no_sense(two_tiles, arguments, message):
    images, patches = two_tiles
    with pytest.raises(ValueError, match=message):
        data.split(patches, images, **arguments)


@pytest.mark.parametrize("by", ["image", "patch"])
def test_patches_of_other_images_are_not_split(by):
    nine, six = (data.synthetic.city(n_images=count, size=32) for count in (9, 6))
    other = data.synthetic.city(n_images=12, size=32, seed=1)
    patches = data.cut(nine, 16)
    with pytest.raises(ValueError, match="images up to number 8, and 'city' has 6; expected the i"):
        data.split(patches, six, by=by)
    for images in (patches, data.cut(nine, 32)):
        with pytest.raises(ValueError, match="of image 0 are not in 'city', where that is tile 1"):
            data.split(images, other, by=by)
    # Either may be edited: the images may be made brighter, or classes put together.
    for edited in (
        dataclasses.replace(patches, images=patches.images // 2),
        dataclasses.replace(patches, labels=patches.labels // 2),
    ):
        assert len(data.split(edited, nine, by=by).train)


@pytest.mark.parametrize("seed", [-1, "a", 1.5, None])
def test_a_seed_of_a_split_that_is_none_is_refused(two_tiles, seed):
    images, patches = two_tiles
    with pytest.raises(ValueError, match="seed is .*; expected an integer of 0 or more"):
        data.split(patches, images, by="patch", seed=seed)


def test_there_must_be_an_image_to_cut():
    nothing = data.ImageSet("mine", (), (), np.array([], int), np.array([], int), "")
    with pytest.raises(ValueError, match="'mine' holds no images; expected at least one to cut"):
        data.cut(nothing, 16)


def test_check_disjoint_names_the_shared_images(two_tiles):
    images, patches = two_tiles
    split = data.split(patches, images)
    leaking = dataclasses.replace(split, test=patches.take(patches.image_index == 0))
    with pytest.raises(ValueError, match=r"train and test share 1 images \(numbers 0\)"):
        data.check_disjoint(leaking)


def test_check_classes_names_part_and_class(two_tiles):
    images, patches = two_tiles
    split = data.split(patches, images)
    data.check_classes(split)
    labels = np.where(np.isin(split.test.labels, (2, 5)), 1, split.test.labels)
    without = dataclasses.replace(split, test=dataclasses.replace(split.test, labels=labels))
    with pytest.raises(ValueError, match="split by image: no Road in test"):
        data.check_classes(without)
    with pytest.raises(ValueError, match="no Road, Unlabeled in test"):
        data.check_classes(without, void_class=None)


@given(st.lists(st.integers(0, 5), min_size=1))
def test_class_shares_count(labels):
    shares = data.class_shares(labels)
    assert shares.tolist() == [labels.count(c) / len(labels) for c in range(6)]


def test_class_shares_refuses_nothing_and_too_much():
    with pytest.raises(ValueError, match="empty"):
        data.class_shares([])
    with pytest.raises(ValueError, match="from 0 to 1; got some from 0 to 3"):
        data.class_shares([0, 3], n_classes=2)
    with pytest.raises(ValueError, match="from -1 to 1"):
        data.class_shares([-1, 1])
