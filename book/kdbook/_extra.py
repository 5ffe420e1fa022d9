"""Whoever imports this has what the chapters need beside kdlib, or is told how to get it."""

from importlib.util import find_spec

PACKAGES = {"matplotlib": "matplotlib", "ipywidgets": "ipywidgets", "sklearn": "scikit-learn"}
"""Module and package: what the extra ``book`` of the distribution names."""

missing = [package for module, package in PACKAGES.items() if find_spec(module) is None]
if missing:
    raise ImportError(
        f"the chapters need {', '.join(missing)}, not installed here: the extra 'book' of kdlib. "
        f"Install it: python -m pip install {' '.join(missing)}"
    )
