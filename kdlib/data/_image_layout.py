"""How an image file stores its pixels: depth, bands and pages as the file itself tells them.

A decoder says little of it. Pillow gives colours of 16 bits as 8, drops bands that it does not
know, and shows the first of several pages.
"""

import contextlib
import math
import struct
import typing

from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

_FORMATS = ("JPEG", "MPO", "PNG", "TIFF", "BMP", "WEBP", "GIF")
_TAG = ExifTags.Base
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3}  # bands, by TIFF's photometric interpretation
_NUMBERS = {1: "unsigned integers", 2: "signed integers", 3: "floating-point numbers"}
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error)


class Refused(ValueError):
    """A file that cannot be read without a guess or a loss."""


class Layout(typing.NamedTuple):
    """Bits a channel, the kind of its numbers, and for grey files what 0 means."""

    bits: int
    numbers: str = _NUMBERS[1]
    grey: bool = False
    white_is_zero: bool = False

    @property
    def deep(self):
        """Whether the pixels are anything but whole numbers from 0 to 255 at most."""
        return self.bits > 8 or self.numbers != _NUMBERS[1]

    def __str__(self):
        """Say it in words."""
        return f"{self.bits}-bit {self.numbers}"


def layout_of(path, title):
    """Return the layout of an image file, without decoding its pixels.

    - ``title``: what messages call it.
    - ``FileNotFoundError``, ``ValueError`` as :func:`opened`; also if the file has several pages,
      or bands beyond colours and alpha.
    """
    with _explained(path, title):
        if pages := _tiff_pages(path):
            return _tiff_layout(pages, title)
        with path.open("rb") as stream, Image.open(stream) as file:
            if file.format not in _FORMATS:
                raise Refused(
                    f"{title} is a file of the kind {file.format}, in which more than 8 bits a "
                    "channel cannot be told from 8. Save it as PNG or TIFF."
                )
            # Cameras add previews to a JPEG, which is an MPO then. The first picture is the one.
            if file.format != "MPO":
                _check_pages(getattr(file, "n_frames", 1), title)
            if file.format == "BMP":
                _check_bmp(path, file.mode, title)
            if file.format != "PNG":
                return Layout(1 if file.mode == "1" else 8, grey=file.mode in ("1", "L"))
            raw = file.tile[0][3]  # Pillow's name for what is stored, such as "RGB;16B" or "L;2"
            bits = 1 if raw == "1" else int(raw.partition(";")[2].rstrip("B") or 8)
            return Layout(bits, grey=raw[0] in "1LI" and not raw.startswith("LA"))


@contextlib.contextmanager
def opened(path, title):
    """Open an image file as Pillow's; what goes wrong in opening or decoding says its cause.

    - ``title``: what messages call it.
    - ``FileNotFoundError`` if there is no such file.
    - ``ValueError`` if it is empty, no image, damaged, larger than Pillow reads, or of a kind that
      Pillow does not know.
    """
    # Of a path Pillow may map the file into memory, and then reads a turned TIFF at a wrong width.
    with _explained(path, title), path.open("rb") as stream, Image.open(stream) as file:
        yield file


@contextlib.contextmanager
def _explained(path, title):
    """Turn Pillow's errors into sentences."""
    if not path.is_file():
        what = "a folder" if path.is_dir() else "a link to nothing" if path.is_symlink() else None
        raise FileNotFoundError(
            f"{title} is {what or 'missing'}; expected the path of an image file."
        )
    try:
        yield
    except Refused:
        raise
    except Image.DecompressionBombError as error:
        raise Refused(f"{title} is too large: {error} Cut it into smaller images.") from error
    except _DAMAGE as error:
        if getattr(error, "errno", None):  # the system's, such as a permission that is missing
            raise
        unknown = isinstance(error, UnidentifiedImageError)
        cause = _unidentified(path) if unknown else _damaged(error)
        raise Refused(f"{title} cannot be read as an image {cause}") from error


def _damaged(reason):
    return f"({reason}). It is damaged or cut off: fetch it again."


def _unidentified(path):
    """Say why Pillow finds no image in a file: the reason that its reader gave, if there is one."""
    with path.open("rb") as file:
        start = file.read(16)
    if not start:
        return "(it is empty): fetch it again."
    for name in _FORMATS:
        reader, accepts = Image.OPEN.get(name, (None, None))
        if accepts is None or accepts(start) is not True:
            continue
        try:
            reader(path).close()
        except _DAMAGE as error:
            if str(error).startswith(("cannot handle", "unknown pixel mode")):
                return (
                    f"(Pillow: {error}). Save it as PNG, with 8 bits a channel; a mask of class "
                    "numbers with its numbers as they are."
                )
            return _damaged(error)
    return (
        f"(it begins with {start!r}, as no JPEG, PNG, TIFF, BMP, WebP or GIF file does). If it is "
        "an image of another kind, save it as PNG."
    )


def _check_bmp(path, mode, title):
    """Refuse a BMP whose colour map Pillow takes for grey, and then its depth for another."""
    with path.open("rb") as file:
        head = file.read(30)
    place = 24 if head[14] == 12 else 28  # in the first version of the header, and since
    bits = int.from_bytes(head[place : place + 2], "little")
    if bits != {"1": 1, "L": 8}.get(mode, bits):
        raise Refused(
            f"{title} is a BMP of {bits} bits with a colour map of grey, which Pillow reads wrong. "
            "Save it as PNG."
        )


