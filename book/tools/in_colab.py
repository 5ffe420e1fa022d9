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

from packaging.requirements import Requirement
from project import ROOT
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
    """Return the arguments of the bootstrap cell's pip, this copy instead of the public one."""
    given = shlex.split(re.search(r"%pip install (.*)", bootstrap())[1])
    return [str(ROOT) if part.startswith("kdlib") else part for part in given]


def main():
    """Install, compare, run."""
    before = packages()
    pip = [sys.executable, "-m", "pip", "install"]
    subprocess.run([*pip, *arguments()], check=True)
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
