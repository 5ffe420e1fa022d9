"""What the widgets are put together from: knobs, pictures and tables in HTML."""

import base64
import html
import io

import ipywidgets
from PIL import Image

from kdbook import explorers
from kdbook.figures.style import class_palette


def slider(name, values, start):
    """Return a knob with the positions `values`, none between them."""
    options = [(f"{value:g}", value) for value in values]
    return ipywidgets.SelectionSlider(options=options, value=start, description=name)


def joined(knobs, draw):
    """Return knobs above a text that is drawn anew whenever one of them is turned."""
    shown = ipywidgets.HTML()

    def follow(_=None):
        """Draw what the knobs say now."""
        shown.value = draw(*(knob.value for knob in knobs))

    for knob in knobs:
        knob.observe(follow, names="value")
    follow()
    return ipywidgets.VBox([*knobs, shown])


def table(record, columns, form):
    """Return the HTML of a table with a line for each class."""
    head = "".join(f"<th>{name}</th>" for name in ["class", *columns])
    rows = ""
    for i, (name, color) in enumerate(zip(record["classes"], record["colors"], strict=True)):
        swatch = f'<span style="color: {color}">&#9632;</span> {html.escape(name)}'
        cells = "".join(f"<td>{format(values[i], form)}</td>" for values in columns.values())
        rows += f"<tr><th>{swatch}</th>{cells}</tr>"
    return f"<table><tr>{head}</tr>{rows}</table>"


def class_map(packed, side):
    """Return the picture of packed classes, in the colours of the book."""
    return address(class_palette()[explorers.unpack(packed, side)])


def address(pixels):
    """Return pixels as the address of a PNG."""
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "PNG")
    return f"data:image/png;base64,{base64.b64encode(packed.getvalue()).decode('ascii')}"


def picture(source, alt):
    """Return the HTML of one picture."""
    return f'<img alt="{html.escape(alt)}" width="256" style="margin: 4px" src="{source}">'


def checked(record, part, maker):
    """Return the record if its `part` is there."""
    if not isinstance(record, dict) or part not in record:
        raise ValueError(
            f"the record has no {part!r}; expected what kdbook.explorers.{maker} returns."
        )
    return record
