"""Figures of the book. Each function returns a figure; :func:`show` puts it on the page.

A chapter imports this package alone: its modules come with it, as ``figures.curves``. Here: all
that draws. Not here: what computes the numbers that are drawn. What cannot be drawn, such as no
row, or rows of different lengths, is a ``ValueError`` that says so.
"""

from kdbook import _extra  # noqa: F401 first: it names what is not installed
from kdbook.figures import (
    collapse_dots,
    curves,
    dataset,
    digits,
    distilling,
    forests,
    knowledge,
    lengths,
    pixels,
    production,
    scaling,
    scores,
    segmentation,
    soft_targets,
    sweep_maps,
    teacher_network,
    temperature,
    tuning,
    words,
)
from kdbook.figures.style import (
    CLASS_COLORS,
    MODEL_COLORS,
    Picture,
    class_palette,
    new_figure,
    show,
    styled,
)

__all__ = [
    "CLASS_COLORS",
    "MODEL_COLORS",
    "Picture",
    "class_palette",
    "collapse_dots",
    "curves",
    "dataset",
    "digits",
    "distilling",
    "forests",
    "knowledge",
    "lengths",
    "new_figure",
    "pixels",
    "production",
    "scaling",
    "scores",
    "segmentation",
    "show",
    "soft_targets",
    "styled",
    "sweep_maps",
    "teacher_network",
    "temperature",
    "tuning",
    "words",
]
