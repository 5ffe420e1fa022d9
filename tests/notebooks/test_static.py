"""Every stored chapter obeys every rule of the guard."""

import re

import nbformat
import pytest
import yaml
from guard import RULES, code_cells, tags
from project import ROOT, chapters


def test_the_table_of_contents_lists_the_chapters_in_order():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = [page["file"] for part in toc["parts"] for page in part["chapters"]]
    stored = [f"notebooks/{path.stem}" for path in chapters()]
    assert stored and [name for name in listed if name.startswith("notebooks/")] == stored


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_rule(path, rule):
    notebook = nbformat.read(path, as_version=4)
    assert rule(notebook, path.name) == [], rule.__doc__


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_each_chapter_has_an_exercise_to_tweak_one_to_build_and_a_bug_hunt(path):
    notebook = nbformat.read(path, as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    titles = re.findall(r"^### Exercise \d+: (.+)$", text, re.MULTILINE)
    for kind in ("tweak", "build", "bug hunt"):
        assert any(title == kind or title.endswith(f"({kind})") for title in titles), kind
    stubs = [cell.source for cell in code_cells(notebook) if "exercise" in tags(cell)]
    assert len(stubs) == len(titles)


@pytest.mark.parametrize("name", ["explorers.md", "explorers_networks.md"])
def test_each_moving_figure_asks_a_question_before_it_is_shown(name):
    text = (ROOT / "book" / name).read_text(encoding="utf-8")
    before = re.split(r"^`{3,}\{interactive\}", text, flags=re.MULTILINE)[:-1]
    assert len(before) == 2
    assert all("{admonition} Predict, then" in part and "?" in part for part in before)
