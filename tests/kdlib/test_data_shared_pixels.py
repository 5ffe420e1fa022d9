"""Copies, cut-outs and mosaics: found wherever they lie, named, and refused across a split."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from kdlib import data
from kdlib.data._shared_pixels import shared_pixels

PALETTE = data.Palette({"a": "red", "b": "blue"})


def photographs(count, size=(48, 64), seed=0):
    """Draw smooth hills with the noise of a camera, as unlike as photographs are."""
    rng = np.random.default_rng(seed)
    height, width = size
    found = []
    for _ in range(count):
        hills = np.kron(
            rng.uniform(40, 200, (-(-height // 16), -(-width // 16), 3)), np.ones((16, 16, 1))
        )
        noise = rng.normal(0, 6, (height, width, 3))
        found.append(np.clip(hills[:height, :width] + noise, 0, 255).astype(np.uint8))
    return found


def image_set(images, **options):
    """Make a set of images with labels of chance."""
    rng = np.random.default_rng(1)
    labels = tuple(rng.integers(0, 2, image.shape[:2]).astype(np.uint8) for image in images)
    part = np.arange(len(images)) % 9 + 1
    titles = tuple(f"{number}.png" for number in range(len(images)))
    return data.ImageSet(
        "x", tuple(images), labels, np.ones(len(images), int), part, "",
        palette=PALETTE, titles=titles, **options,
    )  # fmt: skip


@pytest.mark.parametrize("top, left", [(0, 0), (5, 11), (27, 3)])
def test_a_cut_out_is_found_wherever_it_was_cut(top, left):
    images = photographs(6)
    images.append(images[4][top : top + 21, left : left + 30])
    assert shared_pixels(images) == {(4, 6)}


def test_a_small_cut_out_of_a_large_image_is_found():
    images = photographs(3, (600, 900))
    images.append(images[1][333:365, 451:483])
    assert shared_pixels(images) == {(1, 3)}


def test_a_mosaic_of_parts_names_all_its_images():
    images = photographs(8)
    parts = [image[3:27, 6:38] for image in (images[0], images[3], images[5], images[6])]
    images.append(np.vstack([np.hstack(parts[:2]), np.hstack(parts[2:])]))
    assert shared_pixels(images) == {(0, 8), (3, 8), (5, 8), (6, 8)}


def test_copies_of_copies_are_all_found():
    images = photographs(3)
    assert shared_pixels([*images, images[1], images[1]]) == {(1, 3), (1, 4), (3, 4)}


def test_skies_borders_and_small_marks_are_no_copies():
    images = photographs(4, (96, 128))
    mark = photographs(1, (18, 24), seed=9)[0]
    for image in images:
        image[:40] = (90, 140, 220)
        image[-18:, -24:] = mark
    flat = [np.full((48, 64, 3), 7, np.uint8)] * 2
    assert shared_pixels([*images, *flat]) == set()


def test_smooth_images_count_as_whole_copies_and_drawings_with_little_in_them_not_at_all():
    drawing = np.kron(np.eye(4, dtype=np.uint8), np.ones((16, 16), np.uint8))
    drawing = np.stack([200 * drawing] * 3, axis=-1)
    assert shared_pixels([drawing, drawing.copy(), 0 * drawing, 0 * drawing]) == set()
    drawing[:20, 0, 0] = range(20)
    assert shared_pixels([drawing, np.roll(drawing, 16, axis=0), drawing.copy()]) == {(0, 2)}


@pytest.mark.parametrize("shades", [2, 4, 8])
def test_scans_of_few_shades_are_copies_of_each_other(shades):
    x, y = np.meshgrid(np.arange(64), np.arange(48))
    waves = [np.sin(x / 9 + k) + np.cos(y / 7 + x / 20 + 2 * k) for k in range(5)]
    scans = [((wave + 2) / 4 * (shades - 0.01)).astype(np.uint8) for wave in waves]
    scans = [np.stack([255 // (shades - 1) * scan] * 3, axis=-1) for scan in scans]
    assert shared_pixels([*scans, scans[1].copy()]) == {(1, 5)}


@pytest.mark.parametrize("colour", range(0, 250, 50))
def test_a_cut_out_of_a_shore_is_found_beside_a_calm_sea_of_any_colour(colour):
    shores = photographs(3, (64, 64))
    images = [np.full((200, 200, 3), colour, np.uint8) for _ in shores]
    for image, shore in zip(images, shores, strict=True):
        image[100:164, 70:134] = shore
    images.append(images[1][90:150, 60:140])
    assert shared_pixels(images) == {(1, 3)}


def test_a_mosaic_of_small_tiles_is_found():
    images = photographs(6, (16, 16))
    images.append(np.vstack([np.hstack(images[:2]), np.hstack(images[2:4])]))
    assert shared_pixels(images) == {(0, 6), (1, 6), (2, 6), (3, 6)}


@pytest.mark.parametrize("side", [3, 5, 7])
def test_a_mosaic_of_many_cut_outs_is_found_though_each_is_a_small_part_of_it(side):
    images = photographs(side * side)
    cut_outs = [image[7:23, 30:46] for image in images]
    rows = [np.hstack(cut_outs[start : start + side]) for start in range(0, side**2, side)]
    found = shared_pixels([*images, np.vstack(rows)])
    assert found <= {(number, side**2) for number in range(side**2)}
    assert len(found) > 0.9 * side**2


@pytest.mark.parametrize("times", [2, 3, 4, 8])
@pytest.mark.parametrize("top, left", [(0, 0), (1, 2), (13, 22)])
def test_cut_outs_of_images_that_repeat_their_pixels_are_found(times, top, left):
    enlarged = np.ones((times, times, 1), np.uint8)
    images = [np.kron(image, enlarged) for image in photographs(5, (40, 50))]
    images.append(images[2][top:, left : left + 30 * times])
    assert shared_pixels(images) == {(2, 5)}


def test_frames_and_drawings_that_repeat_their_pixels_are_no_cut_outs():
    images = [np.pad(image, ((200, 0), (0, 200), (0, 0))) for image in photographs(4)]
    rng = np.random.default_rng(0)
    for _ in range(4):  # plans of rectangles, all of the same few colours
        plan = np.zeros((300, 400, 3), np.uint8)
        for top, left, height, width, shade in rng.integers(1, 250, (30, 5)):
            plan[top : top + height, left : left + width] = 80 * (shade % 4)
        images.append(plan)
    assert shared_pixels(images) == set()


def test_images_too_small_for_a_window_are_compared_as_a_whole():
    images = photographs(3, (6, 9))
    assert shared_pixels([*images, images[2]]) == {(2, 3)}
    assert shared_pixels([]) == set()


def test_the_city_shares_no_pixels():
    assert data.synthetic.city(n_images=12, size=96).shared == set()


def test_a_split_refuses_what_parts_share_and_names_it():
    images = photographs(9)
    images[2] = np.hstack([images[0][5:37, 3:35], images[4][9:41, 20:52]])  # part 3 is for test
    images[5] = images[7].copy()
    images[1] = images[3].copy()  # both are for training: no leak
    made = image_set(images)
    with pytest.raises(ValueError, match="copies, cut-outs and mosaics") as error:
        data.split(data.cut(made, 32), made)
    said = str(error.value)
    assert "0.png (train) and 2.png (test); 2.png (test) and 4.png (train)" in said
    assert "5.png (validation) and 7.png (train)" in said and "1.png" not in said


def test_a_split_by_tile_may_hold_out_all_that_belongs_together():
    images = [*photographs(7), *photographs(2, seed=5)]
    images[8] = images[7][:40, 10:60]
    made = image_set(images)
    with pytest.raises(ValueError, match="7.png .train. and 8.png .test."):
        data.split(data.cut(made, 32), made)
    together = dataclasses.replace(made, tile=np.array([1] * 7 + [2] * 2))
    split = data.split(data.cut(together, 32), together, by="tile", held_out_tile=2)
    assert set(split.test.image_index.tolist()) == {7, 8}


def test_where_places_on_the_ground_are_known_they_decide():
    images = photographs(9)
    images[2] = images[0].copy()
    ground = np.array([(number, 0, 0) for number in range(9)])
    made = image_set(images, ground=ground)
    assert len(data.split(data.cut(made, 32), made).test)


def test_check_disjoint_notices_equal_patches():
    made = image_set(photographs(9))
    split = data.split(data.cut(made, 32), made)
    data.check_disjoint(split)
    split.train.images[4] = split.test.images[1]
    with pytest.raises(ValueError, match="patch of image 3 in train and one of image 2 in test"):
        data.check_disjoint(split)
    split.train.images[4] = split.test.images[1] = 7  # a single colour, such as a calm sea
    data.check_disjoint(split)


def test_a_copy_under_another_name_is_refused_on_the_way_from_a_folder(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for number, image in enumerate(photographs(9), 1):
        Image.fromarray(image).save(tmp_path / f"images/{number}.png")
        Image.new("RGB", (64, 48), "red").save(tmp_path / f"masks/{number}.png")
    Image.open(tmp_path / "images/3.png").save(tmp_path / "images/7.tif")
    (tmp_path / "images/7.png").unlink()
    images = data.read_folder(tmp_path, palette=PALETTE)
    with pytest.raises(ValueError, match=r"3.png \(test\) and 7.tif \(train\)"):
        data.split(data.cut(images, 32), images)