def _check_pages(count, title):
    if count > 1:
        raise Refused(
            f"{title} holds {count} pictures (pages or frames); expected one. Save the one that is "
            "meant in a file of its own."
        )


def _tiff_pages(path):
    """Return the tags of each page of a TIFF file, without previews; nothing for other files."""
    with path.open("rb") as file:
        head = file.read(8)
        if head[:4] not in TiffImagePlugin.PREFIXES:
            return []
        head += file.read(8) if 43 in head[2:4] else b""  # a BigTIFF
        tags, seen, pages = TiffImagePlugin.ImageFileDirectory_v2(head), set(), []
        while tags.next and tags.next not in seen:
            seen.add(tags.next)
            file.seek(tags.next)
            tags.load(file)
            if not tags.get(_TAG.NewSubfileType, 0) & 1 or not pages:
                pages.append(dict(tags))
    return pages


def _check_pieces(tags, title):
    """Refuse a TIFF that lacks strips or tiles: Pillow would show what else is in the file."""
    width, height = tags[_TAG.ImageWidth], tags[_TAG.ImageLength]
    if TiffImagePlugin.TILEOFFSETS in tags:
        offsets, counts = TiffImagePlugin.TILEOFFSETS, TiffImagePlugin.TILEBYTECOUNTS
        sides = tags.get(TiffImagePlugin.TILEWIDTH), tags.get(TiffImagePlugin.TILELENGTH)
    else:
        offsets, counts = TiffImagePlugin.STRIPOFFSETS, TiffImagePlugin.STRIPBYTECOUNTS
        sides = width, min(tags.get(TiffImagePlugin.ROWSPERSTRIP, height), height)
    if offsets not in tags or not all(sides):
        raise OSError("it does not say where its pixels are")
    planes = tags.get(_TAG.SamplesPerPixel, 1) if tags.get(_TAG.PlanarConfiguration) == 2 else 1
    wanted = planes * math.prod(
        -(-n // side) for n, side in zip((width, height), sides, strict=True)
    )
    there = sum(offset > 0 for offset in tags.get(offsets, ()))
    if counts in tags:
        there = min(there, sum(count > 0 for count in tags[counts]))
    if there < wanted:
        raise Refused(
            f"{title} lacks {wanted - there} of the {wanted} pieces of its picture, as a sparse "
            "file does. Write it with all of its pixels (GDAL's option SPARSE_OK=FALSE)."
        )


def _tiff_layout(pages, title):
    """Return the layout that the tags of a TIFF file give, or refuse it."""
    _check_pages(len(pages), title)
    tags = pages[0]
    if _TAG.ImageWidth not in tags or _TAG.ImageLength not in tags:
        raise OSError("its size is missing")
    kind = tags.get(_TAG.PhotometricInterpretation, 0)
    bands = tags.get(_TAG.SamplesPerPixel, 1)
    _check_pieces(tags, title)
    numbers = tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))[0]
    layout = Layout(
        max(tags.get(_TAG.BitsPerSample, (1,))),
        _NUMBERS.get(numbers, f"numbers of the kind {numbers}"),
        grey=kind in (0, 1) and bands == 1,
        white_is_zero=kind == 0,
    )
    if tags.get(_TAG.Compression, 1) not in TiffImagePlugin.COMPRESSION_INFO:
        raise Refused(
            f"{title} is compressed in a way that Pillow cannot undo (TIFF's number "
            f"{tags[_TAG.Compression]}). Save it with LZW or deflate."
        )
    in_jpeg = tags.get(_TAG.Compression, 1) in (6, 7)
    if kind == 6 and not in_jpeg and max(tags.get(TiffImagePlugin.YCBCRSUBSAMPLING, (1,))) > 1:
        raise Refused(
            f"{title} stores its colours (YCbCr) more coarsely than its light, which is read in "
            "JPEG alone. Save it in red, green and blue."
        )
    if kind not in _COLOURS:
        raise Refused(
            f"{title} has colours of a kind (TIFF's photometric interpretation {kind}) that is not "
            "read. Save it in red, green and blue."
        )
    extra = tuple(tags.get(TiffImagePlugin.EXTRASAMPLES, ()))
    if bands != _COLOURS[kind] and (bands != _COLOURS[kind] + 1 or extra not in ((1,), (2,))):
        raise Refused(
            f"{title} has {bands} bands of {layout}, and does not say that they are colours, or "
            "colours and alpha. Which of them are red, green and blue only you can say: save "
            "these three with 8 bits each."
        )
    planar = bands > 1 and tags.get(_TAG.PlanarConfiguration, 1) == 2
    if planar and not layout.deep and (kind != 2 or extra == (1,)):
        raise Refused(
            f"{title} has its bands one after the other, which Pillow reads right for colours and "
            "plain alpha only. Save it with the bands together, or as PNG."
        )
    colour_map = tags.get(TiffImagePlugin.COLORMAP, (0,))
    if 0 < max(colour_map) < 256:
        raise Refused(
            f"{title} has a colour map of 8 bits; TIFF's have 16, and as such it is black. Save "
            "it as PNG."
        )
    return layout
