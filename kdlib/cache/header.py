"""The header of a cache of soft targets: what it holds, and for whom."""

import dataclasses
import hashlib
import json
from pathlib import Path

from kdlib.cache.stores import record_type

HEADER = "header.json"
"""The file that says what a cache holds."""

VIEWS = (1, 8)
"""Each patch as it is, or its eight flips and quarter turns (:func:`kdlib.data.batches.turned`)."""

FILE_BYTES = 32 * 2**20
"""About the size of a file of a cache, and what is lost at most when its writer is killed."""


@dataclasses.dataclass(frozen=True)
class Header:
    """What a cache holds, and for whom.

    - ``teacher``, ``images``: hashes, by :func:`kdlib.cache.hash_of_teacher` and
      :func:`kdlib.cache.hash_of_images`.
    - ``shape``: tuple of int. Height, width and classes of a view.
    - ``store``: {"float32", "float16", "uint8"}.
    - ``patches_a_file``: patches whose views are written, and appear, at once.
    - ``format``: {1, 2}. In the first, files had no checksum.

    >>> new_header("a", "b", patches=100, views=8, shape=(256, 256, 6), store="float16").gigabytes
    0.63
    """

    teacher: str
    images: str
    patches: int
    views: int
    shape: tuple
    store: str
    patches_a_file: int
    format: int = 2

    @property
    def record(self):
        """The NumPy type of one view."""
        return record_type(self.store, self.shape)

    @property
    def gigabytes(self):
        """Size on the disk, in units of 10⁹ bytes, to two places."""
        return round(self.patches * self.views * self.record.itemsize / 1e9, 2)

    @property
    def files(self):
        """{name of the file: numbers of its patches}. The names belong to this header alone."""
        mark = hashlib.sha256(self.text().encode()).hexdigest()[:8]
        starts = range(0, self.patches, self.patches_a_file)
        stops = (min(start + self.patches_a_file, self.patches) for start in starts)
        return {
            f"{mark}-{start:08}.targets": range(start, stop)
            for start, stop in zip(starts, stops, strict=True)
        }

    def text(self):
        """Return the header as JSON."""
        return json.dumps({"format": self.format, **dataclasses.asdict(self)}, indent=1)


def new_header(teacher, images, patches, views, shape, store):
    """Return the header of a cache that is to be written, in files of about :data:`FILE_BYTES`.

    Parameters are those of :class:`Header`.

    - ``ValueError`` if there is no such store.

    >>> new_header("a", "b", 100, 8, (256, 256, 6), "uint8").patches_a_file
    10
    """
    size = views * record_type(store, shape).itemsize
    return Header(teacher, images, patches, views, tuple(shape), store, max(1, FILE_BYTES // size))


def read_header(folder):
    """Return the header of a cache, or None if the folder holds none.

    - ``ValueError`` if it is damaged, or of a format that this version does not know, or if the
      folder is a file.

    >>> import tempfile
    >>> read_header(tempfile.mkdtemp()) is None
    True
    """
    path = Path(folder) / HEADER
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        if fields["format"] not in (1, 2):
            raise KeyError("format")
        return Header(**fields | {"shape": tuple(fields["shape"])})
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise no_folder(folder) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is damaged, or of another version of kdlib ({error!r}). Delete the folder, "
            "and write the soft targets again."
        ) from error


def no_folder(folder):
    """Return the error to raise if there is a file where a cache was to be.

    >>> str(no_folder("here")).partition(":")[0]
    'here is no folder'
    """
    return ValueError(
        f"{folder} is no folder: there is a file of that name, or above it. Expected a folder for "
        "the cache, or a place for one: choose another name."
    )


def check_header(folder, header, teacher, images):
    """Raise ``ValueError`` unless a cache is of this teacher and of these images, by their hashes.

    >>> header = new_header("a", "b", patches=1, views=1, shape=(1, 1, 6), store="float16")
    >>> check_header("here", header, "a", "b")
    """
    for what, came, expected in (
        ("another teacher's", header.teacher, teacher),
        ("of other images", header.images, images),
    ):
        if came != expected:
            raise ValueError(
                f"the cache {folder} is {what}: it has hash {came}, expected {expected}. Its soft "
                "targets would be wrong here. Write these to another folder with "
                "kdlib.cache.write, or delete this one first."
            )
