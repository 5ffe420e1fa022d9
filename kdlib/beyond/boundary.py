r"""Soft targets with more weight near the boundaries between classes: a proposal of this book."""

from functools import partial

import keras
from keras import ops

from kdlib._arguments import checked_positive, checked_whole
from kdlib._loss_arguments import over_classes
from kdlib.beyond._maps import cell_weight, checked_logits
from kdlib.beyond.term import Term
from kdlib.losses import kl_divergence
from kdlib.softening import checked_temperature


def boundary_weight(labels, weight=None, reach=8, emphasis=4.0):
    r"""Return a weight for each pixel that is largest at the boundaries between classes.

    .. math:: b \propto 1 + e \cdot \max(0,\, 1 - d / r)

    d is 0 on both sides of a boundary and grows by 1 a step, diagonal steps included. The mean of
    b over an image, weighted by ``weight``, is 1. An edge of void is no boundary.

    Parameters
    ----------
    labels : tensor of int, shape (batch, height, width)
    weight : tensor, optional
        Shape (batch, height, width): 0 where void.
    reach : int
        r, in pixels, at least 1: beyond it b is constant.
    emphasis : float
        e, at least 0: at a boundary b is 1 + e times as large as far away.

    Returns
    -------
    tensor
        Shape (batch, height, width), above 0.

    Raises
    ------
    ValueError
        If the labels have another shape, or a number is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> found = ops.convert_to_numpy(boundary_weight([[[0, 0, 0, 1]]], reach=1, emphasis=1.0))
    >>> (found / found.min()).ravel().tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    emphasis = checked_positive(emphasis, "emphasis", zero=True)
    reach = checked_whole(reach, "reach")
    labels = ops.cast(ops.convert_to_tensor(labels), "int32")
    if len(labels.shape) != 3:
        raise ValueError(f"labels of shape {tuple(labels.shape)}; expected (batch, height, width).")
    weight = cell_weight(weight, ops.cast(labels, "float32")[..., None])
    near = ops.cast(_boundary(labels, weight > 0), "float32")[..., None]
    closeness = near
    for _ in range(reach - 1):
        near = ops.max_pool(near, 3, strides=1, padding="same")
        closeness = closeness + near
    raw = 1 + emphasis * closeness[..., 0] / reach
    total = ops.sum(weight * raw, axis=(1, 2), keepdims=True)
    count = ops.sum(weight, axis=(1, 2), keepdims=True)
    return raw * ops.where(total > 0, count / ops.where(total > 0, total, 1), 1)


@over_classes
@keras.saving.register_keras_serializable(package="kdlib")
def boundary_weighted(
    teacher, student, labels, weight=None, temperature=2.0, reach=8, emphasis=4.0
):
    r"""Return T² · KL of each pixel, times :func:`boundary_weight`.

    Parameters
    ----------
    teacher, student : tensor
        Logits of the same shape (batch, height, width, classes).
    labels, weight, reach, emphasis
        As for :func:`boundary_weight`, with the same errors.
    temperature : float
        T > 0.

    Returns
    -------
    tensor
        Shape (batch, height, width).

    Examples
    --------
    >>> import numpy as np
    >>> teacher, student = np.ones((1, 2, 2, 3)), np.zeros((1, 2, 2, 3))
    >>> print(f"{float(ops.mean(boundary_weighted(teacher, student, [[[0, 1], [0, 1]]]))):.1f}")
    0.0
    """
    temperature = checked_temperature(temperature)
    teacher, student = checked_logits(teacher, student, spatial=True)
    value = temperature**2 * kl_divergence(teacher, student, temperature)
    emphasised = ops.cast(boundary_weight(labels, weight, reach, emphasis), value.dtype)
    return cell_weight(weight, teacher) * emphasised * value


def _boundary(labels, seen):
    """Mark the pixels with a neighbour above, below, left or right in another class."""
    beside = (labels[:, :, 1:] != labels[:, :, :-1]) & seen[:, :, 1:] & seen[:, :, :-1]
    below = (labels[:, 1:] != labels[:, :-1]) & seen[:, 1:] & seen[:, :-1]
    sides = ((0, 0), (0, 0)), ((1, 0), (0, 1))
    across = [ops.pad(beside, (*sides[0], side)) for side in sides[1]]
    down = [ops.pad(below, (sides[0][0], side, (0, 0))) for side in sides[1]]
    return across[0] | across[1] | down[0] | down[1]


METHODS = {"boundary": partial(Term, boundary_weighted)}
"""The methods of this module, by name."""
