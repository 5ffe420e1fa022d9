"""What the objectives of a step cost by themselves: loss and gradient, from given logits."""

import keras
import numpy as np

from kdbook.recorders.contenders import ALPHA, CLASSES, TEMPERATURE, networks
from kdbook.recorders.timing import alternate
from kdlib.distiller import Distiller

LABELS, STEPS, ONE_PASS = "labels alone", "both, step by step", "both, in one pass"


def objectives(batch, size, rounds):
    """Time the loss of a batch and its gradient in the logits, in three ways that take turns.

    They are the student's loss on the labels; both objectives of the Distiller and their weighted
    sum, as Keras computes them one operation after another; and the same in one compiled pass, as
    the Distiller's training step has them.

    - ``batch``: images.
    - ``size``: height and width of an image, divisible by 16.
    - ``rounds``: at least 1.
    - Returns dict of str to float: milliseconds, the median over the rounds; empty on another
      backend than TensorFlow, where whole steps are compiled.

    >>> found = objectives(1, 16, rounds=1)
    >>> list(found) == [LABELS, STEPS, ONE_PASS] or not found
    True
    """
    if keras.backend.backend() != "tensorflow":
        return {}
    steps = {name: _with_gradient(*each) for name, each in _ways(batch, size).items()}
    seconds = alternate(steps, rounds)
    return {name: round(1000 * float(np.median(times[0])), 2) for name, times in seconds.items()}


def _ways(batch, size):
    """Return for each way a function of the student's logits, and such logits."""
    import tensorflow as tf

    model = Distiller(*networks(16))
    model.compile("sgd", alpha=ALPHA, temperature=TEMPERATURE)
    rng = np.random.default_rng(0)
    shape = batch, size, size
    taught, learned = (
        tf.constant(rng.normal(0, 3, (*shape, CLASSES)), "float32") for _ in range(2)
    )
    y, weight = tf.constant(rng.integers(0, CLASSES, shape)), tf.ones(shape)
    both = model.weighted_objectives, model._weighted_objectives
    step_by_step, in_one_pass = (
        lambda logits, way=way: way(y, taught, logits, weight)[0] for way in both
    )
    return {
        LABELS: (lambda logits: model.student_loss_fn(y, logits, weight), learned),
        STEPS: (step_by_step, learned),
        ONE_PASS: (in_one_pass, learned),
    }


def _with_gradient(loss, logits):
    """Return a function that computes a loss and its gradient, and waits for both."""
    import tensorflow as tf

    @tf.function
    def step(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(logits)
        return value, tape.gradient(value, logits)

    def call():
        value, slope = step(logits)
        return float(value), slope.numpy()

    return call
