"""The record of a plan: one line of JSON a run, in files that survive kills and full disks.

Each worker appends to a file of its own. Several machines that append to one file over a shared
folder can overwrite each other: only local file systems promise that an append is whole. So nobody
writes where another does, readers take all files together, and the lines are gathered, sorted, into
``PLAN.jsonl``, which is always replaced as a whole.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import secrets
import sys
import time
from pathlib import Path

from kdbook.study.arms import Run
from kdlib._files import put

RESULTS = Path(__file__).parents[1] / "results"
"""The folder of the record that comes with the library."""

SETTLED = 120
"""Seconds without a change after which a piece of a line is taken for the end of a killed worker's
file, and not for a line that is being written."""


def folder(reading=False):
    """Return where a command keeps its record if it is told nothing.

    In a clone that is :data:`RESULTS`. Elsewhere it is ``kdbook-results`` in the working directory,
    so that nothing is written among installed packages; a command that only reads takes the record
    that comes with the library where there is no such folder.

    - ``reading``: whether the command only reads.
    """
    here = Path("kdbook-results")
    return RESULTS if in_clone() or (reading and not here.is_dir()) else here


def in_clone():
    """Return whether this is a clone of the repository, and no installed package."""
    return (RESULTS.parents[2] / "pyproject.toml").is_file()


class Record:
    """The lines of one plan in a folder.

    - ``folder``: holds ``PLAN.jsonl``. The files of the workers are in ``work/lines`` below it.

    >>> import tempfile
    >>> from kdbook.study.plans import find
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     record = Record(folder, find("smoke"))
    ...     record.append({"plan": "smoke", "arm": "scratch", "seed": 0, "started": "2026"})
    ...     [str(run) for run in record.runs()]
    ['smoke-scratch-0']
    """

    def __init__(self, folder, plan):
        self.plan = plan
        self.gathered = Path(folder) / f"{plan.name}.jsonl"
        self.work = work_folder(folder)
        self.folder = self.work / "lines"
        self.own = self.folder / f"{plan.name}.{secrets.token_hex(4)}.jsonl"
        self._told = set()

    def append(self, entry):
        """Add the line of a run to this worker's file, and make sure that it is on the disk.

        - ``OSError`` if it cannot be written, for example because the disk is full. What was there
          stays.
        """
        make_work_folder(self.work)
        self.folder.mkdir(exist_ok=True)
        text = json.dumps(entry, allow_nan=False) + "\n"
        try:
            _append(self.own, text.encode())
        except OSError as error:
            raise OSError(
                error.errno,
                f"the line of run {entry['plan']}-{entry['arm']}-{entry['seed']} could not be "
                f"written to {self.own} ({error.strerror}). All earlier lines are safe. Make room, "
                "and start again: only this run will be repeated.",
            ) from error

    def lines(self):
        """Return the texts of all lines, each once: gathered ones first.

        A piece of a line at the end of a file, from a kill or a broken copy, is moved to a file
        ``*.cut-*.txt`` beside it, with a notice on the error stream.

        - ``ValueError`` if a line is not JSON, or not the line of a run of this plan.
        """
        found = {}
        for path in (self.gathered, *sorted(self.folder.glob(f"{self.plan.name}.*.jsonl"))):
            if path.exists():
                # PLAN.jsonl is replaced as a whole: a cut one was not cut by a writer at work.
                settled = path == self.gathered or _age(path) > SETTLED
                for number, text in enumerate(_whole_lines(path, settled), start=1):
                    if text:
                        found.setdefault(text, (path, number))
        for text, (path, number) in found.items():
            _check_line(text, f"line {number} of {path}", self.plan.name)
        return list(found)

    def runs(self):
        """Return {Run: entry} of what is recorded. Of two lines of one run, the earlier counts."""
        entries = sorted(map(json.loads, self.lines()), key=lambda entry: entry["started"])
        runs = {}
        for entry in entries:
            run = Run(entry["plan"], entry["arm"], entry["seed"])
            if run in runs and run not in self._told:
                self._told.add(run)
                notice(f"{run} is recorded twice; the run of {runs[run]['started']} counts.")
            runs.setdefault(run, entry)
        return runs

    def replace(self, entry, other):
        """Put a line in the place of another, in the gathered record and wherever it was written.

        - ``entry``, ``other``: dict, as :meth:`runs` returns them. The first must be recorded.
        """
        before, after = (json.dumps(each) + "\n" for each in (entry, other))
        for path in (self.gathered, *self.folder.glob(f"{self.plan.name}.*.jsonl")):
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            if before in text:
                put(path, text.replace(before, after).encode())

    def gather(self):
        """Write all lines, sorted by arm and seed, into ``PLAN.jsonl``, replacing it at once."""
        lines = self.lines()
        order = {arm.name: place for place, arm in enumerate(self.plan.arms)}

        def key(text):
            """Sort by the place of the arm in the plan, then by seed and start."""
            entry = json.loads(text)
            return order.get(entry["arm"], len(order)), entry["seed"], entry["started"]

        if lines:
            text = "".join(line + "\n" for line in sorted(lines, key=key)).encode()
            if not self.gathered.exists() or self.gathered.read_bytes() != text:
                put(self.gathered, text)


def by_arm(plan, folder=RESULTS, older=None):
    """Return {arm: {seed: line}} of what is recorded, in the order of the plan.

    - ``older``: settings that old lines lack, with the values that they had.
    - ``ValueError`` if a line was recorded with other settings than those of its name now.
    """
    found = {arm.name: {} for arm in plan.arms}
    for run, entry in sorted(Record(folder, plan).runs().items()):
        # As JSON has them: a tuple comes back as a list. An arm of a name alone has none.
        settings = json.loads(json.dumps(dataclasses.asdict(plan.arm(run.arm))))
        if len(settings) > 1 and {**(older or {}), **entry["settings"]} != settings:
            raise ValueError(
                f"{run} was recorded with {entry['settings']}, and that name stands for other "
                "settings now. Give the changed ones another name."
            )
        found[run.arm][run.seed] = entry
    return {name: lines for name, lines in found.items() if lines}


def work_folder(folder):
    """Return the folder for all that is not the record: weights, the workers' files."""
    return Path(folder) / "work"


