"""How an image file stores its pixels: depth, bands and pages as the file itself tells them.

A decoder says little of it. Pillow gives colours of 16 bits as 8, drops bands that it does not
know, and shows the first of several pages.
"""

import contextlib
import struct
import zlib

from PIL import Image, UnidentifiedImageError

from kdlib.data._layout import Layout, Refused, check_pages
from kdlib.data._png_pixels import check_pixels
from kdlib.data._tiff_layout import tiff_layout, tiff_pages

_FORMATS = ("JPEG", "MPO", "PNG", "TIFF", "BMP", "WEBP", "GIF")
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError)
_DAMAGE += (struct.error, zlib.error)


def layout_of(path, title):
    """Return the layout of an image file, without decoding its pixels.

    - ``title``: what messages call it.
    - ``FileNotFoundError``, ``ValueError`` as :func:`opened`; also if the file has several pages,
      or bands beyond colours and alpha.
    """
    with _explained(path, title):
        if pages := tiff_pages(path, title):
            return tiff_layout(pages, title)
        with path.open("rb") as stream, Image.open(stream) as file:
            if file.format not in _FORMATS:
                raise Refused(
                    f"{title} is a file of the kind {file.format}, in which more than 8 bits a "
                    "channel cannot be told from 8. Save it as PNG or TIFF."
                )
            # Cameras add previews to a JPEG, which is an MPO then. The first picture is the one.
            if file.format != "MPO":
                check_pages(getattr(file, "n_frames", 1), title)
            if file.format == "BMP":
                _check_bmp(path, file.mode, title)
            if file.format != "PNG":
                lossy = {"JPEG": "JPEG", "MPO": "JPEG"}.get(file.format, "")
                if file.format == "WEBP" and _is_lossy_webp(path):
                    lossy = "WebP"
                bits = 1 if file.mode == "1" else 8
                return Layout(bits, grey=file.mode in ("1", "L"), lossy=lossy)
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
        if file.format == "PNG":
            with path.open("rb") as again:
                check_pixels(file, again)
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
        cause = _unidentified(path) if unknown else _cause(error)
        raise Refused(f"{title} cannot be read as an image {cause}") from error


def _cause(error):
    """Tell a file that Pillow does not decode from one that is damaged."""
    if str(error).startswith(("cannot handle", "unknown pixel mode", "unknown raw mode")):
        return (
            f"(Pillow: {error}). Save it as PNG, with 8 bits a channel; a mask of class numbers "
            "with its numbers as they are."
        )
    return f"({error}). It is damaged or cut off: fetch it again."


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
            return _cause(error)
    return (
        f"(it begins with {start!r}, as no JPEG, PNG, TIFF, BMP, WebP or GIF file does). If it is "
        "an image of another kind, save it as PNG."
    )


def _is_lossy_webp(path):
    """Tell which of WebP's two compressions the pixels have."""
    data, place = path.read_bytes(), 12
    while (name := data[place : place + 4]) not in (b"VP8 ", b"VP8L", b""):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8 + (16 if name == b"ANMF" else size + size % 2)  # a frame holds the pixels
    return name == b"VP8 "


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
