"""The second figure: how label and teacher push the student's logits at one pixel."""

import numpy as np

from kdbook.explorers.packing import class_colors
from kdbook.figures.style import CLASS_COLORS
from kdlib import softening

START = {"alpha": 0.1, "temperature": 4.0}
"""Where the knobs of the two objectives stand at first."""

PIXELS = (
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
)
"""Made up, as in chapter 05: three things that can happen at a pixel."""


def gradients(pixel, alpha, temperature):
    """Return the gradient of both parts of the loss in the student's logits, with T².

    The first is alpha (q - [i = y]), the second (1 - alpha) T (q(T) - p(T)).

    - ``pixel``: ``label``, a class name, and the logits of ``teacher`` and ``student``, as in
      :data:`PIXELS`.
    - ``alpha``, ``temperature``: α from 0 to 1, and T > 0.
    - Returns hard, soft : numpy.ndarray, shape (n_classes,).

    >>> hard, soft = gradients(PIXELS[0], alpha=0, temperature=4)
    >>> hard.tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    student = np.asarray(pixel["student"], dtype=float)
    truth = np.eye(len(CLASS_COLORS))[list(CLASS_COLORS).index(pixel["label"])]
    hard = float(alpha) * (softening.softmax(student) - truth) + 0.0
    soft = (1 - alpha) * softening.kl_gradient(student, pixel["teacher"], temperature)
    return hard, soft


def two_objectives(pixels=PIXELS):
    """Return the data of the pushes of label and teacher at one pixel.

    - ``pixels``: sequence of dict. As :data:`PIXELS`.

    >>> two_objectives()["pixels"][0]["label"]
    2
    """
    known = class_colors()
    pixels = [{**pixel, "label": known["classes"].index(pixel["label"])} for pixel in pixels]
    return {**known, "pixels": pixels}
