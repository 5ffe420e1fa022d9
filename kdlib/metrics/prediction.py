"""Predictions of a model on patches, batch by batch."""

import keras
import numpy as np

from kdlib.network_ends import check_class_scores, only_output


def predict_probabilities(model, patches, batch_size=16):
    """Return the probabilities of a model for all pixels of some patches, in inference mode.

    They take four bytes for each class and pixel: 300 MB for 200 patches of 256 × 256 in six
    classes. :func:`predict_labels` keeps one byte a pixel.

    Parameters
    ----------
    model : keras.Model
        Takes float images in [0, 1] of shape (batch, height, width, 3), returns probabilities of
        shape (batch, height, width, n_classes).
    patches : kdlib.data.Patches
        One or more; its ``images`` are uint8, shape (n, height, width, 3).
    batch_size : int
        Patches at a time.

    Returns
    -------
    numpy.ndarray
        float32, shape (n, height, width, n_classes).

    Raises
    ------
    ValueError
        If there are no patches, their images are not uint8, or the model returns NaN or several
        arrays.

    Examples
    --------
    >>> from kdlib.data import cut, synthetic
    >>> from kdlib.unet import unet
    >>> patches = cut(synthetic.city(n_images=1, size=32), size=16)
    >>> predict_probabilities(unet((1, 1, 1, 1, 1), 6, 16, 16), patches).shape
    (4, 16, 16, 6)
    """
    return np.concatenate(list(_batches(model, patches, batch_size)))


def predict_labels(model, patches, batch_size=16):
    """Return the most probable class of all pixels of some patches, in inference mode.

    Parameters
    ----------
    model, patches, batch_size
        As for :func:`predict_probabilities`, with the same errors. Logits will do as well. One
        number a pixel will not: there is no largest of one.

    Returns
    -------
    numpy.ndarray
        uint8, shape (n, height, width).

    Examples
    --------
    >>> from kdlib.data import cut, synthetic
    >>> from kdlib.unet import unet
    >>> patches = cut(synthetic.city(n_images=1, size=32), size=16)
    >>> predict_labels(unet((1, 1, 1, 1, 1), 6, 16, 16), patches).shape
    (4, 16, 16)
    """
    labels = []
    for batch in _batches(model, patches, batch_size):
        check_class_scores(batch.shape)
        labels.append(batch.argmax(axis=-1).astype(np.uint8))
    return np.concatenate(labels)


def _batches(model, patches, batch_size):
    images = patches.images
    if images.dtype != np.uint8 or len(images) == 0:
        raise ValueError(
            f"{len(images)} images of type {images.dtype} came; expected one or more of uint8, as "
            "kdlib.data.cut makes them."
        )
    for start in range(0, len(images), batch_size):
        # The same arithmetic as in kdlib.data.Batches, so that evaluate sees the same inputs.
        inputs = images[start : start + batch_size] * np.float32(1 / 255)
        # Called directly: predict would trace a graph for each model, and warn of so many.
        outputs = keras.ops.convert_to_numpy(only_output(model(inputs, training=False)))
        if np.isnan(outputs).any():
            name = getattr(model, "name", type(model).__name__)  # exported files have none
            raise ValueError(
                f"the model {name!r} returns NaN: its training diverged. Lower the rate."
            )
        yield outputs
