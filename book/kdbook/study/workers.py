"""Several processes on one machine, each on its own cores; and what several machines share."""

import os
import subprocess


def run(command, options):
    """Run a command as ``options.workers`` processes; return the worst exit status.

    One bar is enough, since it counts the work of all: the others, or all, are ``--quiet``. If the
    waiting is interrupted, all of them are ended.
    """
    started = []
    for number in range(options.workers):
        quiet = ["--quiet"] if number > 0 or options.quiet else []
        cores = share_of_cores(number, options.workers)
        started.append(subprocess.Popen([*command, *quiet], preexec_fn=_keep_to(cores)))
    try:
        return max(process.wait() for process in started)
    finally:
        for process in started:
            process.terminate()


def add_storage(parser):
    """Give a command the option ``--storage``."""
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="database through which workers share the work, postgresql://user@host/name for "
        "example; needed where machines share no folder whose locks work (default: an SQLite file "
        "in the folder of --out)",
    )


def share_of_cores(number, workers):
    """Return the processor cores for one of several workers, or None where that cannot be set.

    Two workers with a core each do half as much again in a second as one with both: most steps of
    so small a network are too short to be divided.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    return cores[number % len(cores) :: workers] if workers <= len(cores) else cores


def _keep_to(cores):
    """Return what keeps a process that is being started to some cores, or None."""
    return cores and (lambda: os.sched_setaffinity(0, cores))
