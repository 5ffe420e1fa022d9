r"""The softmax at temperature T, entropy, and soft targets, in plain NumPy.

This is the code to read first. Everything here works on logits :math:`z` with the classes along
one axis, in float64, and says in one line what a framework says in twenty.

Softened probabilities (Hinton, Vinyals and Dean 2015, equation 1):

.. math:: p_i(T) = \frac{\exp(z_i / T)}{\sum_j \exp(z_j / T)}
"""

import numpy as np

from kdlib._arguments import as_numbers, is_number, is_whole


def softmax(logits, temperature=1.0, axis=-1):
    r"""Return the softmax of the logits at temperature T: the soft targets.

    .. math:: p_i(T) = \exp(z_i / T) \,/\, \textstyle\sum_j \exp(z_j / T)

    Parameters
    ----------
    logits : array_like
        Any shape, finite; the classes along ``axis``.
    temperature : float
        T > 0. At T = 1 the usual softmax; towards 0 all the mass goes to the largest logit;
        towards infinity every class gets the same share.
    axis : int
        The axis of the classes.

    Returns
    -------
    numpy.ndarray
        Float64 of the same shape, from 0 to 1, summing to 1 along ``axis``.

    Raises
    ------
    ValueError
        If T is not a positive finite number, a logit is not finite, or there is no such axis.

    References
    ----------
    Hinton, Vinyals and Dean (2015), Distilling the knowledge in a neural network, equation 1.

    Examples
    --------
    >>> softmax([6.0, 2.0, -1.0], temperature=4.0).round(3)
    array([0.649, 0.239, 0.113])
    """
    return np.exp(log_softmax(logits, temperature, axis))


def log_softmax(logits, temperature=1.0, axis=-1):
    r"""Return the logarithm of :func:`softmax`, exact also where the probability underflows.

    .. math:: \log p_i(T) = z_i / T - \log \textstyle\sum_j \exp(z_j / T)

    Parameters, errors and shapes are those of :func:`softmax`; the values are in nats, at most 0.

    Examples
    --------
    >>> log_softmax([0.0, -2000.0])
    array([    0., -2000.])
    """
    temperature = checked_temperature(temperature)
    logits = _checked_logits(logits, axis)
    # The largest logit goes to zero, so that no exponential overflows. What is too far below it for
    # a float has the probability 0, and -inf as its logarithm.
    with np.errstate(over="ignore"):
        scaled = (logits - logits.max(axis=axis, keepdims=True)) / temperature
    return scaled - np.log(np.exp(scaled).sum(axis=axis, keepdims=True))


def soften_probabilities(probabilities, temperature, axis=-1):
    r"""Return softened probabilities from the probabilities at T = 1, when logits are lost.

    .. math:: p_i(T) = p_i^{1/T} \,/\, \textstyle\sum_j p_j^{1/T}

    It equals :func:`softmax` of the logits at T, because :math:`\log p_i` is a logit too: it
    differs from :math:`z_i` by a constant. A probability that has underflowed to 0 stays 0.

    Parameters
    ----------
    probabilities : array_like
        From 0 to 1, summing to 1 along ``axis``.
    temperature, axis
        As for :func:`softmax`.

    Returns
    -------
    numpy.ndarray
        Float64 of the same shape, summing to 1 along ``axis``.

    Raises
    ------
    ValueError
        If T is not a positive finite number, the input is no distribution, or there is no such
        axis.

    Examples
    --------
    >>> p = softmax([6.0, 2.0, -1.0])
    >>> soften_probabilities(p, 4.0).round(3)
    array([0.649, 0.239, 0.113])
    """
    temperature = checked_temperature(temperature)
    probabilities = _checked_probabilities(probabilities, axis)
    with np.errstate(divide="ignore", over="ignore"):
        logs = np.log(probabilities)
        powers = np.exp((logs - logs.max(axis=axis, keepdims=True)) / temperature)
    return powers / powers.sum(axis=axis, keepdims=True)


def entropy(probabilities, axis=-1):
    r"""Return the entropy in bits: how much a distribution leaves open.

    .. math:: H(p) = -\textstyle\sum_i p_i \log_2 p_i

    Parameters
    ----------
    probabilities : array_like
        From 0 to 1, summing to 1 along ``axis``.
    axis : int
        The axis of the classes, which the result no longer has.

    Returns
    -------
    numpy.ndarray or float
        From 0 (one class is certain) to log2 of the number of classes (all are equal).

    Raises
    ------
    ValueError
        If the input is no distribution, or there is no such axis.

    Examples
    --------
    >>> entropy([0.5, 0.25, 0.25])
    1.5
    >>> entropy([1.0, 0.0, 0.0])
    0.0
    """
    p = _checked_probabilities(probabilities, axis)
    # 0 log 0 is 0, its limit; adding 0.0 turns -0.0 into 0.0.
    terms = np.where(p > 0, p * np.log2(np.where(p > 0, p, 1.0)), 0.0)
    return _plain(-terms.sum(axis=axis) + 0.0)


