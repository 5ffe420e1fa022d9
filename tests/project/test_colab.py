"""Installing kdlib in Colab changes nothing there: resolved against Colab's published packages.

pip itself resolves, in a copy of Colab's environment that holds names and versions only, cut off
from every package index. What pip would then install is what Colab would lose.
"""

import ast
import importlib.metadata
import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pip
import pytest
from in_colab import EXTRA, EXTRAS, PROJECT, arguments
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project import ROOT, chapter, chapters
from stamp import bootstrap

LISTS = sorted((ROOT / "tests" / "project" / "colab").glob("pip-freeze*.txt"))
NEEDED_BY_CHAPTERS = {canonicalize_name(Requirement(text).name) for text in EXTRA}
RESOLVE = "import runpy, sys; sys.argv[0] = 'pip'; runpy.run_module('pip', run_name='__main__')"


def published(path):
    """Return {name: version} of a list of Colab's packages."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        name, pinned, version = line.partition("==")
        if not pinned:  # installed from an address, which bears the version
            name, _, address = line.partition(" @ ")
            numbers = re.search(r"[-_](\d+(?:\.\d+)+)", address)
            version = numbers[1] if numbers else "0"
        found[canonicalize_name(name)] = version
    return found


def metadata(name, version, requires=()):
    """Return what a package says of itself."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    return "\n".join([*lines, *(f"Requires-Dist: {text}" for text in requires)]) + "\n"


@pytest.fixture(scope="module", params=LISTS, ids=lambda path: path.stem)
def colab(request, tmp_path_factory):
    """Make a folder that looks to pip like Colab's packages; return (folder, {name: version})."""
    folder, packages = tmp_path_factory.mktemp("colab"), published(request.param)
    for name, version in packages.items():
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(metadata(name, version), encoding="utf-8")
    (folder / "pip").symlink_to(Path(pip.__file__).parent)
    return folder, packages


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Make wheels that hold nothing but what packages say they require, and an old NumPy."""
    folder = tmp_path_factory.mktemp("wheels")
    there = map(importlib.metadata.distribution, ("patchify", *sorted(NEEDED_BY_CHAPTERS)))
    for name, version, requires in (
        ("kdlib", "0", PROJECT["dependencies"]),
        ("numpy", "1.26.4", ()),
        ("backports.strenum", "1.2.8", ()),
        *((dist.name.replace("-", "_"), dist.version, dist.requires) for dist in there),
    ):
        info = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{info}/METADATA", metadata(name, version, requires))
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
    return folder


def installed_by(colab, wheels, *wanted):
    """Return {name: version} of what pip would install."""
    command = [sys.executable, "-S", "-c", RESOLVE, "install", "--dry-run", "--no-index"]
    command += ["--disable-pip-version-check", "--find-links", str(wheels), *wanted]
    environment = {"PYTHONPATH": str(colab[0]), "PATH": os.environ["PATH"]}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
    said = re.search(r"Would install (.*)", run.stdout)
    pairs = [text.rsplit("-", 1) for text in said[1].split()] if said else []
    return {canonicalize_name(name): version for name, version in pairs}


def test_the_requirements_of_kdlib_change_no_package_of_colab(colab, wheels):
    assert installed_by(colab, wheels, "kdlib") == {"kdlib": "0"}


def test_the_bootstrap_cells_change_no_package_of_colab(colab, wheels):
    """Their arguments, with kdlib from here instead of from its repository."""
    installed = set()
    for given in arguments():
        words = ["kdlib" if Path(text) == ROOT else text for text in given]
        words.remove("-q")  # which would hide what is asked
        installed |= set(installed_by(colab, wheels, *words))
    assert installed == {"kdlib", "patchify"}


def test_the_packages_of_single_chapters_change_no_package_of_colab(colab, wheels):
    """With all that they ask for. The backport is not needed on Colab's Python, and left out."""
    found = set(installed_by(colab, wheels, *EXTRA))
    assert found == NEEDED_BY_CHAPTERS | {"backports-strenum"}


@pytest.mark.parametrize(("number", "extra"), [("08", "tune"), ("10", "export")])
def test_a_chapter_installs_its_packages_alone(number, extra):
    cells = nbformat.read(chapter(number), as_version=4).cells
    (source,) = [cell.source for cell in cells if "packages = [" in cell.source]
    found = re.search(r"packages = (\[.*?\])", source, re.DOTALL)[1]
    assert ast.literal_eval(found) == EXTRAS[extra]
    assert '"install", "-q", "--no-deps", *packages' in source


def test_a_change_would_be_noticed(colab, wheels):
    """Patchify with its declared requirements would take Colab's NumPy away."""
    assert colab[1]["numpy"].startswith("2.")
    lost = installed_by(colab, wheels, "patchify")
    assert lost.pop("patchify") and lost == {"numpy": "1.26.4"}


def test_every_requirement_is_one_that_colab_meets(colab):
    """What the chapters need beside kdlib's own, too."""
    for text in PROJECT["dependencies"] + EXTRAS["book"]:
        wanted = Requirement(text)
        there = colab[1][canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(there, prereleases=True), (text, there)
    python = PROJECT["requires-python"]
    assert Requirement(f"python{python}").specifier.contains("3.13")  # Colab's, by its wheels


def test_the_bootstrap_cells_upgrade_nothing_and_only_chapter_03_asks_for_patchify():
    for path in chapters():
        source = bootstrap(nbformat.read(path, as_version=4).cells)
        named, upgrading = [], {"-U", "--upgrade", "--force-reinstall", "-I", "--ignore-installed"}
        for line in re.findall(r"^ *%pip install (.*)$", source, re.MULTILINE):
            words = shlex.split(line)
            assert not upgrading & {*words}
            named += [Requirement(word).name for word in words if not word.startswith("-")]
            assert ("--no-deps" in words) == ("patchify" in named)
        assert named == ["kdlib", "patchify"][: 1 + path.name.startswith("03_")]


def test_make_test_colab_uses_versions_of_the_published_list():
    there = published(LISTS[-1])
    lines = (ROOT / "requirements" / "colab.txt").read_text(encoding="utf-8").splitlines()
    ours = [Requirement(line) for line in lines[: lines.index("# not in Colab, for the tests")]
            if line and line[0] != "#"]  # fmt: skip
    assert len(ours) > 10
    for wanted in ours:
        version = str(wanted.specifier).removeprefix("==")
        assert there[canonicalize_name(wanted.name)] == version, wanted.name
