"""Scores of models per class, and where the pixels of each class went."""

import numpy as np

from kdbook.figures.style import model_color, new_figure, styled


@styled
def class_bars(values, class_names, xlabel, baseline=None):
    """Draw a score of several models for each class, as bars with their values.

    - ``values``: dict of str to array of float, shape (n_classes,). Model name, and its score in
      each class, 0 to 1. NaN is written as "none".
    - ``class_names``: sequence of str. Names of the classes, from the top down.
    - ``xlabel``: what the score is, for example "IoU".
    - ``baseline``: array of float, shape (n_classes,). Score of the constant predictor, as a line
      across the bars of the class.

    >>> figure = class_bars({"teacher": [0.5, 0.8]}, ["Road", "Water"], "IoU", [0.0, 0.3])
    >>> figure.axes[0].get_xlabel()
    'IoU'
    """
    _check_values(values, len(class_names))
    thick = 0.8 / len(values)
    height = 0.9 + len(class_names) * (0.2 + 0.22 * len(values))
    figure, axes = new_figure(height=height)
    places = np.arange(len(class_names))
    for number, (name, score) in enumerate(values.items()):
        rows = places + (number - (len(values) - 1) / 2) * thick
        bars = axes.barh(rows, np.nan_to_num(score), thick * 0.9, color=model_color(name))
        bars.set_label(name)
        texts = ["none" if np.isnan(v) else f"{v:.2f}" for v in np.asarray(score, float)]
        axes.bar_label(bars, texts, padding=3, fontsize=12)
    if baseline is not None:
        ends = np.nan_to_num(np.asarray(baseline, float))
        axes.vlines(ends, places - 0.44, places + 0.44, colors="black", linewidths=1.5,
                    linestyles=(0, (2, 1)), label="constant predictor")  # fmt: skip
    axes.set(yticks=places, yticklabels=class_names, xlabel=xlabel, xlim=(0, 1.08))
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.invert_yaxis()
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@styled
def confusion_matrices(matrices, class_names):
    r"""Draw confusion matrices: where the pixels of each true class went.

    - ``matrices``: dict of str to array, shape (n_true, n_predicted). Model name, and its matrix.
      The rows of classes without pixels stay empty.
    - ``class_names``: sequence of str. Names of the predicted classes; the first of them name the
      rows too.
    - Returns a figure: a row for each true class, with its share that was predicted as each class
      in percent and the number of pixels below it. A class that has no row and that nobody
      predicted has no column either.

    >>> figure = confusion_matrices({"teacher": [[3, 1], [0, 4]]}, ["Road", "Water"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['75 %\n3', '25 %\n1', '', '100 %\n4']
    """
    _check_matrices(matrices, len(class_names))
    rows = np.shape(next(iter(matrices.values())))[0]
    answered = np.sum([np.sum(matrix, axis=0) for matrix in matrices.values()], axis=0) > 0
    shown = answered | (np.arange(len(class_names)) < rows)
    class_names = [name for name, kept in zip(class_names, shown, strict=True) if kept]
    height = len(matrices) * (0.95 + 0.55 * rows)
    figure, axes = new_figure(len(matrices), height=height, squeeze=False)
    for each, (name, matrix) in zip(axes[:, 0], matrices.items(), strict=True):
        _matrix(each, np.asarray(matrix, float)[:, shown], class_names)
        each.set_title(name, color=model_color(name), fontweight="bold", loc="left")
    return figure


def _matrix(axes, matrix, class_names):
    totals = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, totals, out=np.zeros_like(matrix), where=totals > 0)
    axes.imshow(share, cmap="Purples", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(share):
        count = matrix[row, column]
        text = f"{100 * value:.0f} %\n{short_count(count)}" if count else ""
        color = "white" if value > 0.55 else "black"
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=12)
    names = [name.replace("Unlabeled", "Un-\nlabeled") for name in class_names]
    axes.set(xticks=range(len(names)), xticklabels=names, yticks=range(len(matrix)))
    axes.set_yticklabels(class_names[: len(matrix)])
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def short_count(count):
    """Write a number of pixels in at most five characters.

    >>> [short_count(n) for n in (7, 940, 9_400, 94_000, 1_940_000, 25_000_000)]
    ['7', '940', '9.4 k', '94 k', '1.9 M', '25 M']
    """
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if count >= 0.9995 * size:
            return f"{count / size:.{1 if count < 9.95 * size else 0}f} {letter}"
    return f"{count:.0f}"


def _check_values(values, n_classes):
    if not values or n_classes == 0:
        raise ValueError("nothing to draw; expected one model or more, and one class or more.")
    for name, score in values.items():
        if np.shape(score) != (n_classes,):
            raise ValueError(
                f"{name!r} has values of shape {np.shape(score)}; expected ({n_classes},): one "
                "for each class name."
            )


def _check_matrices(matrices, n_classes):
    if not matrices:
        raise ValueError("no matrix came; expected one model or more.")
    for name, matrix in matrices.items():
        shape = np.shape(matrix)
        if len(shape) != 2 or shape[1] != n_classes or not 1 <= shape[0] <= n_classes:
            raise ValueError(
                f"the matrix of {name!r} has shape {shape}; expected {n_classes} columns, one for "
                "each class name, and at most as many rows."
            )
