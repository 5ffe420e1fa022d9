"""Pictures that move without a kernel: a slider for the temperature.

Every position of the slider is drawn beforehand. The browser only chooses which picture to show,
so that the slider works in the rendered book, offline, as well as in Jupyter and in Colab.
"""

import base64
import html

import ipywidgets
import numpy as np

from kdbook.figures import soft_targets as figures
from kdbook.figures.style import CLASS_COLORS, png
from kdlib.softening import entropy, softmax

TEMPERATURES = (0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 20, 50)
"""The positions of the slider, from almost a hard label to almost uniform."""


def temperature_slider(logits, temperatures=TEMPERATURES, class_names=None, start=1):
    """Return a slider that shows the softmax of the logits at each of the temperatures.

    Slider and pictures are joined in the browser (``jslink``), not by a Python callback. Pictures
    lie in a ``Stack``, or in a ``Tab`` where ipywidgets is older than version 8, as in Colab.

    - ``logits``: array_like. One finite logit a class.
    - ``temperatures``: sequence of float. The positions, at least two, positive and increasing.
      Each costs about 10 kB.
    - ``class_names``: sequence of str. Names among :data:`kdbook.figures.CLASS_COLORS`; by default
      all six.
    - ``start``: the position shown first: one of the temperatures.
    - Returns ipywidgets.VBox: the slider above the stack of pictures. Each picture bears its
      numbers as alt text.
    - ``ValueError`` if the temperatures do not increase from above 0, ``start`` is not one of them,
      or the logits do not match the names.

    >>> box = temperature_slider([6, 2, -1], [1, 4], class_names=["Road", "Land", "Water"])
    >>> slider, pictures = box.children
    >>> slider.value, len(pictures.children)
    (1.0, 2)
    """
    temperatures = _checked_temperatures(temperatures)
    if start not in temperatures:
        raise ValueError(f"start is {start!r}; expected one of the temperatures {temperatures}.")
    labels = [f"{t:g}" for t in temperatures]
    index = temperatures.index(start)
    pictures = _stack([_frame(logits, t, class_names) for t in temperatures], labels, index)
    slider = ipywidgets.SelectionSlider(
        options=list(zip(labels, temperatures, strict=True)),
        index=index,
        description="T =",
        layout=ipywidgets.Layout(width="100%", max_width="40em"),
    )
    ipywidgets.jslink((slider, "index"), (pictures, "selected_index"))
    return ipywidgets.VBox([slider, pictures], layout=ipywidgets.Layout(width="100%"))


def describe(logits, temperature, class_names=None):
    """Return in words what the softmax of the logits looks like at a temperature.

    - ``logits``: array_like. One finite logit a class.
    - ``temperature``: T > 0.
    - ``class_names``: sequence of str. By default those of :data:`kdbook.figures.CLASS_COLORS`.
    - Returns str: the classes by falling probability, then the entropy.
    - ``ValueError`` if names and logits do not match, or T is not positive.

    >>> describe([6, 2, -1], 4, ["Road", "Land", "Water"])
    'T = 4: Road 65 %, Land 24 %, Water 11 %; 1.25 of 1.58 bits left open.'
    """
    names = list(CLASS_COLORS if class_names is None else class_names)
    p = softmax(logits, temperature)
    if p.shape != (len(names),):
        raise ValueError(
            f"logits has shape {p.shape}; expected ({len(names)},), one for each of {names}."
        )
    shares = ", ".join(f"{names[i]} {figures.percent(p[i])}" for i in np.argsort(-p, kind="stable"))
    bits = f"{entropy(p):.2f} of {np.log2(len(p)):.2f} bits left open"
    return f"T = {temperature:g}: {shares}; {bits}."


def _frame(logits, temperature, class_names):
    """Return one picture with its text equivalent, as a widget."""
    alt = html.escape(describe(logits, temperature, class_names))
    figure = figures.temperature_frame(logits, temperature, class_names)
    source = base64.b64encode(png(figure)).decode("ascii")
    # An HTML widget, because the Image widget has no alt text.
    return ipywidgets.HTML(
        f'<img alt="{alt}" style="max-width: 100%; height: auto" '
        f'src="data:image/png;base64,{source}">'
    )


def _stack(children, titles, index):
    """Return a container that shows the one child that ``selected_index`` names."""
    container = getattr(ipywidgets, "Stack", ipywidgets.Tab)(children=children)
    if isinstance(container, ipywidgets.Tab):
        for position, title in enumerate(titles):
            container.set_title(position, title)
    container.selected_index = index
    return container


def _checked_temperatures(temperatures):
    temperatures = np.asarray(temperatures, dtype=float)
    if temperatures.ndim != 1 or len(temperatures) < 2:
        raise ValueError(f"temperatures is {temperatures!r}; expected at least two in a row.")
    if not (np.isfinite(temperatures).all() and temperatures[0] > 0):
        raise ValueError(f"temperatures is {temperatures.tolist()}; expected positive numbers.")
    if not (np.diff(temperatures) > 0).all():
        raise ValueError(f"temperatures is {temperatures.tolist()}; expected increasing numbers.")
    return temperatures.tolist()
