"""Sphinx extension: links find their way in the whole book on one page, which the PDF is made of.

Pages have parts of the same name, such as "Exercises". On one page their ids would be the same, and
a link to any of them would lead to the first. Here such an id gets the name of its page in front.
"""

from collections import Counter

from docutils import nodes
from sphinx import addnodes

PAGE = "#document-"  # what Sphinx puts before the name of a page, in the address of a link


def rename(app, doctree, docname):
    """Give ids that stand on several pages a name of their own, and let links follow."""
    if app.builder.name != "singlehtml":
        return
    count = Counter(name for node in doctree.findall(nodes.Element) for name in node["ids"])
    renamed = {}
    for file in doctree.findall(addnodes.start_of_file):
        page = file["docname"]
        ids = {name for node in file.findall(nodes.Element) for name in node["ids"]}
        renamed[page] = {
            name: f"{page.replace('/', '-')}-{name}" for name in ids if count[name] > 1
        }
        within(file, renamed[page])
    for link in doctree.findall(nodes.reference):
        head, found, rest = link.get("refuri", "").rpartition(PAGE)
        page, _, name = rest.partition("#")
        if found and name:
            link["refuri"] = f"{head}{PAGE}{page}#{renamed.get(page, {}).get(name, name)}"


def within(file, new):
    """Put the new names into the nodes of one page."""
    for node in file.findall(nodes.Element):
        for kind in ("ids", "backrefs"):
            if node.get(kind):
                node[kind] = [new.get(name, name) for name in node[kind]]
        if node.get("refid"):
            node["refid"] = new.get(node["refid"], node["refid"])


def setup(app):
    """Register with Sphinx."""
    # After the pages have all their links.
    app.connect("doctree-resolved", rename, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
