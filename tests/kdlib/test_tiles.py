"""Whole images in tiles: no pixel can tell."""

import keras
import numpy as np
import pytest

from kdlib import data
from kdlib.coarse_unet import multi_coarse_student_unet_model
from kdlib.deploy import tiles
from kdlib.deploy.inference import ExportedModel
from tests.kdlib.small import network


@pytest.fixture(scope="module")
def model():
    return network(2, seed=5, size=None, normalization="batch")


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def whole(model, image):
    """Return the probabilities of an image in one piece, its last pixels repeated up to 16s."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, -height % 16), (0, -width % 16), (0, 0)), mode="edge")
    answer = keras.ops.convert_to_numpy(model(padded[None] / np.float32(255), training=False))
    return answer[0, :height, :width]


def together(model, image, **options):
    result = np.full((*image.shape[:2], model.output_shape[-1]), np.nan, np.float32)
    for rows, columns, part in tiles.parts(model, image, **options):
        assert np.isnan(result[rows, columns]).all()  # each pixel once
        result[rows, columns] = part
    return result


def test_a_large_image_in_tiles_equals_the_whole(model):
    image = noise(2149, 1480)
    expected = whole(model, image)
    np.testing.assert_allclose(together(model, image, tile=768), expected, atol=1e-5)


def test_tiles_suit_the_coarse_student_too():
    keras.utils.set_random_seed(6)
    model = multi_coarse_student_unet_model(image_height=None, image_width=None, dropout=0.0)
    image = noise(530, 600)
    np.testing.assert_allclose(together(model, image, tile=288), whole(model, image), atol=1e-5)


@pytest.mark.parametrize("height, width", [(1, 1), (16, 700), (513, 512), (511, 300), (800, 17)])
def test_images_of_awkward_sizes(height, width, model):
    image = noise(height, width)
    np.testing.assert_allclose(together(model, image), whole(model, image), atol=1e-5)


def test_less_margin_than_the_receptive_field_shows(model):
    image = noise(400, 400)
    expected = whole(model, image)
    for margin in (0, 16):
        wrong = np.abs(together(model, image, tile=256, margin=margin) - expected).max()
        assert wrong > 1e-4, margin


def test_the_classes_are_those_of_the_probabilities(model):
    image = noise(300, 530)
    labels = tiles.segment(model, image)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, whole(model, image).argmax(axis=-1))


def test_a_model_of_one_size_decides_the_tile(model):
    sizes = []

    def run(image):
        sizes.append(image.shape[1:3])
        return keras.ops.convert_to_numpy(model(image, training=False))

    exported = ExportedModel(run, (1, 320, 320, 3))
    exported.output_shape = model.output_shape
    for shape in ((500, 320), (100, 330)):
        image = noise(*shape)
        found = together(exported, image)
        if min(shape) >= 320:
            np.testing.assert_allclose(found, whole(model, image), atol=1e-5)
        assert not np.isnan(found).any()
    assert set(sizes) == {(320, 320)}


def test_one_tile_is_in_memory_at_a_time(model):
    given = []

    def run(image):
        given.append(image.shape)
        return np.zeros((*image.shape[:3], 4), np.float32)

    class Counting:
        input_shape = (None, None, None, 3)

        def __call__(self, image, training):
            return run(image)

    answer = tiles.parts(Counting(), noise(1600, 1600), tile=512)
    next(answer)
    assert given == [(1, 512, 512, 3)]
    assert sum(1 for _ in answer) == len(given) - 1 == 24


def reach(halvings, convolutions):
    """Count which inputs an output depends on, by marking them one by one."""
    length = 2**halvings * 40
    farthest = 0
    for place in range(length // 2, length // 2 + 2**halvings):
        marked = np.zeros(length, bool)
        marked[place] = True
        levels = []
        for _ in range(halvings):
            marked = wider(marked, convolutions)
            levels.append(marked)
            marked = marked.reshape(-1, 2).any(axis=1)
        marked = wider(marked, convolutions)
        for skip in reversed(levels):
            marked = wider(np.repeat(marked, 2) | skip, convolutions)
        farthest = max(farthest, np.abs(np.flatnonzero(marked) - place).max())
    return farthest


def wider(marked, times):
    for _ in range(times):
        marked = np.convolve(marked, [1, 1, 1], mode="same") > 0
    return marked


@pytest.mark.parametrize("halvings, convolutions", [(0, 1), (1, 2), (2, 1), (3, 2), (4, 2)])
def test_the_radius_is_that_of_the_inputs_counted_one_by_one(halvings, convolutions):
    assert tiles.receptive_radius(halvings, convolutions) == reach(halvings, convolutions)


def test_a_network_sees_no_further_than_the_radius(model):
    image = noise(480, 480)
    other = image.copy()
    other[240, 240] = 255 - other[240, 240]
    changed = np.abs(whole(model, image) - whole(model, other)).max(axis=-1) > 0
    rows, columns = np.nonzero(changed)
    distance = max(np.abs(rows - 240).max(), np.abs(columns - 240).max())
    assert 8 < distance <= tiles.receptive_radius() <= tiles.MARGIN


def test_progress_is_shown_on_request(model, capsys):
    tiles.segment(model, noise(20, 20))
    assert capsys.readouterr().err == ""
    tiles.segment(model, noise(20, 20), progress=True)
    assert "tiles: 100%" in capsys.readouterr().err


@pytest.mark.parametrize(
    "image, options, message",
    [
        (np.zeros((32, 32), np.uint8), {}, r"shape \(32, 32\) and type uint8 came"),
        (np.zeros((32, 32, 4), np.uint8), {}, r"shape \(32, 32, 4\)"),
        (np.zeros((32, 32, 3)), {}, "type float64 came; expected .* of uint8"),
        (np.zeros((0, 32, 3), np.uint8), {}, r"shape \(0, 32, 3\)"),
        (noise(32, 32), {"tile": 100}, "tile is 100; expected a multiple of 16"),
        (noise(32, 32), {"tile": 0}, "tile is 0; expected an integer of 16 or more"),
        (noise(32, 32), {"margin": -16}, "margin is -16; expected an integer of 0 or more"),
        (noise(32, 32), {"margin": 8.0}, "margin is 8.0; expected an integer"),
        (noise(300, 32), {"tile": 224}, "224 pixels with a margin of 112 came; .* example 480"),
        (noise(32, 32), {"grid": 0}, "grid is 0; expected an integer of 1 or more"),
        (noise(32, 32), {"grid": "a"}, "grid is 'a'; expected an integer of 1 or more"),
    ],
)
def test_arguments_that_do_not_fit(image, options, message, model):
    with pytest.raises(ValueError, match=message):
        tiles.segment(model, image, **options)


@pytest.mark.parametrize(
    "grid, margin, most", [(1, 100, 15), (1, 16, 15), (16, 16, 0), (4, 16, 12)]
)
def test_a_margin_too_wide_for_a_network_of_one_size_is_told_the_widest(grid, margin, most):
    small = network(2, seed=5, size=32)
    said = f"margin of {margin} came, and the network takes images of 32 .* at most {most}, less"
    with pytest.raises(ValueError, match=said):
        tiles.segment(small, noise(50, 40), margin=margin, grid=grid)
    assert tiles.segment(small, noise(50, 40), margin=most, grid=grid).shape == (50, 40)


def test_an_overlay_is_between_image_and_colours():
    image, labels = noise(4, 5), np.random.default_rng(1).integers(0, 6, (4, 5))
    np.testing.assert_array_equal(tiles.overlay(image, labels, 0), image)
    np.testing.assert_array_equal(tiles.overlay(image, labels, 1), data.PALETTE[labels])
    half = (image.astype(int) + data.PALETTE[labels]) // 2
    np.testing.assert_array_equal(tiles.overlay(image, labels), half)
    with pytest.raises(ValueError, match=r"\(4, 5, 3\) and labels of shape \(4, 4\) came"):
        tiles.overlay(image, labels[:, :4])
    with pytest.raises(ValueError, match="opacity is 2; expected a number from 0 to 1"):
        tiles.overlay(image, labels, 2)


def test_a_network_of_several_outputs_is_refused():
    image = keras.Input((None, None, 3))
    heads = [keras.layers.Conv2D(3, 1)(image) for _ in range(2)]
    with pytest.raises(ValueError, match="the network returns 2 arrays; expected one"):
        tiles.segment(keras.Model(image, heads), noise(64, 64))
