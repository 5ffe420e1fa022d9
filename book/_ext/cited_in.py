"""Sphinx extension: each entry of the bibliography says which pages cite the work, and leads there.

The bibliography's own links lead back to citations on its own page only.
"""

from docutils import nodes


def citing(app, key, own):
    """Return {page: id of the first citation there} of a work, without the bibliography's page."""
    found = {}
    for reference in app.env.get_domain("cite").citation_refs:
        if reference.docname != own and key in {target.key for target in reference.targets}:
            found.setdefault(reference.docname, reference.citation_ref_id)
    return {page: found[page] for page in sorted(found)}


def add_links(app, doctree, docname):
    """Write "Cited in ..." below each entry."""
    works = {work.citation_id: work for work in app.env.get_domain("cite").citations}
    for entry in doctree.findall(nodes.citation):
        work = works[entry["ids"][0]]
        own = work.bibliography_key.docname
        links = []
        for page, place in citing(app, work.key, own).items():
            address = f"{app.builder.get_relative_uri(docname, page)}#{place}"
            name = app.env.titles[page].astext()
            links += [nodes.Text(", "), nodes.reference("", name, refuri=address, internal=True)]
        if links:
            entry += nodes.paragraph("", "", nodes.Text("Cited in "), *links[1:], nodes.Text("."))


def setup(app):
    """Register with Sphinx."""
    app.connect("doctree-resolved", add_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
