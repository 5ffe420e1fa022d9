"""The coarse student: shapes, where its pixels go, and that it is taught and kept as any other."""

import keras
import numpy as np
import pytest
from keras import ops

from kdlib.coarse_unet import BLOCK, PixelShuffle, multi_coarse_student_unet_model
from kdlib.deploy.footprint import multiply_adds
from kdlib.distiller import Distiller
from kdlib.unet import logits_model, multi_student_unet_model
from tests.kdlib.small import CLASSES, SIZE, batch, network


def coarse(**options):
    options = {"n_classes": CLASSES, "image_height": None, "image_width": None} | options
    return multi_coarse_student_unet_model(**options)


def test_each_feature_of_a_place_becomes_the_pixel_that_a_loop_puts_there():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 2 * 2 * 5)).astype("float32")
    expected = np.empty((2, 6, 8, 5), "float32")
    for row in range(6):
        for column in range(8):
            start = 5 * (2 * (row % 2) + column % 2)
            expected[:, row, column] = x[:, row // 2, column // 2, start : start + 5]
    np.testing.assert_array_equal(ops.convert_to_numpy(PixelShuffle(2)(x)), expected)


def test_it_takes_any_size_divisible_by_16_and_answers_for_each_pixel():
    model = coarse(dropout=0.0)
    for size in ((1, 16, 48, 3), (2, 64, 32, 3)):
        found = ops.convert_to_numpy(model(np.zeros(size, "float32")))
        assert found.shape == (*size[:3], CLASSES)
        np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)


def test_it_has_the_layers_and_costs_that_its_docstring_names():
    model, student = multi_coarse_student_unet_model(), multi_student_unet_model()
    assert model.count_params() / student.count_params() == pytest.approx(0.9, abs=0.05)
    assert multiply_adds(model) / multiply_adds(student) == pytest.approx(0.4, abs=0.05)
    for name in ("stem", "c1", "c2", "c3", "u4", "u5", "blocks", "logits", "probabilities"):
        model.get_layer(name)
    assert model.get_layer("c1").output.shape[1:] == (256 // BLOCK, 256 // BLOCK, 8)


def test_most_of_its_products_are_in_layers_of_32_features_and_more():
    model, products = multi_coarse_student_unet_model(), {}
    for layer in model.layers:
        if hasattr(layer, "kernel"):  # a transposed convolution multiplies at places of its input
            place = layer.input if layer.name.endswith("_up") else layer.output
            products[layer.name] = int(np.prod([*place.shape[1:3], *layer.kernel.shape]))
    assert sum(products.values()) == multiply_adds(model)
    wide = sum(count for name, count in products.items() if name.startswith(("c2", "c3", "u4")))
    assert wide / sum(products.values()) == pytest.approx(0.76, abs=0.01)


def test_moving_the_image_by_a_block_moves_the_answer():
    """Far from the edge: what 16 pixels share is the place of all halvings."""
    model = logits_model(coarse(dropout=0.0))
    image = np.random.default_rng(1).random((1, 288, 288, 3), dtype="float32")
    moved = np.roll(image, 16, axis=2)
    before, after = (ops.convert_to_numpy(model(x)) for x in (image, moved))
    middle, next_to_it = slice(128, 144), slice(144, 160)
    np.testing.assert_allclose(
        after[0, middle, next_to_it], before[0, middle, middle], rtol=1e-4, atol=1e-5
    )
    assert np.abs(before[0, middle, next_to_it] - before[0, middle, middle]).max() > 0.01


@pytest.mark.parametrize("filters", [(8, 32), (8, 32, 64, 128), (8, 0, 64), "abc"])
def test_filters_that_do_not_fit_are_refused(filters):
    with pytest.raises(ValueError, match="three positive integers, for c1 to c3"):
        multi_coarse_student_unet_model(filters=filters)


def test_a_size_that_is_no_multiple_of_16_is_refused():
    with pytest.raises(ValueError, match="image_width is 40; expected a multiple of 16"):
        multi_coarse_student_unet_model(image_height=32, image_width=40)


def test_under_mixed_precision_the_logits_are_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = coarse()
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("c1").compute_dtype == "bfloat16"
    assert {model.get_layer(name).compute_dtype for name in ("blocks", "logits")} == {"float32"}


def test_the_distiller_teaches_it_as_it_is():
    keras.utils.set_random_seed(0)
    distiller = Distiller(coarse(normalization="batch", dropout=0.0), network(3, seed=2))
    distiller.compile(keras.optimizers.Adam(0.01), alpha=0.1, temperature=2.0)
    x, y, weight = batch()
    losses = distiller.fit(x, y, sample_weight=weight, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]


def test_saved_and_loaded_it_answers_the_same(tmp_path):
    model, path = coarse(), tmp_path / "coarse.keras"
    model.save(path)
    x = batch()[0]
    before, after = (
        ops.convert_to_numpy(each(x)) for each in (model, keras.saving.load_model(path))
    )
    assert x.shape[1] == SIZE
    np.testing.assert_array_equal(before, after)
