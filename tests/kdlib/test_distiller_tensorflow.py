"""What only TensorFlow shows: the explicit steps, the tape, float16 scaling."""

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow
if keras.backend.backend() != "tensorflow":
    pytest.skip("the explicit steps are TensorFlow's", allow_module_level=True)

import tensorflow as tf  # noqa: E402

from kdlib.distiller import Distiller  # noqa: E402
from tests.kdlib.small import batch, distiller, values  # noqa: E402


class Neutral(Distiller):
    """The Distiller with Keras' own steps, as JAX and PyTorch run it."""

    train_step = keras.Model.train_step
    test_step = keras.Model.test_step


def both_kinds(**options):
    explicit = distiller(normalization="batch", **options)
    neutral = Neutral(*(keras.models.clone_model(m) for m in (explicit.student, explicit.teacher)))
    for a, b in ((explicit.student, neutral.student), (explicit.teacher, neutral.teacher)):
        b.set_weights(a.get_weights())
    neutral.compile(keras.optimizers.SGD(0.1), alpha=0.3, temperature=2.0)
    return explicit, neutral


def test_explicit_and_neutral_steps_give_the_same_gradients():
    explicit, neutral = both_kinds()
    x, y, weight = (tf.constant(part) for part in batch())
    with tf.GradientTape() as tape:
        z_s, _ = explicit.ask_student(x, training=True)
        parts = explicit.objectives(y, explicit.ask_teacher(x), z_s, weight)
        loss = explicit.weighted_sum(*parts)
    expected = tape.gradient(loss, explicit.student.trainable_variables)
    with tf.GradientTape() as tape:
        loss = neutral.compute_loss(x, y, neutral(x, training=True), weight)
    got = tape.gradient(loss, neutral.student.trainable_variables)
    for a, b in zip(expected, got, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_explicit_and_neutral_steps_give_the_same_weights_after_ten_steps():
    # With seed 0 a rounding flips a ReLU in one of the steps, and the two part.
    x, y, weight = batch(seed=1)
    results = []
    for model in both_kinds():
        history = model.fit(
            x, y, sample_weight=weight, epochs=10, batch_size=4, shuffle=False, verbose=0
        ).history
        evaluated = model.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True)
        results.append((values(model.student.variables), history, evaluated))
    (weights_a, history_a, result_a), (weights_b, history_b, result_b) = results
    for a, b in zip(weights_a, weights_b, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert result_a == pytest.approx(result_b, rel=1e-5)
    for key, curve in history_a.items():
        np.testing.assert_allclose(curve, history_b[key], rtol=1e-5)


def test_the_compiled_objectives_are_the_objectives():
    model = distiller()
    rng = np.random.default_rng(0)
    y = tf.constant(rng.integers(0, 3, (2, 8, 8)))
    weight = tf.constant(rng.integers(0, 2, (2, 8, 8)).astype("float32"))
    for spread in (3.0, 0.5):
        z_t, z_s = (tf.constant(spread * rng.normal(size=(2, 8, 8, 3)), "float32") for _ in "ts")
        for sample_weight in (weight, None):
            found = [
                weighed(objectives, y, z_t, z_s, sample_weight)
                for objectives in (model.weighted_objectives, model._weighted_objectives)
            ]
            np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)


def weighed(objectives, y, z_t, z_s, weight):
    """The sum, the losses, and the gradient of twice the sum in the student's logits."""
    with tf.GradientTape() as tape:
        tape.watch(z_s)
        total, *losses = objectives(y, z_t, z_s, weight)
        twice = 2 * total
    return [float(total), *map(float, losses), *np.ravel(tape.gradient(twice, z_s))]


@pytest.mark.parametrize("change", [{"alpha": 0.9}, {"temperature": 7.0}])
def test_what_is_changed_after_compile_counts_in_the_compiled_objectives(change):
    model = distiller()
    rng = np.random.default_rng(1)
    z_t, z_s = (tf.constant(rng.normal(size=(1, 4, 4, 3)), "float32") for _ in "ts")
    batch = tf.constant(rng.integers(0, 3, (1, 4, 4))), z_t, z_s, None
    before = weighed(model._weighted_objectives, *batch)
    for name, value in change.items():
        setattr(model, name, value)
    after = weighed(model._weighted_objectives, *batch)
    assert after[0] != pytest.approx(before[0], rel=1e-3)
    np.testing.assert_allclose(after, weighed(model.weighted_objectives, *batch), rtol=1e-5)


def test_a_scaled_loss_reaches_half_precision_logits_before_their_gradient_is_rounded():
    """Unscaled, the gradient of a mean over 65,536 pixels is nothing in float16."""
    model = distiller()
    shape, scale = (1, 256, 256, 3), 2.0**15
    rng = np.random.default_rng(2)
    z_t, z_s = (rng.normal(size=shape).astype("float16") for _ in "ts")
    y, taught = tf.constant(rng.integers(0, 3, shape[:3])), tf.constant(z_t)
    slopes = []
    for z in (z_s, z_s.astype("float32")):
        z = tf.constant(z)
        with tf.GradientTape() as tape:
            tape.watch(z)
            loss = scale * model._weighted_objectives(y, taught, z, None)[0]
        slopes.append(tape.gradient(loss, z).numpy())
    assert slopes[0].dtype == np.float16 and np.abs(slopes[0]).min() > 0
    np.testing.assert_allclose(slopes[0], slopes[1], rtol=2e-3, atol=1e-3 * slopes[1].std())


def test_only_losses_that_are_known_to_allow_it_are_compiled():
    def compiled(model):
        return model._weighted_objectives != model.weighted_objectives

    model = distiller()
    assert compiled(model)
    for options in ({"run_eagerly": True}, {"distillation_loss_fn": lambda t, s: (t - s) ** 2}):
        model.compile("sgd", **options)
        assert not compiled(model)
    for name in ("objectives", "weighted_sum", "weighted_objectives"):
        own = type("Own", (Distiller,), {name: lambda *given: None})(model.student, model.teacher)
        own.compile("sgd")
        assert not compiled(own)


def test_no_gradient_reaches_the_teacher():
    model = distiller()
    x, y, _ = batch()
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x, training=True))
    assert all(g is None for g in tape.gradient(loss, model.teacher.trainable_variables))


def test_a_float16_loss_is_scaled_before_the_gradient_and_reported_unscaled():
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=1024)
    scaled, plain = distiller(optimizer=optimizer), distiller()
    x, y, _ = batch()
    first, second = (m.fit(x, y, verbose=0, batch_size=4).history for m in (scaled, plain))
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-5)
    for a, b in zip(
        values(scaled.student.trainable_variables),
        values(plain.student.trainable_variables),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
