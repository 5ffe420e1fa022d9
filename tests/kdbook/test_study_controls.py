"""What stands in the teacher's place: each control destroys one thing and keeps the rest."""

import keras
import numpy as np
import pytest

from kdbook.study import controls
from kdlib.data import N_CLASSES, VOID
from kdlib.distiller import Distiller
from kdlib.losses import kl_divergence
from kdlib.unet import logits_model
from tests.kdlib.small import network, values


@pytest.fixture(scope="module")
def teacher():
    return network(3, seed=2, classes=N_CLASSES, size=None)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((3, 16, 16, 3), dtype="float32")


def logits_of(model, images):
    return keras.ops.convert_to_numpy(logits_model(model)(images, training=False))


def test_the_dealt_out_logits_keep_winner_void_and_values():
    logits = np.random.default_rng(1).normal(size=(2, 5, 7, N_CLASSES)).astype("float32")
    dealt = keras.ops.convert_to_numpy(controls.DealOut(seed=3)(logits))
    np.testing.assert_array_equal(np.sort(dealt), np.sort(logits))
    winner = logits.argmax(-1)
    np.testing.assert_array_equal(dealt.argmax(-1), winner)
    stays = winner != VOID
    np.testing.assert_array_equal(dealt[stays][:, VOID], logits[stays][:, VOID])


def test_every_wrong_class_gets_every_logit_equally_often():
    logits = np.broadcast_to(np.array([9.0, 1, 2, 3, 4, -5], "float32"), (20_000, N_CLASSES))
    dealt = keras.ops.convert_to_numpy(controls.DealOut()(logits))
    counts = np.array([[(dealt[:, c] == value).mean() for value in (1, 2, 3, 4)] for c in range(6)])
    np.testing.assert_allclose(counts[1:5], 0.25, atol=0.015)
    np.testing.assert_array_equal(counts[[0, 5]], 0)


def test_each_call_deals_anew_and_the_seed_decides():
    logits = np.arange(600, dtype="float32").reshape(100, 6)
    layer = controls.DealOut(seed=1)
    first, second = (keras.ops.convert_to_numpy(layer(logits)) for _ in range(2))
    again = keras.ops.convert_to_numpy(controls.DealOut(seed=1)(logits))
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()


def test_the_shuffled_teacher_decides_like_the_teacher(teacher, images):
    own, dealt = logits_of(teacher, images), logits_of(controls.shuffled(teacher, 5), images)
    np.testing.assert_allclose(np.sort(own), np.sort(dealt), atol=1e-5)
    np.testing.assert_array_equal(own.argmax(-1), dealt.argmax(-1))
    assert (own.argsort(-1)[..., -2] != dealt.argsort(-1)[..., -2]).mean() > 0.4


def test_the_distracted_teacher_answers_for_the_image_before(teacher, images):
    own, other = logits_of(teacher, images), logits_of(controls.distracted(teacher), images)
    np.testing.assert_allclose(other, own[[2, 0, 1]], atol=1e-6)


def test_the_untrained_teacher_has_fresh_weights_by_the_seed(teacher, images):
    before = values(teacher.variables)
    one, same, other = (controls.untrained(teacher, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(logits_of(one, images), logits_of(same, images))
    for model in (other, teacher):
        assert not np.allclose(logits_of(one, images), logits_of(model, images))
    for a, b in zip(before, values(teacher.variables), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("epsilon", [0.1, 0.4])
def test_learning_from_the_uniform_teacher_is_label_smoothing(images, epsilon):
    student = network(2, seed=1, classes=N_CLASSES, size=None)
    distiller = Distiller(student, controls.uniform(None))
    distiller.compile("sgd", alpha=1 - epsilon, temperature=1.0)
    labels = np.random.default_rng(2).integers(0, 5, (3, 16, 16))
    even = logits_of(controls.uniform(None), images)
    differences = []
    for seed in (1, 2):
        z = np.random.default_rng(seed).normal(size=even.shape).astype("float32")
        parts = distiller.objectives(labels, even, z)
        log_q = z - np.log(np.exp(z).sum(-1, keepdims=True))
        smoothed = (1 - epsilon) * np.eye(6)[labels] + epsilon / 5 * np.array([1, 1, 1, 1, 1, 0])
        by_hand = -(smoothed * log_q).sum(-1).mean()
        differences.append(float(distiller.weighted_sum(*parts)) - by_hand)
    # They differ by the entropy of the uniform distribution, which no student can change.
    np.testing.assert_allclose(differences, -epsilon * np.log(5), atol=1e-5)


def test_no_probability_goes_to_void(images):
    even = controls.uniform(None)(images)
    expected = np.broadcast_to([0.2] * 5 + [0.0], even.shape)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(even), expected, atol=1e-6)
    divergence = kl_divergence(
        logits_of(controls.uniform(None), images), np.zeros(even.shape, "float32")
    )
    np.testing.assert_allclose(divergence, np.log(6 / 5), atol=1e-5)


@pytest.mark.parametrize(
    "layer", [controls.DealOut(4), controls.NextImage(), controls.EvenLogits()]
)
def test_the_layers_can_be_saved(layer):
    again = type(layer).from_config(layer.get_config())
    x = np.random.default_rng(0).random((2, 3, 3, 6), dtype="float32")
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (layer(x), again(x))))


@pytest.mark.parametrize("name", controls.TEACHERS)
def test_every_teacher_teaches(teacher, images, name):
    student = network(2, seed=1, classes=N_CLASSES, size=None)
    distiller = Distiller(student, controls.TEACHERS[name](teacher, 0))
    distiller.compile(keras.optimizers.SGD(0.1), alpha=0.5, temperature=2.0, jit_compile=False)
    before, kept = values(student.trainable_variables), values(teacher.variables)
    labels = np.zeros((3, 16, 16), "int32")
    distiller.fit(images, labels, sample_weight=np.ones(labels.shape), verbose=0)
    after = values(student.trainable_variables)
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    for a, b in zip(kept, values(teacher.variables), strict=True):
        np.testing.assert_array_equal(a, b)
