"""Files that are there as a whole or not at all."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def whole(path):
    """Give a path to write to; what was written there becomes the file once the block ends.

    Whoever looks meanwhile finds the file as it was, or none. An error leaves nothing behind. A
    process that is killed leaves a file ``.*.partial.NAME``, with the suffix that formats go by. An
    ``OSError`` names the file that was to be.

    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "new.txt"
    >>> with whole(path) as partial:
    ...     _ = partial.write_text("all of it")
    ...     path.exists()
    False
    >>> path.read_text()
    'all of it'
    """
    partial = path.with_name(f".{secrets.token_hex(4)}.partial.{path.name}")
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        if str(error.filename) != str(partial):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        partial.unlink(missing_ok=True)


def ready(folder):
    """Make a folder, and see that it can be written to: before hours of work, not after them.

    - ``OSError`` if it cannot.

    >>> from pathlib import Path
    >>> ready(Path(tempfile.mkdtemp()) / "results")
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def put(path, data):
    """Write bytes, an array, or an iterator of such parts, as they come, by :func:`whole`.

    - ``OSError`` if it cannot be written, for example because the disk is full.

    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "new"
    >>> put(path, (part for part in (b"in ", b"parts")))
    >>> path.read_bytes()
    b'in parts'
    """
    with whole(path) as partial, partial.open("wb") as file:
        for part in data if isinstance(data, Iterator) else [data]:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
