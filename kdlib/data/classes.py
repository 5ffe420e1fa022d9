"""The six classes of the Dubai masks: names, colours, and the way between colours and numbers."""

from kdlib.data.palette import Palette

DUBAI_PALETTE = Palette(
    {
        "Building": (60, 16, 152),
        "Land": (132, 41, 246),
        "Road": (110, 193, 228),
        "Vegetation": (254, 221, 58),
        "Water": (226, 169, 41),
        "Unlabeled": (155, 155, 155),
    },
    void="Unlabeled",
    # Pure black is drawn in nine masks, and it is no class.
    also_void=["black"],
)
"""The colours that the Dubai masks really use. The ``classes.json`` of the data set differs."""

CLASS_NAMES = DUBAI_PALETTE.names
"""Class names in the order of their numbers: ``CLASS_NAMES[3]`` is ``"Vegetation"``."""

N_CLASSES = len(DUBAI_PALETTE)
"""Number of classes, the void class included."""

VOID = DUBAI_PALETTE.void
"""Number of the class that is left out of losses and metrics: Unlabeled."""

PALETTE = DUBAI_PALETTE.colours
"""Colours of :data:`DUBAI_PALETTE`, shape (6, 3)."""


def encode(mask_rgb, where=""):
    """Turn the colours of a Dubai mask into class numbers, as :meth:`Palette.encode` does.

    Parameters
    ----------
    mask_rgb : array of uint8, shape (..., 3)
        Colours of a mask, red first, 0 to 255.
    where : str, optional
        File name that an error message should give.

    Returns
    -------
    array of uint8, shape (...)
        Class numbers, 0 to 5. Pure black becomes void (5), like Unlabeled.

    Raises
    ------
    ValueError
        If the array is not RGB in uint8, or holds a colour that is neither in the palette nor
        black.

    Examples
    --------
    >>> import numpy as np
    >>> encode(np.array([[[60, 16, 152], [0, 0, 0]]], dtype=np.uint8))
    array([[0, 5]], dtype=uint8)
    """
    return DUBAI_PALETTE.encode(mask_rgb, where)


def decode(labels):
    """Turn class numbers into the colours of the Dubai masks, the reverse of :func:`encode`.

    Parameters
    ----------
    labels : array of int, shape (...)
        Class numbers, 0 to 5.

    Returns
    -------
    array of uint8, shape (..., 3)
        Colours, red first.

    Raises
    ------
    ValueError
        If a number is below 0 or above 5.

    Examples
    --------
    >>> decode([1, 5]).tolist()
    [[132, 41, 246], [155, 155, 155]]
    """
    return DUBAI_PALETTE.decode(labels)
