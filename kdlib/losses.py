r"""Soft-target losses: pure functions on ``keras.ops``, and thin Keras losses over them.

They take logits, never probabilities: a probability that has been rounded, clipped or has
underflowed has lost what distillation wants to pass on. They compute in float32 at least,
whatever the mixed-precision policy.
"""

import keras
from keras import ops

from kdlib._arguments import is_number
from kdlib._loss_arguments import over_classes
from kdlib._tensors import as_floats, shapes_differ
from kdlib.softening import checked_temperature


def kl_divergence(teacher_logits, student_logits, temperature=1.0):
    r"""Return KL(p(T) ‖ q(T)) of the student from the teacher, for each pixel.

    .. math:: KL(p \,\|\, q) = \sum_i p_i(T)\,(\log p_i(T) - \log q_i(T))

    .. math:: p(T) = \mathrm{softmax}(z^t / T),\; q(T) = \mathrm{softmax}(z^s / T)

    There is no factor T² in it: the Distiller puts it in front. Both logarithms come from
    the logits, so that nothing is clipped. It is differentiated as it stands.

    Parameters
    ----------
    teacher_logits, student_logits : tensor
        The same shape (..., classes), finite, any float type.
    temperature : float
        T > 0.

    Returns
    -------
    tensor
        Float32 (float64 if an input is), of shape (...), in nats, at least 0 up to rounding: to
        about 1e-6, so that T² times it says little where T is in the hundreds.

    Raises
    ------
    ValueError
        If T is not a positive finite number, the shapes do not match, or there is one class.

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
    teacher, student = _same_shape(teacher_logits, student_logits)
    temperature = checked_temperature(temperature)
    if student.shape[-1] == 1:
        raise ValueError(
            f"the softmax of shape {tuple(student.shape)} is over one value, and so always 1; for "
            "a yes or no take bernoulli_divergence."
        )
    # In float32 the gradient is right to 3e-5 of its length at the logits of trained networks and
    # T up to 32, a batch's own noise being near 1. A version with a closed gradient, and a series
    # where p and q are close, was right to 3e-7, cost 100 lines, and no training noticed.
    log_p = ops.log_softmax(teacher / temperature, axis=-1)
    log_q = ops.log_softmax(student / temperature, axis=-1)
    return ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)


def bernoulli_divergence(teacher_logits, student_logits, temperature=1.0):
    r"""Return the divergence of yes or no, for each class, in the mean over the classes.

    .. math:: KL(p \,\|\, q) = p \log \frac{p}{q} + (1 - p) \log \frac{1 - p}{1 - q},
              \quad p = \sigma(z^t / T),\; q = \sigma(z^s / T)

    One logit is one such distribution, several are the labels of an image that may be true
    together. It is :func:`kl_divergence` of the logits (z, 0). Parameters, errors and shapes are
    those of :func:`kl_divergence`, and one class will do.

    Examples
    --------
    >>> loss = bernoulli_divergence([[2.0]], [[0.0]])
    >>> print(f"{float(loss[0]):.4f}")
    0.3278
    """
    teacher, student = _same_shape(teacher_logits, student_logits)
    temperature = checked_temperature(temperature)
    yes = [ops.log_sigmoid(z / temperature) for z in (teacher, student)]
    no = [ops.log_sigmoid(-z / temperature) for z in (teacher, student)]
    each = sum(ops.exp(log_p) * (log_p - log_q) for log_p, log_q in (yes, no))
    return ops.mean(each, axis=-1)


@over_classes
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


@keras.saving.register_keras_serializable(package="kdlib")
class SoftTargetBernoulliDivergence(SoftTargetKLDivergence):
    """As :class:`SoftTargetKLDivergence`, by :func:`bernoulli_divergence`.

    Examples
    --------
    >>> loss = SoftTargetBernoulliDivergence()
    >>> print(f"{float(loss([[2.0]], [[0.0]])):.4f}")
    0.3278
    """

    over_classes = False

    def call(self, y_true, y_pred):
        """Return the divergence of each pixel: ``y_true`` and ``y_pred`` are logits."""
        return bernoulli_divergence(y_true, y_pred)


@keras.saving.register_keras_serializable(package="kdlib")
class LabelCrossEntropy(keras.losses.Loss):
    """Cross-entropy of logits with labels of any form: ids, one-hot, or shares of the classes.

    It computes as Keras does and looks at no label: the Distiller refuses those outside the classes
    before. With ids outside, it is NaN in a step that XLA has compiled.

    Parameters
    ----------
    bernoulli : bool
        Whether each class is a yes or no of its own; the mean over the classes is the loss then.
    name : str
        The name of the loss.

    Examples
    --------
    >>> import numpy as np
    >>> loss, logits = LabelCrossEntropy(), np.array([[2.0, 0.0]])
    >>> [f"{float(loss(y, logits)):.4f}" for y in (np.array([0]), np.array([[1.0, 0.0]]))]
    ['0.1269', '0.1269']
    """

    def __init__(self, bernoulli=False, name="label_cross_entropy"):
        super().__init__(name=name)
        self.bernoulli = bernoulli

    def call(self, y_true, y_pred):
        """Return the cross-entropy of each pixel."""
        if self.bernoulli:
            each = ops.binary_crossentropy(y_true, y_pred, from_logits=True)
            return ops.mean(each, axis=-1)
        if len(y_true.shape) < len(y_pred.shape):
            return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        return ops.categorical_crossentropy(y_true, y_pred, from_logits=True)

    def get_config(self):
        """Return what Keras needs to save the loss."""
        return {"bernoulli": self.bernoulli, "name": self.name}


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


def _same_shape(teacher_logits, student_logits):
    """Return both as float tensors of one type, or raise ``ValueError`` if the shapes differ."""
    teacher, student = as_floats(teacher_logits, student_logits)
    if shapes_differ(teacher.shape, student.shape):
        raise ValueError(
            f"teacher_logits has shape {tuple(teacher.shape)} and student_logits "
            f"{tuple(student.shape)}; expected the same shape, with the same classes last."
        )
    if len(student.shape) == 0 or student.shape[-1] == 0:
        raise ValueError(
            f"logits of shape {tuple(student.shape)} hold no classes; expected (..., classes)."
        )
    return teacher, student
