"""The files of a cache: views of patches, and a sum that tells whether they are still the same."""

import zlib

import numpy as np

SUM_BYTES = 4
"""What a file of format 2 ends in: a CRC-32 over its name and all that comes before."""

_WHOLE = 0x2144DF1C  # the CRC-32 of anything that is followed by its own CRC-32
_BLOCK = 2**20


def with_sum(name, data, header):
    """Yield what a file is to hold: the data, and from format 2 on their sum.

    >>> from kdlib.cache.header import new_header
    >>> header = new_header("a", "b", patches=1, views=1, shape=(1, 1, 6), store="float16")
    >>> [len(part) for part in with_sum("name", b"data", header)]
    [4, 4]
    """
    yield data
    if header.format > 1:
        yield zlib.crc32(data, zlib.crc32(name.encode())).to_bytes(SUM_BYTES, "little")


def mapped(path, header, here):
    """Return the views of a file, mapped into memory.

    - ``header``: kdlib.cache.header.Header.
    - ``here``: range. Numbers of its patches.
    - Returns structured array, shape (patches, views).
    """
    return np.memmap(path, dtype=header.record, mode="r", shape=(len(here), header.views))


def check_size(path, header, here):
    """Raise ``FileNotFoundError`` if a file is missing, ``ValueError`` if it has another size.

    Parameters are those of :func:`mapped`.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"the cache {path.parent} is not complete: {path.name} is missing. Call "
            "kdlib.cache.write again with the same arguments; it goes on where it stopped."
        )
    size = len(here) * header.views * header.record.itemsize
    size += SUM_BYTES if header.format > 1 else 0
    if (found := path.stat().st_size) != size:
        raise _damaged(path, f"has {found} bytes; expected {size}")


def check_sum(path, header):
    """Raise ``ValueError`` if the bytes of a file are not those that were written.

    - ``header``: kdlib.cache.header.Header. Of format 1 there is no sum to check.
    """
    if header.format == 1:
        return
    total = zlib.crc32(path.name.encode())
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            total = zlib.crc32(block, total)
    if total != _WHOLE:
        raise _damaged(path, "does not hold the bytes that were written: its checksum differs")


def _damaged(path, what):
    return ValueError(
        f"{path} {what}: it is damaged. Delete it, and call kdlib.cache.write again; what is "
        "whole is kept."
    )
