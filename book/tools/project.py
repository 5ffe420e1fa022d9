"""What the build scripts know of the project: folders, chapters, repository, kernel environment."""

import functools
import os
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path("book", "_data", "runs.json")
GPU_RECORD = RECORD.with_name("runs_gpu.json")

# Seconds that a whole chapter may take before it is stopped. The chapters aim at 2 minutes and
# 20 minutes on two cores; the limits leave room for a busy machine.
LIMITS = {"smoke": 1800, "full": 5400}


def chapters(root=ROOT):
    """Return the chapters' notebooks in order."""
    return sorted(Path(root, "notebooks").glob("[0-9][0-9]_*.ipynb"))


def chapter(number, root=ROOT):
    """Return the notebook whose name starts with `number`, such as ``"04"`` or ``"4"``."""
    for path in chapters(root):
        if path.name.startswith(f"{number:0>2}_"):
            return path
    names = ", ".join(path.stem[:2] for path in chapters(root))
    raise SystemExit(f"There is no chapter {number!r}. Set CHAPTER to one of {names}.")


def settings(root=ROOT):
    """Return what ``_config.yml`` says."""
    return yaml.safe_load(Path(root, "_config.yml").read_text(encoding="utf-8"))


def repository(root=ROOT):
    """Return (address, branch) of the public repository, which stand in ``_config.yml`` alone."""
    named = settings(root)["repository"]
    return named["url"].rstrip("/"), named["branch"]


def mode():
    """Return ``KD_MODE``, ``"smoke"`` if it is not set."""
    value = os.environ.get("KD_MODE") or "smoke"
    if value not in LIMITS:
        raise SystemExit(f"KD_MODE is {value!r}. It can be 'smoke' or 'full'.")
    return value


@functools.cache
def ipython_settings():
    """Return a temporary folder of IPython settings, with nothing of the user's own in it.

    TensorFlow writes notes on processor and GPU straight to the process's standard error when it
    is imported, whatever its log level. They are no output of the chapter: what Python writes to
    ``sys.stderr`` is caught all the same.
    """
    folder = tempfile.TemporaryDirectory(prefix="ipython-")
    profile = Path(folder.name, "profile_default")
    profile.mkdir()
    settings = "c.IPKernelApp.capture_fd_output = False\nc.HistoryManager.enabled = False\n"
    profile.joinpath("ipython_kernel_config.py").write_text(settings, encoding="utf-8")
    return folder


def kernel_environment(mode, cache=None):
    """Return the environment in which a chapter runs, the same for storing and for testing.

    Parameters
    ----------
    mode : str
        ``"smoke"`` or ``"full"``.
    cache : path, optional
        The cache folder of kdlib; the user's own if left out.
    """
    environment = dict(os.environ, KD_MODE=mode, KERAS_BACKEND="tensorflow")
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), str(ROOT / "book"), *filter(None, [environment.get("PYTHONPATH")])]
    )
    environment["IPYTHONDIR"] = ipython_settings().name
    # Notes of TensorFlow and of the debugger on standard error would be stored as output.
    environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
    environment["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    # The kernel chooses its own backend for figures; one set outside would win over it.
    environment.pop("MPLBACKEND", None)
    # Options meant for the tests outside are not for the pytest that runs a chapter.
    environment.pop("PYTEST_ADDOPTS", None)
    environment["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), environment.get("PATH", "")]
    )
    if cache is not None:
        environment["KD_CACHE_DIR"] = str(cache)
    return environment
