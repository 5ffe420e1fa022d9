"""Whose soft targets, and of what: hashes of a teacher and of images."""

import hashlib

import keras
import numpy as np

from kdlib.unet import logits_model

_BLOCK = 256  # patches at a time, so that images on the disk are not all read into memory


def hash_of_teacher(teacher):
    """Return 16 hex digits for the weights of a teacher and the kinds of its layers.

    They are of a SHA-256 over the values and shapes of its weights, and over the kind, activation
    and precision of each layer up to ``logits``. Names do not count: they differ from one run of
    Python to the next. Nor do other settings, or how the layers are joined: whoever keeps what a
    teacher says asks it again, as :func:`kdlib.cache.read` does.

    Parameters
    ----------
    teacher : keras.Model
        Whose logits :func:`kdlib.network_ends.logits_model` finds.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If it has no such layer.

    Examples
    --------
    >>> from kdlib.unet import unet
    >>> a, b = (unet((1, 1, 1, 1, 1), 6, 16, 16) for _ in range(2))
    >>> hash_of_teacher(a) == hash_of_teacher(a), hash_of_teacher(a) == hash_of_teacher(b)
    (True, False)
    """
    model = logits_model(teacher)
    total = hashlib.sha256()
    for layer in model.layers:
        activation = getattr(getattr(layer, "activation", None), "__name__", "")
        total.update(f"{type(layer).__name__} {activation} {layer.compute_dtype};".encode())
    for variable in model.weights:
        values = np.ascontiguousarray(keras.ops.convert_to_numpy(variable), dtype="<f4")
        total.update(f"{values.shape}".encode() + values.tobytes())
    return total.hexdigest()[:16]


def hash_of_images(patches):
    """Return 16 hex digits for the images of some patches: a SHA-256 over shape and bytes.

    The labels do not count, for no teacher sees them. Images on the disk
    (``numpy.load(..., mmap_mode="r")``) are read block by block.

    Parameters
    ----------
    patches : kdlib.data.Patches
        Images of uint8.

    Returns
    -------
    str

    Examples
    --------
    >>> from kdlib import data
    >>> patches = data.cut(data.synthetic.city(n_images=1, size=32), size=16)
    >>> hash_of_images(patches) == hash_of_images(patches.take([1, 0, 2, 3]))
    False
    """
    images = patches.images
    total = hashlib.sha256(f"{images.shape} {images.dtype}".encode())
    for start in range(0, len(images), _BLOCK):
        total.update(np.ascontiguousarray(images[start : start + _BLOCK]))
    return total.hexdigest()[:16]
