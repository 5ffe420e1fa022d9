r"""Ways to compare two distributions, as they are used to distil language models.

With :math:`p` the teacher's and :math:`q` the student's softmax at temperature T, over the last
axis. One logit, the whole of it, is a yes or no, and no has the logit 0. Each function returns a
value a pixel or token, times its weight, with the factor T² in it: their mean is the loss. Divided
by T already, as in the Distiller, logits take T = 1. What weighs 0 may be anything, also NaN. A
class that a network rules out, with the logit -inf, has the probability 0; where the other network
says it all the same, its log-probability counts as -1e9. In float32 a T above 100 costs digits.
"""

import functools
import math

import keras
from keras import ops

from kdlib._arguments import is_number, is_whole
from kdlib._loss_arguments import over_classes
from kdlib.beyond._maps import cell_weight, checked_logits
from kdlib.softening import checked_temperature

_FAR_BELOW = -1e9
TAILS = ("renormalise", "ignore", "lump", "even")
"""What :func:`top_k` does about the classes that were not kept."""


@over_classes
@keras.saving.register_keras_serializable(package="kdlib")
def forward_kl(teacher, student, weight=None, temperature=1.0):
    r"""Return :math:`T^2\, KL(p \,\|\, q)`: the student must cover all that the teacher may say.

    Parameters
    ----------
    teacher, student : tensor
        Logits of the same shape (..., classes).
    weight : tensor, optional
        Shape (...): what each pixel or token counts. 0 leaves it out.
    temperature : float
        T > 0.

    Returns
    -------
    tensor
        Shape (...), at least 0.

    Raises
    ------
    ValueError
        If the shapes differ, or T is not a positive number.

    References
    ----------
    Hinton, Vinyals and Dean (2015), Distilling the knowledge in a neural network.

    Examples
    --------
    >>> print(f"{float(forward_kl([[2.0, 0.0]], [[0.0, 0.0]])[0]):.4f}")
    0.3278
    """
    weight, temperature, p, q = _logarithms(teacher, student, weight, temperature)
    return weight * temperature**2 * _kl(p, q)


@over_classes
@keras.saving.register_keras_serializable(package="kdlib")
def reverse_kl(teacher, student, weight=None, temperature=1.0):
    r"""Return :math:`T^2\, KL(q \,\|\, p)`: the student says nothing that the teacher would not.

    Parameters, errors and shapes are those of :func:`forward_kl`.

    References
    ----------
    Gu et al. (2024), MiniLLM: knowledge distillation of large language models.

    Examples
    --------
    >>> print(f"{float(reverse_kl([[2.0, 0.0]], [[0.0, 0.0]])[0]):.4f}")
    0.4338
    """
    weight, temperature, p, q = _logarithms(teacher, student, weight, temperature)
    return weight * temperature**2 * _kl(q, p)


@over_classes
@keras.saving.register_keras_serializable(package="kdlib")
def jensen_shannon(teacher, student, weight=None, temperature=1.0, beta=0.5):
    r"""Return the generalised Jensen-Shannon divergence of GKD, times T².

    .. math:: \beta\, KL(p \,\|\, m) + (1 - \beta)\, KL(q \,\|\, m), \qquad
              m = \beta p + (1 - \beta) q

    For β → 0, divided by β, it becomes the forward divergence; for β → 1, divided by 1 - β, the
    reverse one.

    Parameters
    ----------
    teacher, student, weight, temperature
        As for :func:`forward_kl`, with the same errors.
    beta : float
        Between 0 and 1, neither of them.

    Returns
    -------
    tensor
        Shape (...), from 0 to T² log 2.

    References
    ----------
    Agarwal et al. (2024), On-policy distillation of language models: learning from self-generated
    mistakes, equation 1.

    Examples
    --------
    >>> print(f"{float(jensen_shannon([[2.0, 0.0]], [[0.0, 0.0]])[0]):.4f}")
    0.0895
    """
    if not is_number(beta) or not 0 < beta < 1:
        raise ValueError(f"beta is {beta!r}; expected a number between 0 and 1, such as 0.5.")
    weight, temperature, p, q = _logarithms(teacher, student, weight, temperature)
    m = ops.logaddexp(p + math.log(beta), q + math.log(1 - beta))
    return weight * temperature**2 * (beta * _kl(p, m) + (1 - beta) * _kl(q, m))


