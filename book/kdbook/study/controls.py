"""What can stand in the teacher's place: the trained teacher, and the controls beside it.

Each is a Keras model with a layer named ``logits``, as the Distiller wants it, and gives logits for
the same images. A gain of the trained teacher that a control shows too is not owed to what the
control lacks.
"""

import keras
from keras import ops

from kdlib import runtime
from kdlib.data import N_CLASSES, VOID
from kdlib.unet import logits_model


@keras.saving.register_keras_serializable(package="kdlib")
class DealOut(keras.layers.Layer):
    """Keep the winner of each pixel; deal the logits of the other classes out at random.

    Of a teacher's soft targets it keeps the decision, the confidence and the entropy, and destroys
    what they say about the wrong classes. The void class keeps its logit if it has not won: no
    labelled pixel shows it, so it has no soft targets worth the name.

    - ``seed``: decides the order. Each call draws anew.
    - After Furlanello, Lipton, Tschannen, Itti and Anandkumar (2018), Born-again neural networks:
      dark knowledge with permuted predictions.

    >>> dealt = DealOut()(ops.reshape(ops.arange(6.0), (1, 1, 1, 6)))
    >>> [int(i) for i in ops.argmax(dealt, axis=-1)[0, 0]], float(ops.sum(dealt))
    ([5], 15.0)
    """

    def __init__(self, seed=0, **options):
        super().__init__(**options)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, logits):
        """Return logits of the same shape, (..., classes)."""
        place = ops.arange(N_CLASSES, dtype="float32")
        winner = ops.one_hot(ops.argmax(logits, axis=-1), N_CLASSES)
        drawn = keras.random.uniform(ops.shape(logits), seed=self.generator)
        drawn = ops.where(place == VOID, 1.0, drawn)
        # Winner first: then the others as they come, or in random order with void last.
        in_order = ops.argsort(place - 100 * winner, axis=-1)
        at_random = ops.argsort(drawn - 100 * winner, axis=-1)
        sorted_logits = ops.take_along_axis(logits, in_order, axis=-1)
        return ops.take_along_axis(sorted_logits, ops.argsort(at_random, axis=-1), axis=-1)

    def get_config(self):
        """Return what is needed to build the layer again."""
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable(package="kdlib")
class NextImage(keras.layers.Layer):
    """Give each image of a batch the logits of the image before it; the first gets the last's."""

    def call(self, logits):
        """Return logits of the same shape, (batch, height, width, classes)."""
        return ops.roll(logits, 1, axis=0)


@keras.saving.register_keras_serializable(package="kdlib")
class EvenLogits(keras.layers.Layer):
    """Give every pixel the same logit for all named classes, and none worth the name for void."""

    def call(self, images):
        """Return logits of shape (batch, height, width, classes)."""
        even = ops.where(ops.arange(N_CLASSES) == VOID, -30.0, 0.0)
        return ops.zeros_like(images[..., :1]) + even


def shuffled(teacher, seed=0):
    """Return a teacher that decides alike, as surely, but deals out the other classes' logits.

    - ``teacher``: with a layer named ``logits``. It is used, not copied.
    - ``seed``: decides the order of the other classes.

    >>> from kdlib.unet import unet
    >>> shuffled(unet((2, 2, 2, 2, 2), 6, 16, 16)).output_shape
    (None, 16, 16, 6)
    """
    return _around(teacher, DealOut(seed, name="logits", dtype="float32"))


def distracted(teacher, seed=0):
    """Return a teacher that answers for another image of the batch. The seed is not used."""
    return _around(teacher, NextImage(name="logits", dtype="float32"))


def untrained(teacher, seed=0):
    """Return the teacher's network with fresh weights, decided by the seed."""
    # Not the state of the random numbers from which a student of this seed was built.
    runtime.set_seed(seed + 10_000)
    return keras.models.clone_model(teacher)


def uniform(teacher, seed=0):
    r"""Return a teacher that finds all named classes equally likely, at every pixel.

    To learn from it at T = 1 and α = 1 - ε is label smoothing by ε (Szegedy et al. 2016): the loss
    differs from the cross-entropy with :math:`(1 - ε) y + ε / 5` by a constant. Void pixels stay
    out, and no probability goes to the void class (Yuan et al. 2020, section 3.2).
    Teacher and seed are not used.
    """
    image = keras.Input((None, None, 3))
    logits = EvenLogits(name="logits", dtype="float32")(image)
    return keras.Model(image, keras.layers.Softmax(dtype="float32")(logits), name="uniform")


def trained(teacher, seed=0):
    """Return the teacher itself."""
    return teacher


TEACHERS = {each.__name__: each for each in (trained, shuffled, distracted, untrained, uniform)}
"""What an arm may name as its teacher: functions of (teacher, seed) that give a model."""


def _around(teacher, layer):
    image = keras.Input(teacher.input_shape[1:])
    logits = layer(logits_model(teacher)(image, training=False))
    softmax = keras.layers.Softmax(dtype="float32")
    return keras.Model(image, softmax(logits), name=f"{teacher.name}_{type(layer).__name__}")
