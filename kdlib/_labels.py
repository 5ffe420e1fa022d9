"""Labels as a step takes them: what has weight 0 never matters, and all else must be a class."""

import math

import keras
from keras import ops


def per_pixel(sample_weight, logits):
    """Give a weight per image the axes of a weight per pixel, so that it reaches every pixel."""
    if sample_weight is None:
        return None
    sample_weight = ops.convert_to_tensor(sample_weight)
    missing = len(logits.shape) - 1 - len(sample_weight.shape)
    return ops.reshape(sample_weight, ops.shape(sample_weight) + (1,) * missing)


def prepared(y, sample_weight, shape, exclusive=True, ignore_class=None, allowed=None):
    """Return labels, weights, and what is no label: (whether there is such, the largest of it).

    - ``y``: tensor. Class ids of shape (batch, ...) or (batch, ..., 1); or shares of the classes,
      of shape (batch, ..., classes). For one logit 0 to 1, of shape (batch, ...) or (batch, ...,
      1).
    - ``sample_weight``: tensor or None. Shape (batch, ...) or (batch,).
    - ``shape``: of the logits: (batch, ..., classes).
    - ``exclusive``: whether the shares of a pixel sum to 1.
    - ``ignore_class``: number. A label that gets weight 0.
    - ``allowed``: number. A label that is no class, and that the loss itself leaves out.
    - Returns tuple: ids have lost a last axis of 1, and labels of weight 0 are 0. ``(y,
      sample_weight, None)`` where the shape is none of these.
    """
    y, classes = _in_shape(ops.convert_to_tensor(y), shape), shape[-1]
    is_ids = len(y.shape) == len(shape) - 1
    if not is_ids and (len(y.shape) != len(shape) or y.shape[-1] not in (classes, None)):
        return y, sample_weight, None
    values = ops.cast(y, "float32")
    # One number a pixel: its id, or the largest of its shares.
    number = values if is_ids else ops.max(values, axis=-1)
    fits = _are_ids(values, classes) if is_ids else _are_shares(values, exclusive)
    counts = ops.ones_like(number, dtype="bool")
    if sample_weight is not None:
        sample_weight = per_pixel(sample_weight, number[..., None])
        sample_weight = sample_weight * ops.ones_like(number, dtype=sample_weight.dtype)
        counts = ops.logical_and(counts, sample_weight != 0)
    if ignore_class is not None:
        counts = ops.logical_and(counts, number != float(ignore_class))
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
    return y, sample_weight, (ops.any(outside), largest)


def refusal(label, classes, exclusive, shares=False):
    """Return what to say of a label that is no class, in two halves around the label."""
    if shares and classes > 1:
        wanted = "0 to 1, with a sum of 1" if exclusive else "0 to 1"
        remedy = "Give what has no class the weight 0."
        return (
            "a label has a share, or a sum of shares, of",
            label,
            f"instead of {wanted}. {remedy}",
        )
    wanted = f"0 to {classes - 1}, or shares that sum to 1" if exclusive else "0 to 1"
    remedy = "Give what has no class the weight 0, or name it as ignore_class in compile."
    return "a label is", label, f"and no class; expected {wanted}. {remedy}"


class Outside(keras.metrics.Metric):
    """What was found in a compiled step, which cannot raise: [whether, the largest label]."""

    def __init__(self, name="labels_outside"):
        super().__init__(name=name, dtype="float32")
        self.found = self.add_variable((2,), "zeros", name="found")
        self.shares = False  # whether labels are shares of the classes, for the message

    def update_state(self, any_outside, largest):
        """Keep the first finding."""
        new = ops.stack([ops.cast(any_outside, "float32"), ops.where(any_outside, largest, 0.0)])
        old = ops.convert_to_tensor(self.found)
        self.found.assign(ops.where(old[0] > 0, old, new))

    def result(self):
        """Return whether a label was found."""
        return self.found[0]


def watched(model, step):
    """Return a compiled step that raises, once it has run, if a label in it was no class.

    On JAX, where variables are empty while a step runs, an error leaves them as they were.
    """

    def with_watch(*given):
        try:
            result, found = step(*given), model.labels_outside.found
        except Exception:
            if keras.backend.backend() == "jax":
                _put_back(model, given[0])
            raise
        if keras.backend.backend() == "jax":
            # JAX holds all values in the state that the step returns.
            *_, metrics = state = result[1]
            found = metrics[[id(v) for v in model.metrics_variables].index(id(found))]
        outside, label = ops.convert_to_numpy(found)
        if outside:
            if keras.backend.backend() == "jax":
                _put_back(model, state)
            model.labels_outside.reset_state()
            how = model.classes, model.exclusive, model.labels_outside.shares
            raise ValueError("{} {:g} {}".format(*refusal(label, *how)))
        return result

    return with_watch


def _put_back(model, state):
    """Give the variables the values that JAX holds for a step."""
    names = "trainable", "non_trainable", *(["optimizer"] if len(state) == 4 else [])
    kept = zip((*names, "metrics"), state, strict=True)
    model._jax_state = {f"{name}_variables": values for name, values in kept}
    model._jax_state_synced = False
    model.jax_state_sync()


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
