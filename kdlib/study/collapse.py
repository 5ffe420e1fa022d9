"""Which choice makes a network answer one class everywhere? One choice changed at a time, recorded.

The settings start from what is known of the project that the book grew from: a U-Net without
normalisation, Adam at 0.0047, batches of 9. ``python -m kdlib.study.collapse`` does what is left
and writes one line of JSON a run to ``kdlib/results/collapse.jsonl``; it can be stopped at any
time. All settings of a seed start from the same weights, as far as their networks are the same,
and see the same crops, as far as their crops have the same size.

The whole record was sized for a quarter of an hour on one processor core, so the crops are small
(48 × 48, where the project took 256 × 256) and the trainings short (100 steps).
"""

import argparse
import dataclasses
import datetime
import functools
import sys
import time
from pathlib import Path

import keras
import numpy as np
from keras.ops import convert_to_numpy

from kdlib import data, metrics, runtime
from kdlib.recipes import BUILDERS, EpochSeeds
from kdlib.study import claims, provenance
from kdlib.study.arms import Plan, Run
from kdlib.study.record import RESULTS, Record, make_work_folder, notice

LOOK = 25
"""Steps between two looks at a network."""

BLOCKS = ("c1", "c2", "c3", "c4", "c5", "u6", "u7", "u8", "u9")
"""The layers whose features are counted."""

LEAST = 0.001
"""A feature that is above zero on a smaller share of the pixels counts as dead."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """One way to train a network, the source project's but for what is given.

    Parameters
    ----------
    name : str
    network : {"teacher", "student"}
    rate : float
        Of Adam; constant after the warm-up.
    warmup : float
        Share of the steps in which the rate rises from zero.
    batch, crop, steps : int
        Crops a step, their side in pixels, and steps.
    dropout, normalization
        As in :func:`kdlib.unet.unet`.
    output : {"probabilities", "twice", "logits"}
        What reaches a cross-entropy that expects probabilities: them, the softmax of them, or
        logits, which it clips to what a probability can be.
    labels : {"own", "renumbered", "shuffled"}
        The masks as they are, with the named classes numbered in another way, or each with the
        image of another patch.
    """

    name: str
    network: str = "teacher"
    rate: float = 0.0047
    warmup: float = 0.0
    batch: int = 9
    crop: int = 48
    steps: int = 100
    dropout: float = 0.1
    normalization: str | None = None
    output: str = "probabilities"
    labels: str = "own"

    def build(self, dropout=None):
        """Return the network, untrained, ending in what reaches the loss."""
        model = BUILDERS[self.network](
            image_height=None,
            image_width=None,
            dropout=self.dropout if dropout is None else dropout,
            normalization=self.normalization,
        )
        if self.output == "logits":
            return keras.Model(model.inputs[0], model.get_layer("logits").output)
        if self.output == "twice":
            return keras.Model(model.inputs[0], keras.layers.Softmax()(model.outputs[0]))
        return model

    def rate_at(self, step):
        """Return the learning rate of a step, the first of which is 0."""
        rising = self.warmup * self.steps
        return self.rate * min(1.0, (step + 1) / rising) if rising else self.rate

    def patches(self, patches, seed):
        """Return the training patches with the labels of this setting."""
        if self.labels == "own":
            return patches
        if self.labels == "renumbered":
            return dataclasses.replace(patches, labels=RENUMBERED[patches.labels])
        order = np.random.default_rng(seed).permutation(len(patches))
        return dataclasses.replace(patches, labels=patches.labels[order])


RENUMBERED = np.array([3, 4, 1, 0, 2, data.VOID], np.uint8)
"""The number that each class gets in the setting "renumbered"."""

_STUDENT = {"network": "student", "steps": 200}

SETTINGS = (
    Setting("source"),
    Setting("low-rate", rate=0.001),
    Setting("high-rate", rate=0.047),
    Setting("warm-up", warmup=1 / 3),
    Setting("batch-norm", normalization="batch"),
    Setting("no-dropout", dropout=0.0),
    Setting("much-dropout", dropout=0.5),
    Setting("double-softmax", output="twice"),
    Setting("logits-as-probabilities", output="logits"),
    Setting("renumbered-labels", labels="renumbered"),
    Setting("wrong-masks", labels="shuffled"),
    Setting("student", **_STUDENT),
    Setting("student-low-rate", rate=0.001, **_STUDENT),
    Setting("student-batch-norm", normalization="batch", **_STUDENT),
    Setting("longer", steps=300),
    Setting("large-crops", crop=96),
)
"""The source project's setting, and each of the others with one choice changed."""

