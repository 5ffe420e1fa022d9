"""The library on the other backends of Keras, each in a process of its own.

Keras fixes its backend on import, so the tests that are not marked ``tensorflow`` run once more
in a pytest of their own for each backend that is installed.
"""

import importlib.util
import os
import subprocess
import sys
import time

import pytest
from project import ROOT


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_library_on_another_backend(backend, run_time):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not tensorflow", "tests/unit"]
    start = time.monotonic()
    run = subprocess.run(
        [*command, "-p", "no:cacheprovider", "--color=no"],
        cwd=ROOT,
        env=dict(os.environ, KERAS_BACKEND=backend),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    run_time(f"unit tests on {backend}", time.monotonic() - start)
    assert run.returncode == 0, run.stdout[-10000:] + run.stderr[-2000:]
