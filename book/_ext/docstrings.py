"""Sphinx extension: what autodoc needs to show our docstrings on the API pages, several on a page.

The pages are ``book/api/*.md``, one a room, each a call of autodoc.
"""

import contextlib
import importlib.util
import operator
import re
import sys

from sphinx.util.nodes import make_refnode

PACKAGES = ("kdlib", "kdbook")


def number_references(app, what, name, obj, options, lines):
    """Make footnotes of one docstring differ from those of the next on the same page."""
    prefix = re.sub(r"\W+", "-", name)
    for index, line in enumerate(lines):
        line = re.sub(r"^(\s*\.\. )\[(\d+)\]", rf"\1[#{prefix}-\2]", line)
        lines[index] = re.sub(r"\[(\d+)\]_", rf"[#{prefix}-\1]_", line)


def keep_colons(app, what, name, obj, options, lines):
    """Undo what napoleon makes of "Word: more" in the text of a property: a type called Word."""
    if what in ("attribute", "property", "data") and lines and lines[-1].startswith(":type: "):
        lines[:] = [f"{lines[-1].removeprefix(':type: ')}: {lines[0]}", *lines[1:-2]]


def find_where_shown(app, env, node, contnode):
    """Resolve a name that a docstring uses as its own module does, but that is shown elsewhere.

    A name of ours that no page shows stays text; a name that is nowhere is an error of the build.
    """
    if node.get("refdomain") != "py":
        return None
    last = node["reftarget"].rsplit(".", 1)[-1]
    objects = env.get_domain("py").objects
    found = [name for name in objects if name.rsplit(".", 1)[-1] == last]
    if len(found) == 1:
        entry = objects[found[0]]
        return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, contnode)
    return contnode if is_ours(node["reftarget"]) else None


def is_ours(name):
    """Tell whether a name is one of our modules, or one that a module of ours has."""
    known = {key: module for key, module in sys.modules.items() if key.split(".")[0] in PACKAGES}
    with contextlib.suppress(ImportError, ValueError):
        if name.split(".")[0] in PACKAGES and importlib.util.find_spec(name):
            return True
    for key, module in known.items():
        try:
            operator.attrgetter(name.removeprefix(f"{key}."))(module)
        except AttributeError:
            continue
        return True
    return False


def setup(app):
    """Register with Sphinx."""
    app.connect("autodoc-process-docstring", number_references, priority=900)
    app.connect("autodoc-process-docstring", keep_colons, priority=910)
    app.connect("missing-reference", find_where_shown)
    return {"parallel_read_safe": True}
