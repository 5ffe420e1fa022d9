"""Where the dark knowledge lies: near boundaries, and between which classes. In plain NumPy.

The teacher's entropy map is ``softening.entropy(softening.softmax(logits, temperature))``.
"""

import numpy as np
from scipy.ndimage import distance_transform_cdt

from kdlib.softening import as_numbers


def boundary_distance(labels, void_class=None):
    """Return how many steps each pixel lies from the nearest boundary between two classes.

    Both sides of a boundary have distance 0, and a diagonal step counts 1. An edge of void is no
    boundary.

    - ``labels``: array of int, shape (height, width).
    - Returns numpy.ndarray: float64, shape (height, width); infinite where the image has no
      boundary.
    - ``ValueError`` if the labels have another number of axes.

    >>> boundary_distance([[0, 0, 0, 1]]).tolist()
    [[2.0, 1.0, 0.0, 0.0]]
    """
    labels = as_numbers(labels, "labels")
    if labels.ndim != 2:
        raise ValueError(f"labels has shape {labels.shape}; expected (height, width).")
    at_boundary = np.zeros(labels.shape, bool)
    seen = labels != (np.nan if void_class is None else void_class)
    for first, second in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
        differ = (labels[first] != labels[second]) & seen[first] & seen[second]
        at_boundary[first] |= differ
        at_boundary[second] |= differ
    if not at_boundary.any():
        return np.full(labels.shape, np.inf)
    return distance_transform_cdt(~at_boundary, metric="chessboard").astype(float)


def share_near_boundary(values, labels, within, void_class=None):
    """Return which share of a map's total lies within some pixels of a class boundary.

    - ``values``: array, shape (images, height, width). At least 0: such as the distillation loss of
      each pixel.
    - ``labels``: array of int, same shape.
    - ``within``: the largest distance that is still near, at least 0, as :func:`boundary_distance`
      counts.
    - ``void_class``: its pixels are left out.
    - Returns tuple of float: the share of the values, and the share of the pixels, which is what to
      compare it with. NaN if there is nothing to share.
    - ``ValueError`` if the shapes differ, a value is negative or not finite, or ``within`` is below
      0.

    >>> share_near_boundary([[[0.0, 1.0, 3.0, 4.0]]], [[[0, 0, 0, 1]]], within=0)
    (0.875, 0.5)
    """
    values, labels = as_numbers(values, "values"), as_numbers(labels, "labels")
    if values.shape != labels.shape or values.ndim != 3:
        raise ValueError(
            f"values of shape {values.shape} and labels of {labels.shape}; expected the same, "
            "(images, height, width)."
        )
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError("values are negative or not finite; expected at least 0.")
    if not within >= 0:
        raise ValueError(f"within is {within!r}; expected a distance of at least 0.")
    seen = np.ones(labels.shape, bool) if void_class is None else labels != void_class
    near = np.stack([boundary_distance(image, void_class) for image in labels]) <= within
    values = np.where(seen, values, 0)
    with np.errstate(invalid="ignore"):
        shares = values[near].sum() / values.sum(), (near & seen).sum() / np.float64(seen.sum())
    return tuple(float(share) for share in shares)


def confusion_pairs(probabilities, labels, void_class=None):
    """Return which other class the teacher thinks of, at the pixels of each class.

    - ``probabilities``: array, shape (..., classes). The teacher's, at any temperature.
    - ``labels``: array of int, shape (...). From 0 to classes - 1, or ``void_class``.
    - ``void_class``: its pixels are left out.
    - Returns list of (float, int, int): mean probability, labelled class, other class: the largest
      first. A class without pixels has no pairs.
    - ``ValueError`` if the shapes do not fit.

    >>> confusion_pairs([[0.75, 0.25], [0.5, 0.5]], [0, 0])
    [(0.375, 0, 1)]
    """
    probabilities, labels = as_numbers(probabilities, "probabilities"), np.asarray(labels)
    if probabilities.shape[:-1] != labels.shape:
        raise ValueError(
            f"probabilities of shape {probabilities.shape} and labels of {labels.shape}; expected "
            "a label for each pixel."
        )
    classes = [c for c in range(probabilities.shape[-1]) if c != void_class and (labels == c).any()]
    means = {c: probabilities[labels == c].mean(axis=0) for c in classes}
    pairs = [(float(p), c, o) for c in classes for o, p in enumerate(means[c]) if o != c]
    return sorted(pairs, reverse=True)
