"""Caches of soft targets that grow: how long they take to write, and what reading them holds."""

import dataclasses
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from kdlib import cache, data, pretrained
from kdlib._processes import apart
from kdlib.cache.header import read_header

COUNTS = (1_000, 10_000, 100_000)
"""Numbers of patches. The largest cache takes 0.3 GB, so that this is done in minutes."""


def measure(counts=COUNTS, side=16):
    """Write caches of crops of the procedural city, images on the disk too, and read them apart.

    - Returns dict: ``settings``; ``wall`` and ``processor``, the seconds of writing, for each
      count; and what :func:`reading` says of each, ``mapped`` and ``loaded``.
    """
    city, teacher = data.cut(data.load("city")), pretrained("teacher", "city")
    found = [_measure_one(data.fixed_crops(city, side, count), teacher) for count in counts]
    return {
        "settings": {"counts": list(counts), "side": side, "store": "float16"},
        **{key: [one[key] for one in found] for key in found[0]},
    }


def _measure_one(crops, teacher):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "images.npy")
        np.save(path, crops.images)
        crops = dataclasses.replace(crops, images=np.load(path, mmap_mode="r"))
        start = time.perf_counter(), time.process_time()
        cache.write(Path(folder, "cache"), teacher, crops, batch_size=256)
        took = time.perf_counter() - start[0], time.process_time() - start[1]
        return {
            "wall": round(took[0], 3),
            "processor": round(took[1], 3),
            **{how: _read_apart(Path(folder, "cache"), how) for how in ("mapped", "loaded")},
        }


def _read_apart(folder, how):
    return apart("kdbook.recorders.cache_growth.reading", str(folder), how)


def reading(folder, how, batch=16):
    """Read all of a cache in a random order; say what it took, and by how much memory rose.

    On Linux, where a process can ask how much of it is resident.

    - ``folder``: as :func:`kdlib.cache.write` filled it.
    - ``how``: {"mapped", "loaded"}. View by view, as :class:`kdlib.cache.SoftTargets` does it, or
      all files at once: a control that shows that the rise would be noticed.
    - ``batch``: views at a time.
    - Returns dict: ``bytes`` on the disk, ``seconds``, and ``rise``: by how many MiB the resident
      memory was higher than before, at most.
    """
    targets = cache.SoftTargets(folder, read_header(folder))
    paths = sorted(Path(folder).glob("*.targets"))
    order = np.random.default_rng(0).permutation(targets.header.patches).tolist()
    targets.logits(order[:batch])
    before = highest = _resident()
    start, kept = time.perf_counter(), []
    for part in paths if how == "loaded" else range(0, len(order), batch):
        if how == "loaded":
            kept.append(np.fromfile(part, targets.header.record))
        else:
            targets.logits(order[part : part + batch])
        highest = max(highest, _resident())
    took = time.perf_counter() - start
    return {
        "bytes": sum(path.stat().st_size for path in paths),
        "seconds": round(took, 3),
        "rise": round(highest - before, 2),
    }


def _resident():
    """Return how much of this process is in memory, files that it has mapped included, in MiB."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20
