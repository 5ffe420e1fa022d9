"""Reading folders of images and masks, and writing them so that they are read again."""

import concurrent.futures
import itertools
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from kdlib.data._matching import SUFFIXES, is_hidden, list_pairs, same_names
from kdlib.data.classes import DUBAI_PALETTE
from kdlib.data.image_file import mask, picture
from kdlib.data.imageset import ImageSet
from kdlib.data.palette import UnknownColours, checked_palette

_PARTS = 9
"""After how many images the parts are counted from 1 again, where no name gives the part."""

_BOTH_WAYS = (
    "are turned by EXIF data otherwise than their masks, and both would fit unturned too. See "
    "whether these masks fit the pictures that a viewer shows, or remove the EXIF orientation"
)


def read_folder(folder, name=None, credit="", palette=DUBAI_PALETTE):
    """Read all images and masks of a folder: the way in for images of your own.

    Parameters
    ----------
    folder : path
        Holds two folders, "images" and "masks", in which an image and its mask have the same name
        up to the suffix; subfolders of both count as tiles. Or it is laid out as the Dubai data
        set: "Tile 1/images/image_part_001.jpg" and "Tile 1/masks/image_part_001.png". Links are
        followed; hidden and system files are passed over, as are those without an image's suffix,
        and what lies beside these folders.
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
        If files cannot be read, as :func:`read_image` tells, the sizes of an image and its mask
        differ, or masks have colours that are no class, or transparent pixels and no void class for
        them: the message lists all files and colours. Also if ``palette`` is none.

    Warns
    -----
    UserWarning
        Of files that are passed over, of images with transparent parts, behind which white is put,
        and of images that are turned by their EXIF data while their masks would fit both ways.

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
    folder, palette, wrong = Path(folder), checked_palette(palette), []
    if (folder / "images").is_dir() or (folder / "masks").is_dir():
        places, images, masks = zip(*same_names(folder, wrong), strict=True)
        tiles = {place: number for number, place in enumerate(dict.fromkeys(places), 1)}
        tile = [tiles[place] for place in places]
        part = [number % _PARTS + 1 for number in range(len(places))]
        titles = tuple(path.relative_to(folder / "images").as_posix() for path in images)
    else:
        tile, part, images, masks = zip(*list_pairs(folder, wrong), strict=True)
        titles = None
    pixels, labels = zip(*_read(folder, images, masks, palette, wrong), strict=True)
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


def _read(folder, images, masks, palette, wrong):
    """Return pixels and labels of each pair. All that is wrong is collected, then said at once."""

    def read(image_path, mask_path):
        names = [path.relative_to(folder).as_posix() for path in (image_path, mask_path)]
        one = _attempt(picture, image_path, names[0])
        other = _attempt(mask, mask_path, palette, names[1])
        return one, other, _misfit(one, other, names[0])

    with concurrent.futures.ThreadPoolExecutor() as pool:  # PIL decodes without holding the GIL
        pairs = list(pool.map(read, images, masks))
    found = itertools.chain(wrong, *pairs)
    _refuse(folder, [each for each in found if isinstance(each, Exception)])
    for marked, sentence in (
        ([one.transparent for one, *_ in pairs], "are transparent in places: white is put behind"),
        ([_fits_both_ways(*pair[:2]) for pair in pairs], _BOTH_WAYS),
    ):
        named = [path.relative_to(folder).as_posix() for path in itertools.compress(images, marked)]
        if named:
            warnings.warn(
                f"{folder}: {len(named)} images {sentence}: {', '.join(named)}.", stacklevel=3
            )
    return [(one.pixels, other.pixels) for one, other, _ in pairs]


def _attempt(read, *arguments):
    """Return what a reader returns, or the error that it raises."""
    try:
        return read(*arguments)
    except (ValueError, OSError) as error:
        return error


def _misfit(image, mask, name):
    """Return an error if image and mask differ in size."""
    if isinstance(image, Exception) or isinstance(mask, Exception):
        return None
    size, other = image.pixels.shape[:2], mask.pixels.shape
    if size == other:
        return None
    turned = "They must be equal: restore both files."
    if image.stored_size == mask.stored_size:
        which, other_one = ("image", "mask") if image.orientation >= 5 else ("mask", "image")
        turned = (
            f"The {which} is turned, as its EXIF data say, and the {other_one} fits it as it is "
            "stored: turn the mask, or remove the EXIF orientation."
        )
    return ValueError(
        f"{name} has {size[0]} × {size[1]} pixels, its mask {other[0]} × {other[1]}. {turned}"
    )


def _fits_both_ways(image, mask):
    """Tell whether a mask fits its image as it is stored, and as EXIF turns it."""
    return image.orientation != mask.orientation and image.stored_size == mask.stored_size


def _refuse(folder, errors):
    """Raise what is wrong: one error as it is, several as one with a line for each."""
    if not errors:
        return
    if len(errors) == 1:
        raise errors[0]
    unknown = [error for error in errors if isinstance(error, UnknownColours)]
    lines = [error.found if error in unknown else str(error) for error in errors]
    lines += [error.expected for error in unknown[:1]]
    raise ValueError("\n- ".join([f"{folder}: {len(errors)} things are wrong.", *lines]))


def write_folder(image_set, folder):
    """Write images and masks as :func:`read_folder` reads them.

    The masks are written without loss, the images as JPEG of high quality. Where the titles of all
    images can be names of files, as after reading a folder of your own, they are: "images/7.jpg"
    with "masks/7.png". Others are laid out as the Dubai data set.

    Parameters
    ----------
    image_set : ImageSet
    folder : path
        Made if it is missing; files of the same names are replaced.

    Raises
    ------
    ValueError
        If two images would have the same file.

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
    for index, (above, name) in enumerate(_files(image_set)):
        for kind, suffix, pixels in (
            ("images", ".jpg", image_set.images[index]),
            ("masks", ".png", image_set.palette.decode(image_set.labels[index])),
        ):
            path = Path(folder) / above / kind / f"{name}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path, quality=95)


def _files(image_set):
    """Return the file of each image: what stands above "images", and what below, without suffix."""
    named = [("", _stem(title)) for title in image_set.titles or ()]
    if named and ("", None) not in named and len(set(named)) == len(named):
        return named
    numbers = list(zip(image_set.tile.tolist(), image_set.part.tolist(), strict=True))
    twice = sorted({each for each in numbers if numbers.count(each) > 1})
    if twice:
        raise ValueError(
            f"tile {twice[0][0]} part {twice[0][1]} stands for {numbers.count(twice[0])} images, "
            "and one file would replace the other. Give each image a part of its own within its "
            "tile, or a title that can be the name of a file: dataclasses.replace(image_set, ...)."
        )
    return [(f"Tile {tile}", f"image_part_{part:03d}") for tile, part in numbers]


def _stem(title):
    """Return a title without the suffix of an image, or None if it can be no name of a file."""
    path = Path(title)
    path = path.with_suffix("") if path.suffix.lower() in SUFFIXES else path
    if path.is_absolute() or not path.name or any(map(is_hidden, path.parts)):
        return None
    return path.as_posix()
