"""Files that are there as a whole or not at all."""

import os
import secrets


def put(path, data):
    """Write a file so that whoever looks finds it whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
    data : bytes or array

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
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
