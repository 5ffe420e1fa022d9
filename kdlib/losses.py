r"""Soft-target losses: pure functions on ``keras.ops``, and thin Keras losses over them.

They take logits, never probabilities: a probability that has been rounded, clipped or has
underflowed has lost what distillation wants to pass on. They compute in float32 at least,
whatever the mixed-precision policy.
"""

import inspect
import math

import keras
import numpy as np
from keras import ops

from kdlib.softening import is_number

# Softened logits closer than this, up to a constant, are compared by their gap. It is then below 1
# once it is centred, where this many terms of the exponential series are exact.
_CLOSE, _TERMS = 0.5, 18


def kl_divergence(teacher_logits, student_logits, temperature=1.0):
    r"""Return KL(p(T) ‖ q(T)) of the student from the teacher, for each pixel.

    .. math:: KL(p \,\|\, q) = \sum_i p_i(T)\,(\log p_i(T) - \log q_i(T))

    .. math:: p(T) = \mathrm{softmax}(z^t / T),\; q(T) = \mathrm{softmax}(z^s / T)

    There is no factor T² in it: the Distiller puts it in front. Both logarithms come from
    ``log_softmax``, so that nothing is clipped.

    At a high temperature the two logarithms are nearly equal, and in float32 their difference is
    mostly rounding. Where all softened logits of the batch are that close, the same number is
    computed from the gap between them, :math:`c_i = (z^s_i - z^t_i)/T` less its mean under p:

    .. math:: KL(p \,\|\, q) = \log \textstyle\sum_i p_i\, e^{c_i}
              = \log\bigl(1 + \textstyle\sum_i p_i\,(e^{c_i} - 1 - c_i)\bigr)

    The gradient is the closed form, :math:`(q - p)/T` in the student's logits, and in the teacher's
    :math:`-p_i c_i/T`, with the same :math:`c_i`. The Distiller lets none reach the teacher.

    Parameters
    ----------
    teacher_logits, student_logits : tensor
        The same shape (..., classes), finite, any float type.
    temperature : float
        T > 0.

    Returns
    -------
    tensor
        Float32 (float64 if an input is), of shape (...), in nats, at least 0 up to rounding.

    Raises
    ------
    ValueError
        If T is not a positive finite number or the shapes do not match.

    References
    ----------
    Hinton, Vinyals and Dean (2015), Distilling the knowledge in a neural network. They use the
    cross-entropy H(p, q), which differs from the divergence by H(p): it has the same gradient.

    Examples
    --------
    >>> loss = kl_divergence([[2.0, 0.0]], [[0.0, 0.0]])
    >>> print(f"{float(loss[0]):.4f}")
    0.3278
    """
    temperature = checked_temperature(temperature)
    teacher, student = as_float(teacher_logits), as_float(student_logits)
    _check_shapes(teacher, student)
    if teacher.dtype != student.dtype:
        teacher, student = ops.cast(teacher, "float64"), ops.cast(student, "float64")

    @ops.custom_gradient
    def divergence(teacher, student):
        logits = teacher, student, temperature
        value, *slopes = ops.cond(
            ops.max(ops.abs(_gap(*logits)), initial=0.0) < _CLOSE,
            lambda: _of_close_logits(*logits),
            lambda: _of_logits(*logits),
        )
        return value, lambda *upstream, **named: _times(slopes, *upstream, **named)

    return divergence(teacher, student)


def _times(slopes, *given, upstream=None):
    """Return the gradients in both logits, given that in the divergence of each pixel."""
    # TensorFlow and JAX pass the second by place, PyTorch by name.
    upstream = given[-1] if upstream is None else upstream
    return tuple(slope * upstream[..., None] for slope in slopes)


def _of_logits(teacher, student, temperature):
    """Return the divergence, and its gradients in the teacher's and in the student's logits."""
    teacher, student = ((z - _largest(z)) / temperature for z in (teacher, student))
    log_p, log_q = ops.log_softmax(teacher, axis=-1), ops.log_softmax(student, axis=-1)
    p, differences = ops.exp(log_p), log_p - log_q
    value = ops.sum(p * differences, axis=-1)
    in_teacher = p * (differences - value[..., None]) / temperature
    return value, in_teacher, (ops.exp(log_q) - p) / temperature


