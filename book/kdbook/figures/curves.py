"""Scores of models over epochs, over confidence, and over seeds."""

import numpy as np

from kdbook.figures.style import DASHED, GRID, INK, model_color, model_marker, new_figure, styled
from kdlib.metrics import paired_difference


@styled
def learning_curves(panels, ylabel, references=None):
    """Draw how a score or loss goes from epoch to epoch, one panel below the other, on one scale.

    - ``panels``: dict of str to dict of str to array, shape (epochs,) or (seeds, epochs). Title of
      each panel, and in it model name and values after each epoch. Several seeds give thin lines,
      and their mean a thick one.
    - ``ylabel``: what is drawn upwards, with its unit.
    - ``references``: dict of str to float, or to dict of panel to float. Values to compare with in
      all panels, such as ``{"constant predictor": 0.11}``, or in each.

    >>> figure = learning_curves({"validation": {"teacher": [0.3, 0.5, 0.6]}}, "mean IoU")
    >>> figure.axes[0].get_title(loc="left")
    'validation'
    """
    if not panels or not all(panels.values()):
        raise ValueError("nothing to draw; expected one panel or more, each with a curve or more.")
    height = 0.6 + 2.5 * len(panels)
    figure, axes = new_figure(len(panels), height=height, sharex=True, sharey=True, squeeze=False)
    for each, (title, curves) in zip(axes[:, 0], panels.items(), strict=True):
        for name, values in curves.items():
            _curve(each, name, np.atleast_2d(np.asarray(values, float)))
        for name, value in (references or {}).items():
            own = value[title] if isinstance(value, dict) else value
            each.axhline(own, **DASHED, label=name)
        each.set_ylabel(ylabel.replace(" (", "\n("))  # panels are lower than the label is long
        each.set_title(title, loc="left")
        each.grid(axis="y", color=GRID)
    axes[-1, 0].set_xlabel("epoch")
    axes[-1, 0].xaxis.get_major_locator().set_params(integer=True)
    handles = {label: line for each in axes[:, 0] for line, label in
               zip(*each.get_legend_handles_labels(), strict=True)}  # fmt: skip
    figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=2)
    return figure


def _curve(axes, name, seeds):
    if seeds.shape[-1] == 0:
        raise ValueError(f"the curve of {name!r} is empty; expected a value for each epoch.")
    epochs, color = np.arange(1, seeds.shape[1] + 1), model_color(name)
    if len(seeds) > 1:
        axes.plot(epochs, seeds.T, color=color, linewidth=0.8, alpha=0.5)
    axes.plot(epochs, seeds.mean(axis=0), color=color, marker=model_marker(name), markersize=5,
              markevery=max(1, len(epochs) // 8), label=name)  # fmt: skip


@styled
def reliability_diagram(curves):
    """Draw how often models are right when they are so and so sure, and how sure they are.

    - ``curves``: dict of str to kdlib.metrics.Reliability. Model name, and its curve from
      :func:`kdlib.metrics.reliability_curve`.

    >>> from kdlib.metrics import reliability_curve
    >>> curve = reliability_curve([0, 1], [[0.9, 0.1], [0.8, 0.2]])
    >>> len(reliability_diagram({"teacher": curve}).axes)
    2
    """
    if not curves:
        raise ValueError("no curves came; expected one model or more.")
    figure, (top, bottom) = new_figure(
        2, height=6.2, sharex=True, gridspec_kw={"height_ratios": [3, 1]}
    )
    top.plot([0, 1], [0, 1], **DASHED)
    top.text(0.03, 0.93, "above the line:\ntoo modest", va="top")
    top.text(0.97, 0.06, "below the line:\ntoo sure of itself", ha="right")
    for name, curve in curves.items():
        label = f"{name}: ECE {curve.error:.3f}"
        style = {"color": model_color(name), "marker": model_marker(name), "markersize": 5}
        top.plot(curve.confidence, curve.accuracy, label=label, **style)
        share = np.append(curve.count, curve.count[-1]) / curve.count.sum()
        bottom.step(curve.edges, share, where="post", color=style["color"])
    top.set(ylabel="share of pixels that are right", xlim=(0, 1), ylim=(0, 1))
    bottom.set(xlabel="confidence (probability of the predicted class)")
    bottom.set(ylabel="share of\nall pixels", ylim=(0, None))
    figure.legend(loc="outside upper left", ncols=1)
    return figure


@styled
def paired_differences(pairs, xlabel, dots="seeds"):
    """Draw the differences between two methods over the same seeds, with their intervals.

    - ``pairs``: dict of str to pair of arrays of float, shape (seeds,). Name of the comparison,
      such as "distilled − from scratch", and the two lists of scores, seed by seed.
    - ``xlabel``: what the difference is of, with its unit.
    - ``dots``: what the pairs of numbers belong to.
    - Returns a figure: a point for each seed, and below them the mean with its 95 % interval.

    >>> figure = paired_differences({"B − A": ([0.52, 0.51], [0.50, 0.50])}, "mean IoU")
    >>> len(figure.axes)
    1
    """
    if not pairs:
        raise ValueError("no pairs came; expected one comparison or more.")
    figure, axes = new_figure(height=1.5 + 1.0 * len(pairs))
    for row, (name, (a, b)) in enumerate(pairs.items()):
        mean, low, high = paired_difference(a, b)
        axes.plot(np.subtract(a, b), np.full(len(a), row - 0.12), "o", color=INK, alpha=0.6)
        axes.plot([low, high], [row + 0.15] * 2, color=INK, linewidth=3)
        axes.plot(mean, row + 0.15, "D", color=INK, markersize=9)
        text = f"{name}:  {mean:+.3f}  [{low:+.3f}, {high:+.3f}]"
        axes.text(0.0, row - 0.3, text, transform=axes.get_yaxis_transform(), va="bottom",
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
    axes.axvline(0, **DASHED, zorder=0)
    axes.set(yticks=[], ylim=(len(pairs) - 0.5, -0.7), xlabel=xlabel)
    axes.spines["left"].set_visible(False)
    title = f"dots: {dots} · diamond and bar: mean, 95 % interval"
    axes.set_title(title, loc="left", fontsize=12)
    return figure
