"""Batches: what they hold, that image and label stay together, and that they can be resumed."""

import dataclasses
import time

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdlib.data import Batches, Palette, Patches, Split, check_classes, fixed_crops
from kdlib.data.batches import recoloured, turned


def patches(count=5, height=12, width=12, seed=0):
    """Make patches whose image says, in its three channels, what the label is."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 6, (count, height, width), dtype=np.uint8)
    number = np.arange(count, dtype=np.uint8)[:, None, None] + np.zeros_like(labels)
    place = np.arange(height * width, dtype=np.uint16).reshape(height, width) % 251
    place = np.broadcast_to(place.astype(np.uint8), labels.shape)
    images = np.stack([labels * 40, number, place], axis=-1)
    where = np.arange(count)
    return Patches(images, labels, where, where, where, where)


def numbers(batch):
    """Return which patch each item was made of."""
    return np.rint(batch[0][:, 0, 0, 1] * 255).astype(int).tolist()


def test_whole_patches_in_order():
    source = patches()
    batches = Batches(source, batch_size=2)
    assert len(batches) == 3
    x, y, weight = batches[1]
    np.testing.assert_array_equal(x, source.images[2:4].astype(np.float32) * np.float32(1 / 255))
    np.testing.assert_array_equal(y, source.labels[2:4])
    np.testing.assert_array_equal(weight, source.labels[2:4] != 5)
    assert (x.dtype, y.dtype, weight.dtype) == (np.float32, np.int32, np.float32)
    assert len(batches[2][0]) == 1
    assert x.min() >= 0 and x.max() <= 1


def test_white_is_one():
    source = patches()
    source.images[:] = 255
    np.testing.assert_allclose(Batches(source, 5)[0][0], 1, rtol=1e-6)


@pytest.mark.parametrize(("void_class", "lost"), [(5, [5]), (1, [1]), (None, [])])
def test_void_pixels_weigh_nothing(void_class, lost):
    _, y, weight = Batches(patches(), 5, void_class=void_class)[0]
    np.testing.assert_array_equal(weight == 0, np.isin(y, lost))
    assert set(np.unique(weight)) <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("void_class", "message"),
    [
        ("b", r"void_class is 'b'; .* number of a class, 0 to 1, or None. 'b' is class 1\.$"),
        ("c", r"void_class is 'c'; .*, or None. 0 is 'a', 1 is 'b'\.$"),
        (7, "void_class is 7; expected the number of a class, 0 to 1"),
        (255, "void_class is 255"),
        (-1, "void_class is -1"),
        (2, "void_class is 2"),
        (1.0, "void_class is 1.0"),
        (True, "void_class is True"),
    ],
)
def test_a_void_class_that_is_none_is_refused(void_class, message):
    palette = Palette({"a": "red", "b": "blue"}, void="b")
    source = dataclasses.replace(patches(), palette=palette)
    with pytest.raises(ValueError, match=message):
        Batches(source, 2, void_class=void_class)
    split = Split(source, source, source, by="hand")
    with pytest.raises(ValueError, match=message):
        check_classes(split, void_class)


@pytest.mark.parametrize("seed", [-1, "a", 1.5, None, [1, 2]])
def test_a_seed_that_is_none_is_refused_at_once(seed):
    with pytest.raises(ValueError, match="seed is .*; expected an integer of 0 or more"):
        Batches(patches(), 2, seed=seed)


@settings(max_examples=50, deadline=None)
@given(
    crop=st.sampled_from([None, 1, 5, 12]),
    augment=st.booleans(),
    shuffle=st.booleans(),
    seed=st.integers(0, 1000),
    epoch=st.integers(0, 50),
)
def test_image_and_label_stay_together(crop, augment, shuffle, seed, epoch):
    batches = Batches(patches(), 3, crop=crop, augment=augment, shuffle=shuffle, seed=seed)
    batches.epoch = epoch
    for index in range(len(batches)):
        x, y, weight = batches[index]
        np.testing.assert_array_equal(np.rint(x[..., 0] * 255 / 40), y)
        np.testing.assert_array_equal(weight == 0, y == 5)
        assert x.shape[1:3] == ((crop or 12), (crop or 12))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), height=st.integers(6, 12), width=st.integers(6, 12))
def test_an_augmented_crop_is_one_of_the_eight_views_of_a_window(seed, height, width):
    source = patches(count=1, height=height, width=width)
    x, _, _ = Batches(source, 1, crop=5, augment=True, seed=seed)[0]
    found = np.rint(x[0] * 255).astype(np.uint8)
    windows = (
        turned(source.images[0, top : top + 5, left : left + 5], turn)
        for top in range(height - 4)
        for left in range(width - 4)
        for turn in range(8)
    )
    assert any(np.array_equal(found, window) for window in windows)


def test_all_views_and_all_corners_come_up():
    source = patches(count=1, height=7, width=6)
    batches = Batches(source, 400, crop=5, augment=True, steps=1)
    x, _, _ = batches[0]
    corner = np.rint(x[:, [0, 0, -1, -1], [0, -1, 0, -1], 2] * 255).astype(int)
    assert len(np.unique(corner, axis=0)) == 3 * 2 * 8


def test_the_eight_views_of_a_square_are_different_and_known():
    square = np.array([[1, 2], [3, 4]])
    views = [turned(square, turn).tolist() for turn in range(8)]
    assert views == [
        [[1, 2], [3, 4]], [[2, 4], [1, 3]], [[4, 3], [2, 1]], [[3, 1], [4, 2]],
        [[2, 1], [4, 3]], [[1, 3], [2, 4]], [[3, 4], [1, 2]], [[4, 2], [3, 1]],
    ]  # fmt: skip


def test_a_batch_depends_on_seed_epoch_and_index_alone():
    make = lambda: Batches(patches(), 2, crop=6, augment=True, shuffle=True, seed=7)  # noqa: E731
    straight, resumed = make(), make()
    for _ in range(3):
        straight[1], straight[0]
        straight.on_epoch_end()
    resumed.epoch = 3
    for index in (2, 0, 1):
        for one, other in zip(straight[index], resumed[index], strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("change", ["seed", "epoch", "index"])
def test_another_seed_epoch_or_index_gives_other_views(change):
    source = patches(count=1, height=64, width=64)
    batches = Batches(source, 8, crop=16, augment=True, steps=2)
    other = Batches(source, 8, crop=16, augment=True, steps=2, seed=int(change == "seed"))
    other.epoch = int(change == "epoch")
    assert not np.array_equal(batches[0][0], other[int(change == "index")][0])


def test_an_epoch_serves_every_patch_once():
    for shuffle in (False, True):
        batches = Batches(patches(count=11), 4, shuffle=shuffle, seed=1)
        served = sum((numbers(batches[index]) for index in range(len(batches))), [])
        assert sorted(served) == list(range(11))
        assert (served == list(range(11))) is not shuffle


def test_each_epoch_has_an_order_of_its_own():
    batches = Batches(patches(count=11), 11, shuffle=True)
    first = numbers(batches[0])
    batches.on_epoch_end()
    assert batches.epoch == 1 and numbers(batches[0]) != first


def test_more_steps_than_patches_bring_them_round_again():
    batches = Batches(patches(count=3), 2, steps=6, shuffle=True, seed=2)
    served = sum((numbers(batches[index]) for index in range(6)), [])
    assert len(batches) == 6 and len(served) == 12
    for start in range(0, 12, 3):
        assert sorted(served[start : start + 3]) == [0, 1, 2]


def test_fewer_steps_than_patches_cut_the_epoch_short():
    batches = Batches(patches(count=9), 2, steps=2)
    assert [numbers(batches[index]) for index in range(len(batches))] == [[0, 1], [2, 3]]


def test_the_patches_are_not_changed():
    source = patches()
    before = source.images.copy(), source.labels.copy()
    x, y, _ = Batches(source, 5, augment=True)[0]
    x += 1
    y += 1
    np.testing.assert_array_equal(source.images, before[0])
    np.testing.assert_array_equal(source.labels, before[1])


def test_jitter_changes_colours_and_neither_place_nor_label():
    source = patches(8)
    options = {"batch_size": 8, "crop": 8, "augment": True, "shuffle": True, "seed": 3}
    plain, changed = (Batches(source, jitter=jitter, **options)[0] for jitter in (None, 0.3))
    np.testing.assert_array_equal(changed[1], plain[1])
    np.testing.assert_array_equal(changed[2], plain[2])
    assert changed[0].dtype == np.float32
    assert changed[0].min() >= 0 and changed[0].max() <= 1
    for before, after in zip(plain[0], changed[0], strict=True):
        for channel in (0, 2):  # in the other one all pixels of an image are alike
            inside = (after[..., channel] > 0) & (after[..., channel] < 1)
            x, y = before[..., channel][inside], after[..., channel][inside]
            slope, offset = np.polyfit(x, y, 1)
            np.testing.assert_allclose(y, slope * x + offset, atol=1e-5)
            # Brightness, contrast, and half as much for the channel.
            assert 0.7 * 0.7 * 0.85 < slope < 1.3 * 1.3 * 1.15
            assert abs(slope - 1) > 1e-4


def test_jitter_is_known_for_known_factors():
    class Fixed:
        """Draws brightness 1.1, contrast 0.5, and gains 1, 1 and 0.9 for red, green and blue."""

        def uniform(self, low, high, size):
            assert (round(low, 9), round(high, 9)) in {(0.8, 1.2), (0.9, 1.1)}
            if size[0] == 2:
                return np.array([1.1, 0.5]).reshape(size)
            return np.array([1, 1, 0.9]).reshape(size)

    image = np.array([0.2, 0.4], dtype=np.float32).reshape(1, 1, 2, 1).repeat(3, axis=3)
    red = 0.33 + 0.5 * np.array([0.22 - 0.33, 0.44 - 0.33])
    expected = np.stack([red, red, 0.9 * red], axis=-1)[None, None]
    np.testing.assert_allclose(recoloured(image, 0.2, Fixed()), expected, rtol=1e-6)


def test_jitter_depends_on_seed_epoch_and_index_alone():
    first, second = (Batches(patches(), 2, jitter=0.2, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first[1][0], second[1][0])
    second.epoch = 1
    assert not np.array_equal(first[1][0], second[1][0])


@pytest.mark.parametrize("jitter", [0, 1, -0.1, 1.5, float("nan")])
def test_jitter_out_of_range(jitter):
    with pytest.raises(ValueError, match="jitter is .*; expected above 0 and below 1, or None"):
        Batches(patches(), 2, jitter=jitter)


def test_fit_advances_the_epoch():
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(6, 1)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    batches = Batches(patches(), 2, crop=8, augment=True, shuffle=True)
    seen = []
    note = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: seen.append(batches.epoch))
    history = model.fit(batches, epochs=3, verbose=0, callbacks=[note])
    assert np.diff(seen).tolist() == [1, 1]
    assert np.isfinite(history.history["loss"]).all()


def test_evaluate_leaves_the_void_pixels_out():
    source = patches(count=4)
    source.labels[:, :, 6:] = 5
    model = keras.Sequential([keras.Input((12, 12, 3)), keras.layers.Conv2D(6, 1)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    before = model.evaluate(Batches(source, 4), verbose=0)
    source.images[:, :, 6:] = 255 - source.images[:, :, 6:]
    assert model.evaluate(Batches(source, 4), verbose=0) == pytest.approx(before, rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0; expected an integer of 1 or more"),
        ({"batch_size": None}, "batch_size"),
        ({"batch_size": 2, "crop": 0}, "crop is 0; expected an integer of 1 or more"),
        ({"batch_size": 2, "crop": 13}, "crop=13 is larger than the patches, 12 × 12"),
        ({"batch_size": 2, "steps": 0}, "steps is 0; expected an integer of 1 or more"),
    ],
)
def test_what_cannot_be_served(arguments, message):
    with pytest.raises(ValueError, match=message):
        Batches(patches(), **arguments)


def test_no_patches():
    with pytest.raises(ValueError, match="at least one patch; got none"):
        Batches(patches(count=1).take(np.array([], dtype=int)), 2)


def test_oblongs_cannot_be_turned_whole():
    with pytest.raises(ValueError, match="12 × 8 cannot be turned by 90 degrees"):
        Batches(patches(width=8), 2, augment=True)
    assert Batches(patches(width=8), 2, augment=True, crop=8)[0][0].shape == (2, 8, 8, 3)


def test_index_out_of_range():
    with pytest.raises(IndexError, match="batch 3 of 3"):
        Batches(patches(), 2)[3]


def test_batches_of_usual_size_are_whole_and_their_time_is_noted(run_time):
    source = patches(count=64, height=256, width=256)
    batches = Batches(source, 16, crop=128, augment=True, shuffle=True, steps=50)
    start = time.process_time()
    shapes = {batches[index][0].shape for index in range(50)}
    seconds = (time.process_time() - start) / 50
    run_time("a batch of 16 crops of 128 × 128, in milliseconds", 1000 * seconds)
    assert shapes == {(16, 128, 128, 3)}


def test_fixed_crops_are_windows_of_their_patches_and_know_their_ground():
    source = patches(count=3, height=9, width=11)
    ground = np.array([[n, 100 * n, 200 * n] for n in range(3)])
    source = dataclasses.replace(source, ground=ground)
    crops = fixed_crops(source, size=4, count=7, seed=2)
    assert crops.images.shape == (7, 4, 4, 3)
    assert sorted(np.bincount(crops.image_index).tolist()) == [2, 2, 3]
    for image, labels, number, place in zip(
        crops.images, crops.labels, crops.image_index, crops.ground, strict=True
    ):
        _, top, left = place - ground[number]
        window = np.s_[number, top : top + 4, left : left + 4]
        np.testing.assert_array_equal(image, source.images[window])
        np.testing.assert_array_equal(labels, source.labels[window])
    again = fixed_crops(source, size=4, count=7, seed=2)
    np.testing.assert_array_equal(again.images, crops.images)
    other = fixed_crops(source, size=4, count=7, seed=3)
    assert (other.ground != crops.ground).any()


def test_fixed_crops_that_cannot_be_cut():
    with pytest.raises(ValueError, match="crop=13 is larger than the patches"):
        fixed_crops(patches(), size=13, count=1)
    with pytest.raises(ValueError, match="at least one patch"):
        fixed_crops(patches().take([]), size=4, count=1)
