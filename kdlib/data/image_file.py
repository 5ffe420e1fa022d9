"""Reading one image or one mask from a file, so that nothing is guessed, cut off or lost."""

import contextlib
import typing
import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from kdlib.data._image_layout import layout_of, opened
from kdlib.data._layout import Refused
from kdlib.data.palette import UnknownColours


class Picture(typing.NamedTuple):
    """Colours, shape (height, width, 3), or class numbers, shape (height, width), from a file.

    ``orientation`` is EXIF's, 1 to 8, by which they were turned; ``transparent`` says whether white
    was put behind.

    >>> Picture(np.zeros((3, 2, 3), np.uint8), orientation=6).stored_size
    (2, 3)
    """

    pixels: np.ndarray
    orientation: int
    transparent: bool = False

    @property
    def stored_size(self):
        """Height and width before turning."""
        size = self.pixels.shape[:2]
        return size[::-1] if self.orientation >= 5 else size


def read_image(path, title=None):
    """Return the colours of an image file: red, green and blue, whatever the mode of the file.

    A camera that was held upright, or a drone that flew on its side, stores the picture lying and
    notes beside it how to turn it (the EXIF orientation). The picture is turned, so that it is the
    one that viewers and browsers show. Behind transparent parts comes white, as on the pages of
    the book, and a warning says so: c → (c · alpha + 255 · (255 − alpha)) / 255.

    A file that is cut off is refused, and so is a PNG that is damaged inside: its checksums tell.
    A file of another kind may not be: that of a JPEG or WebP goes on with the next block, and does
    not tell Pillow.

    Parameters
    ----------
    path : path
        Of a JPEG, PNG, TIFF, BMP, WebP or GIF file with eight bits a channel or fewer.
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
        If it is no image, damaged, has more than eight bits a channel, bands beyond colours and
        alpha, several pages or frames, or more than twice ``PIL.Image.MAX_IMAGE_PIXELS`` pixels,
        some 179 million.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "grey.png"
    ...     Image.new("L", (3, 2), 7).save(path)
    ...     read_image(path).shape
    (2, 3, 3)
    """
    title = title or str(path)
    found = picture(path, title)
    if found.transparent:
        warnings.warn(f"{title} is transparent in places: white is put behind.", stacklevel=2)
    return found.pixels


