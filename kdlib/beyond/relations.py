r"""Losses over relations: between the pixels of a channel, between classes, between places.

They look at a whole image, or batch, at once, so no single pixel has a value. Each result is
multiplied by the mean weight: an image that is half void counts half, as it does in a mean over
pixels, and one with nothing but void counts nothing.
"""

from functools import partial

import keras
from keras import ops

from kdlib._arguments import checked_positive, checked_whole
from kdlib._loss_arguments import over_classes
from kdlib.beyond._maps import (
    cell_weight,
    checked_logits,
    checked_maps,
    image_mean,
    of_size_one,
    pooled,
)
from kdlib.beyond.term import Term
from kdlib.losses import kl_divergence
from kdlib.softening import checked_temperature

_EPSILON = 1e-12
_FAR_BELOW = -1e9


@keras.saving.register_keras_serializable(package="kdlib")
def channel_wise(teacher, student, weight=None, temperature=1.0):
    r"""Return the divergence of where each channel is active: a softmax over the pixels.

    .. math:: \tfrac{T^2}{C} \textstyle\sum_c KL(\phi(y^t_c) \,\|\, \phi(y^s_c)),\quad
              \phi(y)_i = w_i e^{y_i/T} \big/ \textstyle\sum_j w_j e^{y_j/T}

    A softmax over all pixels depends on the size of the image: more pixels share the same mass.

    Parameters
    ----------
    teacher, student : tensor
        Logits or features of the same shape (batch, height, width, channels).
    weight : tensor, optional
        Shape (batch, H, W), with H and W multiples of height and width: what each pixel counts.
    temperature : float
        T > 0.

    Returns
    -------
    tensor
        Shape (batch,).

    Raises
    ------
    ValueError
        If the shapes do not fit, or T is not positive.

    References
    ----------
    Shu et al. (2021), Channel-wise knowledge distillation for dense prediction.

    Examples
    --------
    >>> import numpy as np
    >>> teacher, student = np.zeros((2, 1, 2, 2, 1))
    >>> teacher[0, 0, 0, 0] = 2.0
    >>> print(f"{float(channel_wise(teacher, student)[0]):.4f}")
    0.4680
    """
    temperature = checked_temperature(temperature)
    teacher, student = checked_maps(teacher, student)
    weight = cell_weight(weight, teacher)
    seen = weight[..., None] > 0
    extra = temperature * ops.log(ops.where(seen, weight[..., None], 1))
    rows = [_by_channel(ops.where(seen, z + extra, _FAR_BELOW)) for z in (teacher, student)]
    value = ops.mean(kl_divergence(*rows, temperature), axis=1)
    return image_mean(weight) * temperature**2 * value


@over_classes
@keras.saving.register_keras_serializable(package="kdlib")
def correlation(teacher, student, weight=None, temperature=1.0, inter=1.0, intra=1.0):
    r"""Return how far the probabilities are from correlated, over classes and over pixels (DIST).

    .. math:: T^2 \bigl(\beta\,(1 - \rho_{classes}) + \gamma\,(1 - \rho_{pixels})\bigr)

    :math:`\rho_{classes}` is Pearson's correlation over the classes of a pixel, in the mean over
    pixels; :math:`\rho_{pixels}` that over all pixels of the batch for a class, in the mean over
    classes. So the second depends on what else is in the batch. A class that never varies has
    correlation 0.

    Parameters
    ----------
    teacher, student : tensor
        Logits of the same shape (batch, ..., classes).
    weight : tensor, optional
        Shape (batch, ...): what each pixel counts.
    temperature : float
        T > 0.
    inter, intra : float
        β and γ, at least 0.

    Returns
    -------
    tensor
        Shape (1,): one value for the batch.

    Raises
    ------
    ValueError
        If the shapes differ, or a number is out of range.

    References
    ----------
    Huang et al. (2022), Knowledge distillation from a stronger teacher.

    Examples
    --------
    >>> value = correlation([[2.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 1.0]])
    >>> print(f"{abs(float(value[0])):.4f}")
    0.0000
    """
    temperature = checked_temperature(temperature)
    inter = checked_positive(inter, "inter", zero=True)
    intra = checked_positive(intra, "intra", zero=True)
    teacher, student = checked_logits(teacher, student)
    weight = ops.reshape(cell_weight(weight, teacher), (-1, 1))
    classes = teacher.shape[-1]
    p, q = (ops.softmax(ops.reshape(z, (-1, classes)) / temperature) for z in (teacher, student))
    per_pixel = weight[:, 0] * (1 - _pearson(p, q, ops.ones_like(p), axis=1))
    per_class = ops.mean(weight) * (1 - _pearson(p, q, weight, axis=0))
    value = inter * ops.mean(per_pixel) + intra * ops.mean(per_class)
    return ops.reshape(temperature**2 * value, (1,))


