"""Sphinx extension: the directive ``interactive``, a figure that a small script brings to life.

::

    ```{interactive} two-objectives
    ![What the figure shows, for readers who cannot see it.](_figures/two-objectives.png)

    A caption.
    ```

The content is what readers without JavaScript, and those of a printed page, get. The script
``book/_static/figures/NAME.js`` puts the live figure in front of it, from the data of
``book/_figures/NAME.json``, which the page carries with it. `make figures` writes data and picture.
"""

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

STYLE = "figures.css"
PICTURE = re.compile(r'(<div class="static-figure[^"]*">\s*(?:<p>)?\s*<img )')


class Interactive(SphinxDirective):
    """A static picture and text, with the data for the script that goes with it."""

    has_content = True
    required_arguments = 1

    def run(self):
        """Return the static part and the data, in a container that the script finds."""
        name = self.arguments[0]
        script = Path(self.env.srcdir, "book", "_static", "figures", f"{name}.js")
        data = Path(self.env.srcdir, "book", "_figures", f"{name}.json")
        for path in (script, data):
            if not path.exists():
                raise self.error(f"There is no {path.name}: `make figures` writes the data.")
        self.env.note_dependency(str(data))
        static = nodes.container(classes=["static-figure"])
        self.state.nested_parse(self.content, self.content_offset, static)
        text = json.dumps(json.loads(data.read_text(encoding="utf-8")), separators=(",", ":"))
        carried = f'<script type="application/json">{text.replace("<", chr(92) + "u003c")}</script>'
        box = nodes.container(classes=["interactive", name])
        box += [static, nodes.raw("", carried, format="html")]
        self.env.metadata[self.env.docname].setdefault("interactive", "")
        self.env.metadata[self.env.docname]["interactive"] += f" {name}"
        return [box]


def add_scripts(app, pagename, templatename, context, doctree):
    """Load on each page only the scripts of its own figures; let their static pictures wait.

    Hidden behind the live figure, such a picture is fetched only if somebody prints.
    """
    names = app.env.metadata.get(pagename, {}).get("interactive", "").split()
    for name in names:
        app.add_js_file(f"figures/{name}.js", type="module")
    if names:
        app.add_css_file(STYLE)
        context["body"] = PICTURE.sub(r'\1loading="lazy" ', context["body"])


def setup(app):
    """Register with Sphinx."""
    app.add_directive("interactive", Interactive)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
