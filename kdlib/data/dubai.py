"""The Dubai images: 72 photographs in 8 tiles, with masks in six classes."""

from kdlib import runtime
from kdlib.data.download import fetch
from kdlib.data.folder import read_folder
from kdlib.data.integrity import root, verify

CREDIT = (
    "Semantic segmentation of aerial imagery: Mohammed Bin Rashid Space Centre and "
    "Humans in the Loop, CC0"
)
"""Whom a picture of these images should name."""


def load():
    """Read the Dubai images from ``KD_DUBAI_DIR``, else from the cache, else download them.

    Returns
    -------
    ImageSet

    Raises
    ------
    FileNotFoundError, ValueError, PermissionError, ConnectionError
        As in :func:`folder`.
    """
    return read_folder(folder(), name="dubai", credit=CREDIT)


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
