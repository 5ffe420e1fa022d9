r"""Losses over the features of one layer of each network: attention maps, and hints."""

from functools import partial

import keras
from keras import ops

from kdlib._arguments import checked_positive
from kdlib.beyond._maps import cell_weight, checked_maps, image_mean, of_size_one
from kdlib.beyond.term import Term

_EPSILON = 1e-12


@keras.saving.register_keras_serializable(package="kdlib")
def attention(teacher, student, weight=None, power=2.0):
    r"""Return half the squared distance between two maps of where a layer is active.

    .. math:: \tfrac12 \bigl\| Q^t/\|Q^t\| - Q^s/\|Q^s\| \bigr\|^2,\quad
              Q = \tfrac1C \textstyle\sum_c |F_c|^p

    It is 1 minus the cosine of the two maps, from 0 to 1 whatever the size of the image. The paper
    has the norm, and its code the mean square over the pixels. The widths may differ.

    Parameters
    ----------
    teacher, student : tensor
        Features (batch, height, width, channels), of the same height and width.
    weight : tensor, optional
        Shape (batch, H, W), with H and W multiples of height and width: what each pixel counts.
    power : float
        p > 0.

    Returns
    -------
    tensor
        Shape (batch,), times the mean weight of the image.

    Raises
    ------
    ValueError
        If the shapes do not fit, or p is not positive.

    References
    ----------
    Zagoruyko and Komodakis (2017), Paying more attention to attention.

    Examples
    --------
    >>> import numpy as np
    >>> teacher = np.array([[[[1.0], [0.0]]]])
    >>> print(f"{float(attention(teacher, np.ones((1, 1, 2, 3)))[0]):.4f}")
    0.2929
    """
    power = checked_positive(power, "power")
    teacher, student = checked_maps(teacher, student, same_width=False)
    weight = cell_weight(weight, teacher)
    taught, said = (_attention_map(maps, weight, power) for maps in (teacher, student))
    apart = ops.sum(weight * ops.square(taught - said), axis=(1, 2)) / 2
    return image_mean(weight) * apart


@keras.saving.register_keras_serializable(package="kdlib")
def hint(teacher, student, weight=None):
    r"""Return half the mean squared difference of the features of each cell.

    .. math:: \tfrac{1}{2C} \textstyle\sum_c (F^t_c - r(F^s)_c)^2

    r is the 1 × 1 adapter that brings the student's features to the teacher's width;
    :class:`kdlib.beyond.BeyondDistiller` applies and trains it.

    Parameters
    ----------
    teacher, student : tensor
        Features of the same shape (batch, ..., channels).
    weight
        As for :func:`attention`.

    Returns
    -------
    tensor
        Shape (batch, ...), times the weight of the cell.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    Romero et al. (2015), FitNets: Hints for thin deep nets.

    Examples
    --------
    >>> import numpy as np
    >>> float(ops.mean(hint(np.full((1, 1, 1, 2), 3.0), np.ones((1, 1, 1, 2)))))
    2.0
    """
    teacher, student = checked_maps(teacher, student, spatial=False)
    value = ops.mean(ops.square(teacher - student), axis=-1) / 2
    return cell_weight(weight, teacher) * value


def _attention_map(maps, weight, power):
    maps = of_size_one(maps, axis=(1, 2, 3))
    active = ops.mean(ops.power(ops.abs(maps), power), axis=-1)
    squares = ops.sum(weight * ops.square(active), axis=(1, 2), keepdims=True)
    return active * ops.rsqrt(ops.maximum(squares, _EPSILON))


METHODS = {
    "attention": partial(Term, attention, layers=("c5", "u7", "u9")),
    "hint": partial(Term, hint, layers=("c5",), adapter=True),
}
"""The methods of this module, by name, with layers of the U-Nets of :mod:`kdlib.unet`."""
