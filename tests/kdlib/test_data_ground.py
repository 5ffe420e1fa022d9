"""Images that show the same ground: found, kept apart in splits, and true of the Dubai images."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdlib import data
from kdlib.data import dubai
from kdlib.data.ground import touches

from . import tiny_dubai

squares = st.lists(
    st.tuples(st.integers(1, 2), st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=6
)


def image_set(ground, shape=(8, 8), tiles=None, parts=None):
    """Make images whose labels say where on the ground each pixel lies."""
    images, labels = [], []
    for scene, top, left in ground:
        rows, columns = np.indices(shape)
        label = (7 * (rows + top) + 3 * (columns + left) + scene) % 6
        labels.append(label.astype(np.uint8))
        images.append(np.repeat(labels[-1][..., None], 3, axis=2))
    count = len(ground)
    tiles = np.ones(count, int) if tiles is None else np.asarray(tiles)
    parts = np.arange(1, count + 1) if parts is None else np.asarray(parts)
    return data.ImageSet("x", tuple(images), tuple(labels), tiles, parts, "", np.array(ground))


@settings(max_examples=60, deadline=None)
@given(first=squares, second=squares, size=st.integers(1, 5))
def test_touches_is_what_painting_the_squares_gives(first, second, size):
    painted = np.zeros((3, 40, 40), dtype=bool)
    for scene, top, left in second:
        painted[scene, top + 15 : top + 15 + size, left + 15 : left + 15 + size] = True
    expected = [
        painted[scene, top + 15 : top + 15 + size, left + 15 : left + 15 + size].any()
        for scene, top, left in first
    ]
    assert touches(np.array(first), np.array(second), size).tolist() == expected


def test_overlaps_cut_out_the_shared_ground():
    images = image_set([(1, 0, 0), (1, 5, -3), (2, 0, 0), (1, 8, 0)])
    found = data.overlaps(images)
    assert [pair[:2] for pair in found] == [(0, 1), (1, 3)]
    for one, other, window, other_window in found:
        a, b = images.labels[one][window], images.labels[other][other_window]
        np.testing.assert_array_equal(a, b)
        assert a.size
    assert images.labels[0][found[0][2]].shape == (3, 5)


def test_images_without_known_places_share_nothing():
    images = dataclasses.replace(image_set([(1, 0, 0), (1, 0, 0)]), ground=None)
    assert data.overlaps(images) == []
    assert data.cut(images, 4).ground is None


def test_patches_know_their_place():
    patches = data.cut(image_set([(3, 10, -20)], shape=(9, 13)), size=4)
    assert patches.ground.tolist() == [
        [3, 10, -20], [3, 10, -16], [3, 10, -12], [3, 14, -20], [3, 14, -16], [3, 14, -12]
    ]  # fmt: skip
    assert patches.take([4]).ground.tolist() == [[3, 14, -16]]


@pytest.fixture
def overlapping():
    """Nine parts of tile 1 side by side, and a tile 2 whose part 1 lies over its part 3."""
    ground = [(1, 0, 8 * part) for part in range(9)] + [(1, 4, 16)]
    return image_set(ground, tiles=[1] * 9 + [2], parts=[*range(1, 10), 1])


def test_training_patches_on_test_ground_are_dropped(overlapping):
    patches = data.cut(overlapping, size=4)
    split = data.split(patches, overlapping)
    data.check_disjoint(split)
    assert len(split.test) == 8 and len(split.validation) == 4
    kept = split.train.image_index == 9
    assert split.train.row[kept].tolist() == [1, 1]  # the lower half lies beside, not on, part 3
    assert len(split.train) == 6 * 4 + 2


def test_validation_and_training_give_way_to_a_held_out_tile(overlapping):
    patches = data.cut(overlapping, size=4)
    split = data.split(patches, overlapping, by="tile", held_out_tile=2)
    data.check_disjoint(split)
    assert len(split.test) == 4 and len(split.validation) == 4
    assert len(split.train) == 8 * 4 - 2


def test_check_disjoint_finds_shared_ground(overlapping):
    patches = data.cut(overlapping, size=4)
    split = data.split(patches, overlapping)
    leaking = dataclasses.replace(split, train=patches.take(patches.image_index == 9))
    with pytest.raises(ValueError, match="2 patches of train show ground that test shows too"):
        data.check_disjoint(leaking)


def test_places_belong_to_images():
    with pytest.raises(ValueError, match="1 images, 1 labels, 1 tiles, 1 parts, 2 places"):
        dataclasses.replace(image_set([(1, 0, 0)]), ground=np.zeros((2, 3), int))


@pytest.fixture(scope="module")
def real():
    """Read the Dubai images, once."""
    tiny_dubai.real_folder()
    return dubai.load()


def correlation(images, pair):
    one, other, window, other_window = pair
    a, b = (images.images[i][w].mean(axis=2).ravel() for i, w in
            ((one, window), (other, other_window)))  # fmt: skip
    return np.corrcoef(a, b)[0, 1], np.corrcoef(a, b[::-1])[0, 1]


def test_the_overlaps_of_the_dubai_tiles_are_true(real):
    found = {}
    for pair in data.overlaps(real):
        tiles = int(real.tile[pair[0]]), int(real.tile[pair[1]])
        found.setdefault(tiles, []).append(correlation(real, pair))
    assert sorted(found) == [(1, 3), (4, 8), (7, 8)]
    for tiles in ((1, 3), (7, 8)):  # one photograph, cut twice
        assert min(there for there, _ in found[tiles]) > 0.98
    there, turned = np.mean(found[4, 8], axis=0)  # two photographs of one place
    assert there > turned + 0.15


def test_the_parts_of_a_dubai_tile_are_three_rows_of_three(real):
    number = {
        key: i for i, key in enumerate(zip(real.tile.tolist(), real.part.tolist(), strict=True))
    }
    for tile in range(1, 9):
        left, right = (real.images[number[tile, part]].astype(float) for part in (4, 5))
        rows = min(len(left), len(right))
        seam = np.abs(left[:rows, -1] - right[:rows, 0]).mean()
        within = np.abs(left[:rows, -1] - left[:rows, -3]).mean()
        elsewhere = np.abs(left[:rows, -1] - right[:rows, -1]).mean()
        assert seam < 1.5 * within and seam < elsewhere
        top, bottom = real.ground[number[tile, 2]], real.ground[number[tile, 5]]
        assert bottom[1] - top[1] == real.labels[number[tile, 1]].shape[0]