def picture(path, title):
    """Read an image as :func:`read_image` does; return a :class:`Picture`, and warn of nothing.

    >>> picture("nowhere.png", "the image")
    Traceback (most recent call last):
    ...
    FileNotFoundError: the image is missing; expected the path of an image file.
    """
    path = Path(path)
    layout = layout_of(path, title)
    if layout.deep:
        raise Refused(
            f"{title} has more than 8 bits a channel: {layout}. Which value should become 0 and "
            "which 255 only you can say: convert it to 8 bits."
            if layout.bits > 8
            else f"{title} has {layout}; expected unsigned ones, from 0 to 255."
        )
    with opened(path, title) as file:
        # First this, which asks for the orientation: once a TIFF is decoded, it has none.
        pixels, alpha, orientation = _decoded(file, layout)
        _check_table(file, title)
    transparent = alpha is not None and bool((alpha < 255).any())
    if transparent:
        alpha = alpha[..., np.newaxis].astype(np.uint16)
        # Divided by 255 and rounded, as a browser does it.
        pixels = ((pixels * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return Picture(pixels, orientation, transparent)


def mask(path, palette, title):
    """Read the class numbers of a mask, by a palette; return a :class:`Picture`.

    It holds the colours of the palette, or class numbers as shades of grey, whatever its depth.
    Where a file shows its numbers as other shades or colours (with fewer than 8 bits, or a colour
    map), it holds whichever of both are classes. Pixels with an alpha below 255 are void.

    - ``FileNotFoundError``, ``ValueError`` as :func:`read_image`; also if a colour or a number is
      no class, numbers are compressed with loss, both readings of a grey mask are possible, or
      pixels are transparent and the palette has no void class.

    >>> import tempfile
    >>> from PIL import Image
    >>> from kdlib.data import Palette
    >>> path = Path(tempfile.mkdtemp()) / "mask.tif"
    >>> Image.fromarray(np.array([[0, 1]], np.uint16)).save(path)
    >>> mask(path, Palette({"field": (0, 0, 0), "river": (1, 1, 1)}), "mask.tif").pixels.tolist()
    [[0, 1]]
    """
    path = Path(path)
    layout = layout_of(path, title)
    if layout.deep and not layout.grey:
        raise Refused(
            f"{title} has {layout} in each channel. Save the mask with 8, in the "
            "colours of the palette, or with its class numbers as they are."
        )
    if layout.lossy and _has_neighbours(palette):
        raise Refused(
            f"{title} holds class numbers, compressed with loss ({layout.lossy}): some have become "
            "other numbers, which may be classes too. Export the mask anew, as PNG, from where it "
            "was drawn: converting this file does not bring its numbers back."
        )
    with opened(path, title) as file:
        if layout.deep:
            colours, alpha, orientation = _numbers(file, layout, title)
            readings = [colours]
        else:
            colours, alpha, orientation = _decoded(file, layout)
            numbers = list(_stored_numbers(file, layout)) if palette.may_be_numbers else []
            if not numbers:
                _check_table(file, title)
            readings = numbers if _beyond_table(file) else [colours, *numbers]
    opaque = [_opaque(reading, alpha, palette, title) for reading in readings]
    return Picture(_only_reading(opaque, palette, title), orientation)


def _has_neighbours(palette):
    """Tell whether classes are so near each other that a small error makes one of another."""
    steps = np.abs(palette.colours[:, np.newaxis].astype(int) - palette.colours).max(axis=-1)
    return bool((steps == 1).any())


def _decoded(file, layout):
    """Return colours, alpha or None, and EXIF orientation of an open file."""
    clear = file.info.get("transparency")
    upright, orientation = _upright(file)
    if upright.mode in ("1", "L") and clear is not None:
        # Pillow spreads shades of 2 and 4 bits over 0 to 255, but not the one that is transparent.
        clear = 255 * bool(clear) if layout.bits == 1 else clear * (255 // (2**layout.bits - 1))
        shades = np.asarray(upright.convert("L"))
        return _as_grey(shades), np.where(shades == clear, 0, 255), orientation
    if not upright.has_transparency_data:
        return np.asarray(upright.convert("RGB")), None, orientation
    if upright.mode == "La":  # grey, with alpha multiplied in
        upright = upright.convert("LA")
    pixels = np.asarray(upright.convert("RGBA"))
    return pixels[..., :3], pixels[..., 3], orientation


def _beyond_table(file):
    """Tell whether pixels have numbers beyond the colour table, which Pillow shows as black."""
    if file.mode != "P":
        return False
    return int(np.asarray(file).max()) >= len(file.palette.palette) // len(file.palette.mode)


def _check_table(file, title):
    """Refuse pixels for which the colour table has no colour."""
    if _beyond_table(file):
        raise Refused(
            f"{title} has pixels of the number {np.asarray(file).max()}, for which its colour "
            "table has no colour. Save it in RGB, with the colour that they should have."
        )


def _stored_numbers(file, layout):
    """Yield the numbers of a file that shows them as other shades or colours, as shades of grey."""
    upright, _ = _upright(file)
    if upright.mode == "P":
        yield _as_grey(np.asarray(upright))
    elif layout.grey and (layout.bits < 8 or layout.white_is_zero):
        shades = np.asarray(upright.convert("L"))
        shades = 255 - shades if layout.white_is_zero else shades
        yield _as_grey(shades // (255 // (2**layout.bits - 1)))


def _as_grey(numbers):
    return np.repeat(numbers[..., np.newaxis], 3, axis=-1)


def _numbers(file, layout, title):
    """Return class numbers of more than 8 bits as shades of grey, as :func:`_decoded` does."""
    clear = file.info.get("transparency")
    upright, orientation = _upright(file)
    values = np.asarray(upright)
    if layout.numbers.startswith("un") and layout.bits == 32:
        values = values.view(np.uint32)  # Pillow has signed ones only
    elif layout.bits == 8:
        values = values.view(np.int8)
    if not ((values >= 0) & (values <= 255) & (values == np.floor(values))).all():
        missing = np.isnan(values).sum()
        span = f" from {values.min():g} to {values.max():g}"
        span = f", {missing} of them NaN" if missing else span
        raise Refused(
            f"{title} holds {layout}{span}; expected class numbers, whole ones from 0 to 254. Give "
            "the others, such as a number for 'no data', the number of a class, and leave the rest "
            "as they are: scaling a mask to 8 bits, as one does with images, destroys its numbers."
        )
    alpha = None if clear is None else np.where(values == clear, 0, 255)
    return _as_grey(values.astype(np.uint8)), alpha, orientation


def _opaque(colours, alpha, palette, title):
    """Return the colours of a mask, with that of the void class where it is transparent."""
    if alpha is None or not (clear := alpha < 255).any():
        return colours
    if palette.void is None:
        raise Refused(
            f"{title}: {clear.sum()} pixels are transparent (alpha below 255), so that their "
            "colour says nothing, and the palette has no void class for them. Name one, or fill "
            "these pixels in and save the mask without transparency."
        )
    return np.where(clear[..., np.newaxis], palette.colours[palette.void], colours)


def _only_reading(readings, palette, title):
    """Return the labels of the reading of which every colour is a class."""
    labels, errors = [], []
    for colours in readings:
        try:
            labels.append(palette.encode(colours, where=title))
        except UnknownColours as error:
            errors.append(error)
    if not labels:
        raise min(errors, key=lambda error: sum(error.counts.values()))
    if any((other != labels[0]).any() for other in labels[1:]):
        raise Refused(
            f"{title} can be read in two ways: the colours that it shows are classes, and so "
            "are the numbers that it stores. Save it in RGB or in grey with 8 bits."
        )
    return labels[0]


def _upright(file):
    """Turn a picture as its EXIF orientation, 1 to 8, says; return both.

    EXIF that cannot be read says nothing. Where there is none, Pillow asks XMP data, which no
    browser does.
    """
    with contextlib.suppress(SyntaxError):
        tags, stored = file.getexif(), getattr(file, "tag_v2", None)
        if stored is None:
            stored = Image.Exif()
            stored.load(file.info.get("exif", b""))
        if ExifTags.Base.Orientation not in stored:
            tags.pop(ExifTags.Base.Orientation, None)
        orientation = tags.get(ExifTags.Base.Orientation, 1)
        return ImageOps.exif_transpose(file), orientation if orientation in range(1, 9) else 1
    return file, 1
