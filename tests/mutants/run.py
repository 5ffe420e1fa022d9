"""Run every mutant: `make mutants`. A table of killed and survived; exit status 1 if one survives.

Each patch is applied to a copy of the library, and its named test run there, in a process that is
forked from one that has imported Keras already.
"""

import multiprocessing
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from table import MUTANTS

ROOT = Path(__file__).parents[2]
KILLED = pytest.ExitCode.TESTS_FAILED


def copied(folder):
    """Copy what the tests of the library need."""
    for name in ("kdlib", "tests/kdlib"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "tests/__init__.py", "tests/conftest.py"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def patched(mutant, folder):
    """Apply the patch, or say why it no longer fits."""
    path = folder / mutant.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        return f"the text to replace is there {text.count(mutant.old)} times"
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    return ""


def run_tests(folder, tests):
    """Run named tests in the copy; the exit status of the process is pytest's."""
    os.chdir(folder)
    with open("output.txt", "w", encoding="utf-8") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.path.insert(0, str(folder))
    nodes = [f"tests/kdlib/{test}" for test in tests]
    os._exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *nodes]))


def tested(context, folder, tests, limit=600):
    """Return (exit status, last lines) of tests in the copy; a test that hangs is killed too."""
    process = context.Process(target=run_tests, args=(folder, tests))
    process.start()
    process.join(limit)
    process.kill()
    process.join()
    output = folder / "output.txt"
    text = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    return process.exitcode, text[-2000:]


def forking():
    """Return a context whose processes start with Keras imported."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["keras", "pytest", "hypothesis", "scipy.stats"])
    return context


def status(context, tests, mutant=None):
    """Return (exit status, last lines) of named tests, with a patch or without."""
    with tempfile.TemporaryDirectory(prefix="kdlib-mutant-") as name:
        folder = copied(Path(name))
        problem = patched(mutant, folder) if mutant else ""
        if problem:
            return None, problem
        return tested(context, folder, tests)


def main(chosen):
    """Run the mutants whose fault contains one of the words; all, if there are none."""
    context = forking()
    mutants = [m for m in MUTANTS if not chosen or any(word in m.fault for word in chosen)]
    code, output = status(context, sorted({m.test for m in mutants}))
    if code != 0:
        print(f"{output}\nThe tests fail without any mutant: nothing can be said of mutants.")
        return 1
    survived = 0
    for mutant in mutants:
        code, output = status(context, [mutant.test], mutant)
        verdict = "killed" if code == KILLED else "SURVIVED" if code == 0 else "BROKEN"
        survived += verdict != "killed"
        print(f"{verdict:9} {mutant.fault:62} {mutant.test}", flush=True)
        if verdict == "BROKEN":
            print(output)
    print(f"{len(mutants) - survived} of {len(mutants)} mutants killed")
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
