"""The look that all figures share, and the one way to put a figure on a page.

Figures are drawn for a phone first: at most :data:`WIDTH` inches wide with text of 12 points or
more, which is 9 pixels when a screen of 360 pixels shrinks them.

The class colours differ in lightness as well as in hue, and stay apart for readers with a colour
vision deficiency (they follow Okabe and Ito, https://jfly.uni-koeln.de/color/).
"""

import base64
import functools
import html
import io

import matplotlib
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

WIDTH = 6.0
"""Width of a figure in inches."""

DPI = 110
"""Pixels an inch on the page: a figure of full width is 660 pixels wide."""

INK = "#222222"
"""Colour of words, and of what belongs to no model."""

GRID = "#E4E4E4"
"""Colour of lines that only guide the eye."""

DASHED = {"color": "black", "linestyle": (0, (2, 1)), "linewidth": 1.5}
"""A line that marks a reference value."""

CLASS_COLORS = {
    "Building": "#D55E00",
    "Land": "#F0E2B6",
    "Road": "#4D4D4D",
    "Vegetation": "#009E73",
    "Water": "#0072B2",
    "Unlabeled": "#DDDDDD",
}
"""Colour of each class, in the order of the class ids. Not the colours of the mask files."""

MODEL_COLORS = {
    "teacher": "#3B2E7E",
    "student from scratch": "#B8860B",
    "distilled student": "#C2185B",
    "control": "#7F7F7F",
    "coarse student": "#0288D1",
}
"""Colour of each model, the same in all chapters."""

MODEL_MARKERS = dict(zip(MODEL_COLORS, "soD^v", strict=True))
"""Shape of each model's points, for readers who cannot tell the colours apart."""

STYLE = {
    "figure.dpi": DPI,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.size": 13,
    "figure.titlesize": 13,
    "axes.titlesize": 13,
    "axes.labelsize": 13,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "legend.fontsize": 12,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "lines.linewidth": 2.0,
}
"""The matplotlib settings of every figure."""


def model_color(name):
    """Return the colour of a model; a name that is none of the four gets that of a control.

    >>> model_color("teacher"), model_color("shuffled teacher")
    ('#3B2E7E', '#7F7F7F')
    """
    return MODEL_COLORS.get(name, MODEL_COLORS["control"])


def model_marker(name):
    """Return the marker of a model, likewise.

    >>> model_marker("teacher"), model_marker("shuffled teacher")
    ('s', '^')
    """
    return MODEL_MARKERS.get(name, MODEL_MARKERS["control"])


def styled(draw):
    """Make a drawing function use :data:`STYLE`, and leave the reader's own settings alone.

    - ``draw``: a function that draws and returns a figure.
    - Returns callable: the same function, run inside ``matplotlib.rc_context``.

    >>> @styled
    ... def line():
    ...     figure, axes = new_figure(height=2.0)
    ...     axes.plot([0, 1], [0, 1])
    ...     return figure
    >>> float(line().get_figwidth())
    6.0
    """

    @functools.wraps(draw)
    def wrapper(*args, **kwargs):
        """Draw with the style of the book."""
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return wrapper


def new_figure(rows=1, columns=1, height=3.2, width=WIDTH, **subplots):
    """Return a figure and its axes, outside of pyplot, so that nothing shows it a second time.

    - ``rows``, ``columns``: number of axes, as for ``Figure.subplots``.
    - ``height``, ``width``: size in inches.
    - ``**subplots``: handed to ``Figure.subplots``, for example ``sharey=True``.
    - Returns ``figure``: a figure.
    - Returns ``axes``: matplotlib Axes, or an array of them.

    >>> figure, axes = new_figure(columns=2, height=2.0)
    >>> len(axes)
    2
    """
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    return figure, figure.subplots(rows, columns, **subplots)


