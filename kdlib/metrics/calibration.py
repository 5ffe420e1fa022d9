"""Calibration: whether the probabilities of a model can be taken at their word."""

import dataclasses

import numpy as np

from kdlib._arguments import checked_whole
from kdlib.metrics._validation import check_range, check_void, checked_ids


@dataclasses.dataclass(frozen=True, eq=False)
class Reliability:
    """How often predictions are right, by how sure the model was of them.

    Attributes
    ----------
    edges : numpy.ndarray
        Shape ``(bins + 1,)``: bin ``b`` holds confidences above ``edges[b]``, up to and with
        ``edges[b + 1]``.
    confidence, accuracy : numpy.ndarray
        Shape ``(bins,)``: mean confidence, and share of right predictions; NaN in empty bins.
    count : numpy.ndarray
        Shape ``(bins,)``: number of pixels.

    Examples
    --------
    >>> curve = reliability_curve([0, 0], [[0.9, 0.1], [0.2, 0.8]], bins=2)
    >>> curve.count.tolist(), round(curve.error, 2)
    ([0, 2], 0.35)
    """

    edges: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray

    @property
    def error(self):
        """The expected calibration error: see :func:`expected_calibration_error`."""
        filled = self.count > 0
        gaps = np.abs(self.accuracy - self.confidence)[filled]
        return float(np.sum(gaps * self.count[filled]) / self.count.sum())


def reliability_curve(labels, probabilities, bins=15, void_class=None):
    """Sort pixels into bins by confidence, and see how often the model was right in each.

    The confidence of a pixel is the probability of the class that is predicted for it: the
    largest one.

    Parameters
    ----------
    labels : array of int, shape (...)
        True class ids from 0 to ``n_classes - 1``, or ``void_class``.
    probabilities : array of float, shape (..., n_classes)
        From 0 to 1, with sum 1 over the last axis.
    bins : int
        Number of bins of equal width from 0 to 1.
    void_class : int, optional
        True label whose pixels are left out.

    Returns
    -------
    Reliability

    Raises
    ------
    ValueError
        If shapes do not fit, probabilities are NaN, negative or do not sum to 1, labels are not
        class ids, ``void_class`` is no integer, no pixel is left, or ``bins`` is less than 1.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks.

    Examples
    --------
    >>> curve = reliability_curve([0, 1], [[0.9, 0.1], [0.8, 0.2]], bins=2)
    >>> curve.count.tolist(), curve.accuracy.tolist()
    ([0, 2], [nan, 0.5])
    """
    labels, probabilities = _pixels(labels, probabilities, void_class)
    bins = checked_whole(bins, "bins")
    edges = np.linspace(0, 1, bins + 1)
    # Rounding can lift a confidence a little above 1: it belongs into the last bin.
    confidence = np.minimum(probabilities.max(axis=-1).astype(np.float64), 1.0)
    right = probabilities.argmax(axis=-1) == labels
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    sums = [np.bincount(place, values, minlength=bins) for values in (confidence, right)]
    means = [np.divide(s, count, out=np.full(bins, np.nan), where=count > 0) for s in sums]
    return Reliability(edges, *means, count)


def expected_calibration_error(labels, probabilities, bins=15, void_class=None):
    r"""Return the mean gap between confidence and accuracy, over the bins of a reliability curve.

    .. math:: ECE = \sum_b \frac{n_b}{N} \left| accuracy_b - confidence_b \right|

    Parameters
    ----------
    labels, probabilities, bins, void_class
        As for :func:`reliability_curve`, with the same errors.

    Returns
    -------
    float
        From 0 (every probability can be taken at its word) to 1. It depends on the number of
        bins: compare only what was binned alike.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks, eq. 3.

    Examples
    --------
    >>> round(expected_calibration_error([0, 1], [[0.9, 0.1], [0.8, 0.2]], bins=2), 4)
    0.35
    """
    return reliability_curve(labels, probabilities, bins, void_class).error


def _pixels(labels, probabilities, void_class):
    """Return checked labels (n,) and probabilities (n, classes) of the pixels that count."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    if probabilities.dtype.kind not in "biuf":
        raise ValueError(f"probabilities are {probabilities.dtype}; expected floats from 0 to 1.")
    if probabilities.shape[:-1] != labels.shape or probabilities.ndim == 0:
        raise ValueError(
            f"labels have shape {labels.shape} and probabilities {probabilities.shape}; expected "
            "the shape of the labels and one axis of classes behind it."
        )
    check_void(void_class)
    labels = checked_ids(labels, "labels")
    kept = np.ones(labels.shape, bool) if void_class is None else labels != void_class
    labels, probabilities = labels[kept], probabilities[kept]
    if labels.size == 0:
        raise ValueError("no pixel is left to judge; expected at least one that is not void.")
    check_range(labels, probabilities.shape[-1], "labels", void_class)
    _check_probabilities(probabilities)
    return labels, probabilities


def _check_probabilities(probabilities):
    if np.isnan(probabilities).any():
        raise ValueError("probabilities hold NaN; the model diverged, or its inputs hold NaN.")
    with np.errstate(over="ignore", invalid="ignore"):
        sums = probabilities.sum(axis=-1, dtype=np.float64)
    # Written so that the NaN of an infinite sum fails too.
    if probabilities.min() < 0 or not np.abs(sums - 1).max() <= 0.01:
        raise ValueError(
            f"probabilities run from {probabilities.min():.3g} to {probabilities.max():.3g}, with "
            f"sums from {sums.min():.3g} to {sums.max():.3g}; expected sums of 1. "
            "Pass logits through kdlib.softening.softmax first."
        )
