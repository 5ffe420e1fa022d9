"""Whether all pixels of a PNG file are there and as they were written: Pillow does not ask."""

import struct
import zlib

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by the colour type
_WHOLE = ((0, 0, 1, 1),)  # first column and row, and the steps from one to the next
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)) + (
    (0, 1, 1, 2),
)
_PIECE = 2**24  # bytes to inflate at a time: a small file may say that it holds terabytes


def check_pixels(file, stream):
    """Refuse a PNG file with pixels of a wrong checksum, or without some of its pixels.

    Each chunk has a checksum, which does not tell whether chunks are in their order or were written
    anew; all rows together have another. To inflate them for it takes half as long as Pillow takes
    to read the file. What follows them may be missing, or be anything.

    - ``file``: as Pillow opened it; it is decoded.
    - ``stream``: the same file once more, open for reading.
    - ``OSError``, ``struct.error``, ``zlib.error`` if so.

    >>> import io
    >>> from PIL import Image
    >>> written = io.BytesIO()
    >>> Image.new("L", (3, 2)).save(written, "png")
    >>> check_pixels(Image.open(written), io.BytesIO(written.getvalue()))
    """
    there = _inflated(b"".join(_chunks(stream, file.tile[0][2] - 8)))
    stream.seek(16)
    wanted = _length(*struct.unpack(">IIBBBBB", stream.read(13)))
    if there < wanted:
        raise OSError(f"{wanted - there} of {wanted} bytes are missing")
    file.load()


def _chunks(stream, start):
    """Yield the contents of the chunks of pixels, the first of which starts there."""
    stream.seek(start)
    while True:
        size, name = struct.unpack(">I4s", stream.read(8).ljust(8))
        if name != b"IDAT":
            return
        data, checksum = stream.read(size), stream.read(4)
        if int.from_bytes(checksum, "big") != zlib.crc32(data, zlib.crc32(name)):
            raise OSError("wrong checksum of its pixels")
        yield data


def _inflated(data):
    """Return how many bytes the rows have; their checksum stands at their end."""
    unpacking, size = zlib.decompressobj(), 0
    while piece := unpacking.decompress(data, _PIECE):
        size, data = size + len(piece), unpacking.unconsumed_tail
    if not unpacking.eof:
        raise OSError(f"its pixels do not end: {size} bytes, and no checksum of them")
    return size


def _length(width, height, depth, kind, compression, filtering, interlace):
    """Return how many bytes the rows have, before they are compressed."""
    total = 0
    for left, top, across, down in _ADAM7 if interlace else _WHOLE:
        columns, rows = len(range(left, width, across)), len(range(top, height, down))
        total += rows * (1 + -(-columns * _CHANNELS[kind] * depth // 8)) if columns else 0
    return total
