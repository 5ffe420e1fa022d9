"""The whole answer of a study in one figure: every arm beside its baseline, score by score."""

import math

import numpy as np

from kdbook.figures.style import GRID, model_color, model_marker, new_figure, styled

PANELS = {
    "agreement with the teacher": ("agreement with teacher", "more alike →"),
    "agreement where it is wrong": ("where teacher is wrong", "more alike →"),
    "expected calibration error": ("calibration error", "← better"),
}
"""Title and direction of the panels that need words of their own."""


@styled
def forest(rows, scores, names=None, columns=2):
    """Draw what each arm of a study gains over its baseline, in several scores.

    - ``rows``: sequence of kdbook.study.arm_table.Row. As :func:`kdbook.study.arm_table.table`
      returns them.
    - ``scores``: sequence of str. Which scores, one panel each: for example "mean IoU".
    - ``names``: dict of str to str. What an arm is called in the figure, and in which order the
      arms stand from the top down. By default all that have a baseline, by their own names.
    - ``columns``: panels side by side.
    - Returns a figure: in each panel a dot for each seed, and the mean with its 95 % interval: a
      filled diamond if the interval is on one side of 0, a hollow one if it is not.

    >>> from kdlib.metrics import paired_difference
    >>> from kdbook.study.arm_table import Row
    >>> a, b = (0.52, 0.51), (0.50, 0.50)
    >>> rows = [
    ...     Row("scratch", "mean IoU", b, (0, 1), None, None),
    ...     Row("distilled", "mean IoU", a, (0, 1), "scratch", paired_difference(a, b)),
    ... ]
    >>> forest(rows, ["mean IoU"]).axes[0].get_title(loc="left")
    'mean IoU'
    """
    found = {(row.arm, row.score): row for row in rows}
    names = names or {row.arm: row.arm for row in rows if row.baseline}
    _check(found, scores, names)
    lines = math.ceil(len(scores) / columns)
    height = 1.2 + lines * (1.0 + 0.42 * len(names))
    figure, axes = new_figure(lines, columns, height=height, sharey=True, squeeze=False)
    for each in axes.flat[len(scores) :]:
        each.set_visible(False)
    for each, score in zip(axes.flat, scores, strict=False):
        _panel(each, score, {found[arm, score]: name for arm, name in names.items()}, found)
    axes[0, 0].set(yticks=range(len(names)), ylim=(len(names) - 0.4, -0.6))
    axes[0, 0].set_yticklabels(names.values())
    title = "difference to the baseline · dots: seeds\ndiamond and bar: mean, 95 % interval"
    figure.suptitle(title + "\nfilled: the interval is on one side of 0", fontsize=12, x=0.01,
                    ha="left")  # fmt: skip
    return figure


def _panel(axes, score, rows, found):
    axes.axvline(0, color="black", linestyle=(0, (2, 1)), linewidth=1.5, zorder=0)
    for place, (row, name) in enumerate(rows.items()):
        mean, low, high = row.difference
        color = model_color(name)
        decided = low > 0 or high < 0
        axes.plot(seed_differences(row, found), [place - 0.2] * len(row.seeds), "o", color=color,
                  alpha=0.6, markersize=4)  # fmt: skip
        axes.plot([low, high], [place + 0.12] * 2, color=color, linewidth=2.5)
        axes.plot(mean, place + 0.12, "D", color=color, markersize=7,
                  markerfacecolor=color if decided else "white")  # fmt: skip
    title, direction = PANELS.get(score, (score, "better →"))
    axes.set_title(title, loc="left", fontsize=12)
    axes.set_xlabel(direction, fontsize=12)
    axes.tick_params(axis="x", labelsize=12)
    axes.xaxis.get_major_locator().set_params(nbins=4)
    axes.grid(axis="x", color=GRID)


def seed_differences(row, found):
    """Return the differences of a row to its baseline, seed by seed, NaN where there is none.

    - ``found``: dict of (arm, score) to Row. Where the row of the baseline is.

    >>> from kdbook.study.arm_table import Row
    >>> scratch = Row("scratch", "mean IoU", (0.5, 0.25), (0, 1), None, None)
    >>> taught = Row("distilled", "mean IoU", (0.75, 0.5), (0, 2), "scratch", None)
    >>> seed_differences(taught, {("scratch", "mean IoU"): scratch})
    array([0.25,  nan])
    """
    baseline = found[row.baseline, row.score]
    by_seed = dict(zip(baseline.seeds, baseline.values, strict=True))
    return np.array(
        [value - by_seed.get(seed, math.nan)
         for seed, value in zip(row.seeds, row.values, strict=True)]
    )  # fmt: skip


@styled
def strips(groups, xlabel):
    """Draw every run of some arms as a dot on one scale, in groups, with the mean of each arm.

    - ``groups``: dict of str to dict of str to sequence of float. ``{heading: {name: one value a
      run}}``, from the top down.
    - ``xlabel``: what the values are.
    - Returns a figure: a row for each name, in the colour and with the marker of that model: the
      name up to its first comma, as in "teacher, few labels".

    >>> figure = strips({"10 % of the labels": {"teacher": [0.6, 0.5]}}, "mean IoU")
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['10 % of the labels', 'teacher']
    """
    _check_strips(groups)
    lines = [line for heading, rows in groups.items()
             for line in ((heading, None), *rows.items())]  # fmt: skip
    figure, axes = new_figure(height=1.2 + 0.3 * len(lines))
    for place, (name, values) in enumerate(lines):
        if values is not None:
            model = name.partition(",")[0]
            color, marker = model_color(model), model_marker(model)
            axes.plot(values, [place] * len(values), marker, color=color, alpha=0.6)
            axes.plot(np.mean(values), place, "|", color=color, markersize=15, markeredgewidth=3)
    axes.set(yticks=range(len(lines)), ylim=(len(lines) - 0.4, -0.6), xlabel=xlabel)
    axes.set_yticklabels([name for name, _ in lines])
    for label, (_, values) in zip(axes.get_yticklabels(), lines, strict=True):
        label.set_weight("bold" if values is None else "normal")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=GRID)
    figure.suptitle("a point: one run · a line: the mean", fontsize=12, x=0.01, ha="left")
    return figure


def _check_strips(groups):
    rows = [row for group in groups.values() for row in group.items()]
    if not rows:
        raise ValueError("no rows came; expected {heading: {name: values}} with one row or more.")
    for name, values in rows:
        if not len(values) or not np.all(np.isfinite(values)):
            raise ValueError(f"row {name!r} is {list(values)}; expected finite numbers.")


def _check(found, scores, names):
    known = {score for _, score in found}
    for score in scores:
        if score not in known:
            raise ValueError(f"there is no score {score!r}; there are {', '.join(sorted(known))}.")
        for arm in names:
            if (arm, score) not in found or found[arm, score].difference is None:
                raise ValueError(
                    f"arm {arm!r} has no interval for {score}; expected arms with a baseline and "
                    "two seeds or more."
                )
