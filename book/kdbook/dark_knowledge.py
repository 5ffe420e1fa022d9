"""Where the dark knowledge lies: near boundaries, and between which classes. In plain NumPy.

The teacher's entropy map is ``softening.entropy(softening.softmax(logits, temperature))``.
"""

import numpy as np
from scipy.ndimage import distance_transform_cdt

from kdlib._arguments import as_numbers


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
