"""Pictures that move without a kernel: a slider for the temperature.

Every position of the slider is drawn beforehand. The browser only chooses which picture to show,
so that the slider works in the rendered book, offline, as well as in Jupyter and in Colab.
"""

import ipywidgets
import numpy as np

from kdbook.figures import soft_targets as figures
from kdbook.figures.style import CLASS_COLORS, Picture, png, sharpness
from kdlib.softening import entropy, softmax

TEMPERATURES = (0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 20, 50)
"""The positions of the slider, from almost a hard label to almost uniform."""


def temperature_slider(logits):
    """Return a slider that shows the softmax of the logits at each of :data:`TEMPERATURES`.

    Slider and pictures are joined in the browser (``jslink``), not by a Python callback. Pictures
    lie in a ``Stack``, or in a ``Tab`` where ipywidgets is older than version 8, as in Colab.

    - ``logits``: array_like. One finite logit for each class of
      :data:`kdbook.figures.CLASS_COLORS`.
    - Returns ipywidgets.VBox: the slider above the stack of pictures. Each picture bears its
      numbers as alt text.
    - ``ValueError`` if the logits do not match the classes.

    >>> slider, pictures = temperature_slider([6, 2, -1, 0, 0, 0]).children
    >>> slider.value, len(pictures.children)
    (1, 12)
    """
    labels, index = [f"{t:g}" for t in TEMPERATURES], TEMPERATURES.index(1)
    pictures = _stack([_frame(logits, t) for t in TEMPERATURES], labels, index)
    slider = ipywidgets.SelectionSlider(
        options=list(zip(labels, TEMPERATURES, strict=True)),
        index=index,
        description="T =",
        layout=ipywidgets.Layout(width="100%", max_width="40em"),
    )
    ipywidgets.jslink((slider, "index"), (pictures, "selected_index"))
    return ipywidgets.VBox([slider, pictures], layout=ipywidgets.Layout(width="100%"))


def describe(logits, temperature):
    """Return in words what the softmax of the logits looks like at a temperature.

    The classes by falling probability, then the entropy; errors are those of
    :func:`temperature_slider`.

    >>> describe([6, 2, -9, -9, -9, -9], 1)[:33]
    'T = 1: Building 98 %, Land 1.8 %,'
    """
    names = list(CLASS_COLORS)
    p = softmax(logits, temperature)
    if p.shape != (len(names),):
        raise ValueError(
            f"logits has shape {p.shape}; expected ({len(names)},), one for each of {names}."
        )
    shares = ", ".join(f"{names[i]} {figures.percent(p[i])}" for i in np.argsort(-p, kind="stable"))
    bits = f"{entropy(p):.2f} of {np.log2(len(p)):.2f} bits left open"
    return f"T = {temperature:g}: {shares}; {bits}."


def _frame(logits, temperature):
    """Return one picture with its text equivalent, as a widget."""
    alt = describe(logits, temperature)
    figure = figures.temperature_frame(logits, temperature)
    # With half as many colours as a figure may have, since a page carries twelve of them.
    picture = Picture(png(figure, colours=128), alt, sharpness(figure))
    # An HTML widget, because the Image widget has no alt text.
    return ipywidgets.HTML(picture._repr_html_())


def _stack(children, titles, index):
    """Return a container that shows the one child that ``selected_index`` names."""
    container = getattr(ipywidgets, "Stack", ipywidgets.Tab)(children=children)
    if isinstance(container, ipywidgets.Tab):
        for position, title in enumerate(titles):
            container.set_title(position, title)
    container.selected_index = index
    return container
