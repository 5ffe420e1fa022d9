"""What every chapter must be, as rules that look at the stored notebook without running it.

nbval alone passes a notebook that was never run, a cell swallowed by a bad magic, a chapter whose
checks did not run. Each function here takes a notebook and its file name and returns a list of
problems, empty if there are none; `RULES` names them all.
"""

import ast
import re

import nbformat
from bs4 import BeautifulSoup
from stamp import badge, bootstrap

LONGEST_CELL, LONGEST_SOLUTION, LONGEST_LISTING = 15, 25, 50
FEWEST_EXERCISES, MOST_OBJECTIVES = 3, 5
KINDS = ("tweak", "build", "bug hunt")
KNOWN_TAGS = {
    "bootstrap", "exercise", "solution", "quiz", "hide-cell", "hide-input", "hide-output",
    "listing", "remove-cell", "remove-input", "nbval-check-output", "nbval-ignore-output",
}  # fmt: skip
MACHINE_PATH = re.compile(
    r"(?<![\w.:/-])/(?:home|root|Users|tmp|work|private|var|mnt|opt|usr|content)/[\w.~-]+"
    r"|\b[A-Za-z]:\\+Users\\"
)
PICTURE_DATA = re.compile(r"base64,[A-Za-z0-9+/=\s]+")
ANATOMY = {
    "section 'What this does not show'": r"^#+ +What this does not show\b",
    "section 'Key points'": r"^#+ +Key points\b",
    "question to the reader, 'Predict, then run'": r"^:::\{admonition\} Predict, then run$",
    "table that says how long reading, exercises and running take": (
        r"^\| reading \|.*\n\| exercises \|.*\n\| running "
    ),
}
FINISHED = re.compile(r"\s*([1-9]\d*) of \1 checks of this chapter passed\s*")


def tags(cell):
    """Return the set of the cell's tags."""
    return set(cell.metadata.get("tags", []))


def code_cells(notebook):
    """Return the code cells in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text_outputs(cell):
    """Yield (kind, text) for each text in the cell's outputs, binary pictures left out."""
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.name, output.text
        for kind, value in output.get("data", {}).items():
            if not kind.startswith("image/") or kind == "image/svg+xml":
                yield kind, value if isinstance(value, str) else str(value)


def is_valid(notebook, name):
    """The file is a valid notebook of format 4.5."""
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        return [f"not a valid notebook: {error.message}"]
    return []


def ran_in_order(notebook, name):
    """Every code cell was executed, from top to bottom in a fresh kernel."""
    counts = [cell.execution_count for cell in code_cells(notebook)]
    expected = list(range(1, len(counts) + 1))
    return [] if counts and counts == expected else [f"execution counts are {counts}"]


def has_no_errors(notebook, name):
    """No cell stores an error, and none says that it expects one."""
    problems = []
    for number, cell in enumerate(code_cells(notebook), 1):
        if {"raises-exception", "nbval-raises-exception"} & tags(cell):
            problems.append(f"code cell {number} is tagged to raise: catch the error in it")
        problems += [
            f"code cell {number} stores the error {output.ename}: {output.evalue}"
            for output in cell.outputs
            if output.output_type == "error"
        ]
    return problems


def has_no_stderr(notebook, name):
    """No cell stores anything that was written to standard error."""
    return [
        f"code cell {number} wrote to standard error: {output.text[:200]!r}"
        for number, cell in enumerate(code_cells(notebook), 1)
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]


def has_no_log_lines(notebook, name):
    """No cell stores a line of a log, which may come by standard output."""
    return [
        f"code cell {number} stores a line of a log: {line[:200]!r}"
        for number, cell in enumerate(code_cells(notebook), 1)
        for output in cell.outputs
        for line in output.get("text", "").splitlines()
        if re.match(r"(WARNING|ERROR|INFO)\b", line)
    ]


