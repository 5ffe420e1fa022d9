"""Run a notebook again with nbval, in a process of its own that cannot hang or pass unseen."""

import contextlib
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import psutil
from project import kernel_environment

SANITIZE = Path(__file__).with_name("sanitize.cfg")
# nbval does not notice that a kernel is gone until the cell's time is up. This long without any
# living kernel means that it died; between the end of the last cell and the report it is shorter,
# also where other programs leave the tests little time.
GRACE = 60.0


@dataclass(frozen=True)
class Rerun:
    """What came of it: cells that passed, all cells that nbval saw, seconds, report."""

    passed: int
    collected: int
    seconds: float
    report: str
    stopped: str = ""


def stop_tree(process):
    """Kill the process and all that it started: a kernel lives in a session of its own."""
    family = [*process.children(recursive=True), process]
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(family, timeout=10)


def has_kernel(process):
    """Tell whether a child of the process is alive."""
    try:
        children = process.children(recursive=True)
        return any(child.status() != psutil.STATUS_ZOMBIE for child in children)
    except psutil.NoSuchProcess:
        return False


def watch(process, limit, grace):
    """Wait until the process ends; return why it was stopped, or an empty string."""
    start = seen = time.monotonic()
    had_kernel = False
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        now = time.monotonic()
        if has_kernel(process):
            seen, had_kernel = now, True
        if now - start > limit:
            stop_tree(process)
            return f"stopped after {limit:.0f} seconds"
        if had_kernel and now - seen > grace:
            stop_tree(process)
            return "stopped: the kernel died"
        time.sleep(0.2)
    return ""


def rerun(path, *, mode, cache, limit, folder, grace=GRACE):
    """Run the notebook at `path` again and compare its outputs with the stored ones.

    Parameters
    ----------
    path : path
        The notebook. It is not changed.
    mode : str
        ``"smoke"`` or ``"full"``.
    cache : path
        Cache folder of kdlib.
    limit : float
        Seconds after which everything is killed.
    folder : path
        Where the report is written.
    grace : float
        Seconds without a living kernel after which everything is killed.
    """
    junit, log = Path(folder, "nbval.xml"), Path(folder, "nbval.log")
    command = [
        sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(Path(path).parent),
        "-p", "no:cacheprovider", "--color=no", "--nbval", "--nbval-current-env",
        f"--nbval-cell-timeout={limit}", "--nbval-sanitize-with", str(SANITIZE),
        f"--junitxml={junit}", str(path),
    ]  # fmt: skip
    start = time.monotonic()
    with log.open("wb") as stream:
        process = psutil.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=kernel_environment(mode, cache),
            start_new_session=True,
        )
        stopped = watch(process, limit, grace)
        process.wait()
    passed = collected = 0
    if junit.exists():
        for case in ElementTree.parse(junit).iter("testcase"):
            collected += 1
            passed += not any(child.tag in ("failure", "error", "skipped") for child in case)
    report = log.read_text(encoding="utf-8", errors="replace")
    return Rerun(passed, collected, time.monotonic() - start, report, stopped)
