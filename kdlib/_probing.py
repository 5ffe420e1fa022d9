"""What a layer or network gives for numbers drawn at random, where its code does not show it."""

import keras
from keras import ops


def rows_of(called, args, kwargs):
    """Return what is given for random numbers in place of symbols, as an array of (rows, last).

    What the call changes on the way, such as the state of a random generator, stays as it was.
    None if it cannot be run on such numbers, as where it looks words up.
    """
    drawn = keras.random.SeedGenerator(0)

    def values(tensor):
        if not isinstance(tensor, keras.KerasTensor):
            return tensor
        return keras.random.uniform([n or 2 for n in tensor.shape], seed=drawn)

    try:
        with keras.StatelessScope():
            args, kwargs = keras.tree.map_structure(values, (args, kwargs))
            rows = ops.convert_to_numpy(called(*args, **kwargs)).astype("float64")
    except Exception:  # whatever the code of others raises
        return None
    return rows.reshape(-1, rows.shape[-1]) if rows.ndim > 1 else None


def sum_to_one(rows):
    """Whether these are probabilities of classes that exclude each other."""
    return rows.shape[-1] > 1 and rows.min() >= 0 and abs(rows.sum(axis=-1) - 1).max() < 1e-3
