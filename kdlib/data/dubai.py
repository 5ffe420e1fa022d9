"""The Dubai images: find them, fetch them, prove them whole, read them."""

import hashlib
import importlib.resources
import os
import shutil
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path

from kdlib import runtime
from kdlib.data.folder import read_folder

HANDLE = "humansintheloop/semantic-segmentation-of-aerial-imagery"
"""Name of the data set on Kaggle."""

CREDIT = (
    "Semantic segmentation of aerial imagery: Mohammed Bin Rashid Space Centre and "
    "Humans in the Loop, CC0"
)

_HOME = "https://www.kaggle.com"
_PATIENCE = 4.0  # seconds to wait for a first answer of the server
_REMEDY = (
    "Set KD_DUBAI_DIR to a folder that holds the data set, or use load('city'), which needs none."
)


def manifest():
    """Give the SHA-256 of every file of the data set, by its path within the folder.

    Returns
    -------
    dict of str to str
        145 entries: 72 images, 72 masks and classes.json.

    Examples
    --------
    >>> len(manifest())
    145
    """
    text = importlib.resources.files("kdlib.data").joinpath("SHA256SUMS").read_text("utf-8")
    pairs = (line.split("  ", maxsplit=1) for line in text.splitlines())
    return {name.removeprefix("./"): digest for digest, name in pairs}


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
        If a file differs from the published one.
    ConnectionError
        If the data set cannot be downloaded, or not be put into the cache.
    """
    return read(runtime.dubai_dir() or _cached() or fetch())


def read(folder):
    """Read the data set from a folder, after proving every file to be the published one.

    Parameters
    ----------
    folder : path
        The folder of the tiles, or one that holds it.

    Returns
    -------
    ImageSet

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


def root(folder):
    """Find the folder that holds "Tile 1": the folder itself, or one in it, as Kaggle packs it.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"the Dubai images: {folder} is no folder. {_REMEDY}")
    for candidate in (folder, *sorted(folder.iterdir())):
        if (candidate / "Tile 1").is_dir():
            return candidate
    raise FileNotFoundError(
        f"the Dubai images: {folder} holds no folder 'Tile 1', nor does a folder in it. {_REMEDY}"
    )


def verify(folder):
    """Prove that a folder holds every file of the data set, byte for byte.

    Parameters
    ----------
    folder : path
        The folder of the tiles.

    Raises
    ------
    FileNotFoundError
        If files are missing; the message counts them and names the first.
    ValueError
        If files differ; likewise.
    """
    expected = manifest()
    missing = [name for name in expected if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"the Dubai images: {len(missing)} of {len(expected)} files are missing from {folder}: "
            f"{_some(missing)}. Copy the whole data set. {_REMEDY}"
        )
    differing = [name for name, digest in expected.items() if _sha256(folder / name) != digest]
    if differing:
        raise ValueError(
            f"the Dubai images: {len(differing)} of {len(expected)} files in {folder} differ from "
            f"the published ones (SHA-256): {_some(differing)}. They are damaged, cut off or "
            "changed: fetch the data set again. To read changed images, use read_folder."
        )


def _some(names):
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cache_folder():
    return runtime.cache_dir() / "dubai"


def _cached():
    """Folder in the cache, or None. It only ever gets its name when it is whole."""
    folder = _cache_folder()
    return folder if folder.is_dir() else None


def fetch():
    """Download the data set into the cache, with a progress bar.

    An interrupted download is taken up where it stopped. The files are copied to a folder with
    another name and verified there; only then does the folder get the name that :func:`load`
    looks for. Nothing half-written is ever read as whole.

    Returns
    -------
    path
        The folder in the cache.

    Raises
    ------
    ConnectionError
        If the server does not answer within seconds, the download breaks off, what comes is not
        the published data set, or the cache cannot be written.
    """
    if not _answers():
        raise ConnectionError(
            f"{_HOME} did not answer within {_PATIENCE:.0f} seconds: no network. {_REMEDY}"
        )
    try:
        return _store(_download(force=False))
    except (ValueError, FileNotFoundError):  # damaged in kagglehub's cache: once more, from scratch
        try:
            return _store(_download(force=True))
        except (ValueError, FileNotFoundError) as error:
            raise ConnectionError(f"the download is not the published data set: {error}") from error


def _answers():
    """Whether the server answers at all. Name look-up knows no timeout, hence the thread."""
    answered = threading.Event()

    def ask():
        try:
            urllib.request.urlopen(_HOME, timeout=_PATIENCE).close()
        except urllib.error.HTTPError:
            pass  # a refusal is an answer
        except OSError:
            return
        answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    return answered.is_set()


def _download(force):
    """Let kagglehub download: it resumes, checks and shows a progress bar."""
    import kagglehub

    try:
        return root(kagglehub.dataset_download(HANDLE, force_download=force))
    except FileNotFoundError:
        raise
    except Exception as error:  # kagglehub passes on whatever broke: requests, zipfile, its own
        raise ConnectionError(
            f"the download of {HANDLE} broke off ({type(error).__name__}: {error}). Run again: it "
            f"goes on where it stopped. {_REMEDY}"
        ) from error


def _store(source):
    """Copy a download into the cache, so that the cache never shows it before it is whole."""
    target = _cache_folder()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix="dubai-", suffix=".part", dir=target.parent))
    except OSError as error:
        raise ConnectionError(
            f"the cache {target.parent} cannot be written ({error.strerror}). Set KD_CACHE_DIR to "
            "a folder that can."
        ) from error
    try:
        for name in manifest():
            if (source / name).is_file():  # what is missing, verify names
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / name, staging / name)
        verify(staging)
        os.replace(staging, target)
    except OSError as error:
        if isinstance(error, FileNotFoundError) or target.is_dir():
            raise
        raise ConnectionError(
            f"the cache {target} cannot be written ({error.strerror})."
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target
