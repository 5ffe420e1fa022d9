"""Numbers in prose: the build writes them, and a test finds those that somebody typed.

A number that a cell computed stands before a comment that says what it is::

    The student finds 84 %<!--= found := np.mean(recall["distilled"]) --> of the threes.

Readers never see the comment, neither on a page nor in Colab. ``make store`` evaluates what stands
after ``=`` where the prose stands, that is, after the cells directly below it, and later if a name
is not defined there yet. Then it rewrites the number before the comment. The number's own shape
says how it is written: decimals, a sign, commas, percent. With a name (``found :=``) any page and
any other chapter can repeat it, as ``84 %<!--= 02.found -->``, in a shape of its own; ``make
stamp`` fills those in.

Numbers of other people that happen to be printed as well are marked ``877<!--typed: why -->``.
"""

import argparse
import ast
import builtins
import math
import re
import sys

import nbformat
from bs4 import BeautifulSoup
from project import ROOT, chapters

NUMBER = r"[+−-]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:[ \u00a0]?%)?"
MARK = re.compile(rf"(?P<number>{NUMBER})?<!--=\s*(?P<what>.*?)\s*-->", re.DOTALL)
TYPED = re.compile(rf"{NUMBER}\W*<!--typed: [^>]+-->")
ELSEWHERE = re.compile(r"(\d\d)\.(\w+)")
NAMED = re.compile(r"([A-Za-z_]\w*)\s*:=\s*(.*)", re.DOTALL)
CONVENTIONS = {0.95}  # of intervals
SMOKE_BOX = ":::{admonition} In smoke mode\n"
# What is no prose: fences, formulas, code, tags, addresses, and the names of arXiv's papers.
NO_PROSE = re.compile(
    r"```.*?```|\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|<[^>]*>|\]\([^)]*\)|https?://\S+|arXiv[: ]\S+",
    re.DOTALL,
)
ALONE = re.compile(rf"(?<![\w.,/:]){NUMBER}(?![\w/]|[.,:]\d)")


class WrongMark(Exception):
    """A mark that cannot be filled in."""


def expression(what):
    """Return the Python expression of a mark, without its name."""
    named = NAMED.fullmatch(what)
    return named[2] if named else what


def written(value, like):
    """Return `value` in the shape of the number `like`.

    >>> written(0.8371, "50 %"), written(0.3349, "+.00"), written(26122.0, "0"), written(-2, "0")
    ('84 %', '+.33', '26,122', '−2')
    """
    percent = re.search(r"[ \u00a0]?%$", like)
    digits = like[: percent.start()] if percent else like
    decimals = len(digits.partition(".")[2])
    scaled = round(round(value * 100, 9) if percent else value, decimals) + 0.0  # 57.5, not less
    comma = "," if "," in digits or abs(scaled) >= 10_000 else ""
    text = f"{abs(scaled):{comma}.{decimals}f}"
    if digits.lstrip("+−-").startswith(".") and text.startswith("0."):
        text = text[1:]
    sign = "−" if scaled < 0 else "+" if digits.startswith("+") and scaled else ""
    return sign + text + (percent[0] if percent else "")


def marks(text):
    """Yield (number before it, what it is) of each mark in a text."""
    for found in MARK.finditer(text):
        yield found["number"], found["what"]


def filled(text, values):
    """Return `text` with the number before each mark as `values` has it, by what the mark says.

    Marks of which `values` knows nothing stay as they are.
    """

    def fill(found):
        if found["what"] not in values:
            return found[0]
        if found["number"] is None:
            raise WrongMark(f"no number stands before <!--= {found['what']} -->")
        mark = found[0][len(found["number"]) :]
        return written(values[found["what"]], found["number"]) + mark

    return MARK.sub(fill, text)


def own(cell):
    """Return what the marks of a cell say that its chapter computes."""
    if cell.cell_type != "markdown":
        return []
    return [what for _, what in marks(cell.source) if not ELSEWHERE.fullmatch(what)]


def keep(cell, values):
    """Write values into a cell, in place, and beside its text, where the guard finds them."""
    kept = {what: float(f"{value:.6g}") for what, value in values.items()}
    cell.source = filled(cell.source, kept)
    cell.metadata["values"] = kept


