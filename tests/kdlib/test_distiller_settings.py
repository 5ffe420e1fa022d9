"""What is set after compile counts from the next step on, or is refused."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kdlib.beyond import METHODS, BeyondDistiller
from kdlib.distiller import Distiller
from tests.kdlib.small import values

X = np.random.default_rng(0).normal(size=(8, 5)).astype("float32")
Y = np.arange(8) % 3


def network(width, seed):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((5,))
    x = layers.Dense(width, activation="relu")(inputs)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def distiller(alpha=0.3, temperature=2.0, teacher=2, **options):
    """A Distiller that stays where it is: its losses depend on the settings alone."""
    model = Distiller(network(2, 1), network(3, teacher))
    still = keras.optimizers.SGD(0.0)
    model.compile(still, alpha=alpha, temperature=temperature, **options)
    return model


def losses(**settings):
    return distiller(**settings).evaluate(X, Y, verbose=0, return_dict=True)


class Set(keras.callbacks.Callback):
    """Sets an attribute of the model before each epoch, or each batch."""

    def __init__(self, name, values, when="epoch"):
        super().__init__()
        self.seen, self.name, self.values, self.when = [], name, values, when

    def on_epoch_begin(self, epoch, logs=None):
        if self.when == "epoch":
            setattr(self.model, self.name, self.values[epoch])

    def on_train_batch_begin(self, batch, logs=None):
        if self.when == "batch":
            setattr(self.model, self.name, self.values[batch])

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(logs["loss"])


@pytest.mark.parametrize(
    ("way", "name", "values"),
    [
        ({}, "alpha", (0.3, 0.6, 1.0)),
        ({"jit_compile": True}, "temperature", (np.float32(4.0), np.array(1.5), 2)),
        ({"run_eagerly": True}, "temperature", (4.0, 1.5, 2)),
    ],
    ids=str,
)
def test_a_callback_sets_it_for_each_epoch(way, name, values):
    model = distiller(**way)
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=[Set(name, values)]).history
    expected = [losses(**{name: float(value)})["loss"] for value in values]
    np.testing.assert_allclose(history["loss"], expected, rtol=1e-5)
    assert getattr(model, name) == values[-1]
    after = model.evaluate(X, Y, verbose=0, return_dict=True)["loss"]
    assert after == pytest.approx(expected[-1], rel=1e-5)


def test_a_callback_sets_it_for_each_batch():
    model, setter = distiller(), Set("alpha", (0.0, 1.0), when="batch")
    model.fit(X, Y, batch_size=4, shuffle=False, verbose=0, callbacks=[setter])
    halves = [
        distiller(alpha=a).evaluate(X[part], Y[part], verbose=0)[0]
        for a, part in ((0.0, slice(4)), (1.0, slice(4, 8)))
    ]
    # The logs are means over the epoch so far.
    np.testing.assert_allclose(setter.seen, [halves[0], np.mean(halves)], rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras takes one step there")
def test_with_several_steps_at_once_it_counts_from_the_next_call():
    model = distiller(steps_per_execution=2)
    history = model.fit(
        X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[Set("temperature", (5.0, 1.0))]
    ).history
    expected = [losses(temperature=t)["loss"] for t in (5.0, 1.0)]
    np.testing.assert_allclose(history["loss"], expected, rtol=1e-5)


def test_between_fit_and_evaluate_and_in_a_tensor():
    model = distiller()
    model.fit(X, Y, verbose=0)
    model.alpha, model.temperature = ops.convert_to_tensor(0.75), np.float64(3)
    found = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert found == pytest.approx(losses(alpha=0.75, temperature=3.0), rel=1e-5)
    assert (model.alpha, model.temperature) == (0.75, 3.0)


def test_a_step_of_ones_own_sees_it_too():
    class Own(Distiller):
        def weighted_sum(self, student_loss, distillation_loss):
            return self.alpha * student_loss

    model = Own(network(2, 1), network(3, 2))
    model.compile(keras.optimizers.SGD(0.0), alpha=0.25)
    before = model.fit(X, Y, verbose=0).history["loss"][0]
    model.alpha = 0.5
    assert model.fit(X, Y, verbose=0).history["loss"][0] == pytest.approx(2 * before, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("alpha", 1.2, "alpha is 1.2; expected a number from 0"),
        ("alpha", None, "alpha is None"),
        ("temperature", 0, "temperature is 0; expected a positive number"),
        ("temperature", np.float32("nan"), "temperature is nan"),
        ("temperature", np.array([1.0, 2.0]), "expected a positive number"),
        ("student_loss_fn", "mse", "is the string"),
        ("distillation_loss_fn", keras.losses.KLDivergence(), "takes probabilities"),
        ("teacher", "none", "teacher is str"),
        ("student", None, "student of a Distiller cannot be exchanged"),
        ("optimizer", keras.optimizers.SGD(1.0), "is set by compile: call that again"),
        ("ignore_class", "void", "ignore_class is 'void'; expected a number"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(name, value, message):
    model = distiller()
    before = model.evaluate(X, Y, verbose=0, return_dict=True)
    with pytest.raises(ValueError, match=message):
        setattr(model, name, value)
    assert model.evaluate(X, Y, verbose=0, return_dict=True) == before


def test_a_variable_whose_later_values_would_not_be_seen_is_refused():
    model = distiller()
    with pytest.raises(ValueError, match="temperature is a variable.*expected a number"):
        model.temperature = keras.Variable(4.0)


@pytest.mark.parametrize(("one", "other"), [("softmax", "sigmoid"), ("sigmoid", "softmax")])
def test_a_teacher_of_another_kind_would_need_other_losses(one, other):
    def teacher(activation):
        inputs = keras.Input((5,))
        return keras.Model(inputs, layers.Dense(3, activation=activation)(inputs))

    model, again = Distiller(network(2, 1), teacher(one)), teacher(one)
    with pytest.raises(ValueError, match="exclude each other.*expected a new Distiller"):
        model.teacher = teacher(other)
    model.teacher = again
    assert model.teacher is again


@pytest.mark.parametrize("when", ["before", "epoch"])
def test_another_teacher_counts_from_the_next_step_on(when):
    model, other = distiller(), network(3, 7)
    model.fit(X, Y, verbose=0)
    callbacks = [Set("teacher", (other,))] if when == "epoch" else []
    if when == "before":
        model.teacher = other
    found = model.fit(X, Y, verbose=0, callbacks=callbacks).history
    expected = losses(teacher=7)
    for key, value in expected.items():
        assert found[key][0] == pytest.approx(value, rel=1e-5)
    assert model.evaluate(X, Y, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-5)
    assert {id(v) for v in other.variables} <= {id(v) for v in model.variables}
    assert len(model.variables) == len(distiller().variables)


def test_other_losses_count_from_the_next_step_on():
    model = distiller(alpha=1.0)
    before = model.fit(X, Y, verbose=0).history["loss"][0]
    plain = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")
    model.student_loss_fn = lambda y, z: 3 * plain(y, z)
    assert model.fit(X, Y, verbose=0).history["loss"][0] == pytest.approx(3 * before, rel=1e-5)


def test_the_weight_of_a_term_too():
    model = BeyondDistiller(network(2, 1), network(3, 2), METHODS["squared-error"]())
    model.compile(keras.optimizers.SGD(0.0), alpha=0.5, temperature=2.0, weight=1.0)
    first = model.fit(X, Y, verbose=0).history
    model.weight = 3.0
    second = model.fit(X, Y, verbose=0).history
    gained = second["loss"][0] - first["loss"][0]
    assert gained == pytest.approx(2 * first["term"][0], rel=1e-4)
    with pytest.raises(ValueError, match="weight is -1"):
        model.weight = -1
    with pytest.raises(ValueError, match="term of a BeyondDistiller cannot be exchanged"):
        model.term = METHODS["correlation"]()


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="Keras asks for compile again there")
@pytest.mark.parametrize("what", ["a layer", "all"])
def test_what_is_frozen_later_stays_as_it_is_from_the_next_fit_on(what):
    model = distiller()
    model.compile(keras.optimizers.SGD(0.1))
    model.fit(X, Y, verbose=0)
    (model.student.layers[1] if what == "a layer" else model).trainable = False
    before = values(model.student.variables)
    model.fit(X, Y, verbose=0)
    moved = [
        bool((a != b).any()) for a, b in zip(before, values(model.student.variables), strict=True)
    ]
    assert moved == [False, False, what == "a layer", what == "a layer"]


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="Keras asks for compile again there")
def test_what_is_unfrozen_needs_compile_again():
    model = distiller()
    layer = model.student.layers[1]
    layer.trainable = False
    model.compile(keras.optimizers.SGD(0.1))
    model.fit(X, Y, verbose=0)
    before = values(layer.variables)
    layer.trainable = True
    with pytest.raises(ValueError, match="expected compile again after unfreezing"):
        model.fit(X, Y, verbose=0)
    model.compile(keras.optimizers.SGD(0.1))
    model.fit(X, Y, verbose=0)
    assert any((a != b).any() for a, b in zip(before, values(layer.variables), strict=True))


def test_what_was_set_last_is_saved(tmp_path):
    model = distiller()
    model.alpha, model.temperature = 0.75, 5.0
    model.save(tmp_path / "distiller.keras")
    again = keras.models.load_model(tmp_path / "distiller.keras")
    assert (again.alpha, again.temperature) == (0.75, 5.0)
    found = again.evaluate(X, Y, verbose=0, return_dict=True)
    assert found == pytest.approx(model.evaluate(X, Y, verbose=0, return_dict=True), rel=1e-6)
