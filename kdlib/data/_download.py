"""Downloading the Dubai images, so that nothing half-written is ever read as whole."""

import contextlib
import os
import shutil
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path

from kdlib.data._integrity import REMEDY, manifest, root, verify

HANDLE = "humansintheloop/semantic-segmentation-of-aerial-imagery"
"""Name of the data set on Kaggle."""

_SERVER = "https://api.kaggle.com"
_PATIENCE = 4.0  # seconds to wait for the first answer of the server


def fetch(target):
    """Download the data set into a folder, with a progress bar.

    A download that broke off is taken up where it stopped. The files go into a folder with another
    name and are verified there; only then does that folder get its name.

    - ``target``: the folder to make. If there is one, it is replaced unless it is whole.
    - Returns path: the target.
    - ``PermissionError`` if the target cannot be written.
    - ``ConnectionError`` if the server does not answer within seconds, the download breaks off, or
      what comes is not the published data set.
    """
    with _staging(target) as folder:
        if not _answers():
            raise ConnectionError(
                f"{_SERVER} did not answer within {_PATIENCE:.0f} seconds: no network? {REMEDY}"
            )
        try:
            _copy(_download(force=False), folder)
        except (FileNotFoundError, ValueError):  # what an earlier download left is not whole
            _copy_anew(folder)
        _put_in_place(folder, target)
    return target


@contextlib.contextmanager
def _staging(target):
    """Make a folder beside the target, and take away what is left of it in the end."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{target.name}-", suffix=".part", dir=target.parent))
    except OSError as error:
        raise PermissionError(
            f"the cache {target.parent} cannot be written ({error.strerror}). Set KD_CACHE_DIR to "
            f"a folder that can. {REMEDY}"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers():
    """Tell whether the server answers. Looking up a name knows no timeout, hence the thread."""
    answered = threading.Event()

    def ask():
        """Note that the server answered, whatever it said."""
        try:
            urllib.request.urlopen(_SERVER, timeout=_PATIENCE).close()
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
    """Let kagglehub download into its own cache: it resumes, and shows a progress bar."""
    import kagglehub  # takes a second to import, and most runs need no download

    try:
        return kagglehub.dataset_download(HANDLE, force_download=force)
    except Exception as error:  # it passes on what broke: requests', zipfile's, its own errors
        raise ConnectionError(
            f"the download of {HANDLE} broke off ({type(error).__name__}: {error}). Run again: it "
            f"goes on where it stopped. {REMEDY}"
        ) from error


def _copy(source, folder):
    """Copy the files of the data set, and verify the copies."""
    source = root(source)
    for name in manifest():
        if (source / name).is_file():  # verify names those that are missing
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, folder / name)
    verify(folder)


def _copy_anew(folder):
    """Download from the beginning; what comes now has no excuse for being different."""
    try:
        _copy(_download(force=True), folder)
    except (FileNotFoundError, ValueError) as error:
        raise ConnectionError(f"what came is not the published data set: {error}") from error


def _put_in_place(folder, target):
    """Give the verified folder its name, unless another process was faster."""
    if target.is_dir():
        try:
            return verify(target)
        except (FileNotFoundError, ValueError):
            shutil.rmtree(target)
    os.replace(folder, target)
