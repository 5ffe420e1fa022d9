"""Labels as a step takes them: what has weight 0 never matters, and all else must be a class."""

import math

import keras
import numpy as np
from keras import ops

from kdlib._tensors import shapes_differ

EXPECTED_WEIGHTS = (
    "expected finite numbers from 0. A negative weight trains the student away from its labels, "
    "and NaN or infinity makes its weights NaN."
)


def per_pixel(sample_weight, logits):
    """Give a weight per image the axes of a weight per pixel, so that it reaches every pixel.

    ``ValueError`` if it has another shape than (batch, ...), (batch, ..., 1) or (batch,).
    """
    if sample_weight is None:
        return None
    given = sample_weight = ops.convert_to_tensor(sample_weight)
    pixels = tuple(logits.shape[:-1])
    if len(given.shape) == len(pixels) + 1 and given.shape[-1] == 1:
        sample_weight = ops.squeeze(given, axis=-1)
    missing = len(pixels) - len(sample_weight.shape)
    sizes = (*sample_weight.shape, *(1,) * missing)
    if missing < 0 or any(n not in (1, None, m) and m for n, m in zip(sizes, pixels, strict=True)):
        raise ValueError(
            f"the sample weights have shape {tuple(given.shape)}; expected {pixels}, a weight for "
            "each label, or one for each image."
        )
    return ops.reshape(sample_weight, ops.shape(sample_weight) + (1,) * missing)


def unmasked(logits, sample_weight=None):
    """Return logits without their Keras mask, and a weight that is 0 where it left a place out.

    An ``Embedding(mask_zero=True)`` or ``Masking`` layer hangs such a mask on what it gives, and
    Keras' losses would follow it, each in its own way.
    """
    taking = MaskTaking(autocast=False)
    logits = taking(logits)
    if taking.mask is None:
        return logits, sample_weight
    mask = ops.cast(taking.mask, "float32")
    weight = per_pixel(sample_weight, logits)
    return logits, mask if weight is None else ops.cast(weight, "float32") * mask


class MaskTaking(keras.layers.Layer):
    """Keeps the mask of a tensor: Keras passes it to a layer, and shows it nowhere else."""

    mask = None

    def call(self, x, mask=None):
        """Return the tensor without it."""
        self.mask = mask
        return x if mask is None else ops.copy(x)

    def compute_mask(self, inputs, previous_mask=None):
        """Return none."""


def of_output(given, what, names, name):
    """Return what is given for one output: of a dictionary or list with one for each, its own.

    - ``what``: for the message, "labels" or "weights".
    - ``names``: of all outputs, in their order; None if they have none, and are numbered.
    - ``name``: of the one that is meant; None if there is but one.
    """
    if not isinstance(given, (dict, list, tuple)):
        return given
    keys = list(given) if isinstance(given, dict) else list(names or range(len(given)))
    each = list(given.values()) if isinstance(given, dict) else list(given)
    mine = [name] if name is not None else names
    of_another = isinstance(given, dict) and mine and keys[0] not in mine
    if len(each) == 1 and not of_another:
        return each[0]
    if name in keys and len(keys) == len(each):
        return each[keys.index(name)]
    found = ", ".join(map(repr, given)) if isinstance(given, dict) else f"a list of {len(each)}"
    raise ValueError(
        f"the {what} are {found}; expected one array, of the output that is distilled"
        + (f", {', '.join(map(repr, mine))}." if mine else ".")
    )


def in_32_bits(labels):
    """Return labels of which no backend makes other ones: JAX keeps the low 32 bits of an integer.

    2**32 would become class 0 there. What does not fit becomes 2**31 - 1, which is no class either.
    """
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu":
        return labels
    limits = np.iinfo(np.int32)
    if labels.dtype.itemsize < 4 or labels.dtype == np.int32:
        return labels
    fits = (limits.min <= labels) & (labels <= limits.max)
    return np.where(fits, labels, limits.max).astype(np.int32)


