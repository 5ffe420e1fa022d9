"""Numbers that may be changed between two steps, whatever was compiled before."""

import keras
import numpy as np
from keras import ops


class Setting:
    """A number, and a variable beside it from which compiled steps read it anew each time.

    - ``name``: for messages.
    - ``check``: returns a number as float, or raises ``ValueError``.
    """

    def __init__(self, name, check):
        self.name, self.check, self.number = name, check, None
        self.variable = keras.Variable(0.0, dtype="float32", trainable=False, name=name)

    def set(self, value):
        """Take another number: of Python, of NumPy, or a tensor of shape ()."""
        if hasattr(value, "assign"):
            raise ValueError(
                f"{self.name} is a variable, {value!r}; expected a number. What is assigned to "
                f"the variable later would not be seen: set {self.name} anew instead."
            )
        if getattr(value, "shape", None) == ():
            value = np.asarray(ops.convert_to_numpy(value)).item()
        self.number = self.check(value)
        self.variable.assign(self.number)

    def now(self):
        """Return the number; in a compiled step the tensor that holds it when the step runs."""
        value = self.variable.value
        return value if is_traced(value) else self.number


def is_traced(tensor):
    """Whether a function is just being traced for compilation, so that no value is known."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.inside_function()
    if backend == "jax":
        import jax

        return isinstance(tensor, jax.core.Tracer)
    return False
