"""What distilling costs: a step in several ways, its growth, and quality for seconds."""

import numpy as np

from kdbook.figures.curves import DASHED, GRID
from kdbook.figures.style import new_figure, styled

COLORS = ("#3B2E7E", "#C2185B", "#E69F00", "#009E73", "#56B4E9", "#7F7F7F")
MARKERS = "soD^vX"


@styled
def step_costs(rows, xlabel="times a step of the student alone"):
    """Draw what a step costs in several ways, in groups, each with its interval.

    - ``rows``: dict of str to dict of str to (float, float, float). What is timed, from the top
      down, and in which setting: the cost, and the ends of its interval, all above 0.
    - Returns a figure: a scale of powers, a colour and a marker for each setting, and a dashed line
      at 1.

    >>> figure = step_costs({"cached": {"float32": (1.1, 1.0, 1.2)}})
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['cached']
    """
    values = [value for row in rows.values() for triple in row.values() for value in triple]
    if not values or not np.all(np.asarray(values) > 0):
        raise ValueError(f"costs are {values}; expected rows of three numbers, all above 0.")
    settings = list(dict.fromkeys(name for row in rows.values() for name in row))
    figure, axes = new_figure(height=1.3 + 0.16 * len(rows) * (len(settings) + 1.2))
    for place, row in enumerate(rows.values()):
        for name, (middle, low, high) in row.items():
            number = settings.index(name)
            at = place + 0.7 * ((number + 0.5) / len(settings) - 0.5)
            style = {"color": COLORS[number % 6], "marker": MARKERS[number % 6]}
            axes.plot([low, high], [at, at], color=style["color"], linewidth=2)
            axes.plot(middle, at, **style, markersize=6, linestyle="none",
                      label=name if place == 0 else None)  # fmt: skip
    axes.axvline(1, **DASHED, zorder=0)
    axes.set(yticks=range(len(rows)), ylim=(len(rows) - 0.5, -0.5), xscale="log", xlabel=xlabel)
    axes.set_yticklabels(rows)
    _plain_ticks(axes.xaxis, min(values), max(values))
    axes.grid(axis="x", color=GRID)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@styled
def power_laws(panels, ylabel):
    """Draw costs over sizes on logarithmic scales, with the straight lines that were fitted.

    - ``panels``: dict of str to dict of str to (sequence, sequence, float or None). What grows, and
      in each panel the name of each series: its sizes, its costs, and the slope of its line, or
      None for points that are joined.
    - ``ylabel``: what the costs are, with the unit.
    - Returns a figure: one panel beside the other on one scale upwards. A line has the slope given,
      and goes through the geometric mean of its points.

    >>> figure = power_laws({"pixels": {"student": ([1, 2, 4], [3, 6, 12], 1.0)}}, "seconds")
    >>> figure.axes[0].get_xlabel()
    'pixels'
    """
    _check_panels(panels)
    figure, axes = new_figure(columns=len(panels), height=3.4, sharey=True, squeeze=False)
    for each, (xlabel, series) in zip(axes[0], panels.items(), strict=True):
        for number, (name, (sizes, costs, slope)) in enumerate(series.items()):
            style = {"color": COLORS[number % 6]}
            joined = "none" if slope is not None else "-"
            each.plot(sizes, costs, MARKERS[number % 6], linestyle=joined, label=name, **style)
            if slope is not None:
                middle = np.exp(np.log(sizes).mean()), np.exp(np.log(costs).mean())
                line = middle[1] * (np.asarray(sizes, float) / middle[0]) ** slope
                each.plot(sizes, line, linewidth=1.2, **style)
        each.set(xscale="log", yscale="log", xlabel=xlabel)
        each.grid(color=GRID)
        _few_ticks(each.xaxis, sorted({size for sizes, *_ in series.values() for size in sizes}))
    axes[0, 0].set_ylabel(ylabel)
    handles = {label: line for each in axes[0] for line, label in
               zip(*each.get_legend_handles_labels(), strict=True)}  # fmt: skip
    figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=2)
    return figure


@styled
def in_time(curves, references=None):
    """Draw how good networks are after how many seconds.

    - ``curves``: dict of str to (sequence, array of shape (seeds, looks)). For each way to train
      the seconds of the looks, what was spent before the first step counted in, and what each seed
      had by then.
    - ``references``: dict of str to float. Dashed lines, such as the constant predictor's.
    - Returns a figure: a thin line for each seed, a thick one for their mean.

    >>> figure = in_time({"online": ([10, 20], [[0.3, 0.4], [0.2, 0.4]])})
    >>> figure.axes[0].get_xlabel()
    'seconds of processor time'
    """
    if not curves:
        raise ValueError("no curves came; expected one way to train or more.")
    figure, axes = new_figure(height=4.0)
    for number, (name, (seconds, values)) in enumerate(curves.items()):
        values = np.atleast_2d(np.asarray(values, float))
        if values.shape[1] != len(seconds):
            raise ValueError(
                f"{name!r} has {len(seconds)} seconds and {values.shape[1]} looks; expected one "
                "second for each look."
            )
        color = COLORS[number % 6]
        if len(values) > 1:
            axes.plot(seconds, values.T, color=color, linewidth=0.7, alpha=0.4)
        axes.plot(seconds, values.mean(axis=0), color=color, marker=MARKERS[number % 6],
                  markersize=5, label=name)  # fmt: skip
    for name, value in (references or {}).items():
        axes.axhline(value, **DASHED, label=name)
    axes.set(xlabel="seconds of processor time", ylabel="mean IoU", xlim=(0, None), ylim=(0, None))
    axes.grid(axis="y", color=GRID)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


def _plain_ticks(axis, low, high):
    """Put plain numbers on a logarithmic axis: 0.5, 1, 2, 5, 10 and so on, within its range."""
    ticks = [factor * 10.0**power for power in range(-4, 5) for factor in (1, 2, 5)]
    axis.set_ticks([tick for tick in ticks if low / 1.6 <= tick <= high * 1.6])
    axis.set_major_formatter("{x:g}")
    axis.set_ticks([], minor=True)


def _few_ticks(axis, sizes):
    """Name the smallest, the middle and the largest size: three numbers fit below a panel."""
    axis.set_ticks([sizes[0], sizes[len(sizes) // 2], sizes[-1]])
    axis.set_major_formatter("{x:,.0f}")
    axis.set_ticks([], minor=True)


def _check_panels(panels):
    series = [one for panel in panels.values() for one in panel.items()]
    if not series:
        raise ValueError("nothing to draw; expected one panel or more, each with a series.")
    for name, (sizes, costs, _) in series:
        if not np.all(np.asarray([*sizes, *costs]) > 0) or len(sizes) != len(costs):
            raise ValueError(
                f"{name!r} has sizes {list(sizes)} and costs {list(costs)}; expected as many of "
                "one as of the other, all above 0."
            )
