"""Bars of probabilities and of gradients over the classes, for chapter 01.

Nothing is computed here but what a picture needs: the numbers come from :mod:`kdlib.softening`,
or from the chapter. The curves over the temperature are in :mod:`kdbook.figures.temperature`.
"""

import numpy as np

from kdbook.figures.style import CLASS_COLORS, INK, WIDTH, new_figure, styled
from kdlib.softening import entropy, softmax


@styled
def probability_bars(panels, class_names=None, columns=2, title=""):
    """Draw distributions over the classes as bars, one panel each, all on the scale 0 to 1.

    - ``panels``: dict of str to array_like. Title of each panel, and the probability of each class,
      in the order of the names.
    - ``class_names``: sequence of str. Names among :data:`kdbook.figures.CLASS_COLORS`; by default
      all six.
    - ``columns``: panels in a row. Two can still be read on a phone.
    - ``title``: stands above all panels.

    >>> figure = probability_bars({"the label": [0, 1, 0], "the teacher": [0.1, 0.8, 0.1]},
    ...                           class_names=["Land", "Road", "Water"])
    >>> len(figure.axes)
    2
    """
    names, panels = _checked_panels(panels, class_names)
    figure, grid = _grid(panels, len(names), columns)
    figure.suptitle(title)
    for axes, (name, values) in zip(grid, panels.items(), strict=True):
        _class_bars(axes, names, values)
        axes.set(title=name, xlim=(0, 1.28), xticks=[])
        for row, value in enumerate(values):
            axes.text(value + 0.02, row, percent(value), va="center", fontsize=12, color=INK)
    return figure


@styled
def temperature_frame(logits, temperature, class_names=None):
    """Draw the softmax of the logits at one temperature: one frame of the slider.

    - ``logits``: array_like. One logit a class.
    - ``temperature``: T > 0.
    - ``class_names``: sequence of str. As for :func:`probability_bars`.

    >>> figure = temperature_frame([6, 2, -1], 4, class_names=["Road", "Land", "Water"])
    >>> figure.axes[0].get_title()
    'T = 4: 1.25 of 1.58 bits left open'
    """
    p = softmax(logits, temperature)
    title = f"T = {temperature:g}: {entropy(p):.2f} of {np.log2(len(p)):.2f} bits left open"
    return probability_bars({title: p}, class_names, columns=1)


@styled
def gradient_bars(panels, class_names=None, columns=2, title=""):
    """Draw the push on each logit, that is minus the gradient, one panel for each teacher.

    - ``panels``: dict of str to array_like. Title of each panel, and the gradient in the student's
      logits, one number a class.
    - ``class_names``: sequence of str. As for :func:`probability_bars`.
    - ``columns``, ``title``: as for :func:`probability_bars`.

    >>> figure = gradient_bars({"a teacher": [0.2, -0.2, 0]}, ["Road", "Land", "Water"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['−0.20', '+0.20', '0.00']
    """
    names, panels = _checked_panels(panels, class_names)
    figure, grid = _grid(panels, len(names), columns)
    # One scale for all panels, with room for the numbers.
    reach = 1.55 * max(np.abs(values).max() for values in panels.values()) or 1.0
    figure.suptitle(title)
    for axes, (name, values) in zip(grid, panels.items(), strict=True):
        _class_bars(axes, names, -values)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.spines["left"].set_visible(False)
        axes.set(title=name, xlim=(-reach, reach), xticks=[])
        for row, push in enumerate(-values):
            side = 1 if push >= 0 else -1
            axes.text(
                push + side * 0.03 * reach, row, _signed(push),
                va="center", ha="left" if side > 0 else "right", fontsize=12,
            )  # fmt: skip
    return figure


def _grid(panels, n_classes, columns):
    """Return a figure and exactly as many axes as there are panels."""
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    height = rows * (0.27 * n_classes + 0.5)
    # One column is drawn narrower, so that a phone shrinks its text less.
    width = WIDTH if columns > 1 else 4.6
    figure, grid = new_figure(rows, columns, height, width, sharey=True, squeeze=False)
    for spare in grid.flat[len(panels) :]:
        spare.remove()
    return figure, grid.flat[: len(panels)]


def _class_bars(axes, names, values):
    # An edge, because Land is almost as light as the page.
    colors = [CLASS_COLORS[name] for name in names]
    axes.barh(range(len(names)), values, color=colors, edgecolor="#555555", linewidth=0.7)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    # Each bar bears its number, so the horizontal axis has nothing to add.
    axes.spines["bottom"].set_visible(False)


def percent(value):
    """Write a share so that nothing but 0 reads as 0, and nothing but 1 as 100 %.

    - ``value``: from 0 to 1.

    >>> [percent(p) for p in (0, 1e-9, 0.027, 0.27, 0.9999, 1)]
    ['0', '< 0.1 %', '2.7 %', '27 %', '> 99.9 %', '100 %']
    """
    if value in (0, 1):
        return "100 %" if value else "0"
    if value < 0.001:
        return "< 0.1 %"
    if value > 0.99:
        return f"{100 * value:.1f} %" if value < 0.9995 else "> 99.9 %"
    return f"{100 * value:.1f} %" if value < 0.0995 else f"{100 * value:.0f} %"


def _signed(value):
    """Write a push with its sign, and what rounds to nothing without one."""
    rounded = round(value, 2)
    return f"{rounded:+.2f}".replace("-", "−") if rounded else "0.00"


def _checked_panels(panels, class_names):
    names = list(CLASS_COLORS if class_names is None else class_names)
    if unknown := [name for name in names if name not in CLASS_COLORS]:
        raise ValueError(f"no colour for the classes {unknown}; expected {list(CLASS_COLORS)}.")
    if not panels:
        raise ValueError("no panel to draw; expected at least one title with its values.")
    panels = {title: np.asarray(values, dtype=float) for title, values in panels.items()}
    for title, values in panels.items():
        if values.shape != (len(names),):
            raise ValueError(
                f"panel {title!r} has shape {values.shape}; expected ({len(names)},), one number "
                f"for each of {names}. Give class_names to match."
            )
    return names, panels
