"""Proof that a folder holds the published Dubai images, whole and unchanged."""

import hashlib
import importlib.resources
from pathlib import Path

from kdlib.data._matching import is_hidden

REMEDY = (
    "Set KD_DUBAI_DIR to a folder that holds the data set, or use load('city'), which needs none."
)
"""What every message about missing images advises."""


def manifest():
    """Give the SHA-256 of every file of the data set, by its path within the folder.

    - Returns dict of str to str: 145 entries: 72 images, 72 masks and classes.json.
    """
    text = importlib.resources.files("kdlib.data").joinpath("SHA256SUMS").read_text("utf-8")
    pairs = (line.split("  ", maxsplit=1) for line in text.splitlines())
    return {name.removeprefix("./"): digest for digest, name in pairs}


def root(folder):
    """Find the folder that holds "Tile 1": the folder itself, or one in it, as Kaggle packs it.

    - ``FileNotFoundError`` if there is none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"the Dubai images: {folder} is no folder. {REMEDY}")
    within = [path for path in sorted(folder.iterdir()) if not is_hidden(path.name)]
    for candidate in (folder, *within):
        if (candidate / "Tile 1").is_dir():
            return candidate
    raise FileNotFoundError(
        f"the Dubai images: {folder} holds no folder 'Tile 1', nor does a folder in it. {REMEDY}"
    )


def verify(folder):
    """Prove that a folder holds every file of the data set, byte for byte.

    - ``folder``: the folder of the tiles, as :func:`root` finds it.
    - ``FileNotFoundError`` if files are missing; the message counts them and names the first.
    - ``ValueError`` if files differ; likewise.
    """
    folder, expected = Path(folder), manifest()
    missing = [name for name in expected if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"the Dubai images: {len(missing)} of {len(expected)} files are missing from {folder}: "
            f"{_first(missing)}. Copy the whole data set. {REMEDY}"
        )
    differing = [name for name, digest in expected.items() if _sha256(folder / name) != digest]
    if differing:
        raise ValueError(
            f"the Dubai images: {len(differing)} of {len(expected)} files in {folder} differ from "
            f"the published ones (SHA-256): {_first(differing)}. They are damaged, cut off or "
            "changed: get the data set again. To read images that you changed, use read_folder."
        )


def _first(names):
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
