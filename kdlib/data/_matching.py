"""Finding images and their masks in folders: by the same name, or by the numbers in the names."""

import re
import unicodedata
import warnings
from pathlib import Path

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
"""What counts as an image or a mask, in small or capital letters."""

LAYOUT = (
    "Expected 'Tile 1/images/image_part_001.jpg' with 'Tile 1/masks/image_part_001.png', and so "
    "on, or two folders, 'images' and 'masks', with files of the same names."
)
"""What every message about a folder without images advises."""

_SYSTEM = {"__macosx", "__pycache__", "#recycle", "#snapshot", "$recycle.bin"}
_SYSTEM |= {"recycler", "recycled", "~snapshot", "network trash folder", "temporary items"}
_SYSTEM |= {f"found.{number:03d}" for number in range(1000)}  # what Windows saved of a bad disk
_SYSTEM |= {"lost+found", "thumbs.db", "desktop.ini", "system volume information"}


def is_hidden(name):
    """Tell whether systems and programs gave a file or folder its name, and no person did."""
    return name.startswith((".", "@")) or name.lower() in _SYSTEM


def same_names(folder, wrong=None):
    """Find each image with the mask of the same name, in the order of the numbers in the names.

    Links are followed. Hidden and system files and folders are passed over, and so is what has no
    suffix of an image; a warning counts and names them. Names that look the same are the same,
    whichever way their accents are encoded.

    - ``folder``: holds the folders "images" and "masks". Both may have subfolders of the same
      names.
    - ``wrong``: list. The error about images and masks that are alone is put into it, where there
      are pairs beside them, so that it can be told together with what is wrong in these.
    - Returns list of (place, image path, mask path): the place is the subfolder's path as text, "."
      for none.
    - ``FileNotFoundError`` if a folder is missing or empty, or an image has no mask or a mask no
      image.
    - ``ValueError`` if two files differ in their suffix alone, or in how an accent is encoded.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("images/10.jpg", "images/9.jpg", "masks/10.png", "masks/9.png"):
    ...     (folder / name).parent.mkdir(exist_ok=True)
    ...     (folder / name).touch()
    >>> [image.name for place, image, mask in same_names(folder)]
    ['9.jpg', '10.jpg']
    """
    folder, skipped = Path(folder), {}
    found = {"images": {}, "masks": {}}
    for kind, files in found.items():
        if not (folder / kind).is_dir():
            raise FileNotFoundError(f"{folder} has no folder '{kind}' beside the other one.")
        for path in image_files(folder / kind, skipped):
            name = path.relative_to(folder / kind).with_suffix("").as_posix()
            files.setdefault(unicodedata.normalize("NFC", name), []).append(path)
        if not files:
            raise FileNotFoundError(
                f"{folder / kind} is empty: expected files that end in {', '.join(SUFFIXES)}."
                + _told(folder, skipped)
            )
    read = {folder / kind for kind in found}
    _skip(skipped, "beside 'images' and 'masks'", _images_beside(folder, read))
    images, masks = _paired(folder, found, skipped, wrong)
    ordered = sorted(images, key=in_order)
    return [(Path(name).parent.as_posix(), images[name], masks[name]) for name in ordered]


def list_pairs(folder, wrong=None):
    """Find each image with its mask in the layout of the Dubai data, tile by tile, part by part.

    The numbers in the names decide, not the order of a listing: "Tile 10" comes after "Tile 2".
    Links, and what is passed over, are as in :func:`same_names`.

    - ``folder``: holds folders "Tile 1", "Tile 2" and so on, each with "images" and "masks".
    - ``wrong``: as in :func:`same_names`.
    - Returns list of (tile, part, image path, mask path).
    - ``FileNotFoundError`` if the folder is missing or has no images, or an image has no mask or a
      mask no image.
    - ``ValueError`` if two files have the same numbers.
    """
    folder, skipped = Path(folder), {}
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder. {LAYOUT}")
    found = {"images": {}, "masks": {}}
    for kind, files in found.items():
        for place in sorted(folder.glob(f"*/{kind}")):
            for path in image_files(place, skipped):
                name = path.relative_to(folder).with_suffix("").as_posix()
                numbers = re.fullmatch(rf"Tile (\d+)/{kind}/image_part_(\d+)", name)
                if numbers:
                    files.setdefault(tuple(map(int, numbers.groups())), []).append(path)
                else:
                    _skip(skipped, "not named as in 'Tile 1', 'image_part_001'", [path])
    tiles = {path.parent for kind in found for path in folder.glob(f"*/{kind}")}
    others = {path for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name)}
    _skip(skipped, "a folder without 'images' and 'masks'", sorted(others - tiles))
    _skip(skipped, "beside the tiles", _images_beside(folder, tiles | others))
    if not found["images"] and not found["masks"]:
        raise FileNotFoundError(f"{folder} holds no images. {LAYOUT}{_told(folder, skipped)}")
    images, masks = _paired(folder, found, skipped, wrong)
    return [(*key, images[key], masks[key]) for key in sorted(images)]


