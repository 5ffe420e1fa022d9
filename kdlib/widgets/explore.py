"""The figures that move, as Jupyter widgets: they compute in the kernel, with kdlib.softening.

Each takes the data that its figure in the book has, which :mod:`kdlib.explorers` makes.
"""

import base64
import html
import io

import ipywidgets
import matplotlib
import numpy as np
from PIL import Image

from kdlib import explorers, softening
from kdlib.plots.style import class_palette
from kdlib.widgets.slider import TEMPERATURES

ALPHAS = tuple(step / 20 for step in range(21))
"""The positions of the knob for α."""


def two_objectives(record=None):
    """Return a widget for the push of label and teacher on the student's logits at one pixel.

    Parameters
    ----------
    record : dict, optional
        As :func:`kdlib.explorers.two_objectives` returns it; by default with its own pixels.

    Returns
    -------
    ipywidgets.VBox
        The knobs, named ``pixel``, ``α``, ``T`` and ``times T²``, above the numbers.

    Examples
    --------
    >>> box = two_objectives()
    >>> [knob.description for knob in box.children[:-1]]
    ['pixel', 'α', 'T', 'times T²']
    """
    record = _checked(record or explorers.two_objectives(), "pixels", "two_objectives")
    names = [pixel["name"] for pixel in record["pixels"]]
    knobs = [
        ipywidgets.Dropdown(options=list(zip(names, record["pixels"], strict=True)),
                            description="pixel"),
        _slider("α", ALPHAS, explorers.START["alpha"]),
        _slider("T", TEMPERATURES, explorers.START["temperature"]),
        ipywidgets.Checkbox(True, description="times T²"),
    ]  # fmt: skip

    def draw(pixel, alpha, temperature, squared):
        named = {**pixel, "label": record["classes"][pixel["label"]]}
        hard, soft = explorers.gradients(named, alpha, temperature)
        soft = soft if squared else soft / temperature**2
        columns = {
            "from the label": -hard, "from the teacher": -soft, "sum": -(hard + soft)
        }  # fmt: skip
        return f"<p>{html.escape(pixel['story'])}</p>" + _table(record, columns, "+.3f")

    return _joined(knobs, draw)


def temperature(record):
    """Return a widget for what a teacher says about each pixel of a patch, softened at T.

    Parameters
    ----------
    record : dict
        As :func:`kdlib.explorers.temperature` returns it.

    Returns
    -------
    ipywidgets.VBox
        The knobs, named ``T``, ``row`` and ``column``, above pictures and numbers.

    Examples
    --------
    >>> from kdlib import data, recipes
    >>> patches = data.cut(data.synthetic.city(n_images=1, size=64), size=32)
    >>> box = temperature(explorers.temperature(recipes.build("teacher"), patches))
    >>> [knob.description for knob in box.children[:-1]]
    ['T', 'row', 'column']
    """
    record = _checked(record, "logits", "temperature")
    side, lines = record["side"], range(record["side"])
    stored = np.frombuffer(base64.b64decode(record["logits"]), np.uint8).reshape(side, side, -1)
    logits = record["low"] + record["step"] * stored.astype(float)
    labels = np.frombuffer(base64.b64decode(record["labels"]), np.uint8).reshape(side, side)
    most = np.log2(logits.shape[-1])
    knobs = [
        _slider("T", TEMPERATURES, 1),
        _slider("row", lines, record["start"][0]),
        _slider("column", lines, record["start"][1]),
    ]

    def draw(t, row, column):
        bits = softening.entropy(softening.softmax(logits, t))
        colors = matplotlib.colormaps["cividis"](bits / most)[..., :3]
        targets = softening.softmax(logits[row, column], t)
        hard = np.arange(len(targets)) == labels[row, column]
        columns = {"logit": logits[row, column], "hard label": hard.astype(int),
                   "soft target": targets}  # fmt: skip
        pictures = _picture(record["photograph"], record["alt"]) + _picture(
            _address((255 * colors).round().astype(np.uint8)),
            f"Bits left open at each pixel, {bits.mean():.2f} on average.",
        )
        return pictures + _table(record, columns, ".4f") + (
            f"<p>At T = {t:g} the teacher leaves {bits[row, column]:.3f} of {most:.2f} bits open "
            f"at this pixel, and {bits.mean():.3f} on average over the patch.</p>"
        )

    return _joined(knobs, draw)


def the_collapse(record):
    """Return a widget for what a collapsing and a healthy training say, epoch by epoch.

    Parameters
    ----------
    record : dict
        As :func:`kdlib.explorers.the_collapse` returns it.

    Returns
    -------
    ipywidgets.VBox
        The knobs, named ``step`` and ``patch``, above pictures and scores.
    """
    record = _checked(record, "runs", "the_collapse")
    steps, side = record["step"], record["side"]
    knobs = [_slider("step", steps, steps[0]), _slider("patch", range(len(record["patches"])), 0)]

    def draw(step, patch):
        look, shown, text = steps.index(step), record["patches"][patch], ""
        text += _picture(shown["photograph"], shown["alt"])
        text += _picture(_map(shown["labels"], side), "labelled by people")
        for name, run in record["runs"].items():
            text += _picture(_map(run["maps"][patch][look], side), f"the {name} training")
            text += (
                f"<p>{html.escape(name)}, rate {run['rate']:g}: accuracy "
                f"{run['accuracy'][look]:.3f}, mean IoU {run['mean_iou'][look]:.3f}</p>"
            )
        return text

    return _joined(knobs, draw)


def _slider(name, values, start):
    options = [(f"{value:g}", value) for value in values]
    return ipywidgets.SelectionSlider(options=options, value=start, description=name)


def _joined(knobs, draw):
    """Return knobs above a text that is drawn anew whenever one of them is turned."""
    shown = ipywidgets.HTML()

    def follow(_=None):
        shown.value = draw(*(knob.value for knob in knobs))

    for knob in knobs:
        knob.observe(follow, names="value")
    follow()
    return ipywidgets.VBox([*knobs, shown])


def _table(record, columns, form):
    head = "".join(f"<th>{name}</th>" for name in ["class", *columns])
    rows = ""
    for i, (name, color) in enumerate(zip(record["classes"], record["colors"], strict=True)):
        swatch = f'<span style="color: {color}">&#9632;</span> {html.escape(name)}'
        cells = "".join(f"<td>{format(values[i], form)}</td>" for values in columns.values())
        rows += f"<tr><th>{swatch}</th>{cells}</tr>"
    return f"<table><tr>{head}</tr>{rows}</table>"


def _map(packed, side):
    return _address(class_palette()[explorers.unpack(packed, side)])


def _address(pixels):
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "PNG")
    return f"data:image/png;base64,{base64.b64encode(packed.getvalue()).decode('ascii')}"


def _picture(source, alt):
    return f'<img alt="{html.escape(alt)}" width="256" style="margin: 4px" src="{source}">'


def _checked(record, part, maker):
    if not isinstance(record, dict) or part not in record:
        raise ValueError(
            f"the record has no {part!r}; expected what kdlib.explorers.{maker} returns."
        )
    return record