PLAN = Plan("collapse", SETTINGS, seeds=(0, 1, 2), judged_on="validation")
"""Names the record. It is run by this module, not by :mod:`kdlib.study.runner`."""


class Looks(keras.callbacks.Callback):
    """Set the rate of each step, and look at the network every :data:`LOOK` steps.

    Parameters
    ----------
    setting : Setting
    patches : kdlib.data.Patches
        To look at, with the labels that the training uses.
    batch : tuple of arrays
        The batch on which the gradient is taken, the same at every look, without dropout.

    Attributes
    ----------
    curve : dict of str to list
        After each look: ``loss`` over the steps since the last one, ``gradient`` (its norm over
        all weights), ``confusion``, and ``live``, the live features of each of :data:`BLOCKS`.
    """

    def __init__(self, setting, patches, batch):
        super().__init__()
        self.setting, self.patches, self.batch = setting, patches, batch
        self.curve = {"loss": [], "gradient": [], "confusion": [], "live": []}
        self.steps = 0

    def on_train_batch_begin(self, batch, logs=None):
        """Set the rate."""
        self.model.optimizer.learning_rate = self.setting.rate_at(self.steps)
        self.steps += 1

    def on_epoch_end(self, epoch, logs=None):
        """Look."""
        self.curve["loss"].append(_rounded(logs["loss"]))
        self.curve["gradient"].append(_rounded(gradient_norm(self.setting, self.model, self.batch)))
        self.curve["confusion"].append(confusion(self.model, self.patches).astype(int).tolist())
        self.curve["live"].append(live_features(self.model, self.patches))


def compiled(setting):
    """Return an untrained network with the loss of all settings, ready for ``fit``.

    Networks of the same build are one object, which is set back: compiling takes longer than a
    short training. So train one at a time.
    """
    model = _compiled(dataclasses.replace(setting, **_BUILT_ALIKE))
    for variable in model.optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))
    return model


_BUILT_ALIKE = {"name": "", "rate": 0.1, "warmup": 0, "batch": 1, "crop": 64, "steps": 1,
                "labels": "own"}  # fmt: skip


@functools.cache
def _compiled(setting, dropout=None, probing=False):
    model = setting.build(dropout)
    optimizer = keras.optimizers.SGD(1.0) if probing else keras.optimizers.Adam(0.1)
    loss = keras.losses.SparseCategoricalCrossentropy()
    model.compile(optimizer, loss=loss, jit_compile=runtime.jit_compile())
    return model


def gradient_norm(setting, model, batch):
    """Return the length of the gradient of a network's loss over all weights, without dropout."""
    # One step of plain gradient descent at rate 1 moves the weights by the gradient.
    probe = _compiled(dataclasses.replace(setting, **_BUILT_ALIKE), dropout=0.0, probing=True)
    probe.set_weights(model.get_weights())
    before = [convert_to_numpy(v) for v in probe.trainable_variables]
    probe.train_on_batch(*batch)
    after = [convert_to_numpy(v) for v in probe.trainable_variables]
    moved = (np.square(a - b, dtype=np.float64).sum() for a, b in zip(after, before, strict=True))
    return float(np.sqrt(sum(moved)))


def live_features(model, patches):
    """Return how many features of each block are above zero here and there, on 8 patches."""
    outputs = {name: model.get_layer(name).output for name in BLOCKS}
    shown = keras.Model(model.inputs[0], outputs)(
        patches.images[:8] * np.float32(1 / 255), training=False
    )
    shares = [(convert_to_numpy(shown[name]) > 0).mean((0, 1, 2)) for name in BLOCKS]
    return [int((share >= LEAST).sum()) for share in shares]


def confusion(model, patches):
    """Return the confusion matrix of a model on patches, void pixels left out."""
    predicted = metrics.predict_labels(model, patches)
    return metrics.confusion_matrix(
        patches.labels, predicted, data.N_CLASSES, void_class=data.VOID
    )


def looks_collapsed(matrix):
    """Tell whether a network says one class: accuracy within a point of the majority's share.

    Parameters
    ----------
    matrix : array, shape (n_classes, n_classes)
        A confusion matrix.

    Returns
    -------
    bool
        True if, besides, one class is above 95 % of all answers. As in chapter 04.

    Examples
    --------
    >>> looks_collapsed([[0, 4], [0, 6]]), looks_collapsed([[3, 1], [1, 5]])
    (True, False)
    """
    now, constant = metrics.scores(matrix), metrics.constant_predictor(matrix)
    stuck = abs(now.accuracy - constant.accuracy) < 0.01
    return bool(stuck and now.predicted_share.max() > 0.95)


