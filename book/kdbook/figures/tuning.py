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

    Parameters
    ----------
    curves : array of float, shape (configurations, epochs)
    stopped : sequence of int
        The epoch at which each was stopped.
    rungs : sequence of int
        The epochs at which there was a cut.

    Returns
    -------
    matplotlib.figure.Figure
        What was trained as lines, and what it would have become dotted.

    Raises
    ------
    ValueError
        If there are no curves, or not an epoch for each.

    Examples
    --------
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
                    "of it", fontsize=10, x=0.01, ha="left")  # fmt: skip
    return figure


@styled
def brackets(all_rungs, costs):
    """Draw how many configurations each bracket trains in each epoch: the area is the budget.

    Parameters
    ----------
    all_rungs : list of list of kdbook.tune.hyperband.Rung
    costs : list of int
        Epochs of each bracket, for the titles.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there are no brackets.

    Examples
    --------
    >>> len(brackets([[(2, 1), (1, 2)], [(2, 2)]], [3, 4]).axes)
    2
    """
    if not all_rungs:
        raise ValueError("no brackets came; expected one or more.")
    figure, axes = new_figure(columns=len(all_rungs), height=2.6, sharey=True, squeeze=False)
    for each, rungs, cost, s in zip(
        axes[0], all_rungs, costs, range(len(all_rungs))[::-1], strict=True
    ):
        before = 0
        for count, epochs in rungs:
            each.bar(before, count, epochs - before, align="edge", color=GOOD, edgecolor="white")
            each.text((before + epochs) / 2, count + 0.15, count, ha="center", fontsize=10)
            before = epochs
        each.set_title(f"s = {s}\n{cost} epochs", fontsize=10)
        each.set_xticks(sorted({0, *(epochs for _, epochs in rungs)}))
        each.set_xlabel("epoch", fontsize=10)
    axes[0, 0].set_ylabel("configurations")
    return figure


@styled
def densities(grid, good, bad, points, labels):
    """Draw the densities of good and bad points along one axis, and their quotient.

    Parameters
    ----------
    grid : array of float, shape (n,)
        Where the densities are given, in the unit of the axis.
    good, bad : array of float, shape (n,)
    points : (array of float, array of float)
        Where the good and the bad points lie.
    labels : (str, str)
        The axis, and what the good are.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> grid = np.array([0.1, 1.0])
    >>> len(densities(grid, grid, 2 - grid, (grid, grid), ("rate", "best 15 %")).axes)
    2
    """
    if not grid.shape == good.shape == bad.shape:
        raise ValueError(f"shapes are {grid.shape}, {good.shape}, {bad.shape}; expected one shape.")
    figure, (top, bottom) = new_figure(
        2, height=4.4, sharex=True, gridspec_kw={"height_ratios": [3, 2]}
    )
    height = max(good.max(), bad.max())
    top.plot(grid, good, color=GOOD, label=f"l: {labels[1]}")
    top.plot(grid, bad, "--", color=BAD, label="g: the others")
    top.plot(points[0], np.full(len(points[0]), -0.07 * height), "o", color=GOOD, markersize=5)
    top.plot(points[1], np.full(len(points[1]), -0.16 * height), "x", color=BAD, markersize=5)
    best = int(np.argmax(good / bad))
    bottom.plot(grid, good / bad, color="black")
    bottom.plot(grid[best], (good / bad)[best], "D", color=GOOD, markersize=7)
    top.set(ylabel="density", xscale="log")
    bottom.set(xlabel=labels[0], ylabel="l / g", ylim=(0, None))
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@styled
def anytime(panels, ylabel):
    """Draw what searches have in hand after so many epochs, mean and interval over repeats.

    Parameters
    ----------
    panels : dict of str to dict of str to (array, array, array)
        Title of each panel, and in it the name of a search with mean, low and high end after each
        epoch, as :func:`kdbook.tune.replay.interval` returns them.
    ylabel : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no panel, or an empty one.

    Examples
    --------
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
