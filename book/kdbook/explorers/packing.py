"""Pictures, class ids and class names as text, small enough to travel in a page."""

import base64
import io

import numpy as np
from PIL import Image

from kdbook.figures.style import CLASS_COLORS
from kdlib import data

_LONGEST = 32


def class_colors():
    """Return the part that most data begin with: names and colours of the classes, in order.

    >>> class_colors()["classes"][:3]
    ['Building', 'Land', 'Road']
    """
    return {"classes": list(CLASS_COLORS), "colors": list(CLASS_COLORS.values())}


def pack(labels):
    """Return class ids as text: runs of up to 32 pixels of one class, a byte each, in base64.

    The upper three bits of a byte are the class, the lower five the length less one.

    >>> pack(np.array([[1, 1], [1, 4]]))
    'IoA='
    >>> unpack("IoA=", 2).tolist()
    [[1, 1], [1, 4]]
    """
    flat = np.asarray(labels).ravel()
    if flat.size == 0 or flat.min() < 0 or flat.max() > 7:
        raise ValueError(f"labels {labels!r} came; expected class ids from 0 to 7.")
    starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
    packed = bytearray()
    for start, end in zip(starts, [*starts[1:], flat.size], strict=True):
        for at in range(start, end, _LONGEST):
            packed.append(int(flat[start]) << 5 | min(_LONGEST, end - at) - 1)
    return base64.b64encode(packed).decode("ascii")


def unpack(text, side):
    """Return what :func:`pack` packed: uint8, shape (height, side).

    >>> unpack("IoA=", 2).tolist()
    [[1, 1], [1, 4]]
    """
    runs = np.frombuffer(base64.b64decode(text), np.uint8)
    return np.repeat(runs >> 5, (runs & 31) + 1).reshape(-1, side)


def photograph(pixels):
    """Return RGB pixels, uint8 of shape (height, width, 3), as the address of a small JPEG.

    >>> photograph(np.zeros((16, 16, 3), "uint8")).partition(",")[0]
    'data:image/jpeg;base64'
    """
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(packed.getvalue()).decode('ascii')}"


def in_words(labels):
    """Return the shares of the classes as text, the largest first.

    >>> in_words(np.array([[1, 1], [1, 2]]))
    'Land 75 %, Road 25 %'
    """
    shares = data.class_shares(labels)
    order = [i for i in np.argsort(-shares) if shares[i] >= 0.005]
    return ", ".join(f"{data.CLASS_NAMES[i]} {100 * shares[i]:.0f} %" for i in order)


def described(pixels, labels):
    """Return a patch as the data hold it: its ``photograph``, and its classes in words, ``alt``.

    >>> described(np.zeros((16, 16, 3), "uint8"), np.ones((16, 16), int))["alt"]
    'A satellite photograph. Labelled: Land 100 %.'
    """
    alt = f"A satellite photograph. Labelled: {in_words(labels)}."
    return {"photograph": photograph(pixels), "alt": alt}
