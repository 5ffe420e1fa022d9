"""What many functions check alike: numbers, whole numbers, and arrays of numbers."""

import math
import numbers

import numpy as np


def is_number(value):
    """Tell whether a value is one finite real number, of Python or of NumPy, and no truth value."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def is_whole(value):
    """Tell whether a value is an integer, of Python or of NumPy, and no truth value."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def checked_whole(value, name, least=1):
    """Return an integer of Python, or raise ``ValueError`` if it is none, or below ``least``."""
    if not is_whole(value) or value < least:
        raise ValueError(f"{name} is {value!r}; expected an integer of {least} or more.")
    return int(value)


def checked_positive(value, name, zero=False):
    """Return a number as float, or raise ``ValueError`` if it is not above 0 (or 0, if allowed)."""
    if not is_number(value) or value < 0 or (value == 0 and not zero):
        wanted = "a number of at least 0" if zero else "a positive number"
        raise ValueError(f"{name} is {value!r}; expected {wanted}.")
    return float(value)


def as_numbers(values, name):
    """Return an array in float64, or refuse what would lose something on the way there."""
    values = np.asarray(values)
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{name} is an array of {values.dtype}; expected real numbers.")
    return values.astype(np.float64)
