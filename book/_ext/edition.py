"""Sphinx extension: which edition of the book this is, how to cite it, and where it is published.

The version is kdlib's own, the entry to cite is made of ``CITATION.cff``, and the published address
stands as ``baseurl`` in ``_config.yml``: previews of links and the page for wrong addresses get it
from there. A page describes itself in its front matter, a chapter by its question, a room of
kdlib by its first sentence.
"""

import html
import re
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import kdlib

VERSION = '<p>Version {version}. <a href="{home}">How to cite it</a>.</p>'
# What pages without a description of their own say, by their folder.
TOLD = {
    "notebooks/": "{first} A chapter of Soft Targets, a book on knowledge distillation that runs.",
    "book/api/": "{title}: {first} From the pages of kdlib, the library of the book Soft Targets.",
}
DESCRIPTION = re.compile(r'<meta content="([^"]*)" name="description"')
HEAD = re.compile(r"<title>.*?</title>|<meta[^>]*>|<link rel=\"canonical\"[^>]*>", re.DOTALL)


def set_up(app, config):
    """Put version and published address where Sphinx and the other extensions look for them."""
    config.version = config.release = kdlib.__version__
    config.ogp_site_url, config.ogp_site_name = config.html_baseurl, config.html_title
    config.notfound_urls_prefix = urlsplit(config.html_baseurl).path


def add_version(app, pagename, templatename, context, doctree):
    """Add the version, and the way to the entry to cite, to the foot of the page."""
    said = VERSION.format(version=kdlib.__version__, home=context["pathto"]("book/credits"))
    context["theme_extra_footer"] = said + context["theme_extra_footer"]


def describe(app, pagename, templatename, context, doctree):
    """Let search engines and previews of links say the same of a page."""
    if doctree is None:
        return
    folder = pagename.rpartition("/")[0] + "/"
    if not DESCRIPTION.search(context["metatags"]) and folder in TOLD:
        told = TOLD[folder].format(title=context["title"], first=first_sentence(doctree))
        context["metatags"] += f'\n<meta content="{html.escape(told)}" name="description" />'
    if written := DESCRIPTION.search(context["metatags"]):
        context["meta"]["og:description"] = written[1]


def first_sentence(doctree):
    """Return the first sentence below the title: of a chapter, its question."""
    # The words alone: a picture, such as the badge of Colab, would say its alternative text.
    texts = ("".join(part.findall(nodes.Text)) for part in doctree.findall(nodes.paragraph))
    first, stop, _ = next(text for text in texts if text).partition(". ")
    return first + stop.strip()


class CiteThis(SphinxDirective):
    """The BibTeX entry of this book."""

    def run(self):
        """Return the entry as a block of code, which has a button to copy it."""
        path = Path(self.env.srcdir, "CITATION.cff")
        self.env.note_dependency(str(path))
        entry = bibtex(yaml.safe_load(path.read_text(encoding="utf-8")), self.config)
        return [nodes.literal_block(entry, entry, language="bibtex")]


class InstallThis(SphinxDirective):
    """The line that installs kdlib from the repository, which ``_config.yml`` names."""

    def run(self):
        """Return the line as a block of code."""
        options = self.config.html_theme_options
        address, branch = options["repository_url"], options["repository_branch"]
        line = f'pip install "kdlib @ git+{address}@{branch}"'
        return [nodes.literal_block(line, line, language="sh")]


def bibtex(citation, config):
    """Return the BibTeX entry of a citation file."""
    # Double braces: the names stay as they are, no first and last names are looked for.
    authors = " and ".join(f"{{{author['name']}}}" for author in citation["authors"])
    return (
        "@software{soft_targets,\n"
        f"  author = {{{authors}}},\n"
        f"  title = {{{citation['title']}}},\n"
        f"  version = {{{config.version}}},\n"
        f"  year = {{{config.copyright.split()[0]}}},\n"
        f"  url = {{{config.html_baseurl}}}\n"
        "}"
    )


def open_the_front_door(app, exception):
    """Write the page at the bare address, which leads on, with what a preview of a link shows."""
    if exception or app.builder.name != "html":
        return
    root = app.config.root_doc
    head = HEAD.findall(Path(app.outdir, f"{root}.html").read_text(encoding="utf-8"))
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        *dict.fromkeys(head),
        f'<meta http-equiv="refresh" content="0; url={root}.html">',
        f'<body><p><a href="{root}.html">{app.config.html_title}</a></p></body>',
        "</html>",
    ]
    Path(app.outdir, "index.html").write_text("\n".join(lines) + "\n", encoding="utf-8")


def setup(app):
    """Register with Sphinx."""
    app.add_directive("cite-this", CiteThis)
    app.add_directive("install-this", InstallThis)
    app.connect("config-inited", set_up)
    app.connect("html-page-context", add_version)
    # Before the extension that writes what previews show.
    app.connect("html-page-context", describe, priority=400)
    app.connect("build-finished", open_the_front_door)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
