r"""Losses over the logits of each pixel, other than the divergence of soft targets.

Each returns a value a pixel, times its weight: their mean over all pixels is the loss. Where there
is a temperature, the factor T² that keeps the gradients' size is in the value.
"""

from functools import partial

import keras
from keras import ops

from kdlib._arguments import checked_positive
from kdlib._loss_arguments import over_classes
from kdlib.beyond._maps import cell_weight, checked_logits, of_size_one
from kdlib.beyond.term import Term
from kdlib.losses import kl_divergence
from kdlib.softening import checked_temperature

_FAR_BELOW = -1e9


@over_classes
@keras.saving.register_keras_serializable(package="kdlib")
def squared_error(teacher, student, weight=None, centred=True):
    r"""Return half the mean squared difference of the logits: T² · KL for T → ∞.

    .. math:: \tfrac{1}{2C} \textstyle\sum_c (d_c - \bar d)^2,\quad d = z^t - z^s

    Parameters
    ----------
    teacher, student : tensor
        Logits of the same shape (..., classes). One logit is a yes or no, and no has the logit 0.
    weight : tensor, optional
        Shape (...): what each pixel counts. 0 leaves it out.
    centred : bool
        Whether to take off the mean of the difference, which no softmax sees. Without, it is the
        squared error of Kim et al. up to a factor, and ties that mean down too.

    Returns
    -------
    tensor
        Shape (...), at least 0.

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    Hinton, Vinyals and Dean (2015), section 2.1. Kim et al. (2021), Comparing Kullback-Leibler
    divergence and mean squared error loss in knowledge distillation.

    Examples
    --------
    >>> print(f"{float(squared_error([[2.0, 0.0]], [[0.0, 0.0]])[0]):.2f}")
    0.50
    """
    teacher, student = checked_logits(teacher, student)
    gap = teacher - student
    if centred:
        gap = gap - ops.mean(gap, axis=-1, keepdims=True)
    return cell_weight(weight, gap) * ops.mean(ops.square(gap), axis=-1) / 2


@over_classes
@keras.saving.register_keras_serializable(package="kdlib")
def standardised(teacher, student, weight=None, temperature=2.0):
    r"""Return the divergence of logits with mean 0 and variance 1 over the classes of each pixel.

    .. math:: T^2\, KL\bigl(\mathrm{softmax}(Z(z^t)/T) \,\|\, \mathrm{softmax}(Z(z^s)/T)\bigr),
              \quad Z(z) = (z - \bar z) / \sigma(z)

    The student need not have logits of the teacher's size. A temperature by which both logits were
    divided before cancels out, so in the Distiller use T = 1. The authors' code has C - 1 and not C
    under the variance: its softmax at T is the one here at T times the root of C / (C - 1).

    Parameters
    ----------
    teacher, student, weight
        As for :func:`squared_error`, with the same errors.
    temperature : float
        T > 0.

    Returns
    -------
    tensor
        Shape (...).

    References
    ----------
    Sun et al. (2024), Logit standardization in knowledge distillation.

    Examples
    --------
    >>> print(f"{abs(float(standardised([[3.0, 1.0, 0.0]], [[6.0, 2.0, 0.0]])[0])):.4f}")
    0.0000
    """
    temperature = checked_temperature(temperature)
    teacher, student = (_scores(z) for z in checked_logits(teacher, student))
    value = temperature**2 * kl_divergence(teacher, student, temperature)
    return cell_weight(weight, teacher) * value


@over_classes
@keras.saving.register_keras_serializable(package="kdlib")
def decoupled(teacher, student, labels, weight=None, temperature=4.0, target=1.0, others=8.0):
    r"""Return the divergence taken apart: about the labelled class, and among the others.

    .. math:: T^2 (\alpha\, TCKD + \beta\, NCKD), \qquad KL = TCKD + (1 - p_y)\, NCKD

    TCKD is the divergence of (p_y, 1 - p_y), NCKD that of the softmax over the other classes. In
    the usual divergence a teacher that is sure switches NCKD off; here it counts in full. The
    authors' code lets the weight of this loss grow from 0 over the first epochs.

    Parameters
    ----------
    teacher, student, weight
        As for :func:`squared_error`, with the same errors.
    labels : tensor of int
        Shape (...). A pixel whose label is no class has weight 0.
    temperature : float
        T > 0.
    target, others : float
        α and β, at least 0.

    Returns
    -------
    tensor
        Shape (...).

    References
    ----------
    Zhao et al. (2022), Decoupled knowledge distillation.

    Examples
    --------
    >>> value = decoupled([[2.0, 0.0, 1.0]], [[0.0, 0.0, 0.0]], [0], temperature=1.0, others=0.0)
    >>> print(f"{float(value[0]):.4f}")
    0.2291
    """
    target = checked_positive(target, "target", zero=True)
    others = checked_positive(others, "others", zero=True)
    temperature = checked_temperature(temperature)
    teacher, student = checked_logits(teacher, student)
    weight, true = cell_weight(weight, teacher), _one_hot(labels, teacher)
    weight = ops.where(ops.any(true, axis=-1), weight, 0)
    about_target = kl_divergence(*(_two_classes(z / temperature, true) for z in (teacher, student)))
    among_others = kl_divergence(
        *(ops.where(true, _FAR_BELOW, z) for z in (teacher, student)), temperature
    )
    return weight * temperature**2 * (target * about_target + others * among_others)


def _scores(logits):
    centred = of_size_one(logits - ops.mean(logits, axis=-1, keepdims=True), axis=-1)
    variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
    # Logits that all are the same have scores of 0.
    return centred * ops.rsqrt(ops.where(variance > 0, variance, 1))


def _one_hot(labels, logits):
    labels = ops.cast(ops.convert_to_tensor(labels), "int32")
    if len(labels.shape) != len(logits.shape) - 1:
        raise ValueError(
            f"the labels have shape {tuple(labels.shape)}, and the logits {tuple(logits.shape)}; "
            f"expected class ids, of shape {tuple(logits.shape[:-1])}. Of one-hot labels "
            "numpy.argmax(labels, axis=-1) makes them."
        )
    return ops.equal(labels[..., None], ops.arange(logits.shape[-1], dtype="int32"))


def _two_classes(logits, true):
    """Return the logits of "the labelled class" and "another class"."""
    right = ops.sum(ops.where(true, logits, 0), axis=-1)
    wrong = ops.logsumexp(ops.where(true, _FAR_BELOW, logits), axis=-1)
    return ops.stack([right, wrong], axis=-1)


METHODS = {
    "squared-error": partial(Term, squared_error),
    "standardised": partial(Term, standardised),
    "decoupled": partial(Term, decoupled),
}
"""The methods of this module, by name."""
