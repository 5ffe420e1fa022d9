"""Sphinx extension: the directive ``run-record``, a table of the stored runs.

It shows how long each chapter took, how much memory, and on what, as `make store` recorded it in
``book/_data/runs.json``.
"""

import json
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

RECORD = Path("book", "_data", "runs.json")
COLUMNS = ("chapter", "mode", "minutes", "peak memory", "device", "TensorFlow", "Keras", "NumPy")


def row(run):
    """Return the cells of one run, without the chapter's name."""
    return (
        run["mode"],
        f"{run['seconds'] / 60:.1f}",
        f"{run['peak_memory_mib'] / 1024:.1f} GiB",
        run["device"],
        run["tensorflow"],
        run["keras"],
        run["numpy"],
    )


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
        """Return the table, or a sentence if no run is recorded."""
        path = Path(self.env.srcdir, RECORD)
        self.env.note_dependency(str(path))
        record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if not record:
            return [nodes.paragraph("", "No run has been recorded yet.")]
        rows = [(name.replace("_", " "), *row(run)) for name, run in sorted(record.items())]
        return [table([COLUMNS, *rows])]


def setup(app):
    """Register with Sphinx."""
    app.add_directive("run-record", RunRecord)
    return {"parallel_read_safe": True}
