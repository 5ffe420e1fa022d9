"""Reading folders of images and masks, and writing them as the Dubai data set is laid out."""

import concurrent.futures
import contextlib
import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from kdlib.data.classes import DUBAI_PALETTE
from kdlib.data.imageset import ImageSet
from kdlib.data.matching import same_names

_LAYOUT = (
    "Expected 'Tile 1/images/image_part_001.jpg' with 'Tile 1/masks/image_part_001.png', and so "
    "on, or two folders, 'images' and 'masks', with files of the same names."
)

_PARTS = 9
"""After how many images the parts are counted from 1 again, where no name gives the part."""

_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
"""The modes of PIL with eight bits a channel or fewer."""


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

    Examples
    --------
    >>> import tempfile
    >>> from kdlib.data import synthetic
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_folder(synthetic.city(n_images=1, size=32), folder)
    ...     [(tile, part, image.name, mask.name) for tile, part, image, mask in list_pairs(folder)]
    [(1, 1, 'image_part_001.jpg', 'image_part_001.png')]
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


def read_folder(folder, name=None, credit="", palette=DUBAI_PALETTE):
    """Read all images and masks of a folder: the way in for images of your own.

    Parameters
    ----------
    folder : path
        Holds two folders, "images" and "masks", in which an image and its mask have the same name
        up to the suffix; subfolders of both count as tiles. Or it is laid out as the Dubai data
        set: "Tile 1/images/image_part_001.jpg" and "Tile 1/masks/image_part_001.png".
    name : str, optional
        For the ImageSet; by default the name of the folder.
    credit : str
        Whom a picture of these images should name.
    palette : Palette
        Names and colours of the classes in the masks.

    Returns
    -------
    ImageSet
        In the order of the numbers in the names. Where the names give no parts, the images are
        counted from 1 to 9 again and again: this decides which of them :func:`split` puts where.

    Raises
    ------
    FileNotFoundError
        If folder, images or masks are missing.
    ValueError
        If a file is damaged or has more than 8 bits a channel, the sizes of an image and its mask
        differ, or a mask has a colour that is no class.

    Examples
    --------
    >>> import tempfile
    >>> from kdlib.data import Palette
    >>> folder = Path(tempfile.mkdtemp())
    >>> for kind, colour in (("images", "grey"), ("masks", "navy")):
    ...     (folder / kind).mkdir()
    ...     Image.new("RGB", (48, 32), colour).save(folder / kind / "pond.png")
    >>> images = read_folder(folder, palette=Palette({"field": "green", "water": "navy"}))
    >>> images.titles, images.labels[0].shape, int(images.labels[0][0, 0])
    (('pond.png',), (32, 48), 1)
    """
    folder = Path(folder)
    if (folder / "images").is_dir() or (folder / "masks").is_dir():
        places, images, masks = zip(*same_names(folder), strict=True)
        tiles = {place: number for number, place in enumerate(dict.fromkeys(places), 1)}
        tile = [tiles[place] for place in places]
        part = [number % _PARTS + 1 for number in range(len(places))]
        titles = tuple(path.relative_to(folder / "images").as_posix() for path in images)
    else:
        tile, part, images, masks = zip(*list_pairs(folder), strict=True)
        titles = None
    with concurrent.futures.ThreadPoolExecutor() as pool:  # PIL decodes without holding the GIL
        read = pool.map(lambda one, other: _read_pair(folder, one, other, palette), images, masks)
        pixels, labels = zip(*read, strict=True)
    return ImageSet(
        folder.resolve().name if name is None else name,
        pixels,
        labels,
        np.array(tile),
        np.array(part),
        credit,
        palette=palette,
        titles=titles,
    )


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
            ("masks", ".png", image_set.palette.decode(image_set.labels[index])),
        ):
            path = Path(folder) / f"Tile {tile}" / kind / f"image_part_{part:03d}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path, quality=95)


def _read_pair(folder, image_path, mask_path, palette):
    """Pixels of one image and class numbers of its mask."""
    image = read_image(image_path, str(image_path.relative_to(folder)))
    mask = read_image(mask_path, str(mask_path.relative_to(folder)))
    if image.shape != mask.shape:
        raise ValueError(
            f"{image_path.relative_to(folder)} has {image.shape[0]} × {image.shape[1]} pixels, its "
            f"mask {mask.shape[0]} × {mask.shape[1]}. They must be equal: restore both files."
        )
    return image, palette.encode(mask, where=str(mask_path.relative_to(folder)))


def read_image(path, title=None):
    """Return the colours of an image file: red, green and blue, whatever the mode of the file.

    A camera that was held upright, or a drone that flew on its side, stores the picture lying and
    notes beside it how to turn it (the EXIF orientation). The picture is turned, so that it is the
    one that viewers and browsers show.

    Parameters
    ----------
    path : path
        Of a file that PIL can read, with eight bits a channel or fewer.
    title : str, optional
        What messages call it, by default its path.

    Returns
    -------
    numpy.ndarray
        uint8, shape (height, width, 3), after turning.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no image, damaged, has more than eight bits a channel, or more than twice
        ``PIL.Image.MAX_IMAGE_PIXELS`` pixels, some 179 million.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "grey.png"
    ...     Image.new("L", (3, 2), 7).save(path)
    ...     read_image(path).shape
    (2, 3, 3)
    """
    path, title = Path(path), title or str(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{title} is {'a folder' if path.is_dir() else 'missing'}; "
            "expected the path of an image file."
        )
    try:
        with Image.open(path) as file:
            if file.mode in _MODES:
                # Palette PNGs hold indices, no colours.
                return np.asarray(_upright(file).convert("RGB"))
            mode = file.mode
    except Image.DecompressionBombError as error:
        raise ValueError(f"{title} is too large: {error} Cut it into smaller images.") from error
    except (OSError, SyntaxError) as error:
        raise ValueError(
            f"{title} cannot be read as an image ({error}). It is damaged or cut off: fetch it "
            "again."
        ) from error
    raise ValueError(
        f"{title} has pixels of PIL's mode {mode!r}, more than 8 bits a channel. Which value "
        "should become 0 and which 255 only you can say: convert it to 8 bits."
    )


def _upright(file):
    """Turn a picture as its EXIF orientation says. EXIF that cannot be read says nothing."""
    with contextlib.suppress(SyntaxError):
        return ImageOps.exif_transpose(file)
    return file
