"""Our soft-target term for keras.distillation: its value, and Keras' own tests with it."""

import unittest

import keras
import numpy as np
import pytest

from kdlib import beyond, softening
from kdlib.losses import kl_divergence

pytest.importorskip("keras.distillation")
T = 3.0
TEACHER = np.array([[6.0, 2.0, -1.0, 0.0], [1.0, 3.0, 0.5, -2.0]])
STUDENT = np.array([[1.0, 0.5, 0.0, -0.5], [0.0, 0.2, 0.1, 0.3]])


@pytest.mark.parametrize("classes", [4, 1])
def test_the_term_is_the_loss_by_hand(classes):
    loss = beyond.SoftTargetDistillation(temperature=T)
    teacher, student = TEACHER[:, :classes], STUDENT[:, :classes]
    # One logit is a softmax of two, the other of which is 0.
    pair = [np.pad(z, ((0, 0), (0, int(classes == 1)))) for z in (teacher, student)]
    by_hand = T**2 * softening.kl_divergence(*(softening.softmax(z, T) for z in pair)).mean()
    found = float(loss.compute_loss(*(z.astype("float32") for z in (teacher, student))))
    assert found == pytest.approx(by_hand, rel=1e-5)
    assert loss.temperature == T
    config = keras.saving.serialize_keras_object(loss)
    assert keras.saving.deserialize_keras_object(config).temperature == T


def test_of_classes_that_may_hold_together_each_is_a_yes_or_no():
    loss = beyond.SoftTargetDistillation(temperature=T, exclusive=False)
    p, q = (1 / (1 + np.exp(-z / T)) for z in (TEACHER, STUDENT))
    by_hand = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    found = float(loss.compute_loss(TEACHER.astype("float32"), STUDENT.astype("float32")))
    assert found == pytest.approx(T**2 * by_hand.mean(), rel=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert again.exclusive is False and again.temperature == T


def test_what_it_does_not_know_is_refused():
    with pytest.raises(ValueError, match="loss is 'mse'"):
        beyond.SoftTargetDistillation(loss="mse")
    with pytest.raises(ValueError, match="temperature is 0"):
        beyond.SoftTargetDistillation(0)
    with pytest.raises(ValueError, match="has no argument student, teacher, weight"):
        beyond.Term(kl_divergence)


def test_keras_own_tests_of_its_distiller_pass_with_our_term(monkeypatch):
    theirs = pytest.importorskip("keras.src.distillation.distiller_test")
    monkeypatch.setattr(theirs, "LogitsDistillation", beyond.SoftTargetDistillation)
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(theirs.TestDistiller)
    result = unittest.TestResult()
    suite.run(result)
    assert result.testsRun > 8 and result.wasSuccessful(), result.failures + result.errors


def test_probabilities_are_refused_where_logits_are_meant():
    """Their softmax would be taken once more, and hardly anything would be distilled."""

    def network(seed, activation):
        keras.utils.set_random_seed(seed)
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation)])

    loss = beyond.SoftTargetDistillation(2.0)
    for ends in (("softmax", None), (None, "softmax")):
        teacher, student = (network(seed, end) for seed, end in enumerate(ends))
        with pytest.raises(ValueError, match="ends in a softmax or sigmoid, and forward_kl is ov"):
            keras.distillation.Distiller(teacher, student, distillation_losses=loss)
    keras.distillation.Distiller(network(0, None), network(1, None), distillation_losses=loss)
