"""Curves over the temperature, for chapter 01: entropy, probabilities, gradients, the limit."""

from itertools import cycle

import numpy as np

from kdbook.figures.style import CLASS_COLORS, INK, MODEL_COLORS, new_figure, styled
from kdlib.softening import entropy, log_softmax, softmax

RULE = "#9A9A9A"
SOFT = MODEL_COLORS["teacher"]  # soft targets are the teacher's
BARE = MODEL_COLORS["distilled student"]
HARD = MODEL_COLORS["student from scratch"]  # who has the label alone
LINES = ((SOFT, "-"), (BARE, "--"), (HARD, "-."), (MODEL_COLORS["control"], (0, (7, 2))))


@styled
def entropy_curves(logits, temperatures, title=""):
    """Draw how many bits the soft target leaves open, against the temperature.

    - ``logits``: dict of str to array_like. Name of each pixel, and its logits, one a class.
    - ``temperatures``: array_like. Increasing, positive.
    - ``title``: stands above the figure.

    >>> figure = entropy_curves({"a pixel": [6, 2, -1]}, [1, 4, 16])
    >>> figure.axes[0].get_ylabel()
    'bits left open'
    """
    n_classes = len(next(iter(logits.values())))
    figure, axes = new_figure(height=3.4)
    axes.axhline(np.log2(n_classes), color=RULE, linestyle=":")
    axes.text(
        temperatures[0], np.log2(n_classes) + 0.04, f"all {n_classes} classes alike", color=INK
    )
    axes.axhline(0, color=RULE, linestyle=":")
    axes.text(temperatures[-1], 0.04, "one class certain: the hard label", ha="right", color=INK)
    for (name, z), (color, dashes) in zip(logits.items(), cycle(LINES), strict=False):
        bits = [entropy(softmax(z, t)) for t in temperatures]
        axes.plot(temperatures, bits, color=color, linestyle=dashes, label=name)
    axes.set(xscale="log", xlabel="temperature T", ylabel="bits left open", title=title)
    axes.set_ylim(-0.08, 1.12 * np.log2(n_classes))
    _plain_ticks(axes, temperatures)
    axes.legend(loc="center right")
    return figure


@styled
def log_probability_lines(logits, temperatures, class_names=None, title=""):
    """Draw log-probability against logit: a straight line of slope 1/T for each temperature.

    - ``logits``: array_like. One logit a class.
    - ``temperatures``: sequence of float. Each positive.
    - ``class_names``: sequence of str. Names among :data:`kdbook.figures.CLASS_COLORS`; by default
      all six.
    - ``title``: stands above the figure.

    >>> figure = log_probability_lines([6, 2, -1], [1, 4], ["Road", "Land", "Water"])
    >>> [line.get_xydata().shape for line in figure.axes[0].lines]
    [(3, 2), (3, 2)]
    """
    logits = np.asarray(logits, dtype=float)
    names = list(CLASS_COLORS if class_names is None else class_names)
    if logits.shape != (len(names),):
        raise ValueError(
            f"logits has shape {logits.shape}; expected ({len(names)},), one for each of {names}."
        )
    figure, axes = new_figure(height=4.0)
    figure.suptitle(title)
    order = np.argsort(logits)
    for temperature in temperatures:
        log10 = log_softmax(logits, temperature) / np.log(10)
        axes.plot(logits[order], log10[order], color=RULE, linewidth=1.4, zorder=1)
        axes.scatter(
            logits, log10, s=46, zorder=2, edgecolor=INK, color=[CLASS_COLORS[n] for n in names]
        )
        axes.annotate(
            f"T = {temperature:g}", (logits[order[0]], log10[order[0]]), ha="right",
            va="center", xytext=(-8, 0), textcoords="offset points",
        )  # fmt: skip
    for logit, name in zip(logits, names, strict=True):
        axes.text(logit, 0.35, name, rotation=40, fontsize=12)
    decades = np.arange(0, axes.get_ylim()[0], -2)
    axes.set(xlabel="logit", ylabel="probability", yticks=decades, ylim=(None, 0.3))
    axes.set_yticklabels([f"$10^{{{d:.0f}}}$" if d else "1" for d in decades])
    axes.set_xlim(logits.min() - 0.26 * np.ptp(logits), logits.max() + 0.14 * np.ptp(logits))
    return figure


@styled
def gradient_norms(temperatures, with_factor, without_factor, hard, title=""):
    """Draw the length of the soft gradient against T, with and without the factor T².

    - ``temperatures``: array_like. Increasing, positive.
    - ``with_factor``, ``without_factor``: array_like. Length of the gradient of T² · KL, and of KL
      alone, at each temperature.
    - ``hard``: length of the gradient of the cross-entropy with the label, which has no T.
    - ``title``: stands above the figure.

    >>> figure = gradient_norms([1, 4], [0.2, 0.3], [0.2, 0.02], hard=0.4)
    >>> figure.axes[0].get_yscale()
    'log'
    """
    figure, axes = new_figure(height=3.6)
    axes.plot(temperatures, with_factor, "o-", color=SOFT, label="soft target, with T²")
    axes.plot(temperatures, without_factor, "s--", color=BARE, label="soft target, without T²")
    axes.axhline(hard, color=HARD, linestyle=":", label="hard label")
    axes.set(
        xscale="log", yscale="log", xlabel="temperature T", ylabel="length of the gradient",
        title=title,
    )  # fmt: skip
    _plain_ticks(axes, temperatures)
    axes.legend(loc="lower left")
    return figure


@styled
def limit_curve(temperatures, losses, limit, title=""):
    """Draw T² · KL against T, and the value that it tends to.

    - ``temperatures``, ``losses``: array_like. T, and T² · KL at that T in nats.
    - ``limit``: half the variance over the classes of the logit difference.
    - ``title``: stands above the figure.

    >>> figure = limit_curve([1, 4, 16], [0.5, 0.9, 1.0], limit=1.0)
    >>> figure.axes[0].get_xlabel()
    'temperature T'
    """
    figure, axes = new_figure(height=3.0)
    axes.plot(temperatures, losses, "o-", color=SOFT)
    axes.axhline(limit, color=RULE, linestyle="--")
    axes.annotate(
        "half the variance of\nthe logit difference", (temperatures[-1], limit), ha="right",
        va="top", xytext=(0, -8), textcoords="offset points",
    )  # fmt: skip
    axes.set(xscale="log", xlabel="temperature T", ylabel="T² · KL, in nats", title=title)
    axes.set_ylim(0, 1.12 * max(limit, np.max(losses)))
    _plain_ticks(axes, temperatures)
    return figure


def _plain_ticks(axes, temperatures):
    ticks = [t for t in (0.25, 1, 4, 16, 64, 256, 1024) if temperatures[0] <= t <= temperatures[-1]]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.set_xticks([], minor=True)
