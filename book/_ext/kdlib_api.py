"""Sphinx extension: the API page, made of the docstrings of every public name of kdlib and kdbook.

The page ``book/api`` gets one section a module: its docstring, then each public name. A name is
public if it and its module have no leading underscore. It is shown where its users import it
from: what a package takes over from its own modules stands under the package, the rest under the
module that defines it. So a new function is on the page as soon as it exists, and none has to be
listed anywhere.
"""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

from sphinx.pycode import ModuleAnalyzer
from sphinx.util.nodes import make_refnode

PAGE = "book/api"
PACKAGES = "kdlib", "kdbook"


def modules():
    """Return the names of the public modules; a package comes before what is in it."""
    found = []
    for name in PACKAGES:
        below = pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}.")
        found += [name, *sorted(m.name for m in below if "._" not in m.name)]
    return found


def tree(module):
    """Return the syntax tree of a module, given by name."""
    return ast.parse(inspect.getsource(importlib.import_module(module)))


def own_names(module):
    """Return the public names that the source of `module` defines, in order, without doubles."""
    names = []
    for node in tree(module).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found = [part for target in targets for part in ast.walk(target)]
            names += [part.id for part in found if isinstance(part, ast.Name)]
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


def taken_over(module):
    """Return {name: (module, name there)} of what a package imports from its own modules."""
    found = {}
    for node in tree(module).body:
        if isinstance(node, ast.ImportFrom):
            source = f"{module}.{node.module or ''}".rstrip(".") if node.level else node.module
            for alias in node.names if source.startswith(f"{module}.") else ():
                if not (alias.asname or alias.name).startswith("_"):
                    found[alias.asname or alias.name] = source, alias.name
    return found


def contents():
    """Return {module: {name: (module, name) that defines it}}, each public object once."""
    shown, result = set(), {}
    for module in modules():
        package = hasattr(importlib.import_module(module), "__path__")
        names = {name: (module, name) for name in own_names(module)}
        names |= taken_over(module) if package else {}
        result[module] = {name: home for name, home in names.items() if home not in shown}
        shown.update(result[module].values())
    return result


def entry(module, name, home):
    """Return the reStructuredText that documents one name."""
    value = getattr(importlib.import_module(module), name)
    path = f"{module}.{name}"
    if inspect.isclass(value):
        return [f".. autoclass:: {path}", "   :members:", ""]
    if inspect.isroutine(value):
        return [f".. autofunction:: {path}", ""]
    short = len(repr(value)) <= 100 and "\n" not in repr(value)
    text = ModuleAnalyzer.for_module(home[0]).find_attr_docs().get(("", home[1]), [])
    shown = [f"   :value: {value!r}"] if short else []
    head = [f".. py:data:: {name}", f"   :module: {module}", *shown]
    return [*head, "", *(f"   {line}" for line in text), ""]


def page():
    """Return the Markdown of all sections."""
    parts = []
    for module, names in contents().items():
        body = [f".. automodule:: {module}", ""]
        for name, home in names.items():
            body += entry(module, name, home)
        parts += [f"## {module}", "", "```{eval-rst}", *body, "```", ""]
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


def keep_colons(app, what, name, obj, options, lines):
    """Undo what napoleon makes of "Word: more" in the text of a property: a type called Word."""
    if what in ("attribute", "property") and lines and lines[-1].startswith(":type: "):
        lines[:] = [f"{lines[-1].removeprefix(':type: ')}: {lines[0]}", *lines[1:-2]]


def find_where_shown(app, env, node, contnode):
    """Resolve a name that a docstring uses as its own module does, but that is shown elsewhere."""
    if node.get("refdomain") != "py":
        return None
    last = node["reftarget"].rsplit(".", 1)[-1]
    objects = env.get_domain("py").objects
    found = [name for name in objects if name.rsplit(".", 1)[-1] == last]
    if len(found) != 1:
        return None
    entry = objects[found[0]]
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, contnode)


def setup(app):
    """Register with Sphinx."""
    app.connect("source-read", append_page)
    app.connect("autodoc-process-docstring", number_references, priority=900)
    app.connect("autodoc-process-docstring", keep_colons, priority=910)
    app.connect("missing-reference", find_where_shown)
    app.connect("env-get-outdated", lambda *_: [PAGE] if has_page(app) else [])
    return {"parallel_read_safe": True}


def has_page(app):
    """Tell whether the book has the page, which is read again each time: kdlib may change."""
    return Path(app.srcdir, f"{PAGE}.md").exists()
