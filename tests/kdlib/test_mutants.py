"""The mutants fit the library as it is. `make mutants` runs them; here their form is tested."""

import ast
from pathlib import Path

import pytest

from tests.mutants.table import MUTANTS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.fault)
def test_the_patch_fits_once_and_changes_the_code(mutant):
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1
    changed = text.replace(mutant.old, mutant.new)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.fault)
def test_the_named_test_exists(mutant):
    file, name = mutant.test.split("::")
    tree = ast.parse((ROOT / "tests" / "kdlib" / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_no_fault_is_listed_twice():
    assert len({mutant.fault for mutant in MUTANTS}) == len(MUTANTS) >= 25
