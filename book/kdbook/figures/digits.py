"""Figures of chapter 02: what a teacher says about a digit that a student never sees."""

from itertools import cycle

import numpy as np

from kdbook.figures.soft_targets import percent
from kdbook.figures.style import DASHED, GRID, WIDTH, model_color, model_marker, new_figure, styled

MISSING = "#D55E00"
"""Colour of the missing digit, where the images and not the models are compared."""

OTHERS = "#8A8A8A"
# Controls share a colour, so a shape and a dash tell them apart.
CONTROLS = (("^", "-"), ("v", "--"), ("P", ":"), ("X", "-."))


@styled
def soft_targets(images, probabilities, missing, titles):
    """Draw images of digits, and beside each what a teacher says about all classes.

    - ``images``: array of float, shape (n, height, width). From 0 (paper) to 1 (ink).
    - ``probabilities``: array of float, shape (n, n_classes). The soft target of each image.
    - ``missing``: the class whose bar is set apart.
    - ``titles``: sequence of str. One for each image, from the top down.

    >>> figure = soft_targets(np.zeros((1, 8, 8)), [[0.1, 0.9]], missing=0, titles=["a 1"])
    >>> [text.get_text() for text in figure.axes[1].texts]
    ['10 %', '90 %']
    """
    images, probabilities = np.asarray(images, float), np.asarray(probabilities, float)
    if not len(images) or not len(images) == len(probabilities) == len(titles):
        raise ValueError(
            f"{len(images)} images, {len(probabilities)} rows of probabilities and {len(titles)} "
            "titles came; expected as many of each, at least 1."
        )
    figure, grid = new_figure(len(images), 2, 1.45 * len(images), WIDTH, squeeze=False,
                              gridspec_kw={"width_ratios": [1, 4.4]})  # fmt: skip
    for (picture, bars), image, row, title in zip(grid, images, probabilities, titles, strict=True):
        picture.imshow(image, cmap="gray_r", vmin=0, vmax=1)
        picture.set_axis_off()
        _target(bars, row, missing)
        bars.set_title(title, loc="left")
    return figure


