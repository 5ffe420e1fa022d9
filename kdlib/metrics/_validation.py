"""Checks of class ids and weights, with messages that say how to mend them."""

import numpy as np

from kdlib._arguments import as_numbers, checked_whole, is_whole


def checked_ids(ids, name):
    """Return class ids as an array, after checking that they are integers."""
    ids = np.asarray(ids)
    if ids.size == 0:
        raise ValueError(f"{name} are empty (shape {ids.shape}); expected at least one pixel.")
    if ids.dtype.kind not in "iub":
        raise ValueError(
            f"{name} are {ids.dtype}; expected integer class ids. Turn probabilities into ids with "
            "np.argmax(probabilities, axis=-1), and whole-numbered floats with .astype('uint8')."
        )
    return ids


def check_same_shape(labels, predictions):
    """Refuse predictions of another shape than the labels, and name the likely reason."""
    if labels.shape == predictions.shape:
        return
    scores_came = predictions.ndim == labels.ndim + 1 and predictions.shape[:-1] == labels.shape
    remedy = "np.argmax(predictions, axis=-1) gives ids" if scores_came else "compare equal shapes"
    raise ValueError(
        f"labels have shape {labels.shape} and predictions {predictions.shape}; expected the same: "
        f"{remedy}."
    )


def checked_weights(sample_weight, shape):
    """Return sample weights as float64, one for each pixel, all 0 or more."""
    weights = as_numbers(sample_weight, "sample_weight")
    if weights.shape != shape:
        raise ValueError(
            f"sample_weight has shape {weights.shape} and labels {shape}; expected the same. "
            "np.broadcast_to spreads weights over pixels."
        )
    if not np.all(np.isfinite(weights)) or np.any(weights < 0):
        raise ValueError("sample_weight has negative or non-finite entries; expected 0 or more.")
    return weights


def check_classes(n_classes, void_class):
    """Refuse what is no number of classes, or no class id."""
    checked_whole(n_classes, "n_classes", least=2)
    check_void(void_class)


def check_void(void_class):
    """Refuse what is no class id; any integer may mark the pixels without a class, 255 too."""
    if void_class is None or is_whole(void_class):
        return
    remedy = " Of a name it is palette.names.index(name)." if isinstance(void_class, str) else ""
    raise ValueError(f"void_class is {void_class!r}; expected a class id or None.{remedy}")


def check_range(ids, n_classes, name, void_class):
    """Refuse ids outside the classes, and list the first of them."""
    outside = np.unique(ids[(ids < 0) | (ids >= n_classes)])
    if outside.size:
        void = "" if void_class is None else f" or the void class {void_class}"
        raise ValueError(
            f"{name} hold {outside[:5].tolist()}; expected ids from 0 to {n_classes - 1}{void}. "
            "Give void_class if they mark pixels without a class."
        )
