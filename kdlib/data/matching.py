"""Finding images and masks that bear the same name, in two folders."""

import re
from pathlib import Path

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
"""What counts as an image or a mask, in small or capital letters."""


def same_names(folder):
    """Find each image with the mask of the same name, in the order of the numbers in the names.

    Parameters
    ----------
    folder : path
        Holds the folders "images" and "masks". Both may have subfolders of the same names.

    Returns
    -------
    list of (place, image path, mask path)
        The place is the subfolder's path as text, "." for none.

    Raises
    ------
    FileNotFoundError
        If a folder is missing or empty, or an image has no mask or a mask no image.
    ValueError
        If two files differ in their suffix alone.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("images/10.jpg", "images/9.jpg", "masks/10.png", "masks/9.png"):
    ...     (folder / name).parent.mkdir(exist_ok=True)
    ...     (folder / name).touch()
    >>> [image.name for place, image, mask in same_names(folder)]
    ['9.jpg', '10.jpg']
    """
    folder = Path(folder)
    images, masks = (_by_name(folder, kind) for kind in ("images", "masks"))
    alone = {
        "images without a mask": [images[name] for name in images.keys() - masks.keys()],
        "masks without an image": [masks[name] for name in masks.keys() - images.keys()],
    }
    if any(alone.values()):
        found = "; ".join(
            f"{len(paths)} {what}: {_first(folder, paths)}"
            for what, paths in alone.items()
            if paths
        )
        raise FileNotFoundError(
            f"{folder}: {found}. An image and its mask need the same name, up to the suffix, such "
            "as images/7.jpg and masks/7.png: rename, add or remove files."
        )
    ordered = sorted(images, key=in_order)
    return [(name.parent.as_posix(), images[name], masks[name]) for name in ordered]


def in_order(path):
    """Return a key that sorts paths as people do: 9 before 10, whatever the case.

    Examples
    --------
    >>> sorted(["b", "a10", "A9"], key=in_order)
    ['A9', 'a10', 'b']
    """
    parts = re.split(r"(\d+)", Path(path).as_posix().lower())
    return [int(part) if part.isdecimal() else part for part in parts]


def _by_name(folder, kind):
    """Files by their path below images or masks, without the suffix."""
    if not (folder / kind).is_dir():
        raise FileNotFoundError(f"{folder} has no folder '{kind}' beside the other one.")
    found = {}
    for path in sorted((folder / kind).rglob("*")):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        name = path.relative_to(folder / kind).with_suffix("")
        if name in found:
            raise ValueError(
                f"{folder}: {_first(folder, [found[name], path])} have the same name, so that it "
                "is not clear which of them belongs to the other folder. Remove or rename one."
            )
        found[name] = path
    if not found:
        raise FileNotFoundError(
            f"{folder / kind} is empty: expected files that end in {', '.join(SUFFIXES)}."
        )
    return found


def _first(folder, paths):
    """Name up to five files."""
    names = sorted((path.relative_to(folder).as_posix() for path in paths), key=in_order)
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
