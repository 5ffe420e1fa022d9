"""One classifier, distilled in four ways: lines that the user writes, the loss, the time of a step.

``python -m kdbook.recorders peers`` prints the table of the page on one's own networks. Network and
batch size are those of the example on the Keras site, which is written here in our words.
"""

import ast
import inspect
import textwrap

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from kdbook.recorders.timing import alternate, ratios
from kdlib import softening
from kdlib.distiller import Distiller

ALPHA, T, BATCH = 0.1, 10.0, 64


def networks():
    """Return student and teacher: both end in logits. The same at each call."""
    keras.utils.set_random_seed(0)
    return [
        keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                layers.Conv2D(width, 3, 2, "same"),
                layers.LeakyReLU(0.2),
                layers.MaxPooling2D(2, 1, "same"),
                layers.Conv2D(2 * width, 3, 2, "same"),
                layers.Flatten(),
                layers.Dense(10),
            ],
            name=name,
        )
        for name, width in (("student", 16), ("teacher", 256))
    ]


def kdlib(student, teacher):
    """Ours."""
    model = Distiller(student, teacher)
    model.compile("adam", alpha=ALPHA, temperature=T)
    return model


def keras_distillation(student, teacher):
    """Keras' own, with the loss that makes it right."""
    loss = keras.distillation.LogitsDistillation(T, loss=keras.losses.KLDivergence())
    model = keras.distillation.Distiller(
        teacher, student, distillation_losses=loss, student_loss_weight=ALPHA
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def keras_example(student, teacher):
    """Build what the example on the Keras site has: its teacher is trained along."""

    class Example(keras.Model):
        def __init__(self, student, teacher):
            super().__init__()
            self.student, self.teacher = student, teacher
            self.hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            self.soft = keras.losses.KLDivergence()

        def call(self, x):
            return self.student(x)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            taught = self.teacher(x, training=False)
            soft = self.soft(ops.softmax(taught / T, axis=1), ops.softmax(y_pred / T, axis=1))
            return ALPHA * self.hard(y, y_pred) + (1 - ALPHA) * T**2 * soft

    model = Example(student, teacher)
    model.compile("adam")
    return model


def plain_loop(student, teacher):
    """Build a loop of TensorFlow, with nothing of Keras' fit: no log, no callback."""
    hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam()
    optimizer.build(student.trainable_variables)

    @tf.function
    def step(x, y):
        p = tf.nn.log_softmax(teacher(x, training=False) / T)
        with tf.GradientTape() as tape:
            logits = student(x, training=True)
            q = tf.nn.log_softmax(logits / T)
            soft = tf.reduce_mean(tf.reduce_sum(tf.exp(p) * (p - q), axis=-1))
            loss = ALPHA * hard(y, logits) + (1 - ALPHA) * T**2 * soft
        gradients = tape.gradient(loss, student.trainable_variables)
        optimizer.apply(gradients, student.trainable_variables)
        return loss

    return step


WAYS = (kdlib, keras_distillation, keras_example, plain_loop)


def lines(way):
    """Return how many lines a user writes for a way, once there are two networks."""
    (function,) = ast.parse(textwrap.dedent(inspect.getsource(way))).body
    written = {
        number
        for each in function.body[1:-1]  # neither docstring nor return
        for number in range(each.lineno, each.end_lineno + 1)
    }
    text = textwrap.dedent(inspect.getsource(way)).splitlines()
    return sum(bool(text[number - 1].strip()) for number in written)


def by_hand(x, y):
    """Return the loss of the first step in float64, by NumPy."""
    z, taught = (np.asarray(network(x), float) for network in networks())
    p, q = softening.softmax(taught, T), softening.softmax(z, T)
    hard = -softening.log_softmax(z)[np.arange(len(y)), y].mean()
    return ALPHA * hard + (1 - ALPHA) * T**2 * softening.kl_divergence(p, q).mean()


def main(options):
    """Print a row for each way."""
    rng = np.random.default_rng(0)
    x = 3 * rng.normal(size=(BATCH, 28, 28, 1)).astype("float32")
    y = rng.integers(0, 10, BATCH)
    steps, first = {}, {}
    for way in WAYS:
        made = way(*networks())
        step = made if way is plain_loop else made.train_on_batch
        steps[way.__name__] = lambda step=step: float(np.ravel(step(x, y))[0])
        first[way.__name__] = steps[way.__name__]()
    seconds, right = alternate(steps, options.rounds), by_hand(x, y)
    shares = [
        ratios({name: both[clock] for name, both in seconds.items()}, "plain_loop")
        for clock in (0, 1)
    ]
    print(f"loss by NumPy {right:.6f}; times in those of the plain loop, median and quartiles")
    for way in WAYS:
        name = way.__name__
        wall, cpu = ("{:.2f} ({:.2f} to {:.2f})".format(*share[name]) for share in shares)
        print(
            f"{name:<20}{lines(way):>3} lines  loss {first[name]:.6f}, off by "
            f"{abs(first[name] / right - 1):.0e}  {1000 * np.median(seconds[name][0]):6.1f} ms  "
            f"wall {wall}  processor {cpu}"
        )
