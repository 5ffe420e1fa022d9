"""Soft-target losses against NumPy in float64, closed forms and properties, on any backend."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from kdlib import softening
from kdlib.losses import (
    LabelCrossEntropy,
    SoftTargetBernoulliDivergence,
    SoftTargetKLDivergence,
    bernoulli_divergence,
    checked_alpha,
    kl_divergence,
)

cases = st.tuples(
    st.integers(0, 2**32 - 1),  # seed
    st.lists(st.integers(1, 5), min_size=0, max_size=3),  # batch, height, width
    st.integers(2, 9),  # classes
    st.floats(0.5, 1000),  # temperature
    st.floats(0.1, 1e4),  # size of the logits
)


def draw(case):
    seed, shape, classes, temperature, size = case
    rng = np.random.default_rng(seed)
    pair = rng.uniform(-size, size, (2, *shape, classes)).astype("float32")
    return pair[0], pair[1], temperature


def reference(teacher, student, temperature):
    """The divergence and its gradient in the student's logits, in float64, term by term."""
    log_p = softening.log_softmax(teacher, temperature)
    log_q = softening.log_softmax(student, temperature)
    p, q = np.exp(log_p), np.exp(log_q)
    return (p * (log_p - log_q)).sum(-1), (q - p) / temperature


def gradient(function, student):
    """The gradient of a scalar function of the student's logits, on the running backend."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return np.asarray(jax.grad(function)(student))
    if backend == "torch":
        import torch

        z = torch.tensor(student, requires_grad=True)
        function(z).backward()
        return z.grad.numpy()
    import tensorflow as tf

    z = tf.constant(student)
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = function(z)
    return tape.gradient(value, z).numpy()


@given(cases)
@settings(max_examples=60, deadline=None)
def test_value_equals_the_float64_reference(case):
    teacher, student, temperature = draw(case)
    value = ops.convert_to_numpy(kl_divergence(teacher, student, temperature))
    expected, _ = reference(teacher, student, temperature)
    # The scale of the terms that are subtracted bounds what float32 can resolve.
    scale = np.abs(np.stack([teacher, student]).astype(float)).max() / temperature
    np.testing.assert_allclose(value, expected, rtol=3e-5, atol=1e-6 * max(scale, 1))


@given(cases)
@settings(max_examples=25, deadline=None)
def test_gradient_equals_the_closed_form(case):
    teacher, student, temperature = draw(case)
    got = gradient(lambda z: ops.sum(kl_divergence(teacher, z, temperature)), student)
    _, expected = reference(teacher, student, temperature)
    # q - p is a difference of rounded probabilities: float32 resolves 1e-7 of 1.
    scale = max(np.abs(np.stack([teacher, student]).astype(float)).max() / temperature, 1)
    tolerance = 5e-7 * scale / temperature
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=tolerance)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 4.0, 32.0])
def test_hundreds_of_usual_pixels_have_the_gradient_to_1e_5(temperature):
    rng = np.random.default_rng(3)
    teacher, student = rng.normal(0, 3, (2, 500, 6)).astype("float32")
    value = ops.convert_to_numpy(kl_divergence(teacher, student, temperature)).astype(float)
    expected, slope = reference(teacher, student, temperature)
    assert value.mean() == pytest.approx(expected.mean(), rel=1e-4)
    got = gradient(lambda z: ops.sum(kl_divergence(teacher, z, temperature)), student)
    assert np.linalg.norm(got - slope) <= 1e-5 * np.linalg.norm(slope)


@pytest.mark.parametrize("temperature", [1.0, 8.0, 32.0])
def test_close_logits_have_a_gradient_that_no_training_can_tell_from_the_exact_one(temperature):
    """A tenth apart, as late in a training: the worst case for a difference of logarithms."""
    rng = np.random.default_rng(5)
    teacher = rng.normal(0, 3, (500, 6)).astype("float32")
    student = teacher + rng.normal(0, 0.1, (500, 6)).astype("float32")
    got = gradient(lambda z: ops.sum(kl_divergence(teacher, z, temperature)), student)
    _, slope = reference(teacher, student, temperature)
    assert np.linalg.norm(got - slope) <= 1e-4 * np.linalg.norm(slope)


def test_a_batch_without_pixels_has_as_many_values():
    nothing = np.zeros((0, 4, 6), "float32")
    assert ops.convert_to_numpy(kl_divergence(nothing, nothing, 2.0)).shape == (0, 4)
    assert gradient(lambda z: ops.sum(kl_divergence(nothing, z, 2.0)), nothing).shape == (0, 4, 6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_logit_that_is_not_finite_is_not_hidden(value):
    logits = np.zeros((2, 2, 3), "float32")
    logits[:, 0, 1] = [value, 0]
    for teacher, student in (logits, logits[::-1]):
        found = ops.convert_to_numpy(kl_divergence(teacher, student))
        assert not np.isfinite(found[0]) and found[1] == 0


@pytest.mark.parametrize("size", [0.05, 3.0])
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_the_gradient_in_the_teachers_logits_is_there_too(size, temperature):
    """For trainings in which both learn. From close logits, and from others."""
    rng = np.random.default_rng(4)
    teacher, student = rng.normal(0, size, (2, 50, 6)).astype("float32")
    got = gradient(lambda z: ops.sum(kl_divergence(z, student, temperature)), teacher)
    log_p, log_q = (softening.log_softmax(z, temperature) for z in (teacher, student))
    apart = log_p - log_q - reference(teacher, student, temperature)[0][:, None]
    expected = np.exp(log_p) * apart / temperature
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_shift_of_either_logits_changes_nothing():
    rng = np.random.default_rng(0)
    teacher, student = rng.normal(size=(2, 5, 6))
    before = ops.convert_to_numpy(kl_divergence(teacher, student, 3.0))
    after = ops.convert_to_numpy(kl_divergence(teacher + 10, student - 7, 3.0))
    np.testing.assert_allclose(after, before, rtol=1e-4)


@pytest.mark.parametrize("teacher, student", [((3, 6, 6), (3, 6)), ((3, 6), (3, 6, 6))])
def test_another_number_of_axes_is_refused_though_the_sizes_agree(teacher, student):
    with pytest.raises(ValueError, match="expected the same shape, with the same classes last"):
        kl_divergence(np.zeros(teacher, "float32"), np.zeros(student, "float32"))


def test_the_order_of_the_classes_does_not_matter():
    rng = np.random.default_rng(1)
    teacher, student = rng.normal(size=(2, 5, 6))
    order = rng.permutation(6)
    before = ops.convert_to_numpy(kl_divergence(teacher, student, 2.0))
    after = ops.convert_to_numpy(kl_divergence(teacher[:, order], student[:, order], 2.0))
    np.testing.assert_allclose(after, before, rtol=1e-5)
    teacher, student = teacher.astype("float32"), student.astype("float32")
    slope = gradient(lambda z: ops.sum(kl_divergence(teacher, z, 2.0)), student)
    moved = gradient(lambda z: ops.sum(kl_divergence(teacher[:, order], z, 2.0)), student[:, order])
    np.testing.assert_allclose(moved, slope[:, order], rtol=1e-5, atol=1e-7)


def test_t_squared_times_kl_tends_to_half_the_variance_of_the_difference():
    rng = np.random.default_rng(2)
    teacher, student = rng.normal(0, 3, (2, 10, 6)).astype("float32")
    limit = 0.5 * (teacher.astype(float) - student).var(-1)
    errors = []
    for temperature in (3.0, 10.0, 30.0):
        value = ops.convert_to_numpy(kl_divergence(teacher, student, temperature)).astype(float)
        errors.append(np.abs(temperature**2 * value / limit - 1).max())
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.2


def test_a_student_like_the_teacher_has_no_loss():
    z = np.random.default_rng(4).normal(size=(3, 6))
    np.testing.assert_allclose(ops.convert_to_numpy(kl_divergence(z, z, 5.0)), 0, atol=1e-6)


def test_half_precision_logits_are_computed_in_float32():
    z = ops.cast(np.array([[4.0, 1.0, -2.0]]), "bfloat16")
    assert keras.backend.standardize_dtype(kl_divergence(z, z).dtype) == "float32"


def test_loss_object_is_the_weighted_mean_over_pixels():
    rng = np.random.default_rng(5)
    teacher, student = rng.normal(size=(2, 2, 3, 3, 6)).astype("float32")
    weight = rng.integers(0, 2, (2, 3, 3)).astype("float32")
    each, _ = reference(teacher, student, 1.0)
    loss = SoftTargetKLDivergence()
    assert float(loss(teacher, student)) == pytest.approx(each.mean(), rel=1e-5)
    weighted = float(loss(teacher, student, sample_weight=weight))
    assert weighted == pytest.approx((each * weight).sum() / 18, rel=1e-5)


def test_the_mean_does_not_depend_on_batch_or_image_size():
    rng = np.random.default_rng(6)
    teacher, student = rng.normal(size=(2, 2, 4, 4, 6)).astype("float32")
    loss = SoftTargetKLDivergence()
    small = float(loss(teacher, student))
    larger = [np.tile(z, (3, 2, 5, 1)) for z in (teacher, student)]
    assert float(loss(*larger)) == pytest.approx(small, rel=1e-5)


def test_loss_object_survives_saving():
    config = keras.saving.serialize_keras_object(SoftTargetKLDivergence(name="soft"))
    again = keras.saving.deserialize_keras_object(config)
    assert isinstance(again, SoftTargetKLDivergence) and again.name == "soft"


@pytest.mark.parametrize("temperature", [1.0, 3.0, 5.0])
def test_equals_keras_distillation_when_it_is_given_a_loss_object(temperature):
    distillation = pytest.importorskip("keras.distillation")
    rng = np.random.default_rng(7)
    teacher, student = rng.normal(0, 2, (2, 8, 6)).astype("float32")
    theirs = distillation.LogitsDistillation(
        loss=keras.losses.KLDivergence(), temperature=temperature
    )
    value = float(
        theirs.compute_loss(ops.convert_to_tensor(teacher), ops.convert_to_tensor(student))
    )
    ours = temperature**2 * float(ops.mean(kl_divergence(teacher, student, temperature)))
    assert ours == pytest.approx(value, rel=1e-5)


def test_the_divergence_of_yes_or_no_is_that_of_numpy():
    teacher, student = np.random.default_rng(3).normal(0, 3, (2, 4, 5, 3))
    p, q = (1 / (1 + np.exp(-z / 2)) for z in (teacher, student))
    each = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    found = ops.convert_to_numpy(bernoulli_divergence(teacher, student, 2.0))
    np.testing.assert_allclose(found, each.mean(-1), rtol=1e-5)
    loss = float(SoftTargetBernoulliDivergence()(teacher / 2, student / 2))
    assert loss == pytest.approx(each.mean(), rel=1e-5)


def test_the_cross_entropy_takes_ids_shares_and_yes_or_no():
    logits = np.random.default_rng(4).normal(0, 3, (2, 3, 4))
    log_q = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    ids = np.arange(6).reshape(2, 3) % 4
    shares = np.full(logits.shape, 0.25)
    for y, expected in ((ids, -log_q[np.eye(4, dtype=bool)[ids]].mean()), (shares, -log_q.mean())):
        assert float(LabelCrossEntropy()(y, logits)) == pytest.approx(expected, rel=1e-5)
    yes = np.eye(4)[ids]
    q = 1 / (1 + np.exp(-logits))
    each = -(yes * np.log(q) + (1 - yes) * np.log(1 - q)).mean(-1)
    weight = np.arange(6.0).reshape(2, 3)
    found = float(LabelCrossEntropy(bernoulli=True)(yes, logits, sample_weight=weight))
    assert found == pytest.approx((weight * each).mean(), rel=1e-5)


@pytest.mark.parametrize("temperature", [0, -2, float("nan"), float("inf"), "3", True])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match="expected a positive number"):
        kl_divergence([[1.0, 0.0]], [[0.0, 1.0]], temperature)


def test_numbers_may_come_from_numpy():
    for temperature in (np.int64(4), np.float32(4.0)):
        assert softening.checked_temperature(temperature) == 4.0
    assert checked_alpha(np.float32(0.5)) == 0.5


@pytest.mark.parametrize("alpha", [-0.1, 1.3, float("nan"), "0.5", None, True])
def test_alpha_must_be_a_share(alpha):
    with pytest.raises(ValueError, match="expected a number from 0"):
        checked_alpha(alpha)


@pytest.mark.parametrize("shape", [(2, 5), (3, 6), (6,), (2, 1, 6)])
def test_shapes_must_match(shape):
    with pytest.raises(ValueError, match="expected the same shape"):
        kl_divergence(np.zeros((2, 6)), np.zeros(shape))
