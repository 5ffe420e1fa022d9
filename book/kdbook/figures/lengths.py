"""What a longer training does to a comparison."""

import numpy as np

from kdbook.figures.style import DASHED, GRID, model_color, model_marker, new_figure, styled
from kdbook.study.verdicts import verdict


@styled
def gain_against_length(runs, baseline, passes, references=None):
    """Draw the scores of arms that were trained anew at several lengths, and what they gain.

    Above: a point for each seed, a line through the means. Below: the difference from the baseline
    at the same length and seeds, with its 95 % interval where there are seeds enough for one.

    - ``runs``: dict of str to dict of int to array of float, shape (seeds,). Name of the arm,
      steps, and the mean IoU of each seed, in the order of the baseline's seeds.
    - ``baseline``: the arm that the others are compared with.
    - ``passes``: float. How often a step goes over the training images: crops × their size, divided
      by all pixels.
    - ``references``: dict of str to float. Scores to compare with, such as the teacher's.

    >>> runs = {"student from scratch": {1000: [0.41, 0.43], 3000: [0.50, 0.51]},
    ...         "distilled student": {1000: [0.40, 0.43], 3000: [0.53, 0.55]}}
    >>> figure = gain_against_length(runs, "student from scratch", 1 / 408, {"teacher": 0.66})
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['mean IoU', 'gain in mean IoU']
    """
    _check(runs, baseline)
    lengths = sorted({steps for found in runs.values() for steps in found})
    figure, (scores, gains) = new_figure(2, height=6.0, sharex=True)
    for place, (name, found) in enumerate(runs.items()):
        steps = np.array(sorted(found))
        style = {"color": model_color(name), "marker": model_marker(name), "markersize": 6}
        for each in steps:
            seeds = np.asarray(found[each], float)
            scores.plot(np.full(len(seeds), each), seeds, "o", color=style["color"], alpha=0.3,
                        markersize=4)  # fmt: skip
        scores.plot(steps, [np.mean(found[each]) for each in steps], label=name, **style)
        if name != baseline:
            # Beside one another, so that no interval hides another.
            beside = steps * 1.05 ** (place - len(runs) / 2)
            _gains(gains, beside, [(found[each], runs[baseline][each]) for each in steps], style)
    for name, value in (references or {}).items():
        scores.axhline(value, **DASHED, label=name)
    gains.axhline(0, **DASHED, zorder=0)
    scores.set(ylabel="mean IoU")
    gains.set(ylabel="gain in mean IoU", xlabel="steps, and passes over the training images")
    gains.set_xscale("log")
    gains.set_xticks(lengths, [f"{each:,}\n{each * passes:.3g}" for each in lengths])
    gains.set_xticks([], minor=True)
    for axes in (scores, gains):
        axes.grid(axis="y", color=GRID)
    figure.legend(loc="outside upper left", ncols=1)
    return figure


def _gains(axes, places, pairs, style):
    means, ends = [], []
    for a, b in pairs:
        found = verdict(a, b) if len(a) > 1 else None
        means.append(np.mean(np.subtract(a, b)))
        ends.append((means[-1] - found.low, found.high - means[-1]) if found else (0, 0))
    axes.errorbar(places, means, yerr=np.transpose(ends), capsize=4, **style)


def _check(runs, baseline):
    if baseline not in runs or len(runs) < 2:
        raise ValueError(f"the arms are {', '.join(runs)}; expected {baseline!r} and another one.")
    for name, found in runs.items():
        for steps, seeds in found.items():
            expected = np.shape(runs[baseline].get(steps, ()))
            if np.shape(seeds) != expected or not expected[0]:
                raise ValueError(
                    f"{name!r} has {len(seeds)} seeds at {steps:,} steps and {baseline!r} "
                    f"{expected[0]}; expected the same ones."
                )