def named_values(root=ROOT):
    """Return {"02.found": value} of all named values of all chapters, as they were stored."""
    named = {}
    for path in chapters(root):
        for cell in nbformat.read(path, as_version=4).cells:
            for what, value in cell.metadata.get("values", {}).items():
                if found := NAMED.fullmatch(what):
                    name = f"{path.name[:2]}.{found[1]}"
                    if named.get(name, value) != value:
                        raise WrongMark(f"chapter {path.name} has two values called {found[1]}")
                    named[name] = value
    return named


def unknown(text, named):
    """Return the marks in a text that ask other chapters for what they do not have."""
    return [what for _, what in marks(text) if ELSEWHERE.fullmatch(what) and what not in named]


def pages(root=ROOT):
    """Return the pages of prose beside the chapters."""
    return sorted(path for path in root.glob("book/**/*.md") if "_" not in path.parent.name)


def fill_pages(root=ROOT, check=False):
    """Write named values into all pages and chapters; return the files in which some differed."""
    named, changed = named_values(root), []
    for path in [*pages(root), *chapters(root)]:
        before = path.read_text(encoding="utf-8")
        after = filled_file(path, before, named)
        if after != before:
            changed.append(path.name)
            if not check:
                path.write_text(after, encoding="utf-8")
    return changed


