"""Writers of PNG, TIFF and BMP files of kinds that image libraries read, but do not write."""

import struct
import zlib

import numpy as np

_ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
_ADAM7 += [(1, 0, 2, 1)]  # PNG's seven passes: first row and column, step down and across


def png(path, pixels, depth=8, palette=None, transparent=None, interlaced=False, kept=None, **how):
    """Write integers of shape (height, width) or (height, width, channels), of 1 to 16 bits.

    ``kept``: how many bytes of the rows are written, by default all. Returns their number.
    ``how``: options of ``zlib.compressobj``. At level 0 the rows are stored as they are.
    """
    pixels = np.asarray(pixels)
    pixels = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
    height, width, channels = pixels.shape
    kind = 3 if palette is not None else {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    passes = _ADAM7 if interlaced else [(0, 0, 1, 1)]
    passes = [pixels[top::down, left::across] for top, left, down, across in passes]
    data = b"".join(_rows(part, depth) for part in passes if part.size)[:kept]
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    parts = [(b"IHDR", head)]
    if palette is not None:
        parts.append((b"PLTE", bytes(palette)))
    if transparent is not None:
        parts.append((b"tRNS", bytes(transparent)))
    packing = zlib.compressobj(**how)
    parts += [(b"IDAT", packing.compress(data) + packing.flush()), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return len(data)


def _rows(pixels, depth):
    """Return the bytes of a PNG's rows, before they are compressed."""
    rows = pixels.reshape(len(pixels), -1)
    if depth == 16:
        rows = rows.astype(">u2").view(np.uint8)
    elif depth < 8:
        bits = np.unpackbits(rows.astype(np.uint8)[..., np.newaxis], axis=-1)[..., -depth:]
        rows = np.packbits(bits.reshape(len(pixels), -1), axis=-1)
    return b"".join(b"\0" + row.astype(np.uint8).tobytes() for row in rows)


def tiff(
    path, pixels, photometric=None, extra=(), planar=1, order="<", pages=1, deflate=False, more=None
):
    """Write an array of any type and number of bands, in one strip, or one a band.

    ``more`` are further tags, {number: values}, of 16 bits each.
    """
    pixels = np.asarray(pixels)
    pixels = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
    height, width, bands = pixels.shape
    if photometric is None:
        photometric = 2 if bands >= 3 else 1
    bands_first = np.moveaxis(pixels, -1, 0) if planar == 2 else pixels
    stored = bands_first.astype(pixels.dtype.newbyteorder(order))
    strips = [part.tobytes() for part in (stored if planar == 2 else [stored])]
    strips = [zlib.compress(part) if deflate else part for part in strips]
    data = b"".join(strips)
    starts = [8 + sum(map(len, strips[:number])) for number in range(len(strips))]
    tags = {
        256: [width],
        257: [height],
        258: [8 * pixels.dtype.itemsize] * bands,
        259: [8 if deflate else 1],
        262: [photometric],
        273: starts,
        277: [bands],
        278: [height],
        279: [len(part) for part in strips],
        284: [planar],
        339: [{"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]] * bands,
    }
    if extra:
        tags[338] = list(extra)
    tags |= more or {}
    body, start = b"", 8 + len(data)
    for page in range(pages):
        place = start + len(body)
        after = place + 2 + 12 * len(tags) + 4
        entries, values = b"", b""
        for number in sorted(tags):
            kind, code = (4, "I") if number in (273, 279) else (3, "H")
            packed = struct.pack(f"{order}{len(tags[number])}{code}", *tags[number])
            where = struct.pack(f"{order}I", after + len(values))
            if len(packed) > 4:
                values += packed
            else:
                where = packed.ljust(4, b"\0")
            entries += struct.pack(f"{order}HHI", number, kind, len(tags[number])) + where
        following = after + len(values) if page + 1 < pages else 0
        body += struct.pack(f"{order}H", len(tags)) + entries
        body += struct.pack(f"{order}I", following) + values
    magic = b"II" if order == "<" else b"MM"
    path.write_bytes(magic + struct.pack(f"{order}HI", 42, start) + data + body)


def bmp(path, numbers, bits, palette):
    """Write numbers of 1, 4 or 8 bits, shape (height, width), with a colour map."""
    numbers = np.asarray(numbers, np.uint8)
    height, width = numbers.shape
    spread = np.unpackbits(numbers[..., np.newaxis], axis=-1)[..., -bits:]
    rows = np.packbits(spread.reshape(height, -1), axis=-1)
    rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))[::-1]
    colours = b"".join(bytes((blue, green, red, 0)) for red, green, blue in palette)
    start = 14 + 40 + len(colours)
    size = start + rows.size
    head = struct.pack("<2sIHHI", b"BM", size, 0, 0, start)
    head += struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, bits, 0, rows.size, 0, 0, len(palette), 0
    )
    path.write_bytes(head + colours + rows.tobytes())
