"""Trainings under MirroredStrategy on one and on two devices, as a program that a test starts.

``python -m tests.kdlib.mirrored_training FOLDER`` writes FOLDER/1.npz and FOLDER/2.npz.
"""

import contextlib
import sys

import keras
import numpy as np
import tensorflow as tf

from kdlib import parallel
from kdlib.distiller import Distiller
from kdlib.recipes import EpochSeeds
from tests.kdlib import distillers, shared_training, small


class Lost(Exception):
    """The training was ended from outside."""


class End(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise Lost


def fit(model, epochs):
    x, y, weight = small.batch(8)
    options = {"batch_size": 8, "epochs": epochs, "shuffle": False, "verbose": 0}
    return model.fit(x, y, sample_weight=weight, **options).history


def distiller(optimizer, **options):
    shape = (small.SIZE, small.SIZE, 3)
    model = Distiller(
        distillers.network(1, 3, shape=shape, **options), distillers.network(2, 4, shape=shape)
    )
    model.compile(optimizer)
    return model


def weights(model):
    """Of the student, without the seeds of dropout."""
    return np.concatenate([v.ravel() for v in small.values(model.student.weights)])


def without_norm(strategy, found):
    """Losses and weights of a student without normalisation and dropout."""
    with strategy.scope():
        model = distiller(keras.optimizers.Adam(0.01))
    found |= fit(model, epochs=3)
    x, y, weight = small.batch(8)
    scores = model.evaluate(x, y, sample_weight=weight, batch_size=8, verbose=0, return_dict=True)
    found |= {f"evaluate {name}": score for name, score in scores.items()}
    found["weights"] = weights(model)


def one_step_with_norm(strategy, found):
    """Moving statistics of batch normalisation after one step, and what it normalised."""
    with strategy.scope():
        model = distiller(keras.optimizers.SGD(0.1), norm=True)
    dense, norm = model.student.layers[1:3]
    x, _, _ = small.batch(8)
    found["activations"] = np.tanh(x @ dense.kernel.numpy() + dense.bias.numpy())
    fit(model, epochs=1)
    found["moving mean"] = norm.moving_mean.numpy()
    found["moving variance"] = norm.moving_variance.numpy()


def cut_and_resumed(strategy, found, folder):
    """Weights of a run that was lost in its third epoch, and of one that was not."""
    for name, ends in (("unbroken", ()), ("cut", (End(),)), ("resumed", ())):
        with strategy.scope():
            model = shared_training.distiller(dropout=0.3)
        batches = shared_training.batches()
        backup = parallel.Backup(f"{folder}/{'whole' if name == 'unbroken' else 'cut'}", 0)
        with contextlib.suppress(Lost):
            model.fit(
                batches,
                epochs=4,
                initial_epoch=backup.epoch,
                callbacks=[EpochSeeds(batches), backup, *ends],
                shuffle=False,
                verbose=0,
            )
        found[f"{name} starts"], found[name] = backup.epoch, weights(model)


def main(folder):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    for devices in (1, 2):
        strategy = tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(devices)])
        found = {}
        without_norm(strategy, found)
        one_step_with_norm(strategy, found)
        if devices == 2:
            cut_and_resumed(strategy, found, folder)
        np.savez(f"{folder}/{devices}.npz", **found)


if __name__ == "__main__":
    main(sys.argv[1])
