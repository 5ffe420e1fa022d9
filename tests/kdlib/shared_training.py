"""A training that several processes of Keras on JAX share, as a program: tests start and end it.

``python -m tests.kdlib.shared_training PROCESS JOB``, the job in JSON; process 0 writes
the results.
"""

import json
import os
import signal
import sys

import keras
import numpy as np

from kdlib import parallel
from kdlib.data import Batches, Patches
from kdlib.distiller import Distiller
from kdlib.recipes import EpochSeeds
from tests.kdlib.distillers import network
from tests.kdlib.small import values

SIZE, CLASSES, BATCH, COUNT = 8, 5, 4, 8
KINDS = {  # how the batches come, and the options of the student
    "plain": ("sequence", {}),
    "dataset": ("dataset", {}),
    "norm and dropout": ("sequence", {"norm": True, "dropout": 0.3}),
}


def batches():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (COUNT, SIZE, SIZE, 3), dtype="uint8")
    labels = rng.integers(0, CLASSES, (COUNT, SIZE, SIZE), dtype="uint8")
    zeros = np.zeros(COUNT, int)
    made = Patches(images, labels, zeros, zeros, zeros, zeros)
    return Batches(made, BATCH, augment=True, void_class=0, shuffle=True)


def distiller(**options):
    shape = (SIZE, SIZE, 3)
    model = Distiller(network(1, 3, shape=shape, **options), network(2, 4, shape=shape))
    model.compile(keras.optimizers.Adam(0.01), alpha=0.3, temperature=2.0)
    return model


def as_dataset(batches):
    """The batches of the first epoch, whole, as a dataset: Keras itself shares them."""
    import tensorflow as tf

    parts = zip(*(batches[index] for index in range(len(batches))), strict=True)
    return tf.data.Dataset.from_tensor_slices(tuple(map(np.concatenate, parts))).batch(BATCH)


class End(keras.callbacks.Callback):
    """Send this process a signal at the start of an epoch."""

    def __init__(self, epoch, name):
        super().__init__()
        self.epoch, self.signal = epoch, getattr(signal, name)

    def on_epoch_begin(self, epoch, logs=None):
        print("epoch", epoch, flush=True)
        if epoch == self.epoch:
            os.kill(os.getpid(), self.signal)


def train(kind, epochs, process=0, processes=1, backup=None, ends=()):
    """Return {name: array} of what one training gives: losses of every epoch, weights."""
    how, options = KINDS[kind]
    model, of_all = distiller(**options), batches()
    kept = parallel.Backup(backup, process) if backup else None
    callbacks = [EpochSeeds(of_all)] if how == "sequence" else []
    callbacks += [kept] if kept else []
    callbacks += [End(*ends)] if ends else []
    shard = parallel.Shard(of_all, process, processes)
    data = as_dataset(of_all) if how == "dataset" else shard
    if keras.distribution.distribution() is not None:
        keras.distribution.distribution().auto_shard_dataset = how == "dataset"
    history = model.fit(
        data,
        epochs=epochs,
        initial_epoch=kept.epoch if kept else 0,
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
    ).history
    weights = [v for v in values(model.student.variables) if v.dtype.kind == "f"]
    return history | {"weights": np.concatenate([v.ravel() for v in weights])}


def main(process, job):
    import jax

    # keras.distribution.initialize() does the same, and waits for minutes where others are lost.
    jax.distributed.initialize(
        job["address"],
        job["processes"],
        process,
        heartbeat_timeout_seconds=job["patience"],
        shutdown_timeout_seconds=job["patience"],
    )
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    ends = job["ends"] if process == job["processes"] - 1 else ()
    for kind in job["kinds"]:
        found = train(kind, job["epochs"], process, job["processes"], job["backup"], ends)
        if process == 0:
            np.savez(f"{job['results']}/{kind}.npz", **found)


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))
