"""check_distiller spares right distillers of other conventions, and still finds their faults."""

import keras
import numpy as np
import pytest

from kdbook.clinic import check_distiller
from kdlib.distiller import Distiller
from tests.kdlib import distillers as d

# It is made for TensorFlow: elsewhere each of its steps is compiled anew.
pytestmark = pytest.mark.tensorflow

WEIGHTS = {
    "book": lambda a: (a, 1 - a),
    "turned": lambda a: (1 - a, a),
    "soft added": lambda a: (1, a),
    "labels added": lambda a: (a, 1),
    "both": lambda a: (a, a),  # no convention: nothing but a rate
}
RIGHT = ("book", "turned", "soft added", "labels added")
# AlphaTurnedRound of test_clinic.py is this convention: it is told, and counts as a fault.
KNOWN = {"turned": ("alpha",)}


class ByHand(d.Sound):
    """With a training step of its own, in the style of TensorFlow, on weights of its own."""

    weights_of, smoothing = staticmethod(WEIGHTS["book"]), 0.0

    def hard(self, y, z):
        y = keras.ops.one_hot(y, d.CLASSES)
        y = (1 - self.smoothing) * y + self.smoothing / d.CLASSES
        return -keras.ops.sum(y * keras.ops.log_softmax(z), axis=-1)

    def total(self, hard, soft):
        labels, targets = self.weights_of(self.alpha)
        return labels * hard + targets * soft

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self.student(x, training=True))
        variables = self.student.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return {"loss": loss}

    def test_step(self, data):
        x, y = data
        return {"loss": self.compute_loss(x, y, self.student(x, training=False))}


class Summed(ByHand):
    def mean(self, each, weight):
        return each.shape[0] * super().mean(each, weight)


class WithoutFactor(ByHand):
    def soft(self, taught, z):
        return super().soft(taught, z) / self.temperature**2


class Swapped(ByHand):
    def soft(self, taught, z):
        return super().soft(z, taught)


class TimesT(ByHand):
    def soft(self, taught, z):
        return super().soft(taught * self.temperature**2, z * self.temperature**2)


class TimesTOfKeras(ByHand):
    def soft(self, taught, z):
        p, q = (keras.ops.softmax(each * self.temperature) for each in (taught, z))
        return self.temperature**2 * keras.losses.kl_divergence(p, q)


class StudentAtOne(ByHand):
    """Softens the teacher alone."""

    def soft(self, taught, z):
        return super().soft(taught, z * self.temperature)


def report_of(kind, convention="book", alpha=0.5, temperature=2.0, **attributes):
    model = kind(*d.pair())
    model.compile(alpha=alpha, temperature=temperature)
    model.weights_of = WEIGHTS[convention]
    for name, value in attributes.items():
        setattr(model, name, value)
    return check_distiller(model, d.batch(weighted=False), quiet=True)


@pytest.mark.parametrize("alpha", [0.1, 1 / 3, 0.5, 0.9])
@pytest.mark.parametrize("convention", RIGHT)
def test_right_distillers_of_each_convention(convention, alpha):
    report = report_of(ByHand, convention, alpha)
    assert report.failed == KNOWN.get(convention, ())
    assert {"mean over the pixels", "least loss at the teacher"} <= set(report.passed)
    said = {
        "book": "at alpha = 1 the teacher has no effect, at 0 the labels have none",
        "turned": "the loss is (1 - alpha) * labels + alpha * soft targets",
        "soft added": "the loss is labels + alpha * soft targets, a convention of its own",
        "labels added": "the loss is alpha * labels + soft targets, a convention of its own",
    }
    assert said[convention] in report["alpha"].message
    measured = report["mean over the pixels"].measured
    for part in ("loss on the labels", "loss on the soft targets"):
        np.testing.assert_allclose(measured[part], 1, rtol=0.01)


@pytest.mark.parametrize("alpha", [1 / 3, 0.5])
@pytest.mark.parametrize("convention", RIGHT[1:])
@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        (Summed, "mean over the pixels", "loss on the labels: summed over the images, 2 times"),
        (WithoutFactor, "factor T squared", "it is left out"),
        (Swapped, "direction of the divergence", "KL(student ‖ teacher)"),
    ],
)
def test_faults_are_found_in_each_convention(kind, name, says, convention, alpha):
    report = report_of(kind, convention, alpha)
    assert report.failed == (name, *KNOWN.get(convention, ()))
    assert says in report[name].message


def test_an_alpha_that_balances_nothing_is_a_fault():
    report = report_of(ByHand, "both")
    assert report.failed == ("alpha",)
    assert "at alpha = 1 the teacher still has" in report["alpha"].message


