"""Where and how the code runs: mode, seed, folders, device.

This is the only module that reads the environment. Three variables count:

``KD_MODE``
    ``smoke`` (the default: minutes on a laptop) or ``full`` (the runs that the book stores).
``KD_DUBAI_DIR``
    The folder of the Dubai images, if they are on this machine already.
``KD_CACHE_DIR``
    Where downloads and trained teachers are kept, instead of the user's cache folder.
"""

import functools
import os
import platform
import sys
import time
from pathlib import Path

from kdlib._arguments import is_whole
from kdlib._quiet import without_native_messages

# TensorFlow tells its build flags on import, whatever the log level, and that there is no GPU:
# noise in a notebook. What goes wrong comes as a Python error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow uses oneDNN by itself on some processors only. On one without AVX-512 (AMD EPYC 7003,
# one core), a training step of the student took 0.25 of the processor time with it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
with without_native_messages():
    import keras

MODES = ("smoke", "full")


def mode():
    """Return the run mode, ``"smoke"`` or ``"full"``, from ``KD_MODE``.

    Returns
    -------
    str
        ``"smoke"`` when ``KD_MODE`` is not set or empty.

    Raises
    ------
    ValueError
        If ``KD_MODE`` is anything else.

    Examples
    --------
    >>> mode() in ("smoke", "full")
    True
    """
    value = os.environ.get("KD_MODE") or "smoke"
    if value not in MODES:
        raise ValueError(f"KD_MODE is {value!r}; expected 'smoke' or 'full'. Set it, or unset it.")
    return value


def pick(*, smoke, full):
    """Return the argument that belongs to the run mode.

    Examples
    --------
    >>> pick(smoke=3, full=60) in (3, 60)
    True
    """
    return {"smoke": smoke, "full": full}[mode()]


def set_seed(seed):
    """Seed Python, NumPy and the Keras backend, so that a run can be repeated.

    Parameters
    ----------
    seed : int
        From 0 to 2**32 - 1.

    Raises
    ------
    ValueError
        If the seed is not such an integer.

    Examples
    --------
    >>> set_seed(7)
    """
    if not is_whole(seed) or not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed!r}; expected an integer from 0 to 2**32 - 1.")
    keras.utils.set_random_seed(int(seed))


def dubai_dir():
    """Return the folder named by ``KD_DUBAI_DIR`` as a path, or None when it is not set.

    Examples
    --------
    >>> from unittest import mock
    >>> with mock.patch.dict(os.environ, {"KD_DUBAI_DIR": "~/dubai"}):
    ...     print(dubai_dir() == Path.home() / "dubai")
    True
    """
    value = os.environ.get("KD_DUBAI_DIR")
    return Path(value).expanduser() if value else None


def cache_dir():
    """Return the folder for downloads and trained teachers. It is not created here.

    ``KD_CACHE_DIR`` if it is set, else ``kdlib`` in the user's cache folder
    (``XDG_CACHE_HOME``, ``LOCALAPPDATA`` or ``~/.cache``).

    Examples
    --------
    >>> from unittest import mock
    >>> with mock.patch.dict(os.environ, {"KD_CACHE_DIR": "~/models"}):
    ...     print(cache_dir() == Path.home() / "models")
    True
    """
    if value := os.environ.get("KD_CACHE_DIR"):
        return Path(value).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "kdlib"


def device_kind():
    """Return ``"GPU"`` or ``"CPU"``: what the Keras backend computes on.

    Examples
    --------
    >>> device_kind() in ("CPU", "GPU")
    True
    """
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        return "GPU" if torch.cuda.is_available() else "CPU"
    if backend == "jax":
        import jax

        return "GPU" if any(d.platform == "gpu" for d in jax.devices()) else "CPU"
    # list_devices would start TensorFlow's devices; asking for the physical ones does not.
    import tensorflow as tf

    return "GPU" if tf.config.list_physical_devices("GPU") else "CPU"


def jit_compile():
    """Return what ``compile(jit_compile=...)`` should get on this machine.

    XLA makes the U-Nets 1.4 to 2.5 times slower on TensorFlow's CPU, and faster elsewhere.

    Examples
    --------
    >>> jit_compile() in (False, "auto")
    True
    """
    slow = keras.backend.backend() == "tensorflow" and device_kind() == "CPU"
    return False if slow else "auto"


@functools.cache
def faster_precision():
    """Return the precision policy in which a convolution is clearly faster on this device.

    It is measured, once, in well under a second: a processor with bfloat16 instructions wins by a
    factor of two or three, one without them loses.

    Returns
    -------
    str
        ``"mixed_bfloat16"`` if bfloat16 takes at most two thirds of the time, else ``"float32"``.

    Examples
    --------
    >>> faster_precision() in ("float32", "mixed_bfloat16")
    True
    """
    fast = _convolution_seconds("bfloat16") <= _convolution_seconds("float32") * 2 / 3
    return "mixed_bfloat16" if fast else "float32"


def _convolution_seconds(dtype, trials=5):
    image = keras.ops.ones((8, 64, 64, 32), dtype)
    kernel = keras.ops.ones((3, 3, 32, 32), dtype)
    seconds = []
    # The first trial compiles; the shortest of the others is the least disturbed.
    for _ in range(trials + 1):
        start = time.perf_counter()
        result = keras.ops.conv(image, kernel, padding="same")
        keras.ops.convert_to_numpy(keras.ops.cast(result[0, 0, 0], "float32"))
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def cores():
    """Return how many cores of the processor this process may use.

    Examples
    --------
    >>> cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows, where no process is bound
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def device_report():
    """Return one line on mode, device, backend and versions, for the top of a chapter.

    Examples
    --------
    >>> "Keras" in device_report()
    True
    """
    return (
        f"mode {mode()} · {device_kind()} with {cores()} core{'s' * (cores() > 1)} · "
        f"Keras {keras.__version__} on {keras.backend.backend()} · "
        f"Python {sys.version.split()[0]} on {platform.system()}"
    )
