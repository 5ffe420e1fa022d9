"""The procedural city: seeded, fast enough, and not solved by colour alone."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from kdlib import data
from kdlib.data import synthetic
from kdlib.data._city import layers, plan
from kdlib.data.synthetic import CHARACTERS, city


@pytest.fixture(scope="module")
def small():
    """Draw all eight tiles, at a quarter of their size."""
    return city(n_images=72, size=256)


def test_names_tiles_and_parts(small):
    assert small.name == "city" and "no photograph" in small.credit
    assert small.tile.tolist() == [tile for tile in range(1, 9) for _ in range(9)]
    assert small.part.tolist() == list(range(1, 10)) * 8
    assert all(image.shape == (256, 256, 3) for image in small.images)
    assert all(
        image.dtype == labels.dtype == np.uint8
        for image, labels in zip(small.images, small.labels, strict=True)
    )


def test_same_seed_same_city():
    assert city(3, 64).fingerprint() == city(3, 64).fingerprint()
    assert city(3, 64, seed=1).fingerprint() != city(3, 64).fingerprint()


def test_same_city_on_every_processor():
    """NumPy chooses its code by the processor: without these choices it must draw the same."""
    chosen = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    if not chosen:
        pytest.skip("NumPy has no code of its own for this processor")
    command = "from kdlib.data.synthetic import city; print(city().fingerprint())"
    plain = subprocess.run(
        [sys.executable, "-c", command],
        env=os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(chosen)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert plain.stdout.strip() == city().fingerprint()


def test_a_small_city_begins_a_large_one(small):
    for index, image in enumerate(city(3, 256).images):
        np.testing.assert_array_equal(image, small.images[index])


def test_the_drawing_does_not_touch_the_global_generator():
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    city(1, 64)
    assert np.random.rand() == expected  # noqa: NPY002


def test_shares_are_like_those_of_dubai(small):
    shares = dict(zip(data.CLASS_NAMES, data.class_shares(np.stack(small.labels)), strict=True))
    assert 0.42 < shares["Land"] < 0.6
    assert max(shares, key=shares.get) == "Land"
    for name in ("Building", "Road", "Vegetation", "Water"):
        assert 0.06 < shares[name] < 0.2, name
    assert 0.002 < shares["Unlabeled"] < 0.03


def test_every_part_of_the_split_by_image_holds_every_named_class(small):
    split = data.split(data.cut(small, size=128), small)
    data.check_disjoint(split)
    data.check_classes(split)


def test_tiles_differ(small):
    by_tile = np.stack(small.labels).reshape(8, -1)
    shares = np.array([data.class_shares(labels) for labels in by_tile])
    assert np.ptp(shares[:, 1]) > 0.15  # Land
    assert np.ptp(shares[:, 4]) > 0.15  # Water


def test_no_threshold_on_colour_solves_it(small):
    """Even the best table from colour to class, made on the very image, errs often."""
    wrong = []
    for image, labels in zip(small.images[::9], small.labels[::9], strict=True):
        colour = (image // 16).astype(int) @ (256, 16, 1)
        table = np.zeros((4096, 6), dtype=int)
        np.add.at(table, (colour.ravel(), labels.ravel()), 1)
        wrong.append(1 - table.max(axis=1).sum() / labels.size)
    assert np.mean(wrong) > 0.1


def test_a_large_image_is_drawn_whole_and_its_time_noted(run_time):
    start = time.thread_time()
    image, labels = synthetic._draw(0, 3, 0, (512, 768))
    run_time("drawing 6 patches of the city, processor time", time.thread_time() - start)
    assert image.shape == (512, 768, 3) and labels.shape == (512, 768)
    # Nothing is left unpainted: every quarter has texture, and several classes.
    for rows, columns in ((r, c) for r in (0, 256) for c in (0, 384)):
        quarter = np.s_[rows : rows + 256, columns : columns + 384]
        assert image[quarter].std() > 5 and len(np.unique(labels[quarter])) >= 3


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"n_images": 0}, "n_images"),
        ({"size": 31}, "size"),
        ({"seed": -1}, "seed"),
        ({"size": 64.0}, "size"),
    ],
)
def test_numbers_that_are_too_small_or_not_whole(arguments, name):
    with pytest.raises(ValueError, match=f"{name} is .*; expected an integer of"):
        city(**arguments)


def test_after_eight_tiles_the_characters_come_round_with_other_images():
    images = city(n_images=73, size=32)
    assert images.tile[-1] == 9 and images.part[-1] == 1
    assert not np.array_equal(images.images[-1], images.images[0])


def test_smooth_noise_is_smooth_and_has_the_values_of_its_grid():
    rng = np.random.default_rng(0)
    noise = plan.smooth_noise(rng, (64, 96), 4)
    grid = np.random.default_rng(0).standard_normal((5, 5), dtype=np.float32)
    # Pixel 16 lies half a pixel past a grid point of the 4 cells on 64 pixels.
    fraction = np.float32(0.5 / 16)
    weight = fraction**2 * (3 - 2 * fraction)
    across = np.float32(0.5 / 24)
    weight_across = across**2 * (3 - 2 * across)
    near = grid[1:3, 1:3]
    rows = near[0] * (1 - weight) + near[1] * weight
    assert noise[16, 24] == pytest.approx(rows[0] * (1 - weight_across) + rows[1] * weight_across)
    assert np.abs(np.diff(noise, axis=0)).max() < 0.5


def test_a_moved_picture_repeats_its_rim():
    picture = np.arange(9).reshape(3, 3)
    moved = layers._moved(picture, (1, -1))
    assert moved.tolist() == [[1, 2, 2], [1, 2, 2], [4, 5, 5]]


def test_there_are_as_many_characters_as_tiles_in_dubai():
    assert len(CHARACTERS) == 8
