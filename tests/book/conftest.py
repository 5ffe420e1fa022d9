"""The book, built once for all tests of its pages, from the stored outputs."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from browser import browser, chromium, served
from bs4 import BeautifulSoup
from project import ROOT


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """Build with warnings as errors; return (exit code, log, folder of the pages, seconds)."""
    folder = tmp_path_factory.mktemp("book")
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    options = ["-W", "-n", "--keep-going", "--all", "--path-output", str(folder)]
    start = time.monotonic()
    run = subprocess.run(
        [jupyter_book, "build", *options, "."], cwd=ROOT, capture_output=True, text=True
    )
    seconds = time.monotonic() - start
    return run.returncode, run.stdout + run.stderr, folder / "_build" / "html", seconds


@pytest.fixture(scope="session")
def site(build):
    """Return the folder of the built pages."""
    code, log, folder, _ = build
    if code:
        pytest.fail(f"the book did not build:\n{log[-5000:]}", pytrace=False)
    return folder


@pytest.fixture(scope="session")
def pages(site):
    """Return {path: parsed page} of the pages that hold text of the book."""
    paths = [*site.glob("book/**/*.html"), *site.glob("notebooks/*.html")]
    return {
        path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in sorted(paths)
    }


@pytest.fixture(scope="session")
def address(site):
    """Serve the built pages; return the address."""
    with served(site) as address:
        yield address


# Playwright keeps an event loop as long as it runs, and nbclient, in other files, wants its own.
@pytest.fixture(scope="module")
def chrome():
    """Start one browser for the tests of a file; continuous integration may not do without."""
    if chromium() is None:
        message = "no Chromium on this machine: the pages are not tested in a browser"
        if os.environ.get("CI"):
            pytest.fail(f"{message}; .ci/run installs it", pytrace=False)
        pytest.skip(message)
    with browser() as started:
        yield started
