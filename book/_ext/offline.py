"""Sphinx extension: the pages ask no other host for anything.

Formulas are set by a copy of MathJax (Apache-2.0, from the package sphinx-mathjax-offline), Jupyter
widgets by a copy of their manager (``book/_static/vendor``), and the Colab badge of a chapter is a
picture of the book. What the theme would fetch from elsewhere at a click is left out.
"""

import importlib.metadata
import shutil
from pathlib import Path

PACKAGE = "sphinx-mathjax-offline"
# The parts that are loaded: a third of the size of MathJax's file that holds everything.
LOADED = ["core", "input/tex", "output/chtml", "a11y/assistive-mml"]
# What these parts fetch when a formula needs it.
ON_DEMAND = ("output/chtml/fonts/", "input/tex/extensions/")
BADGE_THERE = "https://colab.research.google.com/assets/colab-badge.svg"
BADGE_HERE = "_static/open-in-colab.svg"


def copy_mathjax(app):
    """Copy MathJax into the pages."""
    copy_mathjax_to(app.outdir)


def copy_mathjax_to(folder):
    """Copy the parts of MathJax, with the folders that they lie in, into a folder of pages."""
    wanted = {f"{part}.js" for part in ("startup", *LOADED)}
    for file in importlib.metadata.files(PACKAGE):
        _, found, name = file.as_posix().partition("/static/mathjax/")
        if found and (name in wanted or name.startswith(ON_DEMAND)):
            target = Path(folder, "_static", "mathjax", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), target)


def replace_badge(app, pagename, templatename, context, doctree):
    """Point the badge to the book's own picture."""
    if doctree is not None:
        here = context["pathto"](BADGE_HERE, resource=True)
        context["body"] = context["body"].replace(BADGE_THERE, here)


def leave_out_thebe(app, pagename, templatename, context, doctree):
    """Leave out Thebe, which runs cells on a server elsewhere, and which the book does not use."""

    def of_thebe(script):
        return "thebe" in (getattr(script, "filename", None) or script.attributes["body"]).lower()

    context["script_files"] = [s for s in context["script_files"] if not of_thebe(s)]
    context["css_files"] = [s for s in context["css_files"] if "thebe" not in s.filename]


def setup(app):
    """Register with Sphinx."""
    app.config.mathjax_path = "mathjax/startup.js"
    app.config.mathjax3_config = {"loader": {"load": LOADED}}
    app.config.nb_ipywidgets_js = {"widgets.js": {"defer": "defer"}}
    # The theme reports an error in the console if no mode is set.
    app.config.html_context.setdefault("default_mode", "auto")
    app.connect("builder-inited", copy_mathjax)
    app.connect("html-page-context", replace_badge)
    app.connect("html-page-context", leave_out_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
