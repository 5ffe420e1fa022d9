"""Sphinx extension: pages that are quick to open, also over a slow line.

Pictures and widgets that a notebook stores inside its outputs become files, which the browser
fetches when they come near the window; heavy pictures are compressed as photographs are, and tall
ones cut into pieces, which paper can turn a page between. Icons come from fonts that hold only the
icons in use: the theme's own are a script of 1.5 MB. The search index is left to the search page.
"""

import base64
import hashlib
import html
import io
import re
from pathlib import Path

import numpy as np
from fontTools import subset
from fontTools.ttLib import TTFont
from PIL import Image

PICTURE = re.compile(r"<img\b([^>]*?)\bsrc=\"data:image/png;base64,([^\"]+)\"([^>]*)>")
ALT, WIDTH = re.compile(r'\balt="[^"]*"'), re.compile(r'\bwidth="(\d+)"')
HEAVY = 60_000  # bytes; drawings are lighter, and stay as they are
TALL = 2  # times its width, and a picture is too tall to be read on one sheet of paper
WIDGETS, STATE = "application/vnd.jupyter.widget-state+json", "data-state"
SEARCH = re.compile(
    r'\s*<script src="[^"]*(?:_static/searchtools|_static/language_data|searchindex)\.js"></script>'
)
FONTS = Path("vendor", "fontawesome", "webfonts")
# Font file: family and weight, as the theme's style sheet calls them.
FAMILIES = {
    "fa-solid-900": ("Font Awesome 6 Free", 900),
    "fa-regular-400": ("Font Awesome 6 Free", 400),
    "fa-brands-400": ("Font Awesome 6 Brands", 400),
}


def store_pictures(app, pagename, templatename, context, doctree):
    """Write the pictures inside the page's outputs to files, and link these."""
    if doctree is None:
        return
    folder = Path(app.outdir, app.builder.imagedir)
    folder.mkdir(exist_ok=True)

    def replace(match):
        parts = pieces(base64.b64decode(html.unescape(match[2])))
        return "".join(element(match, part, place) for place, part in enumerate(parts))

    def element(match, data, place):
        width, height = Image.open(io.BytesIO(data)).size
        data, kind = lighter(data)
        name = f"{hashlib.sha256(data).hexdigest()[:16]}.{kind}"
        (folder / name).write_bytes(data)
        address = context["pathto"](f"{app.builder.imagedir}/{name}", resource=True)
        before, after = match[1], match[3]
        # With both given, the page does not move when the picture comes.
        given = WIDTH.search(before + after)
        shown = int(given[1]) if given else width
        size = f' height="{round(height * shown / width)}"' + f' width="{width}"' * (not given)
        if place:  # the first piece has said what the whole picture shows
            before, after = (ALT.sub('alt="continued"', text) for text in (before, after))
        return f'<img{before}src="{address}"{size} loading="lazy" decoding="async"{after}>'

    context["body"] = PICTURE.sub(replace, context["body"])


def pieces(data):
    """Return a picture as it came or, if it is tall, cut below rows of its panels, as PNG files."""
    picture = Image.open(io.BytesIO(data))
    width, height = picture.size
    if height <= TALL * width:
        return [data]
    blank = np.asarray(picture.convert("L")).min(axis=1) > 240
    # Titles are lower than this, so that none is cut from what it stands over.
    drawn = width // 8
    ends = [y for y in range(drawn, height) if blank[y] and not blank[y - drawn : y].any()]
    cuts = [0]
    for end, following in zip(ends, [*ends, height][1:], strict=True):
        if following - cuts[-1] > width:
            cuts.append(end)
    files = []
    for top, bottom in zip(cuts, [*cuts[1:], height], strict=True):
        files.append(io.BytesIO())
        picture.crop((0, top, width, bottom)).save(files[-1], "PNG")
    return [file.getvalue() for file in files]


