"""Folders of generated images and masks, as a user of the library would have them."""

import numpy as np
from PIL import Image

from kdlib.data import Palette

MEADOW = Palette(
    {"field": "#7CB342", "forest": "#1B5E20", "river": "#1565C0", "not labelled": "black"},
    void="not labelled",
)
"""The palette of the page on one's own images."""


def palette(n_classes, void=None):
    """Return a palette of so many classes: kind 0, kind 1, and so on."""
    colours = [(20 * i + 5, 255 - 9 * i, (70 * i) % 256) for i in range(n_classes)]
    return Palette({f"kind {i}": colour for i, colour in enumerate(colours)}, void=void)


def write(folder, palette, sizes, suffixes=(".jpg", ".png"), places=("",), seed=0):
    """Write images whose brightness follows the class; return {name: labels}.

    Sizes and suffixes of the images come round again; the masks are PNG. The names count from 1.
    """
    rng = np.random.default_rng(seed)
    written = {}
    for number, (height, width) in enumerate(sizes, 1):
        place, suffix = places[number % len(places)], suffixes[number % len(suffixes)]
        name = f"{place}/{number}" if place else f"north {number}"
        cells = rng.integers(0, len(palette), (-(-height // 16), -(-width // 16)))
        labels = np.kron(cells, np.ones((16, 16), int))[:height, :width].astype(np.uint8)
        image = np.stack([labels * (200 // len(palette)) + 20] * 3, axis=-1).astype(np.uint8)
        for kind, end, picture in (
            ("images", suffix, image),
            ("masks", ".png", palette.decode(labels)),
        ):
            path = folder / kind / f"{name}{end}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
        written[name] = labels
    return written