def class_palette(names=None):
    """Return the display colours of classes as RGB bytes, to index with an array of labels.

    - ``names``: sequence of str. Names of the classes, by default those of :data:`CLASS_COLORS`, in
      their order.
    - Returns numpy.ndarray: uint8, shape ``(len(names), 3)``.

    >>> class_palette(["Water", "Road"]).tolist()
    [[0, 114, 178], [77, 77, 77]]
    """
    colors = [CLASS_COLORS[name] for name in (CLASS_COLORS if names is None else names)]
    return rgb_bytes(colors)


def rgb_bytes(colors):
    """Return matplotlib colours as RGB bytes: uint8, shape ``(len(colors), 3)``.

    >>> rgb_bytes(["#0000FF", "white"]).tolist()
    [[0, 0, 255], [255, 255, 255]]
    """
    return np.round(255 * np.array([to_rgb(color) for color in colors])).astype(np.uint8)


def sharpness(figure):
    """Return how many times more pixels a figure's file has than the page shows.

    Drawings, maps of a few cells among them, have twice as many, for screens that can show them.
    With photographs in it the file would be four times as heavy.

    >>> figure, axes = new_figure(height=2.0)
    >>> sharpness(figure)
    2
    """
    pictures = (picture for axes in figure.axes for picture in axes.images)
    return 1 if any(picture.get_array().size > 1_000 for picture in pictures) else 2


def png(figure, colours=256):
    """Return a figure as the bytes of a small PNG.

    - ``colours``: how many it may have, up to 256. A drawing with fewer keeps them all; one with
      photographs in it is reduced to those that suit it best, which makes the file about three
      times smaller.

    >>> figure, axes = new_figure(height=2.0)
    >>> png(figure)[1:4]
    b'PNG'
    """
    raw = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(
            raw, format="png", dpi=sharpness(figure) * DPI, bbox_inches="tight", pad_inches=0.06
        )
    picture = Image.open(raw).convert("RGB").quantize(colours, method=Image.Quantize.MEDIANCUT)
    small = io.BytesIO()
    picture.save(small, format="PNG", optimize=True)
    return small.getvalue()


class Picture:
    """A figure, drawn and described: what :func:`show` hands to Jupyter.

    - ``data``: bytes. A PNG.
    - ``alt``: what the picture shows, in words.
    - ``sharper``: how many times more pixels it has than the page shows.

    >>> Picture(b"", alt="one flat line")
    [figure] one flat line
    """

    def __init__(self, data, alt, sharper=1):
        self.data = data
        self.alt = alt
        self.sharper = sharper

    def __repr__(self):
        """Return what a screen without pictures shows."""
        return f"[figure] {self.alt}"

    def _repr_html_(self):
        # HTML, because Jupyter Book gives an image/png output the name of its file as alt text.
        # The picture shows at this width, and shrinks where the screen is narrower.
        width = Image.open(io.BytesIO(self.data)).width // self.sharper
        source = base64.b64encode(self.data).decode("ascii")
        return (
            f'<img alt="{html.escape(self.alt)}" width="{width}" '
            'style="max-width: 100%; height: auto" '
            f'src="data:image/png;base64,{source}">'
        )


def show(figure, alt):
    """Show a figure below the cell, with its description for those who cannot see it.

    - ``figure``: matplotlib.figure.Figure. The figure. pyplot forgets it afterwards, so that
      nothing shows it a second time.
    - ``alt``: what the figure shows and what is to be seen in it, in a sentence or two. Screen
      readers read it aloud, and it stands in for the picture where that cannot be shown.

    >>> figure, axes = new_figure(height=2.0)
    >>> show(figure, alt=" ")
    Traceback (most recent call last):
    ...
    ValueError: a figure needs a description: figures.show(figure, alt="what is to be seen in it")
    """
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(
            'a figure needs a description: figures.show(figure, alt="what is to be seen in it")'
        )
    from IPython.display import display  # here, so that figures can be drawn without IPython

    display(Picture(png(figure), " ".join(alt.split()), sharpness(figure)))
    _close(figure)


def _close(figure):
    """Take a figure away from pyplot, should it have been made there."""
    if getattr(figure.canvas, "manager", None) is not None:
        import matplotlib.pyplot as plt

        plt.close(figure)
