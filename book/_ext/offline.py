"""Sphinx extension: the pages need nothing from the network to be read.

Formulas are set by a copy of MathJax (Apache-2.0, from the package sphinx-mathjax-offline), and the
Colab badge of a chapter is a picture of the book instead of one from Colab's site. Only the
moving parts of Jupyter widgets are fetched when a page that has some is opened.
"""

import importlib.metadata
import shutil
from pathlib import Path

MATHJAX = "mathjax/tex-svg.js"  # one file, glyphs included
BADGE_THERE = "https://colab.research.google.com/assets/colab-badge.svg"
BADGE_HERE = "_static/open-in-colab.svg"


def copy_mathjax(app):
    """Copy MathJax's one file into the pages."""
    files = importlib.metadata.files("sphinx-mathjax-offline")
    source = next(file for file in files if file.as_posix().endswith(MATHJAX)).locate()
    target = Path(app.outdir, "_static", MATHJAX)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def replace_badge(app, pagename, templatename, context, doctree):
    """Point the badge to the book's own picture."""
    if doctree is not None:
        here = context["pathto"](BADGE_HERE, resource=True)
        context["body"] = context["body"].replace(BADGE_THERE, here)


def setup(app):
    """Register with Sphinx."""
    app.config.mathjax_path = MATHJAX
    app.connect("builder-inited", copy_mathjax)
    app.connect("html-page-context", replace_badge)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
