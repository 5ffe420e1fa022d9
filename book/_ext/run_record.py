"""Sphinx extension: the directive ``run-record``, a table of the stored runs.

It shows how long each chapter took, how much memory, and on what, as `make store` recorded it in
``book/_data/runs.json``, and beside it what `make test-gpu` recorded on a GPU, in
``book/_data/runs_gpu.json``. Without such a record the page says that there is none.
"""

import json
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

RECORD = Path("book", "_data", "runs.json")
GPU_RECORD = RECORD.with_name("runs_gpu.json")
COLUMNS = ("chapter", "mode", "minutes", "peak memory", "device")
ON_GPU = ("minutes on a GPU", "GPU memory")
VERSIONS = {"tensorflow": "TensorFlow", "keras": "Keras", "numpy": "NumPy"}


def row(run):
    """Return the cells of one run, without the chapter's name."""
    return run["mode"], minutes(run), gib(run["peak_memory_mib"]), run["device"]


def row_on_gpu(run):
    """Return the cells of one run on a GPU; `run` is None if it is not recorded."""
    return ("–", "–") if run is None else (minutes(run), gib(run["gpu_peak_memory_mib"]))


def minutes(run):
    """Return how long a run took."""
    return f"{run['seconds'] / 60:.1f}"


def gib(mib):
    """Return mebibytes as gibibytes."""
    return f"{mib / 1024:.1f} GiB"


def about_the_versions(record):
    """Return which versions the chapters ran with: one list, or several if they differ."""
    found = {tuple(run[key] for key in VERSIONS) for run in record.values()}
    lists = (
        ", ".join(map(" ".join, zip(VERSIONS.values(), each, strict=True)))
        for each in sorted(found)
    )
    return f"Run with {'; '.join(lists)}."


def about_the_gpu(record):
    """Return what the columns on the GPU mean, as text; or, without them, what would record it."""
    if not record:
        command = nodes.literal("", "make test-gpu")
        before, after = "No run on a GPU has been recorded yet: ", " does it, where there is one."
        return nodes.Text(before), command, nodes.Text(after)
    found = {(run["gpu"], run["tensorflow"], run["mode"]) for run in record.values()}
    on = "; ".join(f"{gpu}, TensorFlow {version}, {mode} mode" for gpu, version, mode in found)
    said = f"On a GPU: {on}. Its memory is the most that TensorFlow used of it at one time."
    return (nodes.Text(said),)


def table(rows):
    """Return a docutils table of text cells; the first row is the head."""
    group = nodes.tgroup(cols=len(rows[0]))
    group += [nodes.colspec(colwidth=1) for _ in rows[0]]
    built = []
    for cells in rows:
        built.append(nodes.row())
        for cell in cells:
            content = cell if isinstance(cell, nodes.Node) else nodes.Text(cell)
            built[-1] += nodes.entry("", nodes.paragraph("", "", content))
    group += nodes.thead("", built[0])
    group += nodes.tbody("", *built[1:])
    return nodes.table("", group)


class RunRecord(SphinxDirective):
    """The table of stored runs."""

    def run(self):
        """Return the table and a sentence on the GPU."""
        record, on_gpu = self.read(RECORD), self.read(GPU_RECORD)
        if not record:
            return [nodes.paragraph("", "No run has been recorded yet.")]
        rows = [(*COLUMNS, *(ON_GPU if on_gpu else ()))]
        for name, run in sorted(record.items()):
            gpu = row_on_gpu(on_gpu.get(name)) if on_gpu else ()
            rows.append((name.replace("_", " "), *row(run), *gpu))
        versions = nodes.Text(f"{about_the_versions(record)} ")
        return [table(rows), nodes.paragraph("", "", versions, *about_the_gpu(on_gpu))]

    def read(self, name):
        """Return a record of runs, empty if there is none."""
        path = Path(self.env.srcdir, name)
        self.env.note_dependency(str(path))
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def setup(app):
    """Register with Sphinx."""
    app.add_directive("run-record", RunRecord)
    return {"parallel_read_safe": True}
