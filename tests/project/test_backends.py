"""The library on the other backends of Keras, each in a process of its own.

Keras fixes its backend on import, so the tests of what computes with the backend run once more in
a pytest of their own for each that is installed, but for those marked ``tensorflow``.
"""

import importlib.util
import os
import subprocess
import sys
import time

import pytest
from project import ROOT

# What computes with the backend itself. All else calls this, and `make test-jax` runs it too.
COMPUTING = (
    *("losses", "reference_values", "properties", "soft_targets_in_keras", "metrics_keras"),
    *("distiller", "distiller_arguments", "distiller_labels", "distiller_settings", "any_network"),
    *("beyond", "beyond_divergences", "beyond_distiller", "unet", "coarse", "models"),
    *("cache", "distribution", "recipes", "saved"),
)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_library_on_another_backend(backend, run_time, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    files = [ROOT / "tests" / "kdlib" / f"test_{name}.py" for name in COMPUTING]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not tensorflow", *files]
    # JAX compiles the step of every test: plainly, and what was compiled before is read.
    quick = {
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    start = time.monotonic()
    run = subprocess.run(
        [*command, "-p", "no:cacheprovider", "--color=no"],
        cwd=ROOT,
        env=dict(os.environ, KERAS_BACKEND=backend, **quick),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=3600,
    )
    run_time(f"unit tests on {backend}", time.monotonic() - start)
    assert run.returncode == 0, run.stdout[-10000:] + run.stderr[-2000:]
