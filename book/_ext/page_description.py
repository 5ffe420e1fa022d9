"""Sphinx extension: each page describes itself to search engines and previews.

The description is the start of the page's text, unless the page sets one of its own in its front
matter (``myst: html_meta: description``).
"""

import html

from docutils import nodes

SHORTEST, LONGEST = 80, 200


def first_sentences(doctree):
    """Return the first prose of the page, enough to say what it is about, cut at a word."""
    text = ""
    for paragraph in doctree.findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.entry) or any(paragraph.findall(nodes.image)):
            continue
        text = " ".join([*text.split(), *paragraph.astext().split()])
        if len(text) >= SHORTEST:
            break
    return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0] + " …"


def describe(app, pagename, templatename, context, doctree):
    """Add description and title to the head of the page."""
    if doctree is None or 'name="description"' in context.get("metatags", ""):
        return
    description = html.escape(first_sentences(doctree), quote=True)
    title = html.escape(context.get("title", ""), quote=True)
    context["metatags"] = context.get("metatags", "") + (
        f'\n<meta name="description" content="{description}">'
        f'\n<meta property="og:title" content="{title}">'
        f'\n<meta property="og:description" content="{description}">'
    )


def setup(app):
    """Register with Sphinx."""
    app.connect("html-page-context", describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
