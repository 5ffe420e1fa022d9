"""Aerial images: where they come from, and how they become patches and batches.

>>> from kdlib import data
>>> images = data.synthetic.city(n_images=2, size=256)
>>> patches = data.cut(images, size=128)
>>> patches.images.shape
(8, 128, 128, 3)
"""

from kdlib.data import dubai, synthetic
from kdlib.data.batches import Batches
from kdlib.data.classes import CLASS_NAMES, N_CLASSES, PALETTE, VOID, decode, encode
from kdlib.data.imageset import ImageSet
from kdlib.data.patches import (
    Patches,
    Split,
    check_classes,
    check_disjoint,
    class_shares,
    cut,
    join,
    split,
)

__all__ = [
    "CLASS_NAMES",
    "N_CLASSES",
    "PALETTE",
    "VOID",
    "Batches",
    "ImageSet",
    "Patches",
    "Split",
    "check_classes",
    "check_disjoint",
    "class_shares",
    "cut",
    "decode",
    "encode",
    "join",
    "load",
    "split",
]


def load(source="auto"):
    """Give the Dubai images, or the procedural city where they cannot be had.

    Parameters
    ----------
    source : str
        "dubai": from the folder in ``KD_DUBAI_DIR``, else from the cache, else downloaded; an
        error if none works. "city": the procedural city, drawn in seconds. "auto": the first,
        and if that fails the second, with a printed line that says which and why.

    Returns
    -------
    ImageSet

    Raises
    ------
    ValueError
        If the source is unknown, or the Dubai images are damaged (only for "dubai", or when
        ``KD_DUBAI_DIR`` is set: a folder that you name is never replaced by another source).
    FileNotFoundError
        If the Dubai images are missing (likewise).
    ConnectionError
        If the Dubai images cannot be downloaded (only for "dubai").
    """
    if source not in ("auto", "dubai", "city"):
        raise ValueError(f"expected source 'auto', 'dubai' or 'city'; got {source!r}")
    if source == "city":
        return synthetic.city()
    if source == "dubai":
        return dubai.load()
    try:
        images = dubai.load()
    except (FileNotFoundError, ConnectionError, ValueError) as error:
        print(f"The Dubai images cannot be had: {error}")
        print("Using the procedural city instead: drawn, not photographed. Scores will differ.")
        return synthetic.city()
    print(f"Using the Dubai images: {len(images)} photographs.")
    return images
