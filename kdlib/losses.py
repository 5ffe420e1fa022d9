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

# Where all softened logits of a pixel are closer than this, up to a constant, they are compared by
# their gap. Below it, this many terms of the exponential series are exact, in float64 too.
_CLOSE, _TERMS = 0.5, 18


def kl_divergence(teacher_logits, student_logits, temperature=1.0):
    r"""Return KL(p(T) ‖ q(T)) of the student from the teacher, for each pixel.

    .. math:: KL(p \,\|\, q) = \sum_i p_i(T)\,(\log p_i(T) - \log q_i(T))

    .. math:: p(T) = \mathrm{softmax}(z^t / T),\; q(T) = \mathrm{softmax}(z^s / T)

    There is no factor T² in it: the Distiller puts it in front. Both logarithms come from
    the logits and the logarithm of a sum of exponentials, so that nothing is clipped.

    At a high temperature the two logarithms are nearly equal, and in float32 their difference is
    mostly rounding. At each pixel where the softened logits are that close, the same number is
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
        value, *slopes = _with_slopes(teacher, student, temperature)
        return value, lambda *upstream, **named: _times(slopes, *upstream, **named)

    return divergence(teacher, student)


def _times(slopes, *given, upstream=None):
    """Return the gradients in both logits, given that in the divergence of each pixel."""
    # TensorFlow and JAX pass the second by place, PyTorch by name.
    upstream = given[-1] if upstream is None else upstream
    return tuple(slope * upstream[..., None] for slope in slopes)


def _with_slopes(teacher, student, temperature):
    """Return the divergence, and its gradients in the teacher's and in the student's logits.

    Each pixel chooses its way without a branch, so that a compiler can make one pass of all this.
    """
    (p, log_p), (q, log_q) = (_softened(z, temperature) for z in (teacher, student))
    gap = _gap(p, teacher, student, temperature)
    close = ops.max(ops.abs(gap), axis=-1, keepdims=True, initial=0.0) < _CLOSE
    gap = ops.where(close, gap, 0.0)
    excess = _exponential_less_line(gap)
    # The mean of the gap under p is 0. All terms of this sum are positive, and none cancels.
    mean = ops.sum(p * excess, axis=-1, keepdims=True)
    apart = log_p - log_q
    value = ops.sum(p * apart, axis=-1, keepdims=True)
    in_teacher = p * ops.where(close, -gap, apart - value) / temperature
    # q / p is exp(gap) over 1 + mean. Less 1, that is a quotient in which nothing cancels either.
    in_student = ops.where(close, p * (gap + excess - mean) / (1 + mean), q - p) / temperature
    return ops.where(close, ops.log1p(mean), value)[..., 0], in_teacher, in_student


def _softened(logits, temperature):
    """Return the softmax at temperature T, and its logarithm."""
    logits = (logits - _largest(logits)) / temperature
    exponentials = ops.exp(logits)
    total = ops.sum(exponentials, axis=-1, keepdims=True)
    return exponentials / total, logits - ops.log(total)


def _gap(p, teacher, student, temperature):
    """Return how far the softened logits are apart, less the mean under p."""
    # Differences before divisions: a division rounds large logits by more than they differ.
    gap = (student - teacher) / temperature
    # First less the plain mean: what all classes share would round the mean under p.
    gap = gap - ops.mean(gap, axis=-1, keepdims=True)
    return gap - ops.sum(p * gap, axis=-1, keepdims=True)


def _exponential_less_line(gap):
    """Return exp(gap) - 1 - gap by its series: exact for a small gap, where that would cancel."""
    series = 1 / math.factorial(_TERMS)
    for n in range(_TERMS - 1, 1, -1):
        series = series * gap + 1 / math.factorial(n)
    return ops.square(gap) * series


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