def _of_close_logits(teacher, student, temperature):
    """Return the same of close logits: the divergence as log Σ p exp(gap), the gap centred under p.

    The mean of the centred gap is 0, so that Σ p exp(gap) is 1 + Σ p (exp(gap) - 1 - gap). All
    terms of that sum are positive: nothing cancels, however small they are. And q / p is exp(gap)
    over that sum, so that q - p does not cancel either.
    """
    p = ops.softmax((teacher - _largest(teacher)) / temperature, axis=-1)
    gap = _gap(teacher, student, temperature)
    gap = gap - ops.sum(p * gap, axis=-1, keepdims=True)
    series = 1 / math.factorial(_TERMS)
    for n in range(_TERMS - 1, 1, -1):
        series = series * gap + 1 / math.factorial(n)
    value = ops.log1p(ops.sum(p * ops.square(gap) * series, axis=-1))
    return value, -p * gap / temperature, p * ops.expm1(gap - value[..., None]) / temperature


def _gap(teacher, student, temperature):
    """Return how far the softened logits are apart, less the mean over the classes."""
    # Differences before divisions: a division rounds large logits by more than they differ.
    gap = (student - teacher) / temperature
    return gap - ops.mean(gap, axis=-1, keepdims=True)


def _largest(logits):
    """Return the largest logit of each pixel. A softmax does not change by what all share."""
    # A batch may be empty: then there is no first logit to begin with.
    return ops.max(logits, axis=-1, keepdims=True, initial=-math.inf)


@keras.saving.register_keras_serializable(package="kdlib")
class SoftTargetKLDivergence(keras.losses.Loss):
    r"""KL divergence between two sets of logits, as a Keras loss.

    ``loss(teacher_logits, student_logits, sample_weight)`` is the mean over pixels of
    :func:`kl_divergence` at T = 1. To soften, divide both logits by T and multiply the result by
    T², as :class:`kdlib.distiller.Distiller` does.

    Parameters
    ----------
    reduction : str or None
        ``"sum_over_batch_size"`` (the default: the sum over all pixels of weight times
        divergence, over the number of pixels), or any other that ``keras.losses.Loss`` knows.
    name : str
        The name of the loss.
    dtype : str, optional
        The type to compute in; Keras' float type by default.

    Examples
    --------
    >>> loss = SoftTargetKLDivergence()
    >>> print(f"{float(loss([[2.0, 0.0]], [[0.0, 0.0]])):.4f}")
    0.3278
    """

    def __init__(
        self, reduction="sum_over_batch_size", name="soft_target_kl_divergence", dtype=None
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true, y_pred):
        """Return the divergence of each pixel: ``y_true`` and ``y_pred`` are logits."""
        return kl_divergence(y_true, y_pred)


def checked_temperature(temperature):
    """Return the temperature as a float, or raise ``ValueError`` if it is none.

    Examples
    --------
    >>> checked_temperature(4)
    4.0
    """
    if not is_number(temperature) or temperature <= 0:
        raise ValueError(
            f"temperature is {temperature!r}; expected a positive number. "
            "Use 1 for the usual softmax, and 2 to 10 to soften."
        )
    return float(temperature)


def checked_alpha(alpha):
    """Return alpha as a float, or raise ``ValueError`` if it is not from 0 to 1.

    Examples
    --------
    >>> checked_alpha(0.1)
    0.1
    """
    if not is_number(alpha) or not 0 <= alpha <= 1:
        raise ValueError(
            f"alpha is {alpha!r}; expected a number from 0 (soft targets only) to 1 (labels only)."
        )
    return float(alpha)


