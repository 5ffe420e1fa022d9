"""Make the book of a class: notebooks without solutions, or with notes for the instructor.

::

    classroom.py student       into _build/student/source: no solutions
    classroom.py instructor    into _build/instructor/source: solutions, notes, key of the inventory

Both come from the chapters and ``book/instructor``; nothing is kept twice. The pages are built from
the copy, as those of `make run` are.
"""

import argparse
import re

import nbformat
import yaml
from execute import copy_book
from guard import code_cells, tags, text_outputs
from nbconvert.preprocessors import TagRemovePreprocessor
from project import ROOT, chapters
from stamp import BADGE, normalise

FOLDED = re.compile(r" *The solutions are folded below each exercise\.")
TICK = re.compile(r"^✓ (?!Right\.)", re.MULTILINE)
KEY = "book/instructor/key"


def ticks(cells):
    """Return how many checks the cells made, by their stored outputs."""
    return sum(len(TICK.findall(text)) for cell in cells for _, text in text_outputs(cell))


def without_solutions(notebook):
    """Take the solutions out of a chapter, in place, and return it.

    Solutions make checks. So the last cell, which counts them, has to expect fewer. The Colab badge
    goes too: it opens the chapter with its solutions.
    """
    last = code_cells(notebook)[-1]
    made = int(re.search(r"\d+", last.source)[0])
    left = made - ticks(cell for cell in code_cells(notebook) if "solution" in tags(cell))
    last.source = last.source.replace(str(made), str(left))
    for output in last.outputs:
        output.text = output.text.replace(f"{made} of {made} ", f"{left} of {left} ")
    remove = TagRemovePreprocessor(remove_cell_tags={"solution"}, enabled=True)
    notebook, _ = remove.preprocess(notebook, {})
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = FOLDED.sub("", cell.source)
    notebook.cells[0].source = BADGE.sub("\n\n", notebook.cells[0].source)
    for count, cell in enumerate(code_cells(notebook), 1):
        cell.execution_count = count
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
    return normalise(notebook)


def with_notes(notebook, notes):
    """Put notes, in Markdown, below the head of a chapter, in place, and return it.

    Their headings go down one level, to stand among those of the chapter.
    """
    text = re.sub(r"^#", "##", notes.strip(), flags=re.MULTILINE)
    first_code = next(n for n, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    notebook.cells.insert(first_code, nbformat.v4.new_markdown_cell(text))
    return normalise(notebook)


def notes_of(path, root=ROOT):
    """Return the file of notes for a chapter."""
    return root / "book" / "instructor" / f"{path.stem[:2]}.md"


def rewrite(kind, folder):
    """Rewrite the chapters in a copy of the book for students, or for the instructor."""
    for path in chapters(folder):
        notebook = nbformat.read(path, as_version=4)
        if kind == "student":
            notebook = without_solutions(notebook)
        else:
            notebook = with_notes(notebook, notes_of(path).read_text(encoding="utf-8"))
        nbformat.write(notebook, path)


def settle(kind, folder):
    """Adapt settings and table of contents of a copy."""
    path = folder / ("_config.yml" if kind == "student" else "_toc.yml")
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    if kind == "student":
        # The buttons of the theme open the chapters with their solutions too.
        del settings["launch_buttons"]
        settings["html"]["use_repository_button"] = False
    else:
        teach = next(part for part in settings["parts"] if part["caption"] == "Teach")
        teach["chapters"].append({"file": KEY})
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


def main():
    """Copy the book and rewrite the copy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=["student", "instructor"])
    kind = parser.parse_args().kind
    folder = copy_book(ROOT / "_build" / kind / "source")
    rewrite(kind, folder)
    settle(kind, folder)
    print(f"The notebooks are in {folder / 'notebooks'}")


if __name__ == "__main__":
    main()
