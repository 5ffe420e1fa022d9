"""How searches spend a budget, what their model is, and what they have in hand for it."""

import numpy as np

from kdbook.figures.curves import DASHED, GRID
from kdbook.figures.style import new_figure, styled

METHODS = {
    "random search": ("#7F7F7F", "-"),
    "successive halving": ("#D55E00", "--"),
    "Hyperband": ("#0072B2", "-."),
    "BOHB": ("#C2185B", "-"),
    "TPE": ("#B8860B", "--"),
    "TPE with Hyperband": ("#3B2E7E", "-."),
}
"""Colour and line of each search. Another one is drawn in black."""

GOOD, BAD = "#0072B2", "#D55E00"


@styled
def halving(curves, stopped, rungs):
    """Draw the learning curves of one bracket: who is stopped where.

    - ``curves``: array of float, shape (configurations, epochs).
    - ``stopped``: sequence of int. The epoch at which each was stopped.
    - ``rungs``: sequence of int. The epochs at which there was a cut.
    - Returns a figure: what was trained as lines, and what it would have become dotted.

    >>> figure = halving(np.array([[0.1, 0.2], [0.0, 0.3]]), [2, 1], [1])
    >>> len(figure.axes[0].lines)
    5
    """
    if len(curves) == 0 or len(curves) != len(stopped):
        raise ValueError(f"{len(curves)} curves and {len(stopped)} ends; expected one end a curve.")
    figure, axes = new_figure(height=3.4)
    epochs = np.arange(1, curves.shape[1] + 1)
    for rung in rungs:
        axes.axvline(rung, **DASHED | {"linewidth": 1, "color": "#9A9A9A"})
    for curve, end in zip(curves, stopped, strict=True):
        color = GOOD if end == len(epochs) else BAD
        axes.plot(epochs[end - 1 :], curve[end - 1 :], ":", color="#9A9A9A", linewidth=1.2)
        axes.plot(epochs[:end], curve[:end], color=color, marker="o" if color == GOOD else "X",
                  markevery=[end - 1], markersize=7)  # fmt: skip
    axes.set(xlabel="epoch", ylabel="mean IoU (validation)")
    figure.suptitle("cross: stopped · circle: trained to the end\ndotted: what would have become "
                    "of it", fontsize=12, x=0.01, ha="left")  # fmt: skip
    return figure


@styled
def anytime(panels, ylabel):
    """Draw what searches have in hand after so many epochs, mean and interval over repeats.

    - ``panels``: dict of str to dict of str to (array, array, array). Title of each panel, and in
      it the name of a search with mean, low and high end after each epoch, as
      :func:`kdbook.tune.replay.interval` returns them.

    >>> rise = np.array([0.1, 0.2])
    >>> figure = anytime({"all": {"random search": (rise, rise, rise)}}, "mean IoU")
    >>> figure.axes[0].get_title(loc="left")
    'all'
    """
    if not panels or not all(panels.values()):
        raise ValueError("nothing to draw; expected one panel or more, each with a search or more.")
    figure, axes = new_figure(len(panels), height=0.7 + 2.7 * len(panels), sharex=True,
                              sharey=True, squeeze=False)  # fmt: skip
    for each, (title, searches) in zip(axes[:, 0], panels.items(), strict=True):
        for name, (mean, low, high) in searches.items():
            color, line = METHODS.get(name, ("black", "-"))
            epochs = np.arange(1, len(mean) + 1)
            each.plot(epochs, mean, line, color=color, label=name)
            each.fill_between(epochs, low, high, color=color, alpha=0.2, linewidth=0)
        each.set_title(title, loc="left")
        each.set_ylabel(ylabel)
        each.grid(axis="y", color=GRID)
        each.legend(loc="lower right")
    axes[-1, 0].set_xlabel("epochs trained, in all")
    return figure