def as_loss(loss, argument):
    """Return a Keras loss object over logits, or say why there is none.

    Parameters
    ----------
    loss : keras.losses.Loss or callable
        ``(y_true, y_pred)`` with logits as ``y_pred``. A plain function returns one value a pixel.
    argument : str
        What the caller calls it, for the message.

    Returns
    -------
    keras.losses.Loss
        The object itself, or one around the function that takes the mean over the pixels.

    Raises
    ------
    ValueError
        If it is a string, expects probabilities, does not reduce to one number, or is no loss.

    Examples
    --------
    >>> as_loss(kl_divergence, "distillation_loss_fn").name
    'distillation_loss_fn'
    """
    if isinstance(loss, str):
        raise ValueError(
            f"{argument} is the string {loss!r}, which Keras resolves to a function over "
            "probabilities. Pass a loss object that takes logits."
        )
    name = getattr(loss, "__name__", type(loss).__name__)
    if inspect.isclass(loss):
        raise ValueError(f"{argument} is the class {name}; expected a loss object: {name}(...).")
    remedy = _remedy_if_over_probabilities(loss)
    if remedy:
        raise ValueError(
            f"{argument} is {name}, which takes probabilities, and the Distiller passes logits. "
            f"{remedy}"
        )
    if isinstance(loss, keras.losses.Loss):
        if loss.reduction in (None, "none"):
            raise ValueError(f"{argument} has reduction None; expected a mean over the pixels.")
        return loss
    if not callable(loss):
        raise ValueError(f"{argument} is {loss!r}; expected a keras.losses.Loss or a function.")
    return _FunctionLoss(loss, name=argument)


def _remedy_if_over_probabilities(loss):
    """Say how to mend a loss of Keras that is known to want probabilities, or return None."""
    if isinstance(loss, keras.losses.KLDivergence) or loss is keras.losses.kl_divergence:
        return "Use kdlib.losses.SoftTargetKLDivergence()."
    if isinstance(loss, keras.losses.Loss):
        over_probabilities = loss.get_config().get("from_logits") is False
        return "Build it with from_logits=True." if over_probabilities else None
    if _default_of(loss, "from_logits") is False:
        return "Use the loss object of the same name, with from_logits=True."
    return None


def _default_of(function, argument):
    """Return the default of an argument of a function, or None if there is none to see."""
    try:
        return inspect.signature(function).parameters[argument].default
    except (TypeError, ValueError, KeyError):
        return None


@keras.saving.register_keras_serializable(package="kdlib")
class _FunctionLoss(keras.losses.Loss):
    """A plain function over logits as a Keras loss, so that weights and reduction are Keras'."""

    def __init__(self, fn, name=None):
        super().__init__(name=name)
        self.fn = fn

    def call(self, y_true, y_pred):
        """Return the loss of each pixel, before weights and reduction."""
        return self.fn(y_true, y_pred)

    def get_config(self):
        """Return what Keras needs to save the loss."""
        return {"fn": keras.saving.serialize_keras_object(self.fn), "name": self.name}

    @classmethod
    def from_config(cls, config):
        """Return the loss that was saved."""
        return cls(keras.saving.deserialize_keras_object(config["fn"]), config["name"])


def as_float(logits):
    """Return a tensor of float32, or of float64 if the logits are, or raise ``ValueError``.

    Examples
    --------
    >>> as_float([1, 2]).shape[0]
    2
    """
    # NumPy looks at lists first: it says in Python's terms what cannot be an array.
    logits = np.asarray(logits) if isinstance(logits, (list, tuple)) else logits
    kind = str(getattr(logits, "dtype", type(logits).__name__))
    if not any(known in kind for known in ("float", "int", "bool")):
        raise ValueError(f"logits are {kind}; expected real numbers.")
    logits = ops.convert_to_tensor(logits)
    if keras.backend.standardize_dtype(logits.dtype) in ("float32", "float64"):
        return logits
    return ops.cast(logits, "float32")


def _check_shapes(teacher, student):
    # None is a size that is open until the batch comes.
    sizes = zip(teacher.shape, student.shape, strict=False)
    differ = any(t != s for t, s in sizes if None not in (t, s))
    if len(teacher.shape) != len(student.shape) or differ:
        raise ValueError(
            f"teacher_logits has shape {tuple(teacher.shape)} and student_logits "
            f"{tuple(student.shape)}; expected the same shape, with the same classes last."
        )
    if len(student.shape) == 0 or student.shape[-1] == 0:
        raise ValueError(
            f"logits of shape {tuple(student.shape)} hold no classes; expected (..., classes)."
        )
