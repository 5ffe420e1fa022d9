"""The packages that only some users need."""

import importlib


def needed(module, package, purpose, beside=""):
    """Import and return a module, or say how to install its package and what belongs beside it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # A package that is here, and lacks another one, is a different fault.
        if error.name != module.partition(".")[0]:
            raise
        raise ImportError(
            f"{purpose} needs the package {package}, which is not installed. Install it: "
            f"python -m pip install {package}{beside}"
        ) from error