def filled_file(path, text, named):
    """Return the text of a page or a chapter's file with all named values filled in."""
    if missing := unknown(text, named):
        raise WrongMark(f"{path.name}: no chapter has {', '.join(missing)}: name it there with :=")
    if path.suffix == ".md":
        return filled(text, named)
    notebook = nbformat.reads(text, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = filled(cell.source, named)
    return nbformat.writes(notebook) + "\n"


# The guard's part: what was stored is what is written, and nothing computed was typed.


def says_what_was_stored(notebook, name):
    """Each number of the chapter's own is the one that `make store` found, in its shape."""
    problems = []
    for place, cell in enumerate(notebook.cells):
        values = cell.metadata.get("values", {})
        if set(values) != set(own(cell)):
            problems.append(f"cell {place} has marks that were not stored: run make store")
        elif cell.cell_type == "markdown" and filled(cell.source, values) != cell.source:
            problems.append(f"cell {place} has a number that is not the stored one")
    return problems


def has_marks_that_can_be_evaluated(notebook, name):
    """What a mark asks for is Python, and its names are assigned in a cell of the chapter."""
    known, problems = set(dir(builtins)), []
    for cell in python_cells(notebook):
        known |= assigned(cell.source)
    for cell in notebook.cells:
        for what in own(cell):
            try:
                tree = ast.parse(expression(what), mode="eval")
            except SyntaxError:
                problems.append(f"{what!r} is not an expression of Python")
                continue
            inner = assigned(expression(what))
            names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            problems += [f"{what!r} uses {n!r}, unknown here" for n in names - known - inner]
    return problems


def python_cells(notebook):
    """Return the code cells but the bootstrap, which is no plain Python."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell for cell in cells if "bootstrap" not in cell.metadata.get("tags", [])]


def assigned(source):
    """Return the names that some code gives to something: variables, imports, functions."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    return names


def telling(number):
    """Return a number as (value, decimals), or None if it is too plain to have been computed.

    Computed looks what has a decimal point or a percent sign, or is a count of three digits or
    more; but tens and hundreds are taken to be chosen.
    """
    percent = number.endswith("%")
    digits = number.rstrip("% \u00a0").lstrip("+−-").replace(",", "")
    decimals = len(digits.partition(".")[2])
    if not percent and not decimals and (len(digits) < 3 or digits.endswith("0")):
        return None
    if len(digits.strip("0.")) < 2:  # 0.5, 10 %, 1.0
        return None
    shift = 2 if percent else 0
    return float(digits) / 10**shift, decimals + shift


def printed(notebook):
    """Return the numbers that the code cells print, as (value, decimals)."""
    found = set()
    for cell in notebook.cells:
        if cell.cell_type == "code" and not {"exercise", "solution"} & set(
            cell.metadata.get("tags", [])
        ):
            for text in output_texts(cell):
                for number in ALONE.findall(text):
                    if number := telling(number):
                        found.add(number)
    return found


def output_texts(cell):
    """Yield the texts of a cell's outputs; of a picture, its text."""
    for output in cell.outputs:
        data = output.get("data", {})
        yield from [output.text] if "text" in output else []
        yield BeautifulSoup(str(data.get("text/html", "")), "html.parser").get_text(" ")
        yield str(data.get("text/plain", ""))


def typed(text, outputs, chosen=frozenset()):
    """Return the numbers in a text that stand in outputs too, and bear no mark.

    Parameters
    ----------
    text : str
        Markdown.
    outputs : set of (float, int)
        What cells print, by `printed`.
    chosen : set of float
        Numbers that the code sets: to repeat those is not to repeat a result.
    """
    text = TYPED.sub(" ", MARK.sub(" ", text))
    problems = []
    for number in ALONE.findall(NO_PROSE.sub(" ", text)):
        value = telling(number)
        if value and value[0] not in chosen and any(same(value, other) for other in outputs):
            problems.append(number)
    return problems


def same(said, shown):
    """Tell whether a number that is said is one that is shown, as it is or rounded."""
    (value, decimals), (exact, finer) = said, shown
    return finer >= decimals and abs(value - round(exact, decimals)) < 10.0 ** -(decimals + 3)


def literals(notebook):
    """Return the numbers that stand in the code."""
    found = set()
    for cell in python_cells(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
                found.add(float(node.value))
    return found


def types_nothing_that_was_computed(notebook, name):
    """No number in the prose is one that a cell printed, unless the build wrote it."""
    outputs, chosen = printed(notebook), literals(notebook) | CONVENTIONS
    return [
        f"cell {place} types {number}, which a cell computed: write {number}<!--= expression -->"
        for place, cell in enumerate(notebook.cells)
        if cell.cell_type == "markdown" and place and "quiz" not in cell.metadata.get("tags", [])
        for number in typed(cell.source, outputs, chosen)
    ]


def typed_on_page(text, printed_in):
    """Return the numbers that a page types beside a link to the chapter that prints them.

    Parameters
    ----------
    text : str
        Markdown of a page.
    printed_in : dict of str to set
        For each chapter, such as ``"02"``, what it prints, by `printed`.
    """
    found = []
    for block in re.split(r"\n\s*\n", text):
        for number in re.findall(r"notebooks/(\d\d)_\w+\.ipynb", block):
            found += typed(block, printed_in[number])
    return found


RULES = (says_what_was_stored, has_marks_that_can_be_evaluated)


def questions(cell):
    """Return what to ask a kernel for, to fill in a cell: {mark: expression that gives a float}."""
    return {what: f"float({expression(what)})" for what in own(cell)}


def lacks_a_name(reply):
    """Tell whether a kernel could not answer because something is not defined yet."""
    found = reply["content"].get("user_expressions", {}).values()
    return any(answer.get("ename") == "NameError" for answer in found)


def answers(reply):
    """Return {mark: number} of a kernel's reply to `questions`.

    Raises
    ------
    WrongMark
        If an expression failed, or gave no finite number.
    """
    values = {}
    for what, answer in reply["content"].get("user_expressions", {}).items():
        if answer["status"] != "ok":
            raise WrongMark(f"{what!r} in the prose: {answer['ename']}: {answer['evalue']}")
        values[what] = float(answer["data"]["text/plain"])
        if not math.isfinite(values[what]):
            raise WrongMark(f"{what!r} in the prose is {values[what]}")
    return values


def main():
    """Fill in all pages and chapters, or with ``--check`` only say in which a number differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail if needed")
    check = parser.parse_args().check
    try:
        changed = fill_pages(check=check)
    except WrongMark as error:
        sys.exit(str(error))
    if check and changed:
        sys.exit(f"Run `make stamp`: {', '.join(changed)} repeat numbers of before.")
    print(f"{len(changed)} pages and chapters repeat other numbers than before")


if __name__ == "__main__":
    main()
