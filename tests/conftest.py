"""What holds for all tests: quiet TensorFlow, no windows, a cache of their own, run times shown."""

import os
import tempfile

import pytest
from hypothesis import settings

# Before anything imports kdlib: TensorFlow reads its settings once.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["MPLBACKEND"] = "agg"
os.environ.setdefault("KD_MODE", "smoke")
# Neither read nor fill the cache of whoever runs the tests. One for the whole session, so that
# the chapters share the teacher that the first of them trains.
_CACHE = tempfile.TemporaryDirectory(prefix="kdlib-tests-")
os.environ["KD_CACHE_DIR"] = _CACHE.name

# A machine that does other things beside is slow, and no reason to fail: values are tested.
settings.register_profile("kdlib", deadline=None)
settings.load_profile("kdlib")


@pytest.fixture
def run_time(request):
    """Return a function that notes how many seconds something took, for the end of the report."""
    # Properties travel with the report, also from the process that ran the test.
    return lambda name, seconds: request.node.user_properties.append(("run time", (name, seconds)))


def pytest_terminal_summary(terminalreporter):
    """Print the run times that the tests noted."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    noted = [value for r in reports for key, value in r.user_properties if key == "run time"]
    if noted:
        terminalreporter.section(f"run times, mode {os.environ['KD_MODE']}")
        for name, seconds in noted:
            terminalreporter.write_line(f"{seconds:8.1f} s  {name}")


def pytest_unconfigure(config):
    """Remove the cache."""
    _CACHE.cleanup()
