"""Reading and writing folders that are laid out as the Dubai data set is."""

import concurrent.futures
import re
from pathlib import Path

import numpy as np
from PIL import Image

from kdlib.data.classes import decode, encode
from kdlib.data.imageset import ImageSet

_LAYOUT = (
    "Expected 'Tile 1/images/image_part_001.jpg' with 'Tile 1/masks/image_part_001.png', and so on."
)


def list_pairs(folder):
    """Find each image with its mask, tile by tile and part by part.

    The numbers in the names decide, not the order of a listing: "Tile 10" comes after "Tile 2",
    and an image is matched to the mask of the same name.

    Parameters
    ----------
    folder : path
        Holds folders "Tile 1", "Tile 2" and so on, each with "images" and "masks".

    Returns
    -------
    list of (tile, part, image path, mask path)

    Raises
    ------
    FileNotFoundError
        If the folder is missing or has no images, or an image has no mask or a mask no image.

    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder. {_LAYOUT}")
    images = _numbered(folder, "images", ".jpg")
    masks = _numbered(folder, "masks", ".png")
    if not images:
        raise FileNotFoundError(f"{folder} holds no images. {_LAYOUT}")
    for kind, missing, found in (
        ("mask", images.keys() - masks.keys(), images),
        ("image", masks.keys() - images.keys(), masks),
    ):
        if missing:
            names = [str(found[key].relative_to(folder)) for key in sorted(missing)]
            listed = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            raise FileNotFoundError(f"{folder}: {len(names)} files without {kind}: {listed}")
    return [(*key, images[key], masks[key]) for key in sorted(images)]


def _numbered(folder, kind, suffix):
    """Files by (tile, part)."""
    found = {}
    for path in folder.glob(f"Tile */{kind}/*{suffix}"):
        tile = re.fullmatch(r"Tile (\d+)", path.parent.parent.name)
        part = re.fullmatch(r"image_part_(\d+)", path.stem)
        if tile and part:
            found[int(tile[1]), int(part[1])] = path
    return found


def read_folder(folder, name, credit):
    """Read all images and masks of a folder: the way in for images of your own.

    Parameters
    ----------
    folder : path
        Laid out as the Dubai data set: "Tile 1/images/image_part_001.jpg" and
        "Tile 1/masks/image_part_001.png", with the colours of :data:`kdlib.data.PALETTE`.
    name, credit : str
        For the ImageSet.

    Returns
    -------
    ImageSet

    Raises
    ------
    FileNotFoundError
        If folder, images or masks are missing.
    ValueError
        If a file is damaged, the sizes of an image and its mask differ, or a mask has a colour
        that is no class.
    """
    folder = Path(folder)
    pairs = list_pairs(folder)
    with concurrent.futures.ThreadPoolExecutor() as pool:  # PIL decodes without holding the GIL
        read = list(pool.map(lambda pair: _read_pair(folder, pair[2], pair[3]), pairs))
    images, labels = zip(*read, strict=True)
    tile, part = np.array([pair[:2] for pair in pairs]).T
    return ImageSet(name, images, labels, tile, part, credit)


def write_folder(image_set, folder):
    """Write images and masks as :func:`read_folder` reads them.

    The masks are written without loss, the images as JPEG of high quality.

    Parameters
    ----------
    image_set : ImageSet
    folder : path
        Made if it is missing; files of the same names are replaced.

    Examples
    --------
    >>> import tempfile
    >>> from kdlib.data import synthetic
    >>> city = synthetic.city(n_images=2, size=64)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_folder(city, folder)
    ...     again = read_folder(folder, city.name, city.credit)
    >>> bool((again.labels[1] == city.labels[1]).all())
    True
    """
    for index, (tile, part) in enumerate(zip(image_set.tile, image_set.part, strict=True)):
        for kind, suffix, picture in (
            ("images", ".jpg", image_set.images[index]),
            ("masks", ".png", decode(image_set.labels[index])),
        ):
            path = Path(folder) / f"Tile {tile}" / kind / f"image_part_{part:03d}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path, quality=95)


def _read_pair(folder, image_path, mask_path):
    """Pixels of one image and class numbers of its mask."""
    image = _read_rgb(folder, image_path)
    mask = _read_rgb(folder, mask_path)
    if image.shape != mask.shape:
        raise ValueError(
            f"{image_path.relative_to(folder)} has {image.shape[0]} × {image.shape[1]} pixels, its "
            f"mask {mask.shape[0]} × {mask.shape[1]}. They must be equal: restore both files."
        )
    return image, encode(mask, where=str(mask_path.relative_to(folder)))


def _read_rgb(folder, path):
    """Red, green and blue, whatever the mode of the file: palette PNGs hold indices, no colours."""
    try:
        with Image.open(path) as file:
            return np.asarray(file.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path.relative_to(folder)} cannot be read as an image ({error}). It is damaged or "
            "cut off: fetch it again."
        ) from error
