"""Small networks and batches that the tests of the Distiller share."""

import contextlib

import keras
import numpy as np

from kdlib.distiller import Distiller
from kdlib.unet import unet

SIZE, CLASSES = 16, 4


def network(width=2, seed=0, classes=CLASSES, size=SIZE, **options):
    keras.utils.set_random_seed(seed)
    return unet((width,) * 5, classes, size, size, **options)


def pair(**options):
    return network(2, seed=1, name="student", **options), network(
        3, seed=2, name="teacher", **options
    )


def batch(count=4, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random((count, SIZE, SIZE, 3), dtype="float32")
    y = rng.integers(0, CLASSES, (count, SIZE, SIZE)).astype("int32")
    weight = rng.integers(0, 2, (count, SIZE, SIZE)).astype("float32")
    return x, y, weight


def distiller(alpha=0.3, temperature=2.0, optimizer=None, metrics=None, **options):
    model = Distiller(*pair(dropout=0.0, **options))
    model.compile(
        optimizer or keras.optimizers.SGD(0.1), metrics, alpha=alpha, temperature=temperature
    )
    return model


def values(variables):
    return [np.array(v) if keras.backend.backend() == "jax" else v.numpy() for v in variables]


def builder(image_height, image_width, dropout, normalization, n_classes=6):
    """Build what the recipes build, with two filters a layer."""
    return unet(
        (2, 2, 2, 2, 2),
        n_classes,
        image_height,
        image_width,
        dropout=dropout,
        normalization=normalization,
    )


@contextlib.contextmanager
def policy_set_to(policy):
    """Build networks under a policy of Keras."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
