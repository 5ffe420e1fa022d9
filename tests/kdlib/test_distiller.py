"""The Distiller on any backend: its loss, its gradients, and a teacher that never changes."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kdlib import softening
from kdlib.distiller import Distiller
from kdlib.losses import kl_divergence
from kdlib.unet import logits_model
from tests.kdlib.small import CLASSES, SIZE, batch, distiller, network, pair, values


def by_hand(model, x, y, weight, alpha, temperature):
    """The two losses and their sum, in float64 from the logits of both networks."""
    z_s = ops.convert_to_numpy(logits_model(model.student)(x, training=False)).astype(float)
    z_t = ops.convert_to_numpy(logits_model(model.teacher)(x, training=False)).astype(float)
    log_q = softening.log_softmax(z_s)
    student_loss = -(weight * np.take_along_axis(log_q, y[..., None], -1)[..., 0]).mean()
    p, q = softening.softmax(z_t, temperature), softening.softmax(z_s, temperature)
    distillation_loss = (weight * softening.kl_divergence(p, q)).mean()
    total = alpha * student_loss + (1 - alpha) * temperature**2 * distillation_loss
    return total, student_loss, distillation_loss


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("temperature", [0.5, 3.0, 32.0])
def test_evaluate_reports_what_numpy_computes(alpha, temperature):
    model = distiller(alpha, temperature)
    x, y, weight = batch(6)
    # Batches of 4 and 2: the mean over the data does not depend on how they are cut.
    result = model.evaluate(x, y, sample_weight=weight, batch_size=4, verbose=0, return_dict=True)
    expected = by_hand(model, x, y, weight, alpha, temperature)
    got = [result[key] for key in ("loss", "student_loss", "distillation_loss")]
    # The divergence of two softened untrained networks is hardly more than the rounding of 1.
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=2e-8 * temperature**2)


def test_fit_reports_the_same_losses_as_evaluate():
    model = distiller(optimizer=keras.optimizers.SGD(0.0))
    x, y, weight = batch()
    settings = {"sample_weight": weight, "batch_size": 4, "verbose": 0}
    history = model.fit(x, y, **settings).history
    evaluated = model.evaluate(x, y, return_dict=True, **settings)
    assert set(history) == set(evaluated) == {"loss", "student_loss", "distillation_loss"}
    for key, value in evaluated.items():
        assert history[key][0] == pytest.approx(value, rel=1e-5)


def test_alpha_one_is_plain_cross_entropy_training():
    x, y, weight = batch()
    distilled = distiller(alpha=1.0)
    alone = keras.models.clone_model(distilled.student)
    alone.set_weights(distilled.student.get_weights())
    plain_loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trained = logits_model(alone)
    trained.compile(keras.optimizers.SGD(0.1), loss=plain_loss)
    settings = {"sample_weight": weight, "batch_size": 2, "shuffle": False, "verbose": 0}
    distilled.fit(x, y, epochs=3, **settings)
    trained.fit(x, y, epochs=3, **settings)
    for a, b in zip(values(distilled.student.variables), values(alone.variables), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_alpha_zero_does_not_look_at_the_labels():
    x, y, _ = batch()
    first, second = distiller(alpha=0.0), distiller(alpha=0.0)
    settings = {"batch_size": 2, "shuffle": False, "verbose": 0}
    first.fit(x, y, **settings)
    second.fit(x, (y + 1) % CLASSES, **settings)
    for a, b in zip(values(first.student.variables), values(second.student.variables), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("temperature", [0.5, 2.0, 32.0])
def test_the_gradient_reaches_the_last_bias_as_the_closed_form_says(temperature):
    model = distiller(alpha=0.3, temperature=temperature, optimizer=keras.optimizers.SGD(1.0))
    x, y, _ = batch()
    z_s = ops.convert_to_numpy(logits_model(model.student)(x)).astype(float)
    z_t = ops.convert_to_numpy(logits_model(model.teacher)(x)).astype(float)
    hard = softening.softmax(z_s) - np.eye(CLASSES)[y]
    soft = softening.kl_gradient(z_s, z_t, temperature)
    expected = (0.3 * hard + 0.7 * soft).mean((0, 1, 2))
    bias = model.student.get_layer("logits").bias
    before = ops.convert_to_numpy(bias.value).astype(float)
    model.fit(x, y, batch_size=4, verbose=0)
    moved = before - ops.convert_to_numpy(bias.value)
    np.testing.assert_allclose(moved, expected, rtol=1e-4, atol=1e-6)


def test_the_teacher_stays_as_it_is_in_every_bit():
    student, teacher = pair(normalization="batch", dropout=0.5)
    model = Distiller(student, teacher)
    model.compile(keras.optimizers.Adam(0.1), temperature=3.0)
    before, flags = values(teacher.variables), [layer.trainable for layer in teacher.layers]
    x, y, _ = batch()
    model.fit(x, y, epochs=3, batch_size=2, verbose=0)
    for a, b in zip(before, values(teacher.variables), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.teacher is teacher and teacher.trainable
    assert [layer.trainable for layer in teacher.layers] == flags


def test_a_caller_can_still_train_the_teacher_afterwards():
    student, teacher = pair()
    model = Distiller(student, teacher)
    model.compile("sgd")
    x, y, _ = batch()
    model.fit(x, y, verbose=0)
    before = values(teacher.trainable_variables)
    from_logits = logits_model(teacher)
    from_logits.compile("sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    from_logits.fit(x, y, verbose=0)
    after = values(teacher.trainable_variables)
    assert any((a != b).any() for a, b in zip(before, after, strict=True))


def test_toggling_trainable_does_not_unfreeze_the_teacher():
    student, teacher = pair()
    model = Distiller(student, teacher)
    teacher.trainable = False
    model.trainable = False
    assert model.trainable_variables == [] and not model.trainable
    model.trainable = True
    assert not teacher.trainable
    assert {id(v) for v in model.trainable_variables} == {
        id(v) for v in student.trainable_variables
    }


def test_every_variable_is_either_trained_or_not():
    model = distiller(normalization="batch")
    trained, fixed = model.trainable_variables, model.non_trainable_variables
    assert len(trained) + len(fixed) == len(model.variables)
    assert len(model.trainable_weights) + len(model.non_trainable_weights) == len(model.weights)
    assert all(id(v) not in {id(t) for t in trained} for v in model.teacher.variables)


def test_evaluate_and_predict_change_no_variable():
    student, teacher = pair(normalization="batch", dropout=0.5)
    model = Distiller(student, teacher)
    model.compile("adam")
    x, y, _ = batch()
    everything = student.variables + teacher.variables + model.optimizer.variables
    before = values(everything)
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)
    for a, b in zip(before, values(everything), strict=True):
        np.testing.assert_array_equal(a, b)


def test_calling_gives_the_probabilities_of_the_student():
    model = distiller()
    x, _, _ = batch()
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(x)), model.student.predict(x, verbose=0), atol=1e-6
    )
    np.testing.assert_allclose(model.predict(x, verbose=0), model.student.predict(x, verbose=0))


def test_pixels_of_weight_zero_count_neither_in_loss_nor_in_metrics():
    x, y, weight = batch()
    accuracy = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    model = distiller(metrics=accuracy)
    settings = {"sample_weight": weight, "verbose": 0, "return_dict": True}
    before = model.evaluate(x, y, **settings)
    changed = np.where(weight == 0, (y + 1) % CLASSES, y)
    assert model.evaluate(x, changed, **settings) == pytest.approx(before, rel=1e-6)
    predicted = model.predict(x, verbose=0).argmax(-1)
    share = ((predicted == y) * weight).sum() / weight.sum()
    assert before["accuracy"] == pytest.approx(share, rel=1e-5)


def test_a_weight_per_image_reaches_all_its_pixels():
    x, y, _ = batch()
    per_image = np.array([1, 0, 2, 0.5], "float32")
    full = np.broadcast_to(per_image[:, None, None], y.shape).copy()
    first, second = (
        distiller().evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True)
        for weight in (per_image, full)
    )
    assert first == pytest.approx(second, rel=1e-6)


def test_regularisation_of_the_student_is_part_of_the_loss():
    def regularised(seed):
        keras.utils.set_random_seed(seed)
        return keras.Sequential(
            [
                keras.Input((3,)),
                layers.Dense(2, name="logits", kernel_regularizer=keras.regularizers.L2(0.1)),
            ]
        )

    student, teacher = regularised(0), regularised(1)
    model = Distiller(student, teacher)
    model.compile("sgd", alpha=0.5, temperature=1.0)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    result = model.evaluate(x, np.array([0, 1, 0, 1]), verbose=0, return_dict=True)
    penalty = 0.1 * float((ops.convert_to_numpy(student.layers[0].kernel.value) ** 2).sum())
    parts = 0.5 * result["student_loss"] + 0.5 * result["distillation_loss"]
    assert result["loss"] == pytest.approx(parts + penalty, rel=1e-5)


def test_plain_functions_over_logits_are_losses_too():
    model = Distiller(*pair(dropout=0.0))

    def mean_squared(teacher_logits, student_logits):
        return ops.mean(ops.square(teacher_logits - student_logits), axis=-1)

    model.compile("sgd", distillation_loss_fn=mean_squared, alpha=0.0, temperature=2.0)
    x, y, _ = batch()
    z_s, z_t = (ops.convert_to_numpy(logits_model(m)(x)) for m in (model.student, model.teacher))
    result = model.evaluate(x, y, verbose=0, return_dict=True)
    assert result["loss"] == pytest.approx(np.mean((z_s - z_t) ** 2), rel=1e-4)


def test_save_load_fit_goes_on_where_it_stopped(tmp_path):
    model = distiller(
        optimizer=keras.optimizers.Adam(0.01),
        normalization="batch",
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    x, y, weight = batch()
    settings = {"sample_weight": weight, "batch_size": 2, "shuffle": False, "verbose": 0}
    model.fit(x, y, epochs=2, **settings)
    model.save(tmp_path / "distiller.keras")
    again = keras.models.load_model(tmp_path / "distiller.keras")
    assert (again.alpha, again.temperature) == (model.alpha, model.temperature)
    assert int(again.optimizer.iterations) == int(model.optimizer.iterations) == 4
    first, second = (m.fit(x, y, epochs=2, **settings).history for m in (model, again))
    assert first.keys() == second.keys()
    for a, b in zip(values(model.variables), values(again.variables), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_mixed_precision_trains_and_reports_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = distiller()
    finally:
        keras.config.set_dtype_policy("float32")
    x, y, weight = batch()
    history = model.fit(x, y, sample_weight=weight, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    expected = by_hand(model, x, y, weight, 0.3, 2.0)
    result = model.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True)
    assert result["loss"] == pytest.approx(expected[0], rel=0.02)


def test_compute_loss_wants_the_predictions_of_its_own_last_call():
    model = distiller()
    x, y, _ = batch()
    model(x)
    with pytest.raises(ValueError, match="last call of this Distiller"):
        model.compute_loss(x, y, np.zeros((4, SIZE, SIZE, CLASSES), "float32"))


def no_logits():
    return keras.Sequential(
        [keras.Input((SIZE, SIZE, 3)), layers.Conv2D(CLASSES, 1, activation="relu")]
    )


@pytest.mark.parametrize(
    ("student", "teacher", "message"),
    [
        (lambda: network(), lambda: network(classes=5), "4 classes and the teacher 5"),
        (lambda: network(size=32), lambda: network(), "inputs of the student"),
        (no_logits, lambda: network(), "does not show whether it gives logits"),
        (lambda: network(), no_logits, "does not show whether it gives logits"),
        (lambda: "student", lambda: network(), "student is str"),
    ],
)
def test_pairs_that_cannot_be_distilled(student, teacher, message):
    with pytest.raises(ValueError, match=message):
        Distiller(student(), teacher())


def test_student_and_teacher_must_be_two_models():
    model = network()
    with pytest.raises(ValueError, match="the same model"):
        Distiller(model, model)
    with pytest.raises(ValueError, match="share .* variables"):
        Distiller(logits_model(model), model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 1.3}, "alpha is 1.3"),
        ({"alpha": -0.1}, "alpha is -0.1"),
        ({"temperature": 0}, "temperature is 0"),
        ({"student_loss_fn": "sparse_categorical_crossentropy"}, "is the string"),
        ({"student_loss_fn": keras.losses.SparseCategoricalCrossentropy()}, "from_logits=True"),
        ({"distillation_loss_fn": keras.losses.KLDivergence()}, "SoftTargetKLDivergence"),
        ({"distillation_loss_fn": keras.losses.kl_divergence}, "SoftTargetKLDivergence"),
        ({"distillation_loss_fn": 3}, "expected a keras.losses.Loss"),
        ({"optimizer": None}, "optimizer is None; expected one"),
        (
            {
                "student_loss_fn": keras.losses.SparseCategoricalCrossentropy(
                    from_logits=True, reduction=None
                )
            },
            "reduction None",
        ),
    ],
)
def test_compile_refuses_what_would_be_silently_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        Distiller(*pair()).compile(**{"optimizer": "adam", **options})


def test_our_own_kl_function_is_no_keras_function():
    Distiller(*pair()).compile("sgd", distillation_loss_fn=kl_divergence)
