"""Try the chapters inside Colab's runtime image: install as the bootstrap cell does, then run.

Fails if the installation changes any package that Colab came with, or if a chapter fails in smoke
mode. Meant for that image (the ``colab`` workflow), it works in any environment that has Colab's
packages.
"""

import importlib.metadata
import re
import shlex
import subprocess
import sys
import tomllib

import nbformat
from packaging.requirements import Requirement
from project import ROOT, chapters
from stamp import bootstrap

# What chapters 08 and 10 install for themselves.
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
EXTRA = [text for name in ("tune", "export") for text in EXTRAS[name]]

OURS = {"kdlib", "patchify", *(Requirement(text).name for text in EXTRA)}


def packages():
    """Return {name: version} of what is installed, as a new process would see it."""
    importlib.invalidate_caches()
    found = importlib.metadata.distributions()
    return {(dist.metadata["Name"] or "").lower(): dist.version for dist in found}


def arguments():
    """Return what the bootstrap cells give to pip, this copy of kdlib instead of the public one."""
    cells = [nbformat.read(path, as_version=4).cells for path in chapters()]
    lines = {line for each in cells for line in re.findall(r"%pip install (.*)", bootstrap(each))}
    words = [shlex.split(line) for line in sorted(lines)]
    return [[str(ROOT) if word.startswith("kdlib") else word for word in line] for line in words]


def main():
    """Install, compare, run."""
    before = packages()
    pip = [sys.executable, "-m", "pip", "install"]
    for given in arguments():
        subprocess.run([*pip, *given], check=True)
    subprocess.run([*pip, "--no-deps", *EXTRA], check=True)
    after = packages()
    changed = {
        name: (before.get(name), after.get(name))
        for name in (before.keys() | after.keys()) - OURS
        if before.get(name) != after.get(name)
    }
    if changed or not after.keys() >= OURS:
        sys.exit(f"Installing kdlib changed other packages, or did not install it: {changed}")
    for name in ("tensorflow", "keras", "numpy", "ipywidgets"):
        print(f"{name} is still {after[name]}")
    subprocess.run([sys.executable, ROOT / "book" / "tools" / "execute.py", "run"], check=True)


if __name__ == "__main__":
    main()
