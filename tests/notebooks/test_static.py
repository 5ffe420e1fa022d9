"""Every stored chapter obeys every rule of the guard."""

import nbformat
import pytest
import yaml
from guard import RULES
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
