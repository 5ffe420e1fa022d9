"""The repository: lint, workflows, lock, docstrings, and addresses that stand in one place."""

import importlib
import inspect
import pkgutil
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections import Counter
from pathlib import Path

import pytest
import yaml
from guard import MACHINE_PATH
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project import ROOT, chapters, repository

import kdbook
import kdlib

BIN = Path(sys.executable).parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEXT = {".py", ".md", ".yml", ".toml", ".txt", ".in", ".cfg", ".css", ".bib", ".cff", ".ipynb", ""}


def run(*command):
    """Run a tool of the environment in the repository; return its output if it fails."""
    done = subprocess.run(
        [BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout + done.stderr if done.returncode else ""


def all_tracked():
    """Return the files that git tracks; skip the test where this is no clone."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git clone")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def tracked():
    """Return the files of text among them."""
    return [path for path in all_tracked() if path.suffix in TEXT]


def test_ruff_finds_nothing():
    assert run("ruff", "check", ".") == ""
    assert run("ruff", "format", "--check", ".") == ""


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_fit_the_schema_and_pass_the_linter(path):
    assert run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", path) == ""
    assert run("zizmor", "--offline", "--quiet", path) == ""


def test_issue_forms_and_dependabot_fit_their_schemas():
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    schemas = {"config": "vendor.github-issue-config"}
    assert len(forms) > 1
    for path in forms:
        schema = schemas.get(path.stem, "vendor.github-issue-forms")
        assert run("check-jsonschema", "--builtin-schema", schema, path) == ""
    path = ROOT / ".github" / "dependabot.yml"
    assert run("check-jsonschema", "--builtin-schema", "vendor.dependabot", path) == ""
    assert run("zizmor", "--offline", "--quiet", path) == ""


def test_the_workflows_are_those_that_the_project_needs():
    assert [path.stem for path in WORKFLOWS] == ["book", "colab", "gpu", "test"]


def test_workflows_build_and_test_through_make():
    for path in WORKFLOWS:
        jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
        steps = [step.get("run", "") for job in jobs.values() for step in job.get("steps", [])]
        assert any("make " in step for step in steps), path.name


@pytest.mark.parametrize("name", ["Makefile", "CONTRIBUTING.md", "README.md"])
def test_paths_of_tests_that_are_named_exist(name):
    named = re.findall(r"\btests/[\w/.]*\w", (ROOT / name).read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_wheel_and_source_distribution_are_whole(tmp_path):
    """Built of a copy, for building leaves its files behind."""
    for path in all_tracked():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    program = (
        "from setuptools import build_meta as to; to.build_sdist('dist'); to.build_wheel('dist')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "deprecated" not in said, said[-3000:]
    with tarfile.open(next((tmp_path / "dist").glob("*.tar.gz"))) as archive:
        members = {name.partition("/")[2]: name for name in archive.getnames()}
        metadata = archive.extractfile(members["PKG-INFO"]).read().decode().splitlines()
    named = {"Makefile", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "README.md"}
    assert named | {"LICENSE", "LICENSE-TEXT", "pyproject.toml"} <= set(members)
    assert "License-Expression: MIT" in metadata
    assert "License-File: LICENSE-TEXT" in metadata
    ours = [path.relative_to(ROOT) for path in all_tracked()]
    kdlib_files = {str(path) for path in ours if path.parts[0] == "kdlib"}
    kdbook_files = {str(path) for path in ours if path.parts[:2] == ("book", "kdbook")}
    assert kdlib_files | kdbook_files <= set(members)
    with zipfile.ZipFile(next((tmp_path / "dist").glob("*.whl"))) as wheel:
        in_wheel = kdlib_files | {name.removeprefix("book/") for name in kdbook_files}
        assert in_wheel <= set(wheel.namelist())


def test_what_a_build_leaves_is_ignored_and_cleaned():
    """Modules that stay in build/ get into the next wheel."""
    all_tracked()
    for name in ("build", "dist"):
        path = f"{name}/lib/kdlib/old.py"
        assert subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT).returncode == 0, path
    recipe = re.search(r"^clean:.*\n\trm -rf (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert {"build", "dist", "_build"} <= set(recipe.group(1).split())


def test_no_file_names_a_folder_of_somebodys_machine():
    found = []
    for path in tracked():
        # lock.txt and notebooks have tests of their own; here: everything that people write.
        for line in path.read_text(encoding="utf-8").splitlines():
            if path.suffix == ".ipynb" or line.startswith("#!"):
                continue
            if MACHINE_PATH.search(line):
                found.append(f"{path.relative_to(ROOT)}: {line.strip()[:100]}")
    assert found == []


def test_only_the_settings_name_the_repository():
    """Everywhere else its address is left out, or stamped, as in the chapters and the README."""
    url, _ = repository()
    slug = url.removeprefix("https://github.com/")
    found = [
        path.relative_to(ROOT)
        for path in tracked()
        if path.suffix != ".ipynb"
        and path not in (ROOT / "_config.yml", ROOT / "README.md")
        and re.search(re.escape(slug), path.read_text(encoding="utf-8"))
    ]
    assert found == []


def requirements(name):
    """Return {name: requirement} of a file of requirements."""
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line and line[0] not in " #"]
    return {canonicalize_name(requirement.name): requirement for requirement in wanted}


def test_the_lock_pins_everything_and_names_no_place():
    text = (ROOT / "requirements" / "lock.txt").read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|--index|--find|@ ", text)
    for requirement in requirements("lock.txt").values():
        assert re.fullmatch(r"==[\w.]+", str(requirement.specifier)), requirement


def test_the_lock_holds_what_is_asked_for():
    locked = requirements("lock.txt")
    for name, requirement in requirements("direct.in").items():
        pinned = str(locked[name].specifier).removeprefix("==")
        assert requirement.specifier.contains(pinned, prereleases=True), name


def test_the_library_asks_for_no_more_than_colab_has():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    colab, locked = requirements("colab.txt"), requirements("lock.txt")
    for text in project["dependencies"]:
        wanted = Requirement(text)
        for there in (colab, locked):
            version = str(there[wanted.name].specifier).removeprefix("==")
            assert wanted.specifier.contains(version, prereleases=True), (text, version)


def test_the_library_never_imports_the_laboratory():
    """What a reader takes home works without what the chapters were made with."""
    pattern = re.compile(r"^\s*(?:>>> )?(?:import|from) kdbook\b", re.MULTILINE)
    sources = sorted((ROOT / "kdlib").rglob("*.py"))
    assert len(sources) > 50
    assert [path for path in sources if pattern.search(path.read_text(encoding="utf-8"))] == []


def test_a_name_stands_for_one_module():
    """So that nobody has to rename one while importing it."""
    names = Counter(
        path.stem.lstrip("_")
        for package in (ROOT / "kdlib", ROOT / "book" / "kdbook")
        for path in package.rglob("*.py")
        if not path.stem.startswith("__")
    )
    assert len(names) > 100
    assert [name for name, count in names.items() if count > 1] == []


def test_chapters_rename_nothing_of_ours():
    for path in chapters():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?:from|import) kd(?:lib|book)\b[^\n]*? as ", text), path.name


# They need the photographs, the network or a training, or write into the library itself.
WITHOUT_EXAMPLE = {
    "kdlib.data.dubai.folder",
    "kdlib.data.dubai.load",
    "kdbook.explorers.collapse_runs.the_collapse",
}


def modules():
    """Yield the public modules of both packages."""
    for package in (kdlib, kdbook):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "._" not in found.name:
                yield importlib.import_module(found.name)


PROGRAMS = ("kdbook.study", "kdbook.recorders", "kdbook.database")


def test_every_public_function_and_class_has_an_example():
    """The doctests run it. Left out are the parts of programs that need records."""
    without = {
        f"{module.__name__}.{name}"
        for module in modules()
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and name[0] != "_"
        if inspect.isclass(value) or inspect.isroutine(value)
        if ">>> " not in (value.__doc__ or "") and not module.__name__.startswith(PROGRAMS)
    }
    assert without == WITHOUT_EXAMPLE