def check_arrays(x, y, sample_weight, class_weight=None):
    """Raise ``ValueError`` for labels and weights that Keras cannot read, or would not use."""
    if isinstance(sample_weight, list) and sample_weight and np.ndim(sample_weight[0]) == 0:
        raise ValueError("sample_weight is a list of numbers; expected an array: numpy.array(it).")
    for weight in keras.tree.flatten(sample_weight):
        kind = getattr(getattr(weight, "dtype", None), "kind", "")
        if kind in ("f", "i") and not _may_weigh(weight):
            wrong = np.ravel(weight)[~(np.isfinite(weight) & (weight >= 0)).ravel()][0]
            raise ValueError(f"sample_weight holds {wrong:g}; {EXPECTED_WEIGHTS}")
    if not isinstance(class_weight, (dict, type(None))):
        raise ValueError(f"class_weight is {class_weight!r}; expected a dictionary, as {{0: 2.0}}.")
    if wrong := [value for value in (class_weight or {}).values() if not _may_weigh(value)]:
        raise ValueError(f"class_weight holds {wrong[0]:g}; {EXPECTED_WEIGHTS}")
    for each in [] if y is None else keras.tree.flatten(y):
        no_numbers = getattr(getattr(each, "dtype", None), "kind", "") in ("U", "S", "O", "c")
        if no_numbers or not len(getattr(each, "shape", ())):
            raise ValueError(
                f"the labels hold {np.ravel(each)[0]!r}; expected an array of real numbers. Of a "
                "list numpy.array makes one, of names numpy.unique(names, return_inverse=True)[1]."
            )
    if (
        y is None
        and not may_hold_labels(x)
        and not (sample_weight is None and class_weight is None)
    ):
        raise ValueError(
            "weights without labels, which Keras leaves aside; expected labels too. At alpha=0 "
            "nothing is learned from them: zeros will do."
        )


def _may_weigh(weight):
    return bool(np.all(np.isfinite(weight) & (np.asarray(weight) >= 0)))


def may_hold_labels(x):
    """Whether inputs come in batches that may hold labels too: they are no plain arrays."""
    if hasattr(x, "element_spec"):  # of tf.data
        return isinstance(x.element_spec, tuple) and len(x.element_spec) > 1
    return not all(hasattr(each, "shape") for each in keras.tree.flatten(x))