def collapsed_since(entry):
    """Return the step from which a run says one class until its end, or None.

    Examples
    --------
    >>> one, two = [[0, 4], [0, 6]], [[3, 1], [1, 5]]
    >>> collapsed_since({"step": [25, 50, 75], "confusion": [one, two, one]})
    75
    >>> collapsed_since({"step": [25, 50], "confusion": [one, two]}) is None
    True
    """
    since = None
    for step, matrix in zip(entry["step"], entry["confusion"], strict=True):
        collapsed = looks_collapsed(matrix)
        since = (since or step) if collapsed else None
    return since


def train(setting, seed, training, judged):
    """Train one network and look at it meanwhile; return the network and its curve."""
    model = compiled(setting)
    runtime.set_seed(seed)
    model.set_weights(setting.build().get_weights())
    steps = min(LOOK, setting.steps)
    batches = data.Batches(setting.patches(training, seed), setting.batch, setting.crop,
                           augment=True, shuffle=True, seed=seed, steps=steps)  # fmt: skip
    if setting.labels == "renumbered":
        judged = setting.patches(judged, seed)
    looks = Looks(setting, judged, batches[0])
    epochs = setting.steps // steps
    callbacks = [EpochSeeds(batches, seed), looks]
    model.fit(batches, epochs=epochs, callbacks=callbacks, shuffle=False, verbose=0)
    return model, {"step": [steps * (n + 1) for n in range(epochs)]} | looks.curve


def some(patches, count=16, side=128):
    """Return the middles of some patches, spread evenly: what the looks look at."""
    chosen = patches.take(np.linspace(0, len(patches) - 1, count).astype(int))
    size = chosen.labels.shape[1]
    side = min(side, size)
    middle = slice((size - side) // 2, (size + side) // 2)
    return dataclasses.replace(
        chosen, images=chosen.images[:, middle, middle], labels=chosen.labels[:, middle, middle]
    )


def record(setting, seed, images, split):
    """Train one network; return its line for the record."""
    started, start = datetime.datetime.now(datetime.UTC), time.perf_counter()
    _, curve = train(setting, seed, split.train, some(split.validation))
    return {
        **Run(PLAN.name, setting.name, seed)._asdict(),
        "settings": dataclasses.asdict(setting),
        "data": provenance.data_entry(images, split),
        "versions": provenance.versions(),
        "device": provenance.device(),
        "code": provenance.code_revision(),
        "started": started.isoformat(timespec="milliseconds"),
        "seconds": round(time.perf_counter() - start, 2),
        "curve": curve,
    }


def runs(folder=RESULTS):
    """Return {setting: {seed: line}} of what is recorded, in the order of the settings.

    Raises
    ------
    ValueError
        If a line is damaged, or was recorded with another setting than that of its name.
    """
    entries = Record(folder, PLAN).runs()
    for run, entry in entries.items():
        if entry["settings"] != dataclasses.asdict(PLAN.arm(run.arm)):
            raise ValueError(
                f"{run} was recorded with the setting {entry['settings']}, which is another one "
                "now. Give the changed setting another name."
            )
    found = {setting.name: {} for setting in SETTINGS}
    for run in sorted(entries):
        found[run.arm][run.seed] = entries[run]
    return {name: lines for name, lines in found.items() if lines}


def main(arguments=None):
    """Do what is left of the record, seed by seed."""
    parser = argparse.ArgumentParser(prog="python -m kdlib.study.collapse", description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the record")
    kept = Record(parser.parse_args(arguments).out, PLAN)
    make_work_folder(kept.work)
    images = data.load("dubai")
    split = data.split(data.cut(images), images)
    for seed in PLAN.seeds:
        for setting in SETTINGS:
            run = Run(PLAN.name, setting.name, seed)
            if run in kept.runs() or not (claim := claims.take(kept.work / "claims", run)):
                continue
            try:
                with claim:
                    kept.append(record(setting, seed, images, split))
                    kept.gather()
            except ValueError as error:  # NaN in loss or answers
                notice(f"{run} failed, the others go on: {error}")


def _rounded(number):
    return float(f"{number:.4g}")


if __name__ == "__main__":
    sys.exit(main())
