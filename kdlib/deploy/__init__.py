"""Trained networks at work.

Here: images of any size (:mod:`kdlib.deploy.tiles`), networks as files of other formats, written
and run (:mod:`kdlib.deploy.export`, :mod:`kdlib.deploy.inference`), what they cost
(:mod:`kdlib.deploy.footprint`). Not here: anything that trains; and the command that writes masks,
which is :mod:`kdlib.predict`.
"""

import importlib
import pkgutil

MODULES = tuple(one.name for one in pkgutil.iter_modules(__path__) if one.name[0] != "_")
"""What this room holds, in the order of the alphabet."""


def __getattr__(name):
    """Import a module when it is asked for: an exported file runs without those that need Keras."""
    if name in MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
