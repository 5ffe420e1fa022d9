"""Calling a function in a process of its own, which has nothing else in it."""

import importlib
import json
import os
import subprocess
import sys


def apart(function, *arguments, environment=None):
    """Return what a function returns in a process of its own.

    - ``function``: its full name.
    - ``*arguments``: what JSON can hold, as what is returned.
    - ``environment``: dict of str to str. Beside what this process has.
    - ``RuntimeError`` if the process fails, with the last line that it said.

    >>> apart("math.gcd", 12, 18)
    6
    """
    done = subprocess.run(
        [sys.executable, "-m", "kdlib._processes", function, json.dumps(arguments)],
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise RuntimeError(f"{function} failed in its own process: {last}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    module, _, name = sys.argv[1].rpartition(".")
    print(json.dumps(getattr(importlib.import_module(module), name)(*json.loads(sys.argv[2]))))
