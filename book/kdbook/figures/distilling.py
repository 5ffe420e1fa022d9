"""Figures of a distillation: its losses over epochs, and what becomes of a teacher let loose."""

import numpy as np

from kdbook.figures.style import GRID, MODEL_COLORS, model_color, model_marker, new_figure, styled

PARTS = ("loss", "student_loss", "distillation_loss")


@styled
def loss_parts(runs):
    """Draw the loss and its two parts after each epoch, one panel below the other.

    - ``runs``: dict of str to dict of str to list of dict. Model name, as in
      :data:`kdbook.figures.MODEL_COLORS`, and for it the curves of
      :class:`kdlib.recipes.FairCurves`: for "training", "validation" or both a list with what
      ``evaluate`` gave after each epoch.
    - Returns a figure: training patches with a dashed line, validation patches with a solid one.

    >>> curves = {"validation": [dict.fromkeys(PARTS, 1.0), dict.fromkeys(PARTS, 0.5)]}
    >>> figure = loss_parts({"distilled student": curves})
    >>> figure.axes[1].get_title(loc="left")
    'student_loss'
    """
    _check(runs)
    figure, axes = new_figure(len(PARTS), height=0.9 + 2.0 * len(PARTS), sharex=True, squeeze=False)
    for each, part in zip(axes[:, 0], PARTS, strict=True):
        for name, curves in runs.items():
            for kind, epochs in curves.items():
                _line(each, name, kind, [scores[part] for scores in epochs])
        each.set(ylabel="nats a pixel", ylim=(0, None))
        each.set_title(part, loc="left")
        each.grid(axis="y", color=GRID)
    axes[-1, 0].set_xlabel("epoch")
    axes[-1, 0].xaxis.get_major_locator().set_params(integer=True)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=1)
    return figure


def _line(axes, name, kind, values):
    solid = kind == "validation"
    axes.plot(
        np.arange(1, len(values) + 1),
        values,
        color=model_color(name),
        linestyle="-" if solid else (0, (3, 1.5)),
        marker=model_marker(name),
        markersize=5,
        markerfacecolor=model_color(name) if solid else "white",
        label=f"{name}, {kind} patches",
    )


@styled
def moving_teacher(held, moving, moving_from_original):
    """Draw the distance of student and teacher, step by step, with the teacher held and let loose.

    - ``held``: sequence of float. Loss at each step while the teacher stays as it is, in nats an
      image.
    - ``moving``: sequence of float. Loss at each step while the optimizer moves the teacher too.
    - ``moving_from_original``: sequence of float. The same student, measured against the teacher as
      it was before the first step.
    - Returns a figure: one panel with three lines, named in the legend.

    >>> figure = moving_teacher([1.0, 0.6], [1.0, 0.1], [1.0, 0.9])
    >>> len(figure.axes[0].lines)
    3
    """
    lengths = {len(line) for line in (held, moving, moving_from_original)}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"the lines have {sorted(lengths)} steps; expected the same, at least 1.")
    figure, axes = new_figure(height=4.0)
    lines = (
        ("teacher held", held, "distilled student", "-"),
        ("teacher let loose: the loss that training reports", moving, "control", (0, (3, 1.5))),
        ("teacher let loose: against the teacher as it was", moving_from_original, "control", "-"),
    )
    for label, values, model, style in lines:
        color, marker = MODEL_COLORS[model], model_marker(model)
        steps = np.arange(1, len(values) + 1)
        axes.plot(
            steps, values, color=color, linestyle=style, marker=marker, markevery=5, label=label
        )
    axes.set(xlabel="step", ylabel="T² KL, nats an image", ylim=(0, None))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y", color=GRID)
    figure.legend(loc="outside upper left", ncols=1)
    return figure


def _check(runs):
    if not runs:
        raise ValueError("nothing to draw; expected one run or more.")
    for name, curves in runs.items():
        unknown = set(curves) - {"training", "validation"}
        if unknown or not curves or not all(curves.values()):
            raise ValueError(
                f"the run {name!r} has curves for {list(curves)}; expected 'training', "
                "'validation' or both, with one epoch or more each."
            )
        for epochs in curves.values():
            missing = [part for part in PARTS if any(part not in scores for scores in epochs)]
            if missing:
                raise ValueError(
                    f"an epoch of {name!r} has no {missing[0]!r}; it has {sorted(epochs[0])}. "
                    "Compile a Distiller, whose evaluate reports the parts."
                )
