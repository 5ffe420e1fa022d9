"""Figures of chapter 07: what became of each training, a dot for each seed."""

import textwrap

import numpy as np

from kdbook.figures.style import GRID, new_figure, styled

SOUND, COLLAPSED = "#3B2E7E", "#C2185B"


@styled
def seed_dots(panels, collapsed, log=()):
    """Draw one dot for each training: a row for each setting, a panel for each quantity.

    - ``panels``: dict of str to dict of str to sequence of float. Quantity with its unit, and for
      each setting, from the top down, a value for each seed. A logarithmic panel moves values of 0
      to its left edge.
    - ``collapsed``: dict of str to sequence of bool. For each setting and seed, whether the
      training collapsed: drawn as a cross, not a dot.
    - ``log``: sequence of str. The panels whose axis is logarithmic.

    >>> figure = seed_dots({"gradient": {"a": [0.1, 0.2], "b": [1, 2]}},
    ...                    {"a": [False, True], "b": [False, False]})
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['a', 'b']
    """
    _check(panels, collapsed)
    names = list(next(iter(panels.values())))
    figure, axes = new_figure(
        1, len(panels), height=1.2 + 0.27 * len(names), sharey=True, squeeze=False
    )
    for each, (title, values) in zip(axes[0], panels.items(), strict=True):
        if title in log:
            each.set_xscale("log")
        positive = [v for row in values.values() for v in row if v > 0]
        floor = min(positive, default=1.0) / 3 if title in log else 0.0
        for row, name in enumerate(names):
            each.axhline(row, color=GRID, linewidth=1, zorder=0)
            _dots(each, row, np.maximum(np.asarray(values[name], float), floor), collapsed[name])
        each.set(xlabel=textwrap.fill(title, 18), yticks=range(len(names)), yticklabels=names)
        each.tick_params(axis="y", length=0)
    axes[0, 0].set_ylim(len(names) - 0.5, -0.5)
    handles = [axes[0, 0].scatter([], [], label=label, **look) for label, look in _LOOKS.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    return figure


_LOOKS = {
    "not collapsed": {"color": SOUND, "marker": "o", "s": 34},
    "collapsed": {"color": COLLAPSED, "marker": "X", "s": 52},
}


def _dots(axes, row, values, collapsed):
    collapsed = np.asarray(collapsed, bool)
    for flag, look in zip((False, True), _LOOKS.values(), strict=True):
        chosen = values[collapsed == flag]
        axes.scatter(chosen, np.full(len(chosen), row), alpha=0.8, zorder=2, **look)


def _check(panels, collapsed):
    if not panels or not all(panels.values()):
        raise ValueError("nothing to draw; expected one panel or more, each with a setting or more")
    for title, values in panels.items():
        for name, row in values.items():
            if name not in collapsed or len(row) != len(collapsed[name]):
                raise ValueError(
                    f"{title!r} has {len(row)} values for {name!r}; expected one for each of its "
                    f"{len(collapsed.get(name, ()))} flags in collapsed."
                )