def in_order(path):
    """Return a key that sorts paths as people do: 9 before 10, whatever the case.

    >>> sorted(["b", "a10", "A9"], key=in_order)
    ['A9', 'a10', 'b']
    """
    parts = re.split(r"(\d+)", Path(path).as_posix().lower())
    return [int(part) if part.isdecimal() else part for part in parts]


def image_files(folder, skipped):
    """List the images below a folder, in its subfolders too, links followed.

    - ``skipped``: dict of str to list of path. What is passed over is added, by the reason.
    - Returns list of pathlib.Path.
    """

    def enter(place, above):
        for path in sorted(place.iterdir()):
            if is_hidden(path.name):
                _skip(skipped, "hidden, or a system's own", [path])
            elif path.is_dir() and path.resolve() in above:
                _skip(skipped, "a link back to a folder that it lies in", [path])
            elif path.is_dir():
                yield from enter(path, above | {path.resolve()})
            elif path.suffix.lower() in SUFFIXES:
                yield path
            else:
                _skip(skipped, f"without a suffix of {', '.join(SUFFIXES)}", [path])

    return list(enter(folder, {folder.resolve()}))


def _images_beside(folder, read):
    """Return the images, and the folders with images in them, that lie beside what is read."""
    return [
        path
        for path in sorted(set(folder.iterdir()) - read)
        if (image_files(path, {}) if path.is_dir() else path.suffix.lower() in SUFFIXES)
    ]


def _skip(skipped, why, paths):
    """Note what is passed over, by the reason."""
    if paths:
        skipped.setdefault(why, []).extend(paths)


def _paired(folder, found, skipped, wrong):
    """Return images and masks by the same keys, each once; refuse what cannot be matched."""
    twice = [paths for files in found.values() for paths in files.values() if len(paths) > 1]
    if twice:
        listed = "; ".join(_first(folder, paths) for paths in twice)
        raise ValueError(
            f"{folder}: {listed} have the same name, so that it is not clear which of them belongs "
            "to the other folder. Remove or rename one."
        )
    images, masks = ({key: path for key, (path,) in files.items()} for files in found.values())
    alone = {
        "images without a mask": [images[key] for key in images.keys() - masks.keys()],
        "masks without an image": [masks[key] for key in masks.keys() - images.keys()],
    }
    if any(alone.values()):
        listed = "; ".join(
            f"{len(paths)} {what}: {_first(folder, paths)}"
            for what, paths in alone.items()
            if paths
        )
        error = FileNotFoundError(
            f"{folder}: {listed}. An image and its mask need the same name, up to the suffix, such "
            f"as images/7.jpg and masks/7.png: rename, add or remove files.{_told(folder, skipped)}"
        )
        images, masks = (
            {key: files[key] for key in images.keys() & masks.keys()} for files in (images, masks)
        )
        if wrong is None or not images:
            raise error
        wrong.append(error)
    elif skipped:
        warnings.warn(f"{folder}:{_told(folder, skipped)}", stacklevel=4)
    return images, masks


def _told(folder, skipped):
    """Say how many files were passed over, which, and why."""
    return "".join(
        f" Skipped {len(paths)} ({why}): {_first(folder, paths)}." for why, paths in skipped.items()
    )


def _first(folder, paths):
    """Name up to five files."""
    names = sorted((path.relative_to(folder).as_posix() for path in paths), key=in_order)
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
