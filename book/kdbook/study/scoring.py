"""What a run records of its network: a curve while it trains, and scores at the end."""

import time

import keras
import numpy as np

from kdlib import metrics
from kdlib.data import N_CLASSES, VOID
from kdlib.losses import kl_divergence
from kdlib.unet import logits_model

BINS = 15
"""Bins of the expected calibration error."""


class ValidationCurve(keras.callbacks.Callback):
    """After each epoch, judge the network in inference mode on fixed patches.

    The definitions are those of :class:`kdlib.recipes.FairCurves` with a Distiller, whatever loss
    the arm has. The judging teacher is run once, not after every epoch, since the patches never
    change: otherwise this would cost more than the training of a student.

    - ``patches``: what to judge on.
    - ``teacher``: whose soft targets the distillation loss compares with; without one it is left
      out.
    - ``temperature``: T of the distillation loss.
    - ``curve``: dict of str to list of float. ``student_loss``, ``distillation_loss`` and
      ``mean_iou`` after each epoch.
    - ``seconds``: what the judging took.
    """

    def __init__(self, patches, teacher=None, temperature=1.0):
        super().__init__()
        self.patches, self.temperature = patches, temperature
        self.soft = None if teacher is None else _logits(teacher, patches)
        self.curve = {"student_loss": [], "mean_iou": []}
        if teacher is not None:
            self.curve["distillation_loss"] = []
        self.seconds = 0.0

    def on_epoch_end(self, epoch, logs=None):
        """Judge."""
        start = time.perf_counter()
        logits = _logits(getattr(self.model, "student", self.model), self.patches)
        labels = self.patches.labels.astype(np.int32)
        palette = self.patches.palette
        counted = np.not_equal(labels, -1 if palette.void is None else palette.void)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self._note("student_loss", loss(labels, logits, sample_weight=counted))
        if self.soft is not None:
            divergence = kl_divergence(self.soft, logits, self.temperature)
            self._note("distillation_loss", keras.ops.mean(divergence * counted))
        predicted = logits.argmax(-1)
        matrix = metrics.confusion_matrix(labels, predicted, len(palette), void_class=palette.void)
        self._note("mean_iou", metrics.scores(matrix, palette.void).mean_iou)
        self.seconds += time.perf_counter() - start

    def _note(self, name, value):
        self.curve[name].append(round(float(value), 6))


def score(network, patches, teacher_labels=None, batch_size=16):
    """Return the scores of a network on patches, as the record keeps them.

    - ``network``: returns probabilities.
    - ``teacher_labels``: array of uint8, shape of ``patches.labels``. What the judging teacher
      predicts there.
    - ``batch_size``: patches at a time.
    - Returns dict: ``confusion``: integers, rows true, columns predicted, void pixels left out; all
      scores of :func:`kdlib.metrics.scores` follow from it; ``images``, the same for each image, by
      its number. ``ece``: over 15 bins. ``nll``: mean of −log p(true class), in nats; probabilities
      of 0 count as the smallest of float32. ``agreement`` with the teacher and
      ``agreement_where_teacher_wrong``, both over pixels that are not void; None without a teacher,
      the second also if it is never wrong.
    - ``ValueError`` if the network returns NaN.
    """
    predicted, bins, surprise = np.empty_like(patches.labels), [], 0.0
    for start in range(0, len(patches), batch_size):
        some = patches.take(np.s_[start : start + batch_size])
        probabilities = metrics.predict_probabilities(network, some, batch_size)
        predicted[start : start + batch_size] = probabilities.argmax(axis=-1)
        surprise += _surprise(probabilities, some.labels)
        if (some.labels != VOID).any():
            bins.append(metrics.reliability_curve(some.labels, probabilities, BINS, VOID))
    images = {
        int(number): _confusion(patches.labels[chosen], predicted[chosen])
        for number in np.unique(patches.image_index)
        for chosen in [patches.image_index == number]
    }
    named = patches.labels != VOID
    wrong = named & (teacher_labels != patches.labels) if teacher_labels is not None else None
    return {
        "confusion": np.sum(list(images.values()), axis=0).tolist(),
        "images": {number: matrix.tolist() for number, matrix in images.items()},
        "ece": _joined(bins).error,
        "nll": float(surprise / named.sum()),
        "agreement": _agreement(predicted, teacher_labels, named),
        "agreement_where_teacher_wrong": _agreement(predicted, teacher_labels, wrong),
    }


def _confusion(labels, predicted):
    matrix = metrics.confusion_matrix(labels, predicted, N_CLASSES, void_class=VOID)
    return matrix.astype(int)


def _surprise(probabilities, labels):
    """Return the sum of −log p(true class) over the pixels that are not void."""
    of_label = np.take_along_axis(probabilities, labels[..., None].astype(int), axis=-1)[..., 0]
    floor = np.finfo(np.float32).tiny
    return -np.log(np.maximum(of_label[labels != VOID], floor), dtype=np.float64).sum()


def _agreement(predicted, teacher_labels, mask):
    if teacher_labels is None or not mask.any():
        return None
    return metrics.agreement(teacher_labels, predicted, mask)


def _joined(curves):
    """Join reliability curves of different pixels over the same bins."""
    count = sum(curve.count for curve in curves)
    sums = [
        sum(np.nan_to_num(getattr(curve, name)) * curve.count for curve in curves)
        for name in ("confidence", "accuracy")
    ]
    means = [np.divide(s, count, out=np.full(BINS, np.nan), where=count > 0) for s in sums]
    return metrics.Reliability(curves[0].edges, *means, count)


def _logits(network, patches):
    # Logits will do for predict_probabilities: it only runs the model, batch by batch.
    return metrics.predict_probabilities(logits_model(network), patches)
