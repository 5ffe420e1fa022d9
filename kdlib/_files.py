"""Files that are there as a whole or not at all."""

import os
import secrets
from collections.abc import Iterator


def put(path, data):
    """Write a file so that whoever looks finds it whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
    data : bytes, array, or an iterator of such parts
        Parts are written one after another, as they come.

    Raises
    ------
    OSError
        If it cannot be written, for example because the disk is full. Nothing is left behind. A
        process that is killed meanwhile leaves a file ``.NAME.*.partial``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "new"
    >>> put(path, b"whole")
    >>> path.read_bytes()
    b'whole'
    >>> put(path, (part for part in (b"in ", b"parts")))
    >>> path.read_bytes()
    b'in parts'
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("wb") as file:
            for part in data if isinstance(data, Iterator) else [data]:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