def has_no_machine_paths(notebook, name):
    """Neither text nor output names a folder of the machine that ran it."""
    texts = [("cell", cell.source) for cell in notebook.cells]
    texts += [pair for cell in code_cells(notebook) for pair in text_outputs(cell)]
    texts += [("metadata", str(notebook.metadata))]
    found = [
        (kind, match)
        for kind, text in texts
        for match in MACHINE_PATH.findall(PICTURE_DATA.sub("", text))
    ]
    return [f"{kind} holds the path {match!r}" for kind, match in found]


def shows_the_photographs(notebook, name):
    """No stored output is of the images that are drawn where the photographs cannot be had."""
    texts = [text for cell in code_cells(notebook) for _, text in text_outputs(cell)]
    if any("Using the procedural city instead" in text for text in texts):
        return ["it ran without the photographs: set KD_DUBAI_DIR, and store it again"]
    return []


def is_plain_python(notebook, name):
    """Every cell but the bootstrap is Python: a magic that is unknown swallows its whole cell."""
    problems = []
    for number, cell in enumerate(code_cells(notebook), 1):
        if "bootstrap" in tags(cell):
            continue
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            problems.append(f"code cell {number} is not plain Python: {error}")
        if not cell.source.strip():
            problems.append(f"code cell {number} is empty")
    return problems


def is_stamped(notebook, name):
    """Bootstrap cell and Colab badge are those that `make stamp` writes."""
    problems = []
    cells = code_cells(notebook)
    stamped = bootstrap(notebook.cells)
    if not cells or "bootstrap" not in tags(cells[0]) or cells[0].source != stamped:
        problems.append("the first code cell is not the stamped bootstrap cell")
    elif cells[0].outputs:
        problems.append("the bootstrap cell has outputs")
    if sum("bootstrap" in tags(cell) for cell in cells) > 1:
        problems.append("more than one cell is tagged bootstrap")
    head = notebook.cells[0].source.split("\n\n") if notebook.cells else [""]
    if not head[0].startswith("# ") or badge(name) not in head[1:2]:
        problems.append("the stamped Colab badge is not right under the title")
    allowed = {"kernelspec", "language_info", "widgets"}
    if extra := set(notebook.metadata) - allowed:
        problems.append(f"metadata that `make stamp` removes: {sorted(extra)}")
    return problems


def has_known_tags(notebook, name):
    """Tags are those of the house; nothing is skipped, neither by tag nor by comment."""
    problems = []
    for number, cell in enumerate(notebook.cells):
        if unknown := tags(cell) - KNOWN_TAGS:
            problems.append(f"cell {number} has tags that are not in use: {sorted(unknown)}")
        if re.search(r"#\s*(NBVAL_|PYTEST_VALIDATE)", cell.source):
            problems.append(f"cell {number} has an nbval marker in a comment: use a tag")
    return problems


def has_short_cells(notebook, name):
    """Code cells have at most 15 lines, solutions at most 25, and one listing, to copy, 50."""
    problems = []
    if sum("listing" in tags(cell) for cell in code_cells(notebook)) > 1:
        problems.append("more than one cell is tagged listing")
    for number, cell in enumerate(code_cells(notebook), 1):
        lines = len(cell.source.splitlines())
        most = LONGEST_SOLUTION if "solution" in tags(cell) else LONGEST_CELL
        most = LONGEST_LISTING if "listing" in tags(cell) else most
        if lines > most:
            problems.append(f"code cell {number} has {lines} lines, {most} at most")
    return problems


def alternates(notebook, name):
    """There are never more than two code cells in a row."""
    kinds = "".join("c" if cell.cell_type == "code" else "." for cell in notebook.cells)
    return [f"cells {m.start()} to {m.end() - 1} are all code" for m in re.finditer("ccc+", kinds)]