@keras.saving.register_keras_serializable(package="kdlib")
def pair_wise(teacher, student, weight=None, node=2):
    r"""Return the squared difference of how alike each two places are, for teacher and student.

    .. math:: \tfrac{1}{N^2} \textstyle\sum_{ij} (a^t_{ij} - a^s_{ij})^2,\quad
              a_{ij} = f_i^\top f_j / (\|f_i\|\,\|f_j\|)

    :math:`f_i` is the mean of the features over a node of ``node`` × ``node`` cells. The widths
    may differ. Nodes count by their weight. The authors' code takes the largest feature of a node
    instead of the mean, lets no gradient through the norms, and gives the size of a node as a share
    of the map.

    Parameters
    ----------
    teacher, student : tensor
        Features (batch, height, width, channels), of the same height and width.
    weight
        As for :func:`channel_wise`.
    node : int
        Cells along the side of a node; divides height and width.

    Returns
    -------
    tensor
        Shape (batch,).

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    Liu et al. (2019), Structured knowledge distillation for semantic segmentation.

    Examples
    --------
    >>> import numpy as np
    >>> teacher = np.array([[[[1.0, 0.0], [0.0, 1.0]]]])
    >>> print(f"{float(pair_wise(teacher, np.ones((1, 1, 2, 3)), node=1)[0]):.2f}")
    0.50
    """
    teacher, student = checked_maps(teacher, student, same_width=False)
    _check_node(node, teacher.shape)
    _, height, width, _ = ops.shape(teacher)
    cells = (height // node, width // node)
    weight = cell_weight(weight, teacher)[..., None]
    share = pooled(weight, cells)
    share = ops.reshape(share, (ops.shape(share)[0], -1))
    apart = _similarity(teacher, weight, cells) - _similarity(student, weight, cells)
    summed = ops.einsum("bij,bi,bj->b", ops.square(apart), share, share)
    total = ops.sum(share, axis=1)
    return image_mean(weight) * summed / ops.maximum(ops.square(total), _EPSILON)


def _by_channel(maps):
    """Return (batch, channels, pixels)."""
    batch, height, width, channels = ops.shape(maps)
    return ops.transpose(ops.reshape(maps, (batch, height * width, channels)), (0, 2, 1))


def _pearson(a, b, weight, axis):
    total = ops.maximum(ops.sum(weight, axis=axis, keepdims=True), _EPSILON)
    a, b = (_deviation(x, weight, total, axis) for x in (a, b))
    total = ops.squeeze(total, axis)
    spread = [ops.sum(weight * ops.square(x), axis=axis) / total for x in (a, b)]
    together = ops.sum(weight * a * b, axis=axis) / total
    first, second = (ops.rsqrt(ops.maximum(s, _EPSILON)) for s in spread)
    return together * first * second


def _deviation(x, weight, total, axis):
    """Return x minus its mean, of size 1; 0 where it does not vary, but for rounding."""
    size = ops.stop_gradient(ops.max(ops.abs(x), axis=axis, keepdims=True))
    x = x / ops.where(size > 0, size, 1)
    for _ in range(2):  # the second time takes off what rounding left of the mean
        x = x - ops.sum(weight * x, axis=axis, keepdims=True) / total
    return of_size_one(ops.where(weight > 0, x, 0), axis, least=1e-6)


def _similarity(maps, weight, cells):
    """Return the cosines between the nodes. A node's length, and so its weight, cancels out."""
    nodes = pooled(maps * weight, cells)
    nodes = ops.reshape(nodes, (ops.shape(nodes)[0], -1, maps.shape[-1]))
    nodes = of_size_one(nodes, axis=-1)
    squares = ops.sum(ops.square(nodes), axis=-1, keepdims=True)
    nodes = nodes * ops.rsqrt(ops.maximum(squares, _EPSILON))
    return ops.einsum("bic,bjc->bij", nodes, nodes)


def _check_node(node, shape):
    node = checked_whole(node, "node")
    if any(size is not None and size % node for size in shape[1:3]):
        raise ValueError(f"nodes of {node} cells do not fit a map of {shape[1]} × {shape[2]}.")


METHODS = {
    "channel-wise": partial(Term, channel_wise),
    "correlation": partial(Term, correlation),
    "pair-wise": partial(Term, pair_wise, layers=("c5",)),
    "channel-wise-features": partial(Term, channel_wise, layers=("u9",), adapter=True),
}
"""The methods of this module, by name, with layers of the U-Nets of :mod:`kdlib.unet`."""
