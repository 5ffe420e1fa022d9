"""The Dubai images: 72 photographs in 8 tiles, with masks in six classes."""

import dataclasses

import numpy as np

from kdlib import runtime
from kdlib.data._download import fetch
from kdlib.data._integrity import root, verify
from kdlib.data.folder import read_folder

CREDIT = (
    "Semantic segmentation of aerial imagery: Mohammed Bin Rashid Space Centre and "
    "Humans in the Loop"
)
"""Whom a picture of these images should name."""

OVERLAPPING_TILES = {1: (3, 1614, 1506), 4: (8, 2434, -1625), 7: (8, 3745, 3427)}
"""Tiles that show ground of another tile: which one, and how far down and to the right they begin.

Nobody documents this. It was found by correlating the photographs: tiles 1 and 3, and 7 and 8, are
cut from the same photograph there; tiles 4 and 8 show the same ground on two days.
"""


def load():
    """Read the Dubai images from ``KD_DUBAI_DIR``, else from the cache, else download them.

    Returns
    -------
    ImageSet
        With the place of every image on the ground, since some tiles overlap.

    Raises
    ------
    FileNotFoundError, ValueError, PermissionError, ConnectionError
        As in :func:`folder`.
    """
    images = read_folder(folder(), name="dubai", credit=CREDIT)
    return dataclasses.replace(images, ground=_ground(images))


def _ground(images):
    """Place every image on the ground: the parts of a tile are three rows of three, in order."""
    numbers = zip(images.tile.tolist(), images.part.tolist(), strict=True)
    sizes = {key: labels.shape for key, labels in zip(numbers, images.labels, strict=True)}
    places = []
    for tile, part in zip(images.tile.tolist(), images.part.tolist(), strict=True):
        scene, top, left = OVERLAPPING_TILES.get(tile, (tile, 0, 0))
        row, column = divmod(part - 1, 3)
        top += sum(sizes[tile, 3 * above + 1][0] for above in range(row))
        left += sum(sizes[tile, before + 1][1] for before in range(column))
        places.append((scene, top, left))
    return np.array(places)


def folder():
    """Give the folder of the Dubai images, after proving every file to be the published one.

    It is the folder in ``KD_DUBAI_DIR``, else the one in the cache, else it is downloaded.

    Returns
    -------
    path
        The folder of the tiles.

    Raises
    ------
    FileNotFoundError
        If ``KD_DUBAI_DIR`` names a folder that is missing, empty or incomplete.
    ValueError
        If a file in it differs from the published one.
    PermissionError
        If the images have to be downloaded, and the cache cannot be written.
    ConnectionError
        If they cannot be downloaded.
    """
    if named := runtime.dubai_dir():
        found = root(named)
        verify(found)
        return found
    cached = runtime.cache_dir() / "dubai"
    if cached.is_dir():
        try:
            verify(cached)
            return cached
        except (FileNotFoundError, ValueError) as error:
            print(f"The cached copy is not whole ({error}) Downloading it again.")
    return fetch(cached)
