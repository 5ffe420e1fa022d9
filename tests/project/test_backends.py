"""The library on the other backends of Keras, each in a process of its own.

Keras fixes its backend on import, so the tests of what computes with Keras run once more in a
pytest of their own for each backend that is installed, but for those marked ``tensorflow``.
"""

import importlib.util
import os
import re
import subprocess
import sys
import time

import pytest
from project import ROOT

ROOMS = "losses|unet|distiller|recipes"
USES_KERAS = re.compile(
    rf"^(?:(?:import|from) keras\b|from kdlib(?:\.| import .*\b)(?:{ROOMS})\b)", re.MULTILINE
)


def neutral_tests():
    """Return the test files that use Keras, for all of which a backend must do."""
    rooms = (ROOT / "tests" / room for room in ("kdlib", "kdbook"))
    paths = [path for room in rooms for path in sorted(room.glob("test_*.py"))]
    return [path for path in paths if USES_KERAS.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_library_on_another_backend(backend, run_time):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    assert len(neutral_tests()) > 3
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not tensorflow", *neutral_tests()]
    start = time.monotonic()
    run = subprocess.run(
        [*command, "-p", "no:cacheprovider", "--color=no"],
        cwd=ROOT,
        env=dict(os.environ, KERAS_BACKEND=backend),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=3600,
    )
    run_time(f"unit tests on {backend}", time.monotonic() - start)
    assert run.returncode == 0, run.stdout[-10000:] + run.stderr[-2000:]