def queue_file(folder):
    """Return the file that says who does which run, unless a database does."""
    return work_folder(folder) / "queue.db"


def make_work_folder(work):
    """Make the folder if it is missing, in such a way that git leaves it alone.

    - ``OSError`` if it cannot be made.
    """
    try:
        work.mkdir(parents=True, exist_ok=True)
        ignore = work / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise OSError(
            error.errno,
            f"{work} cannot be made ({error.strerror}). Name a folder that you may write to with "
            "--out.",
        ) from error


def notice(text):
    """Tell the user something that is no error."""
    print(f"notice: {text}", file=sys.stderr, flush=True)


def now(folder):
    """Return the time by the clock of whoever keeps the folder: another machine's, perhaps."""
    clock = Path(folder) / "clock"
    try:
        clock.touch()
        return clock.stat().st_mtime
    except OSError:  # a folder that may only be read
        return time.time()


def _age(path):
    return now(path.parent) - path.stat().st_mtime


def _append(path, data):
    with path.open("ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        try:
            while data:
                data = data[file.write(data) :]
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):  # else the next reader sets the piece aside
                file.truncate(before)
            raise


def _whole_lines(path, settled):
    """Return the whole lines of a file; move a piece at its end aside if nobody is writing it."""
    head, newline, tail = path.read_bytes().rpartition(b"\n")
    lines = head.split(b"\n") if newline else []
    if tail.strip():
        if _is_json(tail):  # only the end of the line is missing
            lines.append(tail)
        elif settled:
            side = path.with_name(f"{path.stem}.cut-{hashlib.sha256(tail).hexdigest()[:8]}.txt")
            side.write_bytes(tail)
            put(path, head + newline)
            notice(
                f"{path} ended in the middle of a line, {len(tail)} bytes long. They are in "
                f"{side.name} now, and the run will be repeated."
            )
    return [line.decode("utf-8", "replace").strip() for line in lines]


def _is_json(data):
    try:
        return isinstance(json.loads(data), dict)
    except ValueError:
        return False


def _check_line(text, where, plan):
    if not _is_json(text):
        raise ValueError(
            f"{where} is not JSON: {text[:60]!r}. Nothing was changed. Mend the line, or move it "
            "to another file: its run will then be repeated."
        )
    entry = json.loads(text)
    missing = [key for key in ("plan", "arm", "seed", "started") if key not in entry]
    if missing or entry["plan"] != plan:
        what = f"lacks {', '.join(missing)}" if missing else f"is of plan {entry['plan']}"
        raise ValueError(f"{where} {what}; expected the line of a run of plan {plan}.")
