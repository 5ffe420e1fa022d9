"""The notebooks of a class: without solutions, and sound all the same; or with the notes."""

import ast
import os
import re
from pathlib import Path

import classroom
import guard
import nbformat
import pytest
from execute import execute
from project import LIMITS, ROOT, chapter, chapters, kernel_environment

CHAPTERS = pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
# What holds of a chapter without solutions too. It has neither badge nor solutions.
LOST = ("is_stamped", "has_exercises", "alternates")
STILL = [rule for rule in guard.RULES if rule.__name__ not in LOST]


def read(path):
    return nbformat.read(path, as_version=4)


def of_kind(notebook, tag):
    return [cell for cell in guard.code_cells(notebook) if tag in guard.tags(cell)]


def lines(cells):
    """Return the lines of code that say something, without comments that stand in other cells."""
    return {line.strip() for cell in cells for line in cell.source.splitlines() if len(line) > 30}


@CHAPTERS
def test_no_line_of_a_solution_is_left(path):
    solutions = of_kind(read(path), "solution")
    left = classroom.without_solutions(read(path))
    assert len(solutions) >= guard.FEWEST_EXERCISES
    assert of_kind(left, "solution") == []
    elsewhere = lines(c for c in guard.code_cells(read(path)) if "solution" not in guard.tags(c))
    assert lines(solutions) - elsewhere, "the solutions have lines of their own"
    assert (lines(solutions) - elsewhere) & lines(guard.code_cells(left)) == set()
    assert "solutions are folded" not in nbformat.writes(left)
    assert "colab.research.google.com" not in left.cells[0].source


@CHAPTERS
def test_all_else_is_left_and_sound(path):
    whole, left = read(path), classroom.without_solutions(read(path))
    assert len(whole.cells) - len(left.cells) == len(of_kind(whole, "solution"))
    assert {r.__name__: r(left, path.name) for r in STILL if r(left, path.name)} == {}


@CHAPTERS
def test_stubs_say_that_they_are_not_answered(path):
    """The chapters run with their stubs in other tests; here is what these stored."""
    stubs = of_kind(read(path), "exercise")
    said = ["".join(text for _, text in guard.text_outputs(cell)) for cell in stubs]
    assert len(said) >= guard.FEWEST_EXERCISES
    assert [text for text in said if "Not answered yet" not in text] == []


@CHAPTERS
def test_solutions_check_themselves(path):
    """So that running the whole chapter, as other tests do, shows that they are right."""
    solutions = of_kind(read(path), "solution")
    assert [cell.source for cell in solutions if classroom.ticks([cell]) == 0] == []


def names(cells, kind):
    """Return the names that the cells load, or those that they give to something."""
    trees = [ast.parse(cell.source) for cell in cells if "bootstrap" not in guard.tags(cell)]
    if kind == "loaded":
        nodes = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Name)]
        return {n.id for n in nodes if isinstance(n.ctx, ast.Load)}
    nodes = [node for tree in trees for node in ast.walk(tree)]
    made = {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    made |= {n.arg for n in nodes if isinstance(n, ast.arg)}
    return made | {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


@CHAPTERS
def test_nothing_else_needs_what_a_solution_defines(path):
    """Else a student's notebook would stop where a solution is missing."""
    cells = guard.code_cells(read(path))
    first = {}
    for place, cell in enumerate(cells):
        for name in names([cell], "stored"):
            first.setdefault(name, place)
    solved = {n for n, place in first.items() if "solution" in guard.tags(cells[place])}
    others = [cell for cell in cells if "solution" not in guard.tags(cell)]
    own = {name for cell in others for name in names([cell], "stored")}
    assert (solved - own) & names(others, "loaded") == set()


def test_a_chapter_without_solutions_runs_to_its_end(tmp_path, run_time):
    """One of them, in a fresh kernel; its last cell counts the checks that are left."""
    path = chapter("01")
    left = classroom.without_solutions(read(path))
    result = execute(
        left,
        path.name,
        limit=LIMITS["smoke"],
        environment=kernel_environment("smoke", os.environ["KD_CACHE_DIR"]),
        folder=tmp_path,
    )
    run_time(f"{path.stem} without solutions", result["seconds"])
    said = "".join(text for _, text in guard.text_outputs(guard.code_cells(left)[-1]))
    assert guard.FINISHED.fullmatch(said)


@CHAPTERS
def test_notes_stand_below_the_head(path):
    notes = classroom.notes_of(path).read_text(encoding="utf-8")
    noted = classroom.with_notes(read(path), notes)
    kinds = [cell.cell_type for cell in noted.cells]
    cell = noted.cells[kinds.index("code") - 1]
    assert cell.source.startswith("## ")
    plain = re.sub(r"^#+", "", notes.strip(), flags=re.MULTILINE)
    assert re.sub(r"^#+", "", cell.source, flags=re.MULTILINE) == plain
    assert len(of_kind(noted, "solution")) == len(of_kind(read(path), "solution"))


@CHAPTERS
def test_notes_have_their_sections(path):
    notes = classroom.notes_of(path).read_text(encoding="utf-8")
    sections = re.findall(r"^## (.+)$", notes, re.MULTILINE)
    assert sections == ["Where they get stuck", "What to skip", "To discuss", "On the board"]


def test_the_copies_differ_in_settings_only_where_they_must(tmp_path):
    for kind, name in (("student", "_config.yml"), ("instructor", "_toc.yml")):
        folder = tmp_path / kind
        folder.mkdir()
        for each in ("_config.yml", "_toc.yml"):
            Path(folder, each).write_text((ROOT / each).read_text("utf-8"), encoding="utf-8")
        classroom.settle(kind, folder)
        texts = {each: (folder / each).read_text("utf-8") for each in ("_config.yml", "_toc.yml")}
        assert ("launch_buttons" in texts["_config.yml"]) == (kind == "instructor")
        assert (classroom.KEY in texts["_toc.yml"]) == (kind == "instructor")
        assert (ROOT / f"{classroom.KEY}.md").exists()
        other = next(each for each in texts if each != name)
        assert texts[other] == (ROOT / other).read_text("utf-8")