@pytest.mark.parametrize("convention", RIGHT)
def test_smoothed_labels_are_no_fault(convention):
    report = report_of(ByHand, convention, 0.3, smoothing=0.1)
    assert report.failed == KNOWN.get(convention, ())
    assert "least loss at the teacher" in report.passed


def test_smoothed_labels_without_an_alpha():
    report = report_of(ByHand, alpha=None, weights_of=lambda _: (0.3, 0.7), smoothing=0.1)
    assert report.failed == ()
    assert "labels may be smoothed" in report["least loss at the teacher"].message


@pytest.mark.parametrize("convention", RIGHT)
def test_smoothed_labels_hide_no_pull_away_from_the_teacher(convention):
    report = report_of(StudentAtOne, convention, 0.3, smoothing=0.1)
    assert "least loss at the teacher" in report.failed


@pytest.mark.parametrize("temperature", [2.0, 3.0])
@pytest.mark.parametrize("kind", [TimesT, TimesTOfKeras])
def test_a_temperature_that_multiplies(kind, temperature):
    report = report_of(kind, temperature=temperature)
    assert report.failed == ("temperature",)
    assert "it multiplies the logits" in report["temperature"].message


def two_outputs(seed, as_list):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((d.SIZE, d.SIZE, 3))
    x = keras.layers.Dense(4, activation="tanh")(inputs)
    m, n = (keras.layers.Dense(c, name=name)(x) for c, name in ((d.CLASSES, "m"), (2, "n")))
    return keras.Model(inputs, [m, n] if as_list else {"m": m, "n": n})


class OtherOutput(Distiller):
    """Predicts what it does not distil."""

    def call(self, inputs, training=False):
        super().call(inputs, training)
        return keras.tree.flatten(self.student(inputs, training=training))[1]


@pytest.mark.parametrize("as_list", [True, False])
def test_the_output_that_is_distilled_is_examined(as_list):
    for kind, failed in ((Distiller, ()), (OtherOutput, ("predictions are the student's",))):
        model = kind(two_outputs(1, as_list), two_outputs(2, as_list), output_name="m")
        model.compile()
        report = check_distiller(model, d.batch(), quiet=True)
        assert report.failed == failed
        assert {"temperature", "alpha", "loss on the labels", "class axis"} <= set(report.passed)


class FirstOutput(d.Sound):
    """Distils the first of two outputs, and does not say so."""

    def call(self, inputs, training=False):
        return self.student(inputs, training=training)[0]

    def ask(self, x, training):
        return keras.ops.stop_gradient(self.teacher(x, training=False)[0])


def test_an_output_that_nothing_names():
    model = FirstOutput(two_outputs(1, True), two_outputs(2, True))
    model.compile()
    report = check_distiller(model, d.batch(), quiet=True)
    assert report.failed == ()
    assert "has 2 outputs" in report["predictions are the student's"].message


class OfOneName(d.Sound):
    """Its networks return dictionaries of one output, and so does it."""

    def ask(self, x, training):
        return keras.ops.stop_gradient(self.teacher(x, training=False)["logits"])

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return super().compute_loss(x, y, y_pred["logits"], sample_weight, training)


def test_a_dictionary_of_one_output():
    networks = [keras.Model(m.inputs, {"logits": m.outputs[0]}) for m in d.pair()]
    model = OfOneName(*networks)
    model.compile()
    report = check_distiller(model, d.batch(), quiet=True)
    assert report.failed == ()
    assert {"predictions are the student's", "temperature", "alpha"} <= set(report.passed)


def test_lists_and_names_are_refused_in_words():
    model = d.Sound(*d.pair(shape=(3,)))
    model.compile()
    x, y = d.batch(2, weighted=False, shape=())
    with pytest.raises(ValueError, match="inputs are a list of numbers; expected arrays"):
        check_distiller(model, (x.tolist(), y.tolist()))
    for names in (["cat", "dog"], np.array(["cat", "dog"]), np.array(["cat", "dog"], object)):
        with pytest.raises(ValueError, match="labels hold .*'cat'.*; expected class ids"):
            check_distiller(model, (x, names))
    # Lists of labels alone are arrays to NumPy.
    assert check_distiller(model, (x, y.tolist()), quiet=True).failed == ()


class TrainsAlone(ByHand):
    """Has no step to evaluate with, and nothing that Keras' own could call."""

    test_step = keras.Model.test_step

    def call(self, inputs, training=False):
        raise NotImplementedError("no forward pass")


def test_a_missing_test_step_is_no_fault():
    report = report_of(TrainsAlone)
    found = report["evaluate changes nothing"]
    assert report.failed == () and found.outcome == "not applicable"
    assert "no test_step, and with Keras' own evaluate raises NotImplementedError" in found.message
