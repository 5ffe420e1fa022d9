"""Writing a cache of soft targets, so that neither a kill nor a second writer harms it."""

import errno
import shutil
import time
from pathlib import Path

import numpy as np

from kdlib._arguments import checked_whole
from kdlib._files import put
from kdlib.cache._answering import answer_shape, check_files, said
from kdlib.cache._summed_files import with_sum
from kdlib.cache.header import HEADER, VIEWS, check_header, new_header, no_folder, read_header
from kdlib.cache.identity import hash_of_images, hash_of_teacher
from kdlib.cache.stores import encoded, record_type
from kdlib.cache.targets import SoftTargets
from kdlib.unet import logits_model

_ABANDONED = 600  # seconds after which a partial file is taken for that of a killed writer


def write(folder, teacher, patches, views=1, store="float16", batch_size=8):
    """Ask the teacher for all views of all patches, and keep its logits on the disk.

    It may be killed and called again: what is written stays, and only the rest is done. Several
    processes may write the same cache at once. They go through it in random orders, so that they
    share the work; what two of them do is the same, and the later replaces the earlier as a whole.
    What is there is checked first, as :func:`kdlib.cache.read` does it.

    Parameters
    ----------
    folder : path
        Made if it is missing. It holds this cache and no other.
    teacher : keras.Model
        Whose logits :func:`kdlib.network_ends.logits_model` finds. It is asked in inference mode,
        in its own precision.
    patches : kdlib.data.Patches
        Images of uint8; square if there are eight views. They may lie on the disk
        (``numpy.load(..., mmap_mode="r")``).
    views : {1, 8}
        Each patch as it is, or in its eight flips and quarter turns.
    store : {"float16", "uint8", "float32"}
        Two, one or four bytes for each class and pixel: see :mod:`kdlib.cache.stores` for the
        errors.
    batch_size : int
        Views that the teacher sees at a time.

    Returns
    -------
    SoftTargets

    Raises
    ------
    ValueError
        If an argument is out of its range, the teacher does not fit the patches or is broken, or
        the folder is a file, or holds another cache or a damaged one.
    OSError
        If there is too little room on the disk.

    Examples
    --------
    >>> import tempfile
    >>> from kdlib import data
    >>> from kdlib.unet import unet
    >>> patches = data.cut(data.synthetic.city(n_images=1, size=32), size=16)
    >>> targets = write(tempfile.mkdtemp(), unet((1, 1, 1, 1, 1), 6, 16, 16), patches, views=8)
    >>> targets.header.patches, targets.header.views, targets.header.shape
    (4, 8, (16, 16, 6))
    """
    _check(patches, views, store, batch_size)
    folder, ask = Path(folder), logits_model(teacher)
    shape = answer_shape(ask, patches)
    ids = hash_of_teacher(teacher), hash_of_images(patches)
    header = _claim(folder, new_header(*ids, len(patches), views, shape, store))
    _check_room(folder, header)
    files = [(folder / name, numbers) for name, numbers in header.files.items()]
    check_files(header, [one for one in files if one[0].exists()], ask, patches)
    for place in np.random.default_rng().permutation(len(files)):
        path, numbers = files[place]
        # Another writer may have made it meanwhile.
        if not path.exists():
            records = _records(ask, patches, numbers, header, batch_size)
            put(path, with_sum(path.name, records, header))
    return SoftTargets(folder, header)


def _claim(folder, header):
    """Make the folder this cache's, or say whose it is; return the header that is there now."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise no_folder(folder) from error
    _sweep(folder)
    if read_header(folder) is None:
        put(folder / HEADER, header.text().encode())
    there = read_header(folder)
    check_header(folder, there, header.teacher, header.images)
    if (there.views, there.store) != (header.views, header.store):
        raise ValueError(
            f"the cache {folder} holds {there.views} views a patch in {there.store}; asked for "
            f"were {header.views} in {header.store}. Name another folder, or delete this one."
        )
    return there


def _sweep(folder):
    """Remove what killed writers left."""
    for path in folder.glob(".*.partial.*"):
        try:
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink(missing_ok=True)
        except FileNotFoundError:
            pass  # its writer was alive, and has just finished


def _check_room(folder, header):
    missing = [len(here) for name, here in header.files.items() if not (folder / name).exists()]
    needed = sum(missing) * header.views * header.record.itemsize
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"the soft targets need {needed / 1e9:.2f} GB more, and {free / 1e9:.2f} GB are free "
            f"at {folder}. Make room, or take fewer patches, one view, or store='uint8'",
        )


def _records(ask, patches, numbers, header, batch_size):
    """Return the records of some patches, all views of one after those of another."""
    wanted = [(number, turn) for number in numbers for turn in range(header.views)]
    records = np.empty(len(wanted), header.record)
    for start in range(0, len(wanted), batch_size):
        some = slice(start, start + batch_size)
        records[some] = encoded(said(ask, patches, wanted[some]), header.store)
    return records


def _check(patches, views, store, batch_size):
    record_type(store, (1, 1, 1))
    if isinstance(views, bool) or views not in VIEWS:
        raise ValueError(
            f"views is {views!r}; expected 1, the patch as it is, or 8, its flips and turns."
        )
    checked_whole(batch_size, "batch_size")
    images = patches.images
    if len(images) == 0 or images.dtype != np.uint8:
        raise ValueError(
            f"{len(images)} images of type {images.dtype} came; expected one or more of uint8, as "
            "kdlib.data.cut makes them."
        )
    if views == 8 and images.shape[1] != images.shape[2]:
        raise ValueError(
            f"patches of {images.shape[1]} × {images.shape[2]} cannot be turned by 90 degrees. "
            "Use views=1, or cut square patches."
        )
