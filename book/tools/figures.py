"""Make the data and the static pictures of the figures that move, into ``book/_figures``.

::

    make figures

Each figure has a function here, which returns its data and its picture. The scripts in
``book/_static/figures`` draw from the data; the picture stands in for them in print.
"""

import json
from pathlib import Path

import numpy as np

from kdlib import softening
from kdlib.plots import CLASS_COLORS
from kdlib.plots.softening import gradient_bars
from kdlib.plots.style import png

FIGURES = Path(__file__).resolve().parents[1] / "_figures"

# Made up for the figure, as in chapter 05: three things that can happen at a pixel.
PIXELS = [
    {
        "name": "the teacher agrees with the label",
        "story": "The label says Road, and so does the teacher, who finds Land and Building likely"
        " too. The student still thinks of Land.",
        "label": "Road",
        "teacher": [1.5, 2.5, 5.0, -1.0, -3.0, -4.0],
        "student": [0.5, 2.0, 1.0, 0.0, -1.0, -1.5],
    },
    {
        "name": "the teacher doubts",
        "story": "The label says Building. The teacher finds Building and Land about as likely."
        " The student leans to Road.",
        "label": "Building",
        "teacher": [3.0, 2.8, 1.0, -0.5, -3.0, -3.5],
        "student": [1.0, 1.0, 2.0, 0.0, -1.0, -1.5],
    },
    {
        "name": "the teacher contradicts the label",
        "story": "The label says Land, where people drew the outline of a tree too small. The"
        " teacher says Vegetation, and so does the student.",
        "label": "Land",
        "teacher": [-1.0, 1.5, -0.5, 5.0, 0.0, -4.0],
        "student": [-0.5, 1.0, 0.0, 2.0, 0.0, -1.5],
    },
]
START = {"alpha": 0.1, "temperature": 4.0}


def gradients(pixel, alpha, temperature):
    """Return the gradient of both parts of the loss in the student's logits, with T².

    The first is alpha (q - [i = y]), the second (1 - alpha) T (q(T) - p(T)).
    """
    student = np.asarray(pixel["student"], dtype=float)
    truth = np.eye(len(CLASS_COLORS))[list(CLASS_COLORS).index(pixel["label"])]
    hard = alpha * (softening.softmax(student) - truth)
    soft = (1 - alpha) * softening.kl_gradient(student, pixel["teacher"], temperature)
    return hard, soft


def two_objectives():
    """Return data and picture of the pushes of label and teacher at one pixel."""
    names = list(CLASS_COLORS)
    pixels = [{**pixel, "label": names.index(pixel["label"])} for pixel in PIXELS]
    data = {"classes": names, "colors": list(CLASS_COLORS.values()), "pixels": pixels}
    hard, soft = gradients(PIXELS[0], **START)
    without = soft / START["temperature"] ** 2
    panels = {
        "the label": hard,
        "the teacher, with T²": soft,
        "both, with T²": hard + soft,
        "both, without T²": hard + without,
    }
    title = "The push on each logit at α = 0.1, T = 4"
    return data, gradient_bars(panels, columns=2, title=title)


MADE = {"two-objectives": two_objectives}


def main():
    """Write the data and the picture of every figure."""
    for name, make in MADE.items():
        data, figure = make()
        text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
        (FIGURES / f"{name}.json").write_text(text, encoding="utf-8")
        (FIGURES / f"{name}.png").write_bytes(png(figure))


if __name__ == "__main__":
    main()
