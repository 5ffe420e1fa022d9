"""kdlib: the small knowledge distillation library behind the book *Soft Targets*.

Import from its rooms, from the bottom floor up:

- :mod:`kdlib.runtime`: run mode, seeds and device;
- :mod:`kdlib.softening`: the softmax at temperature T and entropy, in plain NumPy;
- :mod:`kdlib.data`: the Dubai images or the procedural city, patches, splits, batches;
- :mod:`kdlib.losses`, :mod:`kdlib.unet`, :mod:`kdlib.metrics`;
- :mod:`kdlib.cache`: soft targets that the teacher is asked for once;
- :mod:`kdlib.distiller`: the ``Distiller`` itself;
- :mod:`kdlib.beyond`: other methods of distillation, over logits and over features;
- :mod:`kdlib.recipes`: the trainings that several chapters share;
- :mod:`kdlib.parallel`: one training on several devices and machines;
- :mod:`kdlib.experiment`: teacher, student from scratch and distilled student on any images;
- :mod:`kdlib.models`: the trained networks that come with the library, ``kdlib.pretrained``;
- :mod:`kdlib.saved`: networks and their palettes in files, ``kdlib.save`` and ``kdlib.load``;
- :mod:`kdlib.deploy`: images of any size, LiteRT and ONNX files, and what they cost;
- :mod:`kdlib.predict`: the command that writes masks and overlays of images.

Nothing of the laboratory behind the chapters is here: that is ``kdbook``, which imports this
package and is never imported by it.
"""

import importlib
import pkgutil

__version__ = "0.1.0"

ROOMS = tuple(room.name for room in pkgutil.iter_modules(__path__) if room.name[0] != "_")
"""What :mod:`kdlib` holds, in the order of the alphabet."""

NAMES = {
    **dict.fromkeys(("load", "save"), "kdlib.saved"),
    "pretrained": "kdlib.models",
    "export": "kdlib.deploy",
}
"""What can be had from :mod:`kdlib` itself, and the room that has it."""


def __getattr__(name):
    """Import a room when it is asked for: most of them need Keras, which takes seconds to come."""
    if name in NAMES:
        return getattr(importlib.import_module(NAMES[name]), name)
    if name in ROOMS:
        return importlib.import_module(f"kdlib.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    """Name the rooms too, for those who look for them with the Tab key."""
    return sorted({"__version__", *ROOMS, *NAMES})
