"""What is said of a label that is no class, also by a compiled step, which cannot raise.

So it is said of a sample weight that is no number.
"""

import re

import keras
import numpy as np
from keras import ops

from kdlib._labels import EXPECTED_WEIGHTS, in_32_bits

WRONG = ("nothing", "label", "weight")
"""What can be wrong with a batch."""

_FAILED = r"failed: \[(a (?:label|sample weight) .*?)\] \[(.*?)\] \[(.*?)\]"


def refusal(wrong, label, classes, exclusive, shares=False):
    """Return what to say of a label or weight, in two halves around it; ``wrong`` is a number."""
    if WRONG[wrong] == "weight":
        return "a sample weight is", label, f"and no weight; {EXPECTED_WEIGHTS}"
    if shares and classes > 1:
        wanted = "0 to 1, with a sum of 1" if exclusive else "0 to 1"
        remedy = "Give what has no class the weight 0."
        if exclusive:
            remedy += " If several classes may hold at once, say Distiller(..., exclusive=False)."
        return (
            "a label has a share, or a sum of shares, of",
            label,
            f"instead of {wanted}. {remedy}",
        )
    wanted = f"0 to {classes - 1}, or shares that sum to 1" if exclusive else "0 to 1"
    remedy = "Give what has no class the weight 0, or name it as ignore_class in compile."
    cut = isinstance(label, (float, np.floating)) and label >= 2**31  # by in_32_bits
    beyond = " (it stands for any number that does not fit into 32 bits)" if cut else ""
    return "a label is", label, f"and no class{beyond}; expected {wanted}. {remedy}"


def in_words(before, label, after):
    """Return the halves of :func:`refusal` with the label between them, an integer in full."""
    label = float(np.float32(label))  # as it was compared
    return f"{before} {label:.0f} {after}" if label.is_integer() else f"{before} {label:g} {after}"


class Outside(keras.metrics.Metric):
    """What was found in a compiled step, which cannot raise: [what is wrong, the largest of it]."""

    def __init__(self, name="labels_outside"):
        super().__init__(name=name, dtype="float32")
        self.found = self.add_variable((2,), "zeros", name="found")
        self.shares = False  # whether labels are shares of the classes, for the message

    def update_state(self, wrong, largest):
        """Keep the first finding."""
        new = ops.stack([ops.cast(wrong, "float32"), ops.where(wrong > 0, largest, 0.0)])
        old = ops.convert_to_tensor(self.found)
        self.found.assign(ops.where(old[0] > 0, old, new))

    def result(self):
        """Return whether a label was found."""
        return self.found[0]


def said_plainly(step):
    """Return a compiled step of TensorFlow that raises what :func:`refusal` says, and no more."""

    def with_plain_words(*given):
        try:
            return step(*given)
        except Exception as error:
            parts = re.search(_FAILED, str(error))
            if parts is None:
                raise
            before, label, after = parts.groups()
        raise ValueError(in_words(before, label, after))

    return with_plain_words


def watched(model, step):
    """Return a compiled step that raises, once it has run, if a label in it was no class.

    On JAX, where variables are empty while a step runs, an error leaves them as they were. There
    the batches pass :func:`kdlib._labels.in_32_bits` too, before JAX cuts them. (Not on a GPU,
    where Keras has moved them there before: cast labels of 64 bits yourself.)
    """

    def with_watch(*given):
        if keras.backend.backend() == "jax":
            state, batches = given
            given = state, map(_in_32_bits, batches)
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
        wrong, label = ops.convert_to_numpy(found)
        if wrong:
            if keras.backend.backend() == "jax":
                _put_back(model, state)
            model.labels_outside.reset_state()
            how = model.classes, model.exclusive, model.labels_outside.shares
            raise ValueError(in_words(*refusal(int(wrong), label, *how)))
        return result

    return with_watch


def _in_32_bits(batch):
    """Return a batch of (inputs, labels, weights), whose labels JAX leaves as they are."""
    x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
    return x, keras.tree.map_structure(in_32_bits, y), weight


def _put_back(model, state):
    """Give the variables the values that JAX holds for a step."""
    names = "trainable", "non_trainable", *(["optimizer"] if len(state) == 4 else [])
    kept = zip((*names, "metrics"), state, strict=True)
    model._jax_state = {f"{name}_variables": values for name, values in kept}
    model._jax_state_synced = False
    model.jax_state_sync()
