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
    FileNotFoundError
        If ``KD_DUBAI_DIR`` names a folder that is missing, empty or incomplete.
    ValueError
        If a file in it differs from the published one.
    PermissionError
        If the images have to be downloaded, and the cache cannot be written.
    ConnectionError
        If they cannot be downloaded.
    """
    if folder := runtime.dubai_dir():
        return read(folder)
    cached = runtime.cache_dir() / "dubai"
    if cached.is_dir():
        try:
            return read(cached)
        except (FileNotFoundError, ValueError) as error:
            print(f"The cached copy is not whole ({error}) Downloading it again.")
    return read(fetch(cached))


def read(folder):
    """Read the data set from a folder, after proving every file to be the published one.

    Parameters
    ----------
    folder : path
        The folder of the tiles, or one that holds it.

    Returns
    -------
    ImageSet
        Named "dubai".

    Raises
    ------
    FileNotFoundError
        If the folder is missing, empty or incomplete.
    ValueError
        If a file differs from the published one.
    """
    folder = root(folder)
    verify(folder)
    return read_folder(folder, name="dubai", credit=CREDIT)
