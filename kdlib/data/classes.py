"""The six classes of the masks: names, colours, and the way between colours and numbers."""

import functools

import numpy as np

CLASS_NAMES = ("Building", "Land", "Road", "Vegetation", "Water", "Unlabeled")
"""Class names in the order of their numbers: ``CLASS_NAMES[3]`` is ``"Vegetation"``."""

N_CLASSES = len(CLASS_NAMES)
"""Number of classes, the void class included."""

VOID = 5
"""Number of the class that is left out of losses and metrics: Unlabeled."""

PALETTE = np.array(
    [
        (60, 16, 152),
        (132, 41, 246),
        (110, 193, 228),
        (254, 221, 58),
        (226, 169, 41),
        (155, 155, 155),
    ],
    dtype=np.uint8,
)
"""Colours that the masks really use, shape (6, 3). The ``classes.json`` of the data set differs."""
PALETTE.flags.writeable = False

_UNKNOWN = 255


def _pack(rgb):
    """Put red, green and blue into one number, 0 to 2**24 - 1."""
    red, green, blue = (rgb[..., channel].astype(np.int32) for channel in range(3))
    return (red << 16) | (green << 8) | blue


@functools.cache
def _lookup_table():
    """Class number of each of the 2**24 colours: 16 MB, built once, far faster than comparing."""
    table = np.full(2**24, _UNKNOWN, dtype=np.uint8)
    table[_pack(PALETTE)] = np.arange(N_CLASSES)
    table[0] = VOID  # pure black is drawn in nine masks, and it is no class
    return table


def encode(mask_rgb, where=""):
    """Turn the colours of a mask into class numbers.

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
        black. The message names file, colour and number of pixels. A silent default would turn
        such pixels into Building, the class numbered 0.

    Examples
    --------
    >>> import numpy as np
    >>> encode(np.array([[[60, 16, 152], [0, 0, 0]]], dtype=np.uint8))
    array([[0, 5]], dtype=uint8)
    """
    mask_rgb = np.asarray(mask_rgb)
    if mask_rgb.dtype != np.uint8 or mask_rgb.ndim < 1 or mask_rgb.shape[-1] != 3:
        raise ValueError(
            f"{where or 'mask'}: expected RGB in uint8, shape (..., 3); got {mask_rgb.dtype}, "
            f"shape {mask_rgb.shape}. Open the mask with PIL and call .convert('RGB')."
        )
    packed = _pack(mask_rgb)
    labels = _lookup_table()[packed]
    unknown = packed[labels == _UNKNOWN]
    if unknown.size:
        colours, counts = np.unique(unknown, return_counts=True)
        worst = np.argsort(counts)[::-1][:3]
        found = ", ".join(f"#{colours[i]:06X} ({counts[i]} pixels)" for i in worst)
        raise ValueError(
            f"{where or 'mask'}: {unknown.size} pixels in {colours.size} colours that are no "
            f"class: {found}. Expected {', '.join(colour_names())} or black. A mask saved as JPEG "
            "or resized with smoothing has such colours: use the published PNG."
        )
    return labels


def decode(labels):
    """Turn class numbers into the colours of the masks, the reverse of :func:`encode`.

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
    labels = np.asarray(labels)
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"expected class numbers as integers; got {labels.dtype}")
    if labels.size and (labels.min() < 0 or labels.max() >= N_CLASSES):
        raise ValueError(
            f"expected class numbers 0 to {N_CLASSES - 1}; got {labels.min()} to {labels.max()}"
        )
    return PALETTE[labels]


def colour_names():
    """Give each class with its mask colour, as text.

    Examples
    --------
    >>> colour_names()[0]
    'Building #3C1098'
    """
    return [
        f"{name} #{red:02X}{green:02X}{blue:02X}"
        for name, (red, green, blue) in zip(CLASS_NAMES, PALETTE.tolist(), strict=True)
    ]
