"""The figures that move, as Jupyter widgets: they compute in the kernel, with kdlib.softening.

Each takes the data that its figure in the book has, which :mod:`kdbook.explorers` makes.
"""

import base64
import html

import ipywidgets
import matplotlib
import numpy as np

from kdbook import explorers
from kdbook.widgets import _parts as parts
from kdbook.widgets.slider import TEMPERATURES
from kdlib import softening

ALPHAS = tuple(step / 20 for step in range(21))
"""The positions of the knob for α."""


def two_objectives(record=None):
    """Return a widget for the push of label and teacher on the student's logits at one pixel.

    - ``record``: as :func:`kdbook.explorers.two_objectives` returns it; by default with its own
      pixels.
    - Returns ipywidgets.VBox: the knobs, named ``pixel``, ``α``, ``T`` and ``times T²``, above the
      numbers.

    >>> box = two_objectives()
    >>> [knob.description for knob in box.children[:-1]]
    ['pixel', 'α', 'T', 'times T²']
    """
    record = parts.checked(record or explorers.two_objectives(), "pixels", "two_objectives")
    names = [pixel["name"] for pixel in record["pixels"]]
    knobs = [
        ipywidgets.Dropdown(options=list(zip(names, record["pixels"], strict=True)),
                            description="pixel"),
        parts.slider("α", ALPHAS, explorers.START["alpha"]),
        parts.slider("T", TEMPERATURES, explorers.START["temperature"]),
        ipywidgets.Checkbox(True, description="times T²"),
    ]  # fmt: skip

    def draw(pixel, alpha, temperature, squared):
        """Return the story of the pixel and the pushes as HTML."""
        named = {**pixel, "label": record["classes"][pixel["label"]]}
        hard, soft = explorers.gradients(named, alpha, temperature)
        soft = soft if squared else soft / temperature**2
        columns = {
            "from the label": -hard, "from the teacher": -soft, "sum": -(hard + soft)
        }  # fmt: skip
        return f"<p>{html.escape(pixel['story'])}</p>" + parts.table(record, columns, "+.3f")

    return parts.joined(knobs, draw)


def temperature(record):
    """Return a widget for what a teacher says about each pixel of a patch, softened at T.

    - ``record``: as :func:`kdbook.explorers.temperature` returns it.
    - Returns ipywidgets.VBox: the knobs, named ``T``, ``row`` and ``column``, above pictures and
      numbers.

    >>> from kdlib import data, recipes
    >>> patches = data.cut(data.synthetic.city(n_images=1, size=64), size=32)
    >>> box = temperature(explorers.temperature(recipes.build("teacher"), patches))
    >>> [knob.description for knob in box.children[:-1]]
    ['T', 'row', 'column']
    """
    record = parts.checked(record, "logits", "temperature")
    side, lines = record["side"], range(record["side"])
    stored = np.frombuffer(base64.b64decode(record["logits"]), np.uint8).reshape(side, side, -1)
    logits = record["low"] + record["step"] * stored.astype(float)
    labels = np.frombuffer(base64.b64decode(record["labels"]), np.uint8).reshape(side, side)
    most = np.log2(logits.shape[-1])
    knobs = [
        parts.slider("T", TEMPERATURES, 1),
        parts.slider("row", lines, record["start"][0]),
        parts.slider("column", lines, record["start"][1]),
    ]

    def draw(t, row, column):
        """Return pictures and numbers of one pixel as HTML."""
        bits = softening.entropy(softening.softmax(logits, t))
        colors = matplotlib.colormaps["cividis"](bits / most)[..., :3]
        targets = softening.softmax(logits[row, column], t)
        hard = np.arange(len(targets)) == labels[row, column]
        columns = {"logit": logits[row, column], "hard label": hard.astype(int),
                   "soft target": targets}  # fmt: skip
        pictures = parts.picture(record["photograph"], record["alt"]) + parts.picture(
            parts.address((255 * colors).round().astype(np.uint8)),
            f"Bits left open at each pixel, {bits.mean():.2f} on average.",
        )
        said = (
            f"<p>At T = {t:g} the teacher leaves {bits[row, column]:.3f} of {most:.2f} bits open "
            f"at this pixel, and {bits.mean():.3f} on average over the patch.</p>"
        )
        return pictures + parts.table(record, columns, ".4f") + said

    return parts.joined(knobs, draw)


def the_collapse(record):
    """Return a widget for what a collapsing and a healthy training say, epoch by epoch.

    - ``record``: as :func:`kdbook.explorers.the_collapse` returns it.
    - Returns ipywidgets.VBox: the knobs, named ``step`` and ``patch``, above pictures and scores.

    >>> from kdbook.explorers import pack
    >>> run = {"rate": 0.001, "maps": [[pack([[4, 4]] * 2)]], "accuracy": [0.5], "mean_iou": [0.1]}
    >>> patch = {"photograph": "", "alt": "Land.", "labels": pack([[4, 0]] * 2)}
    >>> record = {"step": [25], "side": 2, "patches": [patch], "runs": {"healthy": run}}
    >>> box = the_collapse(record)
    >>> [knob.description for knob in box.children[:-1]]
    ['step', 'patch']
    """
    record = parts.checked(record, "runs", "the_collapse")
    steps, side = record["step"], record["side"]
    knobs = [
        parts.slider("step", steps, steps[0]),
        parts.slider("patch", range(len(record["patches"])), 0),
    ]

    def draw(step, patch):
        """Return pictures and scores of both trainings at one step as HTML."""
        look, shown, text = steps.index(step), record["patches"][patch], ""
        text += parts.picture(shown["photograph"], shown["alt"])
        text += parts.picture(parts.class_map(shown["labels"], side), "labelled by people")
        for name, run in record["runs"].items():
            answer = parts.class_map(run["maps"][patch][look], side)
            text += parts.picture(answer, f"the {name} training")
            text += (
                f"<p>{html.escape(name)}, rate {run['rate']:g}: accuracy "
                f"{run['accuracy'][look]:.3f}, mean IoU {run['mean_iou'][look]:.3f}</p>"
            )
        return text

    return parts.joined(knobs, draw)
