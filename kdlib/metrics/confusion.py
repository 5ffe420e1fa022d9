"""The confusion matrix, and the scores that are computed from it."""

import dataclasses

import numpy as np

from kdlib._arguments import as_numbers
from kdlib.metrics._validation import (
    check_classes,
    check_range,
    check_same_shape,
    check_void,
    checked_ids,
    checked_weights,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Scores:
    r"""Scores of one confusion matrix :math:`M`, whose rows are true and columns predicted classes.

    With :math:`TP_i = M_{ii}`, the other pixels of row :math:`i` missed (:math:`FN_i`) and the
    other pixels of column :math:`i` taken for it wrongly (:math:`FP_i`):

    .. math:: precision_i = \frac{TP_i}{TP_i + FP_i} \quad recall_i = \frac{TP_i}{TP_i + FN_i}

    .. math:: F1_i = \frac{2\,TP_i}{2\,TP_i + FP_i + FN_i}
              \quad IoU_i = \frac{TP_i}{TP_i + FP_i + FN_i}

    A score of the form 0/0 is NaN, and means leave NaN out: a class that is not there has no
    recall, and one that was never predicted no precision. So the mean precision of a model that
    always predicts one class is the precision of that class alone. Judge by the mean IoU or F1,
    where a class that was never predicted counts as 0. The entries of a void class are NaN.

    Attributes
    ----------
    accuracy : float
        Share of the pixels that are right.
    precision, recall, f1, iou : numpy.ndarray
        float64, shape ``(n_classes,)``, from 0 to 1 or NaN.
    mean_precision, mean_recall, mean_f1, mean_iou : float
        Means over the classes that have the score.
    share, predicted_share : numpy.ndarray
        Share of the pixels that belong to each class, and that were predicted as it.

    References
    ----------
    IoU is the index of Jaccard (1912), F1 that of Dice (1945): F1 = 2 IoU / (1 + IoU).

    Examples
    --------
    >>> scores([[3, 1], [0, 4]]).recall.tolist()
    [0.75, 1.0]
    """

    accuracy: float
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    iou: np.ndarray
    mean_precision: float
    mean_recall: float
    mean_f1: float
    mean_iou: float
    share: np.ndarray
    predicted_share: np.ndarray


def confusion_matrix(labels, predictions, n_classes, *, sample_weight=None, void_class=None):
    """Count how often each true class was predicted as each class.

    Parameters
    ----------
    labels : array of int, any shape
        True class ids, from 0 to ``n_classes - 1``, or ``void_class``.
    predictions : array of int, same shape
        Predicted class ids, from 0 to ``n_classes - 1``.
    n_classes : int
        Number of classes, 2 or more. A void class inside the range counts as one of them.
    sample_weight : array of float, same shape, optional
        What each pixel counts, 0 or more. 1 by default.
    void_class : int, optional
        Pixels whose true label this is are left out, wherever it lies (5, 255 or -1). A pixel of
        another class that is *predicted* as void stays in, as the mistake that it is.

    Returns
    -------
    numpy.ndarray
        float64, shape ``(n_classes, n_classes)``: entry ``[i, j]`` is the number (or total
        weight) of pixels of class ``i`` that were predicted as class ``j``.

    Raises
    ------
    ValueError
        If there are no pixels, the shapes differ, ids are not integers or outside the classes,
        ``void_class`` is no integer, or a weight is negative or not finite.

    Examples
    --------
    >>> confusion_matrix([0, 0, 1, 2], [0, 1, 1, 1], n_classes=3, void_class=2)
    array([[1., 1., 0.],
           [0., 1., 0.],
           [0., 0., 0.]])
    """
    check_classes(n_classes, void_class)
    labels, predictions = checked_ids(labels, "labels"), checked_ids(predictions, "predictions")
    check_same_shape(labels, predictions)
    kept = np.ones(labels.shape, bool) if void_class is None else labels != void_class
    weights = None if sample_weight is None else checked_weights(sample_weight, labels.shape)[kept]
    true, predicted = labels[kept].astype(np.int64), predictions[kept].astype(np.int64)
    check_range(true, n_classes, "labels", void_class)
    check_range(predicted, n_classes, "predictions", None)
    counts = np.bincount(true * n_classes + predicted, weights, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes).astype(np.float64)


def scores(matrix, void_class=None):
    """Return all scores of a confusion matrix.

    Parameters
    ----------
    matrix : array, shape (n_classes, n_classes)
        Counts or weights, 0 or more; rows true, columns predicted.
    void_class : int, optional
        Class whose row is left out (a pixel of another class that was predicted as void still
        counts as missed), and which has no scores of its own. One outside the classes (255 or -1),
        whose pixels :func:`confusion_matrix` has left out, changes nothing.

    Returns
    -------
    Scores

    Raises
    ------
    ValueError
        If the matrix is not square, ``void_class`` is no integer, an entry is negative or not
        finite, or all are 0, outside the void class: then there is nothing to score.

    Examples
    --------
    >>> result = scores([[3, 1], [1, 3]])
    >>> result.accuracy, result.iou.tolist()
    (0.75, [0.6, 0.6])
    """
    counts, named = _counts(matrix, void_class)
    right, true, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    per_class = {
        "precision": _ratio(right, predicted),
        "recall": _ratio(right, true),
        "f1": _ratio(2 * right, true + predicted),
        "iou": _ratio(right, true + predicted - right),
    }
    per_class = {name: np.where(named, values, np.nan) for name, values in per_class.items()}
    means = {f"mean_{name}": _mean(values) for name, values in per_class.items()}
    total = counts.sum()
    return Scores(
        accuracy=float(_ratio(right.sum(), total)),
        share=_ratio(true, total),
        predicted_share=_ratio(predicted, total),
        **per_class,
        **means,
    )


def constant_predictor(matrix, void_class=None):
    """Return the scores of a model that says the most frequent class everywhere.

    Read every score against this: it can be had without looking at the image.

    Parameters
    ----------
    matrix : array, shape (n_classes, n_classes)
        The confusion matrix of any model on the same pixels. Only its row sums count.
    void_class : int, optional
        Class whose pixels are left out.

    Returns
    -------
    Scores
        With the errors of :func:`scores`.

    Examples
    --------
    >>> constant_predictor([[1, 2], [0, 9]]).accuracy
    0.75
    """
    counts, _ = _counts(matrix, void_class)
    true = counts.sum(axis=1)
    constant = np.zeros_like(counts)
    constant[:, np.argmax(true)] = true
    return scores(constant, void_class)


def _counts(matrix, void_class):
    """Return the checked matrix without its void row, and which classes are not void."""
    check_void(void_class)
    counts = as_numbers(matrix, "the confusion matrix")
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(
            f"a confusion matrix of shape {counts.shape} came; expected (n_classes, n_classes)."
        )
    if not np.all(np.isfinite(counts)) or np.any(counts < 0):
        raise ValueError("the confusion matrix has negative or non-finite entries; counts do not.")
    with np.errstate(over="ignore"):
        total = counts.sum()
    if not np.isfinite(total):
        raise ValueError(f"the entries of the confusion matrix, up to {counts.max()}, overflow.")
    named = np.arange(len(counts)) != (-1 if void_class is None else void_class)
    counts[~named] = 0
    if not counts.any():
        raise ValueError(
            f"the confusion matrix of {len(counts)} classes counts no pixel"
            f"{'' if void_class is None else f' outside the void class {void_class}'}; expected "
            "at least one. Are these images labelled?"
        )
    return counts, named


def _ratio(part, whole):
    """Return part / whole, with NaN for 0/0."""
    part, whole = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def _mean(values):
    """Return the mean of the entries that are not NaN, or NaN if there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else np.nan
