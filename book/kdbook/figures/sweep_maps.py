"""A sweep of T and α: as a heat map with the level of its noise, and as lines over T."""

import numpy as np
from matplotlib.patches import Rectangle

from kdbook.figures.curves import GRID
from kdbook.figures.style import MODEL_COLORS, new_figure, styled

COLORS = (MODEL_COLORS["distilled student"], "#0072B2", "#D55E00", MODEL_COLORS["teacher"])
MARKERS = "osD^"


@styled
def heat_map(alphas, temperatures, means, framed, least, label):
    """Draw the means of a sweep, with the noise level on the scale of colours.

    - ``alphas``, ``temperatures``: sequence of float. The axes: rows from the bottom up, and
      columns.
    - ``means``: array of float, shape (alphas, temperatures). NaN where nothing is recorded: left
      white.
    - ``framed``: array of bool, same shape. Points to put a frame around: those that cannot be told
      from the best.
    - ``least``: how far two means must be apart to be told apart: the bar beside the scale.
    - ``label``: what the means are.

    >>> means = np.array([[0.40, 0.42]])
    >>> figure = heat_map([0.0], [1.0, 2.0], means, means > 0.41, 0.01, "mean IoU")
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['.400', '.420']
    """
    _check_grid(alphas, temperatures, means, framed)
    figure, axes = new_figure(height=1.6 + 0.62 * len(alphas))
    image = axes.imshow(means, origin="lower", aspect="auto", cmap="viridis")
    low, high = image.get_clim()
    for (row, column), value in np.ndenumerate(means):
        if np.isfinite(value):
            dark = value < (low + high) / 2
            axes.text(column, row, f"{value:.3f}".removeprefix("0"), ha="center", va="center",
                      fontsize=12, color="white" if dark else "black")  # fmt: skip
        if framed[row, column]:
            axes.add_patch(_frame(row, column))
    axes.set(xlabel="temperature T", ylabel="α, weight of the labels")
    axes.set_xticks(range(len(temperatures)), [f"{t:g}" for t in temperatures])
    axes.set_yticks(range(len(alphas)), [f"{alpha:g}" for alpha in alphas])
    _noise_on_scale(figure.colorbar(image, ax=axes, label=label).ax, low, high, least)
    figure.suptitle("framed: cannot be told from the best\nbar on the scale: least difference that "
                    "tells two points apart", fontsize=12, x=0.01,
                    ha="left")  # fmt: skip
    return figure


@styled
def profiles(temperatures, lines, half, references, ylabel):
    """Draw the mean score over T, a line for each α, with the interval that the noise gives.

    - ``temperatures``: sequence of float.
    - ``lines``: dict of str to array of float, shape (temperatures,). Name, such as "α = 0.3", and
      means; NaN where nothing is recorded.
    - ``half``: half the width of the interval of a mean.
    - ``references``: dict of str to float. Scores that do not depend on T.

    >>> figure = profiles([1, 2], {"α = 0": [0.4, 0.5]}, 0.01, {"labels alone": 0.42}, "mean IoU")
    >>> figure.axes[0].get_xscale()
    'log'
    """
    if not lines:
        raise ValueError("no lines came; expected one α or more.")
    figure, axes = new_figure(height=3.6)
    for place, (name, values) in enumerate(lines.items()):
        # A little apart, so that the bars do not hide each other.
        at = np.asarray(temperatures) * 1.05 ** (place - (len(lines) - 1) / 2)
        axes.errorbar(at, values, half, label=name, color=COLORS[place % 4],
                      marker=MARKERS[place % 4], markersize=5, elinewidth=1)  # fmt: skip
    for place, (name, value) in enumerate(references.items()):
        axes.axhline(value, color="black", linewidth=1.5, label=name,
                     linestyle=((0, (2, 1)), (0, (5, 2)))[place % 2])  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_xticks(temperatures, [f"{t:g}" for t in temperatures])
    axes.set(xlabel="temperature T", ylabel=ylabel)
    axes.grid(axis="y", color=GRID)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


def _frame(row, column):
    return Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, fill=False, edgecolor="#D81B60",
                     linewidth=2.5)  # fmt: skip


def _noise_on_scale(scale, low, high, least):
    """Draw a bar of the length of the least difference left of the scale, around its middle."""
    middle = (low + high) / 2
    ends = [middle - least / 2, middle + least / 2]
    scale.plot([-0.5, -0.5], ends, color="black", linewidth=3, clip_on=False,
               solid_capstyle="butt")  # fmt: skip
    scale.set(xlim=(0, 1), ylim=(min(low, ends[0]), max(high, ends[1])))


def _check_grid(alphas, temperatures, means, framed):
    expected = (len(alphas), len(temperatures))
    if not means.shape == framed.shape == expected:
        raise ValueError(
            f"means have shape {means.shape} and frames {framed.shape}; expected {expected}, a row "
            "for each α and a column for each T."
        )
    if not np.isfinite(means).any():
        raise ValueError("there is no mean to draw; expected one that is not NaN.")
