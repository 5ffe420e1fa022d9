"""Sphinx extension: the API page, made of the docstrings of every public name of kdlib.

The page ``book/api`` gets one section a module: its docstring, then each public name. A name is
public if it and its module have no leading underscore and it was written in that module. So a new
function is on the page as soon as it exists, and none has to be listed anywhere.
"""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

PAGE = "book/api"
PACKAGE = "kdlib"


def modules():
    """Return the public modules of the package in the order of their names, itself first."""
    package = importlib.import_module(PACKAGE)
    found = pkgutil.walk_packages(package.__path__, f"{PACKAGE}.")
    names = [PACKAGE, *(m.name for m in found if "._" not in m.name)]
    return [importlib.import_module(name) for name in names]


def public_names(module):
    """Return the public names that `module` defines, in the order in which it defines them.

    Functions and classes that it only imports are left to the module that defines them, and so
    are other modules. A constant counts if the module's source assigns it.
    """
    source = inspect.getsource(module)
    names = []
    for name, value in vars(module).items():
        if name.startswith("_") or inspect.ismodule(value):
            continue
        if inspect.isclass(value) or inspect.isroutine(value):
            if getattr(value, "__module__", None) == module.__name__:
                names.append(name)
        elif re.search(rf"^{name}\s*(?::[^=]+)?=", source, re.MULTILINE):
            names.append(name)
    return names


def entry(module, name):
    """Return the reStructuredText that documents one name."""
    value = getattr(module, name)
    path = f"{module.__name__}.{name}"
    if inspect.isclass(value):
        return [f".. autoclass:: {path}", "   :members:"]
    if inspect.isroutine(value):
        return [f".. autofunction:: {path}"]
    lines = [f".. autodata:: {path}"]
    return lines if len(repr(value)) <= 100 else [*lines, "   :no-value:"]


def page():
    """Return the Markdown of all sections."""
    parts = []
    for module in modules():
        body = [f".. automodule:: {module.__name__}", ""]
        for name in public_names(module):
            body += [*entry(module, name), ""]
        parts += [f"## {module.__name__}", "", "```{eval-rst}", *body, "```", ""]
    return "\n".join(parts)


def append_page(app, docname, source):
    """Add the sections to the end of the page."""
    if docname == PAGE:
        source[0] += "\n\n" + page()


def number_references(app, what, name, obj, options, lines):
    """Make footnotes of one docstring differ from those of the next on the same page."""
    prefix = re.sub(r"\W+", "-", name)
    for index, line in enumerate(lines):
        line = re.sub(r"^(\s*\.\. )\[(\d+)\]", rf"\1[#{prefix}-\2]", line)
        lines[index] = re.sub(r"\[(\d+)\]_", rf"[#{prefix}-\1]_", line)


def setup(app):
    """Register with Sphinx."""
    app.connect("source-read", append_page)
    app.connect("autodoc-process-docstring", number_references, priority=900)
    app.connect("env-get-outdated", lambda *_: [PAGE] if has_page(app) else [])
    return {"parallel_read_safe": True}


def has_page(app):
    """Tell whether the book has the page: it is read again at each build, since kdlib may change."""
    return Path(app.srcdir, f"{PAGE}.md").exists()
