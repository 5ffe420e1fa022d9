"""The U-Nets: their layers, parameters, outputs and errors."""

import keras
import numpy as np
import pytest
from keras import ops

from kdlib import unet as unets

NAMES = ["c1", "c2", "c3", "c4", "c5", "u6", "u7", "u8", "u9", "logits", "probabilities"]
TINY = (2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    ("build", "filters", "parameters"),
    [
        (unets.multi_teacher_unet_model, [16, 32, 64, 128, 256, 128, 64, 32, 16, 6, 6], 1_941_190),
        (unets.multi_student_unet_model, [4, 8, 16, 32, 64, 32, 16, 8, 4, 6, 6], 121_750),
    ],
)
def test_ten_layers_and_the_published_parameters(build, filters, parameters):
    model = build()
    assert model.count_params() == parameters
    assert model.input_shape == (None, 256, 256, 3)
    assert model.output_shape == (None, 256, 256, 6)
    assert [model.get_layer(name).output.shape[-1] for name in NAMES] == filters
    sizes = [model.get_layer(name).output.shape[1] for name in NAMES[:9]]
    assert sizes == [256, 128, 64, 32, 16, 32, 64, 128, 256]


def test_the_number_of_parameters_by_hand():
    def block(a, b):
        return 9 * a * b + b + 9 * b * b + b

    f = (4, 8, 16, 32, 64)
    total = block(3, f[0]) + sum(block(a, b) for a, b in zip(f, f[1:], strict=False))
    total += sum(4 * b * a + a + block(2 * a, a) for a, b in zip(f, f[1:], strict=False))
    assert total + f[0] * 6 + 6 == unets.multi_student_unet_model().count_params()


def test_outputs_are_the_softmax_of_the_logits():
    model = unets.unet(TINY, 4, 32, 48)
    x = np.random.default_rng(0).random((2, 32, 48, 3), dtype="float32")
    logits, outputs = map(ops.convert_to_numpy, unets.logits_and_outputs(model)(x))
    np.testing.assert_allclose(ops.convert_to_numpy(ops.softmax(logits)), outputs, atol=1e-6)
    np.testing.assert_allclose(outputs.sum(-1), 1, rtol=1e-5)
    alone = ops.convert_to_numpy(unets.logits_model(model)(x))
    np.testing.assert_allclose(alone, logits)


def test_any_size_divisible_by_16_with_the_same_weights():
    model = unets.unet(TINY, 3, None, None)
    assert model(np.zeros((1, 16, 64, 3), "float32")).shape == (1, 16, 64, 3)
    assert model(np.zeros((1, 48, 32, 3), "float32")).shape == (1, 48, 32, 3)


def test_numbers_may_come_from_numpy():
    classes, size = np.array([0, 3, 2]).max() + 1, np.int64(32)
    model = unets.unet(np.array(TINY), classes, size, size)
    again = keras.models.model_from_json(model.to_json())
    assert again.output_shape == (None, 32, 32, 4)


def test_batch_normalisation_is_off_by_default():
    def norms(model):
        return [layer for layer in model.layers if "norm" in layer.name]

    assert not norms(unets.unet(TINY, 3, 32, 32))
    assert len(norms(unets.unet(TINY, 3, 32, 32, normalization="batch"))) == 18


def test_dropout_acts_in_training_alone():
    model = unets.unet(TINY, 3, 16, 16, dropout=0.5)
    x = np.random.default_rng(0).random((1, 16, 16, 3), dtype="float32")
    still = [ops.convert_to_numpy(model(x, training=False)) for _ in range(2)]
    moving = [ops.convert_to_numpy(model(x, training=True)) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    assert np.abs(moving[0] - moving[1]).max() > 0


def test_logits_are_float32_under_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = unets.unet(TINY, 3, 16, 16)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.get_layer("c1").compute_dtype == "bfloat16"
    assert model.get_layer("logits").compute_dtype == "float32"
    assert model.get_layer("probabilities").compute_dtype == "float32"


@pytest.mark.parametrize("size", [0, -16, 100, 250, 8, 256.0, "256"])
def test_size_must_be_divisible_by_16(size):
    with pytest.raises(ValueError, match="image_height.*multiple of 16"):
        unets.multi_student_unet_model(image_height=size)
    with pytest.raises(ValueError, match="image_width.*multiple of 16"):
        unets.multi_student_unet_model(image_width=size)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_classes": 1}, "n_classes is 1"),
        ({"n_classes": 6.0}, "n_classes is 6.0"),
        ({"image_channels": 0}, "image_channels is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"dropout": -0.1}, "dropout is -0.1"),
        ({"normalization": "layer"}, "normalization is 'layer'"),
    ],
)
def test_other_arguments_out_of_range(change, message):
    with pytest.raises(ValueError, match=message):
        unets.multi_teacher_unet_model(**change)


@pytest.mark.parametrize("filters", [(1, 2, 3, 4), (1, 2, 3, 4, 0), (1, 2, 3, 4, 5.0)])
def test_filters_must_be_five_positive_integers(filters):
    with pytest.raises(ValueError, match="five positive integers"):
        unets.unet(filters)
