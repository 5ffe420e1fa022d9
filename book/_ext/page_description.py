"""Sphinx extension: each page describes itself to search engines and previews.

The description is the page's first paragraph, unless the page sets one of its own in its front
matter (``myst: html_meta: description``).
"""

import html

from docutils import nodes

LONGEST = 200


def first_paragraph(doctree):
    """Return the text of the first paragraph that is prose, shortened at a word."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if len(text.split()) >= 5 and not isinstance(paragraph.parent, nodes.entry):
            return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0] + " …"
    return ""


def describe(app, pagename, templatename, context, doctree):
    """Add description and title to the head of the page."""
    if doctree is None or 'name="description"' in context.get("metatags", ""):
        return
    description = html.escape(first_paragraph(doctree), quote=True)
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
