"""Logits and features as tensors that a loss can compare."""

import keras
import numpy as np
from keras import ops


def as_float(logits):
    """Return a tensor of float32, or of float64 if the logits are, or raise ``ValueError``."""
    # NumPy looks at lists first: it says in Python's terms what cannot be an array.
    logits = np.asarray(logits) if isinstance(logits, (list, tuple)) else logits
    kind = str(getattr(logits, "dtype", type(logits).__name__))
    if not any(known in kind for known in ("float", "int", "bool")):
        raise ValueError(f"logits are {kind}; expected real numbers.")
    logits = ops.convert_to_tensor(logits)
    if keras.backend.standardize_dtype(logits.dtype) in ("float32", "float64"):
        return logits
    return ops.cast(logits, "float32")


def as_floats(teacher, student):
    """Return both by :func:`as_float`, of one type."""
    teacher, student = as_float(teacher), as_float(student)
    if teacher.dtype != student.dtype:
        teacher, student = ops.cast(teacher, "float64"), ops.cast(student, "float64")
    return teacher, student


def shapes_differ(one, other):
    """Tell whether two shapes differ. None is a size that is open until the batch comes."""
    sizes = zip(one, other, strict=False)
    return len(one) != len(other) or any(a != b for a, b in sizes if None not in (a, b))
