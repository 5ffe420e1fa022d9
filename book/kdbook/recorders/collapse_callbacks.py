"""Looks at a network while it trains: its answers, its gradient, and which features are alive."""

import dataclasses
import functools

import keras
import numpy as np
from keras.ops import convert_to_numpy

from kdlib import data, metrics, runtime

LOOK = 25
"""Steps between two looks at a network."""

BLOCKS = ("c1", "c2", "c3", "c4", "c5", "u6", "u7", "u8", "u9")
"""The layers whose features are counted."""

LEAST = 0.001
"""A feature that is above zero on a smaller share of the pixels counts as dead."""


class Looks(keras.callbacks.Callback):
    """Set the rate of each step, and look at the network every :data:`LOOK` steps.

    - ``patches``: to look at, with the labels that the training uses.
    - ``batch``: tuple of arrays. The batch on which the gradient is taken, the same at every look,
      without dropout.
    - ``curve``: dict of str to list. After each look: ``loss`` over the steps since the last one,
      ``gradient`` (its norm over all weights), ``confusion``, and ``live``, the live features of
      each of :data:`BLOCKS`.
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
                "labels": "own", "steps_before": 0}  # fmt: skip


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
    return metrics.confusion_matrix(patches.labels, predicted, data.N_CLASSES, void_class=data.VOID)


def looks_collapsed(matrix):
    """Tell whether a network says one class: accuracy within a point of the majority's share.

    - ``matrix``: array, shape (n_classes, n_classes). A confusion matrix.
    - Returns bool: true if, besides, one class is above 95 % of all answers. As in chapter 07.

    >>> looks_collapsed([[0, 4], [0, 6]]), looks_collapsed([[3, 1], [1, 5]])
    (True, False)
    """
    now, constant = metrics.scores(matrix), metrics.constant_predictor(matrix)
    stuck = abs(now.accuracy - constant.accuracy) < 0.01
    return bool(stuck and now.predicted_share.max() > 0.95)


def _rounded(number):
    return float(f"{number:.4g}")