def _target(axes, row, missing):
    """Draw one soft target; only the missing class and the winner bear a number."""
    classes = np.arange(len(row))
    axes.bar(classes, row, 0.8, color=[MISSING if c == missing else OTHERS for c in classes])
    winner = int(row.argmax())
    # Beside a tall bar, the number of a low one moves aside.
    side = {1: "right", -1: "left"}.get(winner - missing, "center")
    axes.text(missing, row[missing] + 0.03, percent(row[missing]), ha=side, fontsize=12)
    if winner != missing:
        axes.text(winner, row[winner] + 0.03, percent(row[winner]), ha="center", fontsize=12)
    axes.set(xticks=classes, ylim=(0, 1.2), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", length=0)


@styled
def leads(panels, offsets, missing):
    """Draw by how much the best other class leads the missing one, a dot for each image.

    - ``panels``: dict of str to pair of arrays of float. Model name, and the leads (differences of
      logits) in the images of the missing digit and in all others.
    - ``offsets``: dict of str to float. Model name, and what the bias correction adds to the
      missing class's logit: images left of it are given to that class.
    - ``missing``: the digit, for the labels.
    - Returns a figure: one panel for each model, on one scale. The dashed line is where the class
      wins without a correction, the solid one where it wins with it.

    >>> figure = leads({"student": ([0.5, 1.0], [4.0, 5.0])}, {"student": 2.0}, missing=3)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['a 3', 'not a 3']
    """
    if not panels or set(panels) != set(offsets):
        raise ValueError(
            f"panels for {list(panels)} and offsets for {list(offsets)} came; expected one model "
            "or more, each with both."
        )
    height = 0.8 + 1.45 * len(panels)
    figure, axes = new_figure(len(panels), height=height, sharex=True, squeeze=False)
    for each, (name, pair) in zip(axes[:, 0], panels.items(), strict=True):
        for row, (values, color) in enumerate(zip(pair, (MISSING, OTHERS), strict=True)):
            if not len(values):
                raise ValueError(f"a row of {name!r} is empty; expected an image or more.")
            # Spread by the golden ratio: no two neighbours touch, and each run draws the same.
            spread = 0.6 * ((np.arange(len(values)) * 0.618034) % 1 - 0.5)
            each.plot(values, row + spread, "o", color=color, markersize=3.5, alpha=0.6)
        before = each.axvline(0, **DASHED)
        after = each.axvline(offsets[name], color="black", linewidth=2)
        each.set(yticks=[0, 1], yticklabels=[f"a {missing}", f"not a {missing}"], ylim=(1.5, -0.5))
        each.set_title(name, loc="left", color=model_color(name), fontweight="bold")
        each.tick_params(axis="y", length=0)
    labels = [f"{missing} wins left of here, before the correction", "after it"]
    figure.legend([before, after], labels, loc="outside upper left", ncols=2)
    axes[-1, 0].set_xlabel(f"lead of the best other class over class {missing} (logits)")
    return figure


@styled
def temperature_sweep(temperatures, curves, ylabel, references=None):
    """Draw a score against the temperature, one curve for each model.

    - ``temperatures``: sequence of float. Increasing, positive.
    - ``curves``: dict of str to array, shape (seeds, temperatures). Model name and scores, 0 to 1.
      Each seed is a small dot, their mean the curve.
    - ``ylabel``: what the score is.
    - ``references``: dict of str to float. Scores that know no temperature, as horizontal lines.

    >>> figure = temperature_sweep([1, 4], {"distilled student": [[0.6, 0.9]]}, "recall")
    >>> figure.axes[0].get_xlabel()
    'temperature T'
    """
    if not curves:
        raise ValueError("no curves came; expected one model or more.")
    figure, axes = new_figure(height=4.2)
    for (name, values), (marker, dash) in zip(curves.items(), _looks(curves), strict=True):
        values = np.atleast_2d(np.asarray(values, float))
        if values.shape[1] != len(temperatures):
            raise ValueError(
                f"{name!r} has values of shape {values.shape}; expected {len(temperatures)} in "
                "each row, one for each temperature."
            )
        color = model_color(name)
        axes.plot(temperatures, values.T, "o", color=color, markersize=3, alpha=0.4)
        axes.plot(temperatures, values.mean(axis=0), dash, marker=marker, color=color, label=name)
    for (name, value), dash in zip(
        (references or {}).items(), cycle(("--", ":", "-.")), strict=False
    ):
        axes.axhline(value, color=model_color(name), linestyle=dash, linewidth=1.5, label=name)
    axes.set(xscale="log", xlabel="temperature T", ylabel=ylabel, ylim=(-0.02, 1.02))
    axes.set_xticks(temperatures, [f"{t:g}" for t in temperatures])
    axes.set_xticks([], minor=True)
    axes.grid(axis="y", color=GRID)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@styled
def by_digit(values, xlabel, reference=None):
    """Draw a score of several models for each missing digit: the mean, and the range of the seeds.

    - ``values``: dict of str to array of float, shape (n_digits, seeds). Model name, and its
      scores, 0 to 1.
    - ``xlabel``: what the score is.
    - ``reference``: tuple of str and float. Name and value of a vertical line.

    >>> figure = by_digit({"distilled student": [[0.8, 0.9], [0.7, 0.9]]}, "recall")
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['0', '1']
    """
    sizes = {np.shape(scores)[:1] for scores in values.values()}
    if len(sizes) != 1 or any(np.ndim(scores) != 2 for scores in values.values()):
        raise ValueError(
            f"scores of shapes {[np.shape(scores) for scores in values.values()]} came; expected "
            "one model or more, all of shape (digits, seeds) with the same digits."
        )
    digits = np.arange(*sizes.pop())
    figure, axes = new_figure(height=1.5 + 0.5 * len(digits))
    for number, (name, (marker, _)) in enumerate(zip(values, _looks(values), strict=True)):
        scores, color = np.asarray(values[name], float), model_color(name)
        rows = digits + 0.62 * ((number + 0.5) / len(values) - 0.5)
        axes.hlines(rows, scores.min(axis=1), scores.max(axis=1), color=color, linewidth=1.5)
        axes.plot(scores.mean(axis=1), rows, marker, color=color, markersize=7, label=name)
    if reference is not None:
        axes.axvline(reference[1], **DASHED, label=reference[0], zorder=0)
    axes.set(yticks=digits, yticklabels=digits, ylabel="missing digit", xlabel=xlabel)
    axes.set(xlim=(-0.02, 1.02), ylim=(len(digits) - 0.45, -0.55))
    axes.hlines(digits[1:] - 0.5, -0.02, 1.02, color=GRID, linewidth=1, zorder=0)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


def _looks(names):
    """Return marker and dash of each model; only controls, who share a colour, are dashed."""
    controls = iter(CONTROLS)
    return [
        next(controls) if model_color(name) == model_color("control") else (model_marker(name), "-")
        for name in names
    ]
