"""Aerial images: where they come from, and how they become patches and batches.

>>> from kdlib import data
>>> images = data.synthetic.city(n_images=2, size=256)
>>> patches = data.cut(images, size=128)
>>> patches.images.shape
(8, 128, 128, 3)
"""

from kdlib.data import dubai, synthetic
from kdlib.data.batches import Batches
from kdlib.data.classes import (
    CLASS_NAMES,
    DUBAI_PALETTE,
    N_CLASSES,
    PALETTE,
    VOID,
    decode,
    encode,
)
from kdlib.data.crops import fixed_crops
from kdlib.data.folder import read_folder, write_folder
from kdlib.data.ground import overlaps
from kdlib.data.image_file import read_image
from kdlib.data.imageset import ImageSet
from kdlib.data.palette import Palette
from kdlib.data.patches import (
    Patches,
    class_shares,
    cut,
    join,
)
from kdlib.data.splits import Split, check_classes, check_disjoint, split

__all__ = [
    "CLASS_NAMES",
    "DUBAI_PALETTE",
    "N_CLASSES",
    "PALETTE",
    "VOID",
    "Batches",
    "ImageSet",
    "Palette",
    "Patches",
    "Split",
    "check_classes",
    "check_disjoint",
    "class_shares",
    "cut",
    "decode",
    "encode",
    "fixed_crops",
    "join",
    "load",
    "overlaps",
    "read_folder",
    "read_image",
    "split",
    "write_folder",
]


def load(source="auto"):
    """Give the Dubai images, or the procedural city where they cannot be had.

    Parameters
    ----------
    source : str
        "dubai": the images from the folder in ``KD_DUBAI_DIR``, else from the cache, else
        downloaded; an error if that fails. "city": the procedural city, drawn in seconds.
        "auto": as "dubai", but if that fails, the city; printed lines say which and why.

    Returns
    -------
    ImageSet

    Raises
    ------
    ValueError
        If the source is unknown. For "dubai", also if the images are damaged.
    FileNotFoundError, PermissionError, ConnectionError
        For "dubai" alone: if the images are missing, or cannot be stored, or not be downloaded.

    Examples
    --------
    >>> images = load("city")
    >>> len(images), images.images[0].shape
    (72, (512, 512, 3))
    """
    if source not in ("auto", "dubai", "city"):
        raise ValueError(f"expected source 'auto', 'dubai' or 'city'; got {source!r}")
    if source == "city":
        return synthetic.city()
    if source == "dubai":
        return dubai.load()
    try:
        images = dubai.load()
    except (OSError, ValueError) as error:
        print(f"The Dubai images cannot be had. {error}")
        images = synthetic.city()
        print(f"Using the procedural city instead: {len(images)} images, drawn, not photographed.")
    else:
        print(f"Using the Dubai images: {len(images)} photographs.")
    return images
