"""What a network costs beside how good it is."""

import numpy as np
from matplotlib import ticker

from kdbook.figures.style import model_color, new_figure, styled


@styled
def trade_off(points, xlabel):
    """Draw each file as a point: cost to the right, on a scale of powers, quality upwards.

    - ``points``: dict of (str, str) to (float, float). Model, as in
      :data:`kdbook.figures.MODEL_COLORS`, and what kind of file it is; cost, more than 0, and
      quality.
    - ``xlabel``: what the cost is, with its unit. The quality is the mean IoU, on a scale that
      does not begin at 0.

    >>> figure = trade_off({("teacher", "ONNX"): (7.8, 0.66)}, "megabytes")
    >>> figure.axes[0].get_xlabel()
    'megabytes'
    """
    costs = np.array([cost for cost, _ in points.values()], float)
    if not len(costs) or not (costs > 0).all():
        raise ValueError(f"costs are {costs.tolist()}; expected one or more, all above 0.")
    kinds = list(dict.fromkeys(kind for _, kind in points))
    figure, axes = new_figure(height=3.8)
    for (model, kind), (cost, quality) in points.items():
        marker = "osD^vP*X"[kinds.index(kind) % 8]
        axes.plot(cost, quality, marker, color=model_color(model), markersize=9, alpha=0.8)
    for model in dict.fromkeys(model for model, _ in points):
        axes.plot([], [], "o", color=model_color(model), label=model)
    for kind in kinds:
        marker = "osD^vP*X"[kinds.index(kind) % 8]
        axes.plot([], [], marker, color="#555555", markerfacecolor="none", label=kind)
    axes.margins(y=0.15)
    axes.set(xscale="log", xlabel=xlabel, ylabel="mean IoU")
    # Plain numbers, few enough to stand side by side, also where all costs are of one size.
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    figure.legend(loc="outside upper center", ncols=3, columnspacing=1.2, handletextpad=0.4)
    return figure
