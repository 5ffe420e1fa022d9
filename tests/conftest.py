"""What holds for all tests: quiet TensorFlow, no windows, a cache of their own, run times shown."""

import os
import tempfile

import pytest

# Before anything imports kdlib: TensorFlow reads its settings once.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["MPLBACKEND"] = "agg"
os.environ.setdefault("KD_MODE", "smoke")
# Neither read nor fill the cache of whoever runs the tests. One for the whole session, so that
# the chapters share the teacher that the first of them trains.
_CACHE = tempfile.TemporaryDirectory(prefix="kdlib-tests-")
os.environ["KD_CACHE_DIR"] = _CACHE.name

RUN_TIMES = pytest.StashKey()


def pytest_configure(config):
    """Start the list of run times."""
    config.stash[RUN_TIMES] = []


@pytest.fixture
def run_time(request):
    """Return a function that notes how many seconds something took, for the end of the report."""
    return lambda name, seconds: request.config.stash[RUN_TIMES].append((name, seconds))


def pytest_terminal_summary(terminalreporter, config):
    """Print the run times that the tests noted."""
    if config.stash[RUN_TIMES]:
        terminalreporter.section(f"run times, mode {os.environ['KD_MODE']}")
        for name, seconds in config.stash[RUN_TIMES]:
            terminalreporter.write_line(f"{seconds:8.1f} s  {name}")


def pytest_unconfigure(config):
    """Remove the cache."""
    _CACHE.cleanup()