def lighter(data):
    """Return a picture and the kind of file that it is: as it came, or as WebP if that is less."""
    if len(data) > HEAVY:
        packed = io.BytesIO()
        Image.open(io.BytesIO(data)).convert("RGB").save(packed, "WEBP", quality=75)
        if len(packed.getvalue()) < len(data):
            return packed.getvalue(), "webp"
    return data, "png"


def store_widgets(app, pagename, templatename, context, doctree):
    """Move the state of the page's widgets to a file, and tell ``widgets.js`` where it is."""
    scripts = context["script_files"]
    states = [s for s in scripts if s.attributes.get("type") == WIDGETS]
    manager = [s for s in scripts if s.filename and s.filename.endswith("widgets.js")]
    if doctree is None or not (states and manager):
        return
    name = f"widgets-{hashlib.sha256(pagename.encode()).hexdigest()[:8]}.js"
    text = f"window.widgetState = {states[0].attributes['body']};\n"
    Path(app.outdir, "_static", name).write_text(text, encoding="utf-8")
    address = context["pathto"](f"_static/{name}", resource=True)
    old = manager[0]
    new = type(old)(old.filename, priority=old.priority, **old.attributes, **{STATE: address})
    context["script_files"] = [new if s is old else s for s in scripts if s not in states]


def icons(folder):
    """Return the characters of the icons that pages and style sheets in the folder use."""
    css = "".join(path.read_text(encoding="utf-8") for path in (folder / "_static").rglob("*.css"))
    named = set()
    for path in folder.rglob("*.html"):
        for classes in re.findall(r'class="(fa[srb]? [^"]+|fa-[^"]+)"', path.read_text("utf-8")):
            named.update(name for name in classes.split() if name.startswith("fa-"))
    # Those that the theme's scripts put in place of others.
    named |= {"fa-sun", "fa-moon", "fa-circle-half-stroke", "fa-compress", "fa-check", "fa-xmark"}
    found = set(re.findall(r"--pst-icon-[\w-]+:\"([^\"\\]+)\"", css))
    found |= {code(text) for text in re.findall(r"--pst-icon-[\w-]+:\"\\([0-9a-f]+)\"", css)}
    for selectors, text in re.findall(r"((?:\.fa-[\w-]+:before,?)+)\{content:\"\\(\w+)\"", css):
        if named & set(re.findall(r"\.(fa-[\w-]+):before", selectors)):
            found.add(code(text))
    return "".join(sorted(found))


def code(text):
    """Return the character with a hexadecimal number."""
    return chr(int(text, 16))


def write_icons(app, exception):
    """Write the small fonts and their style sheet, and silence the script that they replace."""
    if exception or app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    characters, rules = icons(Path(app.outdir)), []
    for name, (family, weight) in FAMILIES.items():
        font = TTFont(static / FONTS / f"{name}.ttf")
        options = subset.Options(flavor="woff", layout_features=[], notdef_outline=True)
        subsetter = subset.Subsetter(options)
        subsetter.populate(text=characters)
        subsetter.subset(font)
        subset.save_font(font, static / f"{name}.woff", options)
        rules.append(
            f'@font-face {{ font-family: "{family}"; font-weight: {weight}; font-display: block; '
            f'src: url("{name}.woff") format("woff"); }}\n'
        )
    (static / "icons.css").write_text("".join(rules), encoding="utf-8")
    script = static / "scripts" / "fontawesome.js"
    script.write_text("// Icons come from the fonts of icons.css.\n", encoding="utf-8")


def leave_search_to_its_page(app, exception):
    """Take the index out of all pages but the search page. It grows with the book.

    The theme loads it everywhere, to search as one types. That is off: a search opens its page.
    """
    if exception or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        if path.stem != "search":
            path.write_text(SEARCH.sub("", path.read_text("utf-8")), encoding="utf-8")


def setup(app):
    """Register with Sphinx."""
    app.add_css_file("icons.css", priority=900)
    app.connect("html-page-context", store_pictures)
    app.connect("html-page-context", store_widgets, priority=910)
    app.connect("build-finished", write_icons)
    app.connect("build-finished", leave_search_to_its_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