def prepared(y, sample_weight, shape, exclusive=True, ignore_class=None, allowed=None):
    """Return labels, weights, and what is wrong: (a number of ``_labels_outside.WRONG``, a value).

    - ``y``: tensor. Class ids of shape (batch, ...) or (batch, ..., 1); or shares of the classes,
      of shape (batch, ..., classes). For one logit 0 to 1, of shape (batch, ...) or (batch, ...,
      1).
    - ``sample_weight``: tensor or None. Shape (batch, ...) or (batch,).
    - ``shape``: of the logits: (batch, ..., classes).
    - ``exclusive``: whether the shares of a pixel sum to 1.
    - ``ignore_class``: number. A label that gets weight 0; of shares, the class of the largest.
    - ``allowed``: number. A label that is no class, and that the loss itself leaves out.
    - Returns tuple: ids have lost a last axis of 1, and labels of weight 0 are 0. The value is the
      largest label that is none. ``(y, sample_weight, None)`` where the shape is none of these.
    """
    y = ops.convert_to_tensor(y, sparse=False)  # a sparse tensor becomes a dense one
    y, classes = _in_shape(_of_known_rank(y), shape), shape[-1]
    is_ids = len(y.shape) == len(shape) - 1
    if shapes_differ(y.shape, shape[:-1] if is_ids else shape):
        return y, sample_weight, None
    values = ops.cast(y, "float32")
    # One number a pixel: its id, or the largest of its shares.
    number = values if is_ids else ops.max(values, axis=-1)
    ignored = number
    if not is_ids and classes > 1 and ignore_class in range(classes):
        if not exclusive:
            raise ValueError(
                f"ignore_class is {ignore_class}, and each class is a yes or no of its own; "
                "expected a value that is none of their labels, such as -1, or sample_weight."
            )
        ignored = ops.argmax(values, axis=-1)
    fits = _are_ids(values, classes) if is_ids else _are_shares(values, exclusive)
    counts = ops.ones_like(number, dtype="bool")
    if sample_weight is not None:
        sample_weight = ops.convert_to_tensor(sample_weight)
        if "float" not in keras.backend.standardize_dtype(sample_weight.dtype):  # a mask
            sample_weight = ops.cast(sample_weight, "float32")
        sample_weight = per_pixel(sample_weight, number[..., None])
        sample_weight = sample_weight * ops.ones_like(number, dtype=sample_weight.dtype)
        counts = ops.logical_and(counts, sample_weight != 0)
    if ignore_class is not None:
        counts = ops.logical_and(counts, ops.cast(ignored, "float32") != float(ignore_class))
        weight = ops.cast(counts, "float32")
        sample_weight = weight if sample_weight is None else sample_weight * weight
    if allowed is not None:
        fits = ops.logical_or(fits, number == float(allowed))
    outside = ops.logical_and(counts, ops.logical_not(fits))
    kept = ops.logical_and(counts, fits)
    y = ops.where(kept if is_ids else kept[..., None], y, ops.zeros_like(y))
    telling = values if is_ids else _telling(values)
    largest = ops.max(ops.where(outside, telling, -math.inf), initial=-math.inf)
    # A compiler's maximum may pass over NaN.
    unknown = ops.any(ops.logical_and(outside, ops.isnan(telling)))
    largest = ops.where(unknown, math.nan, largest)
    wrong = ops.cast(ops.any(outside), "int32")
    if sample_weight is not None:  # a wrong one spoils more than any label
        sample_weight, spoils, telling = _weighing(sample_weight)
        largest = ops.where(spoils, telling, largest)
        wrong = ops.where(spoils, 2, wrong)
    return y, sample_weight, (wrong, largest)


def _weighing(sample_weight):
    """Return weights of which the wrong ones are 0, whether there are any, and one of them."""
    finite = ops.isfinite(sample_weight)
    right = ops.logical_and(finite, sample_weight >= 0)
    weights = ops.cast(sample_weight, "float32")
    telling = ops.where(ops.all(finite), ops.min(weights, initial=0.0), ops.sum(weights))
    kept = ops.where(right, sample_weight, ops.zeros_like(sample_weight))
    return kept, ops.logical_not(ops.all(right)), telling


def _of_known_rank(y):
    if getattr(y.shape, "rank", 0) is None:  # of TensorFlow alone
        raise ValueError(
            "the dataset does not say how many axes its labels have; give it its shapes, as by "
            "output_signature of tf.data.Dataset.from_generator."
        )
    return y


def _in_shape(y, shape):
    if len(y.shape) == len(shape) and y.shape[-1] == 1 != shape[-1]:
        return ops.squeeze(y, axis=-1)
    if shape[-1] == 1 and len(y.shape) == len(shape) - 1:
        return y[..., None]
    return y


def _are_ids(values, classes):
    within = ops.logical_and(values >= 0, values < classes)  # False for NaN
    return ops.logical_and(within, values == ops.floor(values))


def _telling(values):
    """Return the number that shows why shares are none: one outside 0 to 1, or else their sum."""
    low, high = ops.min(values, axis=-1), ops.max(values, axis=-1)
    return ops.where(low < 0, low, ops.where(high > 1, high, ops.sum(values, axis=-1)))


def _are_shares(values, exclusive):
    within = ops.all(ops.logical_and(values >= 0, values <= 1), axis=-1)
    if not exclusive:
        return within
    return ops.logical_and(within, ops.abs(ops.sum(values, axis=-1) - 1) < 0.01)
