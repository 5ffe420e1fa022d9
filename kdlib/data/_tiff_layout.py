"""How a TIFF file stores its pixels, by its tags."""

import io
import math

from PIL import ExifTags, Image, TiffImagePlugin

from kdlib.data._layout import NUMBERS, Layout, Refused, check_pages

_TAG = ExifTags.Base
_SUBFILES, _DNG_VERSION = 330, 50706
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3}  # bands, by TIFF's photometric interpretation
_LOSSY = {6: "JPEG", 7: "JPEG", 50001: "WebP"}  # by TIFF's compression
_OPTIONAL = (34925, 50000, 50001)  # LZMA, Zstandard, WebP


def tiff_pages(path, title):
    """Return the tags of each page of a TIFF file, without previews; nothing for other files.

    - ``title``: what messages call the file.
    - Returns list of dict of int to value, by the number of the tag.
    """
    with path.open("rb") as file:
        head = file.read(8)
        if head[:4] not in TiffImagePlugin.PREFIXES:
            return []
        if head[:4] == b"MM\0\x2b":
            raise Refused(
                f"{title} is a BigTIFF with the larger byte of a number first, which Pillow does "
                "not read. Save it as PNG, or as a plain TIFF."
            )
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


def _can_undo(compression):
    """Tell whether Pillow decodes a compression of TIFF: some builds lack the newer ones."""
    name = TiffImagePlugin.COMPRESSION_INFO.get(compression)
    if compression in _OPTIONAL and name:
        try:  # there is no other way to ask
            Image.new("RGB", (1, 1)).save(io.BytesIO(), "tiff", compression=name)
        except OSError:
            return False
    return name is not None


def tiff_layout(pages, title):
    """Return the layout that the tags of a TIFF file give, or refuse it.

    - ``pages``: as :func:`tiff_pages` returns them.
    - ``title``: as there.
    """
    tags = pages[0]
    if _DNG_VERSION in tags or (tags.get(_TAG.NewSubfileType, 0) & 1 and _SUBFILES in tags):
        raise Refused(
            f"{title} is a raw photograph (such as DNG or NEF), of which only a preview can be "
            "read. Develop it, and export it as TIFF, PNG or JPEG."
        )
    check_pages(len(pages), title)
    if _TAG.ImageWidth not in tags or _TAG.ImageLength not in tags:
        raise OSError("its size is missing")
    kind = tags.get(_TAG.PhotometricInterpretation, 0)
    bands = tags.get(_TAG.SamplesPerPixel, 1)
    _check_pieces(tags, title)
    compression = tags.get(_TAG.Compression, 1)
    numbers = tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))[0]
    layout = Layout(
        max(tags.get(_TAG.BitsPerSample, (1,))),
        NUMBERS.get(numbers, f"numbers of the kind {numbers}"),
        grey=kind in (0, 1) and bands == 1,
        white_is_zero=kind == 0,
        lossy=_LOSSY.get(compression, ""),
    )
    if not _can_undo(compression):
        raise Refused(
            f"{title} is compressed in a way that Pillow cannot undo (TIFF's number "
            f"{compression}). Save it with LZW or deflate, or as PNG."
        )
    if (
        kind == 6
        and layout.lossy != "JPEG"
        and max(tags.get(TiffImagePlugin.YCBCRSUBSAMPLING, (1,))) > 1
    ):
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
