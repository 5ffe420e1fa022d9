"""Run chapters in fresh kernels, and either store their outputs or build the book from a copy.

::

    execute.py store [--chapter 04]     run, then write the outputs into notebooks/
    execute.py run [--chapter 04]       run into _build/run/source, notebooks/ stays as it is
    execute.py run --gpu                the same on a GPU, every teacher trained anew; the record
                                        goes into book/_data/runs_gpu.json

`store` also writes the numbers into the prose, here and on every page that repeats them (`prose`).
Each chapter has one kernel and a limit on its time. A run counts only if no cell fails, nothing is
written to standard error, no output names a folder of this machine, and all checks of the chapter
ran. Time, peak memory, device and versions of each run go into a small record.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import prose
from gpu import not_used
from guard import RUN_RULES
from nbclient import NotebookClient
from project import (
    GPU_RECORD,
    LIMITS,
    RECORD,
    ROOT,
    chapter,
    chapters,
    kernel_environment,
    mode,
)
from stamp import normalise

RUN = ROOT / "_build" / "run" / "source"
COPIED = ("_config.yml", "_toc.yml", "book", "notebooks")
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".ipynb*", "kdbook")

# Runs in the chapter's kernel after its last cell. Memory first: the imports below it cost some.
PROBE = """
import json, platform, resource, sys
from importlib.metadata import version
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
import tensorflow as tf
from kdlib import runtime
used = {}
for gpu in tf.config.list_physical_devices("GPU")[:1]:
    used["gpu_peak_memory_mib"] = round(
        tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20)
    used["gpu"] = tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
print(json.dumps({
    "peak_memory_mib": round(peak / (2**20 if sys.platform == "darwin" else 2**10)),
    "mode": runtime.mode(),
    "device": runtime.device_kind(),
    **used,
    "python": platform.python_version(),
    **{name: version(name) for name in ("tensorflow", "keras", "numpy")},
}))
"""


class ChapterFailed(Exception):
    """A chapter stopped, or ran but broke a rule."""


def execute(notebook, name, *, limit, environment, folder):
    """Run `notebook` in place in a fresh kernel and return the record of the run.

    Parameters
    ----------
    notebook : NotebookNode
        Changed in place: outputs and execution counts are written, metadata is normalised.
    name : str
        File name, for messages.
    limit : float
        Seconds that the whole chapter may take.
    environment : dict
        Environment of the kernel.
    folder : path
        Working folder of the kernel.

    Raises
    ------
    ChapterFailed
        With what went wrong, cell and message.
    """
    probe = nbformat.v4.new_code_cell(PROBE)
    notebook.cells.append(probe)
    times = []
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=limit,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
        on_cell_executed=lambda **_: times.append(time.perf_counter()),
    )
    told = {}
    client.on_cell_start = prose_asker(client, told)
    start = time.perf_counter()
    run_kernel(client, name, limit, environment)
    notebook.cells.pop()
    if environment["KD_MODE"] == "full":  # what the prose tells
        for place, values in told.items():
            prose.keep(notebook.cells[place], values)
    normalise(notebook)
    problems = [problem for rule in RUN_RULES for problem in rule(notebook, name)]
    if problems:
        raise ChapterFailed(f"{name} ran, but:\n  " + "\n  ".join(problems))
    seconds = times[-2] - start  # without the probe
    return {"seconds": round(seconds, 1), **json.loads(probe.outputs[-1].text)}


def prose_asker(client, told):
    """Return a hook that asks the kernel for the numbers in the prose.

    Prose often announces what the cells below it compute. So it is asked after those, and again
    later as long as a name is missing. What comes goes into `told`, by the cell's place.
    """
    waiting = {}

    async def ask(cell, cell_index):
        last = cell is client.nb.cells[-1]
        if cell.cell_type == "markdown" or last:
            for place, asked in list(waiting.items()):
                message = client.kc.execute("", silent=True, user_expressions=asked)
                reply = await client.async_wait_for_reply(message)
                if last or not prose.lacks_a_name(reply):
                    told[place] = prose.answers(reply)
                    del waiting[place]
            if asked := prose.questions(cell):
                waiting[cell_index] = asked

    return ask


def run_kernel(client, name, limit, environment):
    """Run all cells of the client's notebook, within `limit` seconds."""
    clock = None

    async def bounded():
        nonlocal clock
        async with asyncio.timeout(limit) as clock:
            await client.async_execute(env=environment, stderr=noise)

    with tempfile.TemporaryFile("w+", errors="replace") as noise:
        try:
            asyncio.run(bounded())
        except Exception as error:
            # What is raised when time is up depends on where nbclient was: often "kernel died".
            if isinstance(error, TimeoutError) or clock.expired():
                raise ChapterFailed(f"{name} took more than {limit} seconds") from None
            noise.seek(0)
            last = noise.read()[-2000:]
            raise ChapterFailed(f"{name}: {type(error).__name__}: {error}\n{last}") from None


def read_record(root):
    """Return the record of runs under `root`, empty if there is none."""
    path = Path(root, RECORD)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_record(root, record, name=RECORD):
    """Write the record of runs under `root`."""
    path = Path(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def copy_book(folder=RUN):
    """Copy what the book is built from into a folder, that of runs by default; return it."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=LEFT_OUT)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return folder


def run_all(paths, root, mode, cache=None):
    """Execute the chapters `paths`, writing outputs and record under `root`; return the record."""
    record = read_record(root)
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        print(f"{path.name} ({mode}) ...", end=" ", flush=True)
        run = execute(
            notebook,
            path.name,
            limit=LIMITS[mode],
            environment=kernel_environment(mode, cache),
            folder=Path(root, "notebooks"),
        )
        nbformat.write(notebook, Path(root, "notebooks", path.name))
        record[path.stem] = run
        write_record(root, record)
        print(f"{run['seconds']} s, {run['peak_memory_mib']} MiB, {run['device']}", flush=True)
    return record


def main():
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("store", "run"))
    parser.add_argument("--chapter", help="run this chapter alone, such as 04")
    parser.add_argument("--mode", choices=tuple(LIMITS), help="instead of KD_MODE")
    parser.add_argument("--gpu", action="store_true", help="fail if a chapter did not use the GPU")
    options = parser.parse_args()
    paths = [chapter(options.chapter)] if options.chapter else chapters()
    root = ROOT if options.command == "store" else copy_book()
    with tempfile.TemporaryDirectory() as cache:
        try:
            fresh = cache if options.gpu else None
            record = run_all(paths, root, options.mode or mode(), fresh)
        except ChapterFailed as error:
            sys.exit(f"\n{error}")
    if options.command == "store":
        prose.fill_pages()
    if options.gpu:
        keep_gpu_record({path.stem: record[path.stem] for path in paths})


def keep_gpu_record(record):
    """Write the record of runs on a GPU beside that of the stored runs, if the GPU was used."""
    if problems := not_used(record):
        sys.exit("Not recorded:\n  " + "\n  ".join(problems))
    write_record(ROOT, record, GPU_RECORD)


if __name__ == "__main__":
    main()
