"""Where a number comes from: versions, device, data and code, as they stand in every line."""

import platform
import subprocess
from pathlib import Path

import keras
import numpy as np

import kdbook
import kdlib
from kdlib import runtime

PACKAGES = tuple(Path(package.__file__).parent for package in (kdlib, kdbook))


def versions():
    """Return the versions of what computes.

    >>> sorted(versions())
    ['backend', 'kdlib', 'keras', 'numpy', 'python']
    """
    backend = keras.backend.backend()
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": f"{backend} {__import__(backend).__version__}",
        "numpy": np.__version__,
        "kdlib": kdlib.__version__,
    }


def device():
    """Return what computes, in words: "CPU, 2 cores, x86_64", or the name of the GPU."""
    if runtime.device_kind() == "CPU":
        count = runtime.cores()
        return f"CPU, {count} core{'s' * (count > 1)}, {platform.machine()}"
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return f"GPU, {jax.devices()[0].device_kind}"
    if backend == "torch":
        import torch

        return f"GPU, {torch.cuda.get_device_name()}"
    import tensorflow as tf

    first = tf.config.list_physical_devices("GPU")[0]
    return f"GPU, {tf.config.experimental.get_device_details(first).get('device_name')}"


def code_revision(*folders):
    """Return the revision of the code: from git if it is in a clone, else the version.

    Looked at are the given folders, by default those of both packages.

    >>> code_revision("/").startswith("kdlib ")
    True
    """
    folders = folders or PACKAGES
    revision = _git(folders[0], "describe", "--always", "--tags", "--abbrev=12")
    tracked = [_git(folder, "ls-files", "--error-unmatch", "__init__.py") for folder in folders]
    if None in tracked or not revision:
        return f"kdlib {kdlib.__version__}, not from a clone"
    # The record itself changes with every run; what counts is the code.
    changed = [_git(f, "status", "--porcelain", "--", ".", ":(exclude)results") for f in folders]
    return f"{revision}, with changes" if any(changed) else revision


def origin(started=None):
    """Return what every line says of where it comes from, and of when, if that is given.

    >>> list(origin())
    ['versions', 'device', 'code']
    """
    when = {"started": started.isoformat(timespec="milliseconds")} if started else {}
    return {"versions": versions(), "device": device(), "code": code_revision(), **when}


def data_entry(image_set, split):
    """Return which images a run saw, and how many patches of them in each part."""
    parts = {part: len(getattr(split, part)) for part in ("train", "validation", "test")}
    return {"name": image_set.name, "hash": image_set.fingerprint(), "split": split.by, **parts}


def _git(folder, *command):
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *command], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