def kl_divergence(p, q, axis=-1):
    r"""Return the Kullback-Leibler divergence of q from p, in nats.

    .. math:: KL(p \,\|\, q) = \textstyle\sum_i p_i \log (p_i / q_i)

    Parameters
    ----------
    p, q : array_like
        Distributions of the same shape along ``axis``. In distillation p is the teacher's and
        q the student's.
    axis : int
        The axis of the classes, which the result no longer has.

    Returns
    -------
    numpy.ndarray or float
        At least 0; infinite where q gives nothing to a class to which p gives something.

    Raises
    ------
    ValueError
        If the shapes differ, an input is no distribution, or there is no such axis.

    Examples
    --------
    >>> kl_divergence([0.5, 0.5], [0.5, 0.5])
    0.0
    >>> round(kl_divergence([1.0, 0.0], [0.5, 0.5]), 4)
    0.6931
    """
    p, q = _checked_probabilities(p, axis), _checked_probabilities(q, axis)
    if p.shape != q.shape:
        raise ValueError(f"p has shape {p.shape} and q has {q.shape}; expected the same shape.")
    with np.errstate(divide="ignore", invalid="ignore"):  # where p is 0, and q too
        terms = np.where(p > 0, p * (np.log(np.where(p > 0, p, 1.0)) - np.log(q)), 0.0)
    return _plain(terms.sum(axis=axis) + 0.0)


def kl_gradient(student_logits, teacher_logits, temperature, axis=-1):
    r"""Return the gradient of T² · KL(teacher ‖ student) in the student's logits.

    .. math:: \frac{\partial}{\partial z^s_i}\, T^2\, KL(p(T) \,\|\, q(T)) = T\,(q_i(T) - p_i(T))

    Without the factor T² it would be :math:`(q_i - p_i)/T`, and since :math:`q - p` itself falls
    as 1/T, the whole as 1/T² (Hinton, Vinyals and Dean 2015, section 2.1).

    Parameters
    ----------
    student_logits, teacher_logits : array_like
        Finite, of the same shape, with the classes along ``axis``.
    temperature, axis
        As for :func:`softmax`.

    Returns
    -------
    numpy.ndarray
        Float64 of the same shape, summing to 0 along ``axis``.

    Raises
    ------
    ValueError
        If the shapes differ, T is not a positive finite number, a logit is not finite, or there is
        no such axis.

    Examples
    --------
    >>> kl_gradient([0.0, 0.0], [2.0, 0.0], temperature=1.0).round(4)
    array([-0.3808,  0.3808])
    """
    student, teacher = (_checked_logits(z, axis) for z in (student_logits, teacher_logits))
    if student.shape != teacher.shape:
        raise ValueError(
            f"student_logits has shape {student.shape} and teacher_logits {teacher.shape}; "
            "expected the same shape."
        )
    difference = softmax(student, temperature, axis) - softmax(teacher, temperature, axis)
    return temperature * difference


def checked_temperature(temperature):
    """Return the temperature as a float, or raise ``ValueError`` if it is none.

    Examples
    --------
    >>> checked_temperature(4)
    4.0
    """
    # Beyond these ends T² is 0 or infinite in float32.
    if not is_number(temperature) or not 1e-18 <= temperature <= 1e18:
        raise ValueError(
            f"temperature is {temperature!r}; expected a positive number, from 1e-18 to 1e18. "
            "Use 1 for the usual softmax, and 2 to 10 to soften."
        )
    return float(temperature)


def _checked_logits(logits, axis):
    logits = as_numbers(logits, "logits")
    _check_axis(logits, axis, "logits")
    if not np.isfinite(logits).all():
        raise ValueError("logits holds NaN or infinite values; expected finite numbers.")
    return logits


def _checked_probabilities(probabilities, axis):
    p = as_numbers(probabilities, "probabilities")
    _check_axis(p, axis, "probabilities")
    with np.errstate(over="ignore", invalid="ignore"):
        sums = p.sum(axis=axis)
    # Written so that NaN fails too. 1e-5 admits float32 softmax outputs.
    if not ((p >= 0).all() and (np.abs(sums - 1) <= 1e-5).all()):
        raise ValueError(
            "probabilities must be from 0 to 1 and sum to 1 along the class axis; got values from "
            f"{p.min():.4g} to {p.max():.4g} with sums from {sums.min():.4g} to {sums.max():.4g}. "
            "Are these logits? Then use softmax first."
        )
    return p


def _check_axis(array, axis, name):
    if array.ndim == 0 or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}; expected at least one class.")
    if not is_whole(axis) or not -array.ndim <= axis < array.ndim:
        raise ValueError(
            f"axis is {axis!r}, and {name} has shape {array.shape}; expected an integer from "
            f"{-array.ndim} to {array.ndim - 1}, the axis of the classes."
        )


def _plain(value):
    """Return a Python float for a single number, the array otherwise."""
    return float(value) if np.ndim(value) == 0 else value