def has_alt_text(notebook, name):
    """Every picture says in words what it shows."""
    problems = []
    for number, cell in enumerate(code_cells(notebook), 1):
        for output in cell.outputs:
            pictures = [kind for kind in output.get("data", {}) if kind.startswith("image/")]
            if pictures and "text/html" not in output.data:
                problems.append(f"code cell {number} shows a bare {pictures[0]}: use figures.show")
        for kind, text in text_outputs(cell):
            images = BeautifulSoup(text, "html.parser").find_all("img") if "html" in kind else []
            if any(len(image.get("alt", "").split()) < 3 for image in images):
                problems.append(f"code cell {number} shows a picture without alt text")
    return problems


def is_finished(notebook, name):
    """The last code cell counts the checks, its output says that all ran, and it is compared."""
    cells = code_cells(notebook)
    last = cells[-1] if cells else None
    call = last and re.fullmatch(r"(?:checks\.)?finish\((\d+)\)", last.source.strip())
    if not call:
        return ["the last code cell is not finish(N)"]
    problems = []
    if "nbval-check-output" not in tags(last) or "nbval-ignore-output" in tags(last):
        problems.append("the finish cell is not tagged nbval-check-output")
    said = FINISHED.fullmatch("".join(text for _, text in text_outputs(last)))
    if not said or said[1] != call[1]:
        problems.append(f"finish({call[1]}) did not say that all {call[1]} checks passed")
    return problems


def has_exercises(notebook, name):
    """There are at least three exercises, each followed by its solution, folded away.

    Each knows the likely mistakes, and one is of each kind: its heading says so.
    """
    cells = code_cells(notebook)
    problems = []
    for cell, following in zip(cells, [*cells[1:], None], strict=True):
        if "exercise" in tags(cell):
            if following is None or not {"solution", "hide-cell"} <= tags(following):
                problems.append(f"no folded solution follows the exercise {cell.source[:40]!r}")
            if not re.search(r"self_check\(.*\bmistakes=", cell.source, re.DOTALL):
                problems.append(f"no self_check with mistakes in {cell.source[:40]!r}")
    count = sum("exercise" in tags(cell) for cell in cells)
    if count < FEWEST_EXERCISES:
        problems.append(f"{count} exercises, {FEWEST_EXERCISES} at least")
    texts = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    headings = "\n".join(re.findall(r"^### Exercise \d.*", texts, re.MULTILINE))
    for kind in KINDS:
        if not re.search(rf"\b{kind}\b", headings):
            problems.append(f"no exercise of the kind {kind!r}")
    return problems


def has_its_sections(notebook, name):
    """It asks one question, names at most five objectives and the times, and says what it left out.

    Before results it asks for a prediction, and its key points stand at the end.
    """
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    problems = []
    able = re.search(r"will be able to[^\n]*\n+((?:[ \t]*(?:[-*]|\d+\.) .*\n?(?: +.*\n?)*)+)", text)
    points = re.findall(r"^(?:[-*]|\d+\.) ", able[1], re.MULTILINE) if able else []
    if not 1 <= len(points) <= MOST_OBJECTIVES:
        problems.append(f"{len(points)} objectives under 'You will be able to', 1 to 5 expected")
    if len(re.findall(r"^\*[^*\n]+\?\*$", text, re.MULTILINE)) != 1:
        problems.append("its one question does not stand alone on a line, in italics")
    for what, pattern in ANATOMY.items():
        if not re.search(pattern, text, re.MULTILINE):
            problems.append(f"no {what}")
    return problems


RULES = (
    is_valid, ran_in_order, has_no_errors, has_no_stderr, has_no_log_lines, has_no_machine_paths,
    shows_the_photographs, is_plain_python, is_stamped, has_known_tags, has_short_cells, alternates,
    has_alt_text, is_finished, has_exercises, has_its_sections,
)  # fmt: skip
# What must also hold of a chapter that has just been run, before its outputs are kept.
RUN_RULES = (
    ran_in_order, has_no_errors, has_no_stderr, has_no_log_lines, has_no_machine_paths, is_finished,
)  # fmt: skip