@over_classes
@keras.saving.register_keras_serializable(package="kdlib")
def top_k(teacher, student, weight=None, temperature=1.0, k=5, tail="renormalise"):
    r"""Return the forward divergence when only the teacher's k likeliest classes were kept.

    With :math:`r = 1 - \sum_{i \in K} p_i`, the mass that was not kept, ``tail`` is one of

    - ``"renormalise"``: :math:`KL(p_K / (1 - r) \,\|\, q)`; the student learns that r is 0;
    - ``"ignore"``: :math:`\sum_{i \in K} p_i \log(p_i / q_i)`; the same, and tokens with a large r
      count less. It may be negative;
    - ``"lump"``: the other classes are one, with r; among themselves the student may choose;
    - ``"even"``: each of the other classes gets the same share of r.

    Parameters
    ----------
    teacher, student, weight, temperature
        As for :func:`forward_kl`, with the same errors.
    k : int
        From 1 to the number of classes. With all of them kept it is the forward divergence.
    tail : str
        One of :data:`TAILS`.

    Returns
    -------
    tensor
        Shape (...).

    References
    ----------
    Anshumann et al. (2025), Sparse logit sampling: accelerating knowledge distillation in LLMs, on
    what is lost.

    Examples
    --------
    >>> teacher, student = [[2.0, 1.0, 0.0]], [[0.0, 0.0, 0.0]]
    >>> [f"{float(top_k(teacher, student, k=1, tail=tail)[0]):.4f}" for tail in TAILS]
    ['1.0986', '0.4597', '0.2291', '0.2291']
    """
    if tail not in TAILS:
        raise ValueError(f"tail is {tail!r}; expected one of {', '.join(map(repr, TAILS))}.")
    weight, temperature, p, q = _logarithms(teacher, student, weight, temperature)
    classes = p.shape[-1]
    if classes is None:
        raise ValueError("the number of classes is open; expected logits of a known last axis.")
    if not is_whole(k) or not 1 <= k <= classes:
        raise ValueError(f"k is {k!r}; expected a whole number from 1 to {classes}, the classes.")
    # One class after the other: k copies of a vocabulary at once would fill the memory.
    likeliest, ids = ops.top_k(p, k)[1], ops.arange(classes, dtype="int32")
    chosen = (ids == ops.cast(likeliest[..., place, None], "int32") for place in range(k))
    kept = functools.reduce(ops.logical_or, chosen)
    rest = _total(p, ~kept)
    if tail == "renormalise":
        p = p - _total(p, kept)[..., None]
    terms = ops.where(kept, ops.exp(p) * (p - q), 0)
    if k < classes and tail == "even":
        each = rest[..., None] - math.log(classes - k)
        terms = ops.where(kept, terms, ops.exp(each) * (each - q))
    value = ops.sum(terms, axis=-1)
    if k < classes and tail == "lump":
        value = value + ops.exp(rest) * (rest - _total(q, ~kept))
    return weight * temperature**2 * value


def _logarithms(teacher, student, weight, temperature):
    """Return the weight, T, and the logarithms of p and q, checked."""
    temperature = checked_temperature(temperature)
    teacher, student = checked_logits(teacher, student)
    counts = cell_weight(weight, teacher)
    if weight is not None:  # before the softmax: 0 times NaN is NaN, in the gradient too
        seen = counts[..., None] != 0
        teacher, student = (ops.where(seen, z, ops.zeros_like(z)) for z in (teacher, student))
    logarithms = (ops.log_softmax(z / temperature, axis=-1) for z in (teacher, student))
    # -inf less -inf is NaN. NaN itself is not below anything, and stays.
    finite = (ops.where(log < _FAR_BELOW, _FAR_BELOW, log) for log in logarithms)
    return counts, temperature, *finite


def _kl(p, q):
    return ops.sum(ops.exp(p) * (p - q), axis=-1)


def _total(logarithms, classes):
    """Return the logarithm of the mass of some classes."""
    return ops.logsumexp(ops.where(classes, logarithms, _FAR_BELOW), axis=-1)
