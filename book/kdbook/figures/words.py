"""Figures of chapter 12: next words, what a sentence is worth, and errors along a sentence."""

import numpy as np

from kdbook.figures.style import GRID, new_figure, styled

LOOKS = {
    "sampled words": ("#B8860B", "o", "-"),
    "the teacher's probabilities": ("#C2185B", "D", "-"),
    "true probabilities": ("#3B2E7E", "s", "-"),
    "a poor teacher's probabilities": ("#0288D1", "v", "-"),
    "shuffled teacher": ("#7F7F7F", "^", "--"),
    "smoothed labels": ("#7F7F7F", "X", ":"),
}
"""Colour, marker and dash of what students are taught. Others take theirs from :data:`MORE`."""

MORE = (
    ("#B8860B", "o", "-"),
    ("#0288D1", "v", "--"),
    ("#3B2E7E", "s", "-"),
    ("#009E73", "^", "--"),
    ("#C2185B", "D", "-"),
    ("#7F7F7F", "X", ":"),
)


@styled
def next_words(words, panels, xlabel="probability of the next word"):
    """Draw what several say about the same words, as dots on lines, one line a word.

    - ``words``: sequence of str. From the top down.
    - ``panels``: dict of str to array of float, shape (words,). Who says it, and the probabilities,
      0 to 1.

    >>> figure = next_words(["dog", "cow"], {"truth": [0.7, 0.3]})
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['dog', 'cow']
    """
    _check(panels, len(words), "word")
    figure, axes = new_figure(height=1.3 + 0.085 * len(words) * (len(panels) + 1))
    rows = np.arange(len(words))
    for number, (name, values) in enumerate(panels.items()):
        color, marker, _ = _look(name, number)
        at = rows + 0.7 * ((number + 0.5) / len(panels) - 0.5)
        axes.hlines(at, 0, values, color=color, linewidth=1.5)
        axes.plot(values, at, marker, color=color, markersize=5, label=name)
    axes.set(yticks=rows, yticklabels=words, ylim=(len(words) - 0.4, -0.6), xlabel=xlabel)
    axes.set_xlim(0, None)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=GRID)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@styled
def worth(curves, ylabel="excess over the truth (nats per word)"):
    """Draw how far students are from the truth after so many sentences, on logarithmic scales.

    - ``curves``: dict of str to dict of int to array of float. What they are taught, and for each
      number of sentences the excess of each seed, above 0.
    - Returns a figure: a small dot for each seed, a line through their geometric means.

    >>> figure = worth({"sampled words": {50: [1.5, 1.3], 200: [0.5]}})
    >>> figure.axes[0].get_xlabel()
    'sentences'
    """
    values = [v for curve in curves.values() for seeds in curve.values() for v in np.ravel(seeds)]
    if not values or not np.all(np.asarray(values) > 0):
        raise ValueError(f"excesses are {values}; expected one or more, all above 0.")
    figure, axes = new_figure(height=4.4)
    for number, (name, curve) in enumerate(curves.items()):
        color, marker, dash = _look(name, number)
        for count, seeds in curve.items():
            axes.plot([count] * np.size(seeds), seeds, "o", color=color, markersize=3, alpha=0.4)
        means = [np.exp(np.log(seeds).mean()) for seeds in curve.values()]
        axes.plot(list(curve), means, dash, marker=marker, color=color, markersize=6, label=name)
    counts = sorted({count for curve in curves.values() for count in curve})
    axes.set(xscale="log", yscale="log", xlabel="sentences", ylabel=ylabel)
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    ticks = [t for t in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5) if t >= min(values) / 1.6]
    axes.set_yticks([t for t in ticks if t <= max(values) * 1.6])
    axes.yaxis.set_major_formatter("{x:g}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([], minor=True)
    axes.grid(axis="y", color=GRID)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@styled
def along_a_sentence(curves, ylabel):
    """Draw a number for each place of a sentence: the mean over seeds, and each seed thinly.

    - ``curves``: dict of str to array of float, shape (seeds, places).

    >>> figure = along_a_sentence({"own text": [[0.1, 0.2], [0.1, 0.3]]}, "nats")
    >>> [float(tick) for tick in figure.axes[0].get_xticks()]
    [1.0, 2.0]
    """
    places = {np.atleast_2d(values).shape[1] for values in curves.values()}
    if len(places) != 1:
        raise ValueError(f"curves have {sorted(places)} places; expected one curve or more, alike.")
    figure, axes = new_figure(height=4.2)
    at = np.arange(1, places.pop() + 1)
    for number, (name, values) in enumerate(curves.items()):
        color, marker, dash = _look(name, number)
        values = np.atleast_2d(np.asarray(values, float))
        if len(values) > 1:
            axes.plot(at, values.T, color=color, linewidth=0.6, alpha=0.35)
        axes.plot(at, values.mean(axis=0), dash, marker=marker, color=color, markersize=5,
                  label=name)  # fmt: skip
    axes.set(xticks=at, xlabel="place in the sentence", ylabel=ylabel, ylim=(0, None))
    axes.grid(axis="y", color=GRID)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


def _look(name, number):
    return LOOKS.get(name, MORE[number % len(MORE)])


def _check(panels, count, what):
    sizes = {name: np.shape(values) for name, values in panels.items()}
    if not sizes or any(size != (count,) for size in sizes.values()):
        raise ValueError(f"shapes are {sizes}; expected one number for each {what}, {count}.")
