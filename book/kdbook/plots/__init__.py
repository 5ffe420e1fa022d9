"""Figures of the book. Each function returns a figure; :func:`show` puts it on the page.

A chapter imports this package alone: its modules come with it, as ``plots.curves``.
"""

from kdbook.plots import (
    clinic,
    curves,
    data,
    digits,
    distilling,
    knowledge,
    pixels,
    production,
    scale,
    scores,
    segmentation,
    softening,
    study,
    sweeps,
    temperature,
    training,
    tuning,
)
from kdbook.plots.style import (
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
    "clinic",
    "curves",
    "data",
    "digits",
    "distilling",
    "knowledge",
    "new_figure",
    "pixels",
    "production",
    "scale",
    "scores",
    "segmentation",
    "show",
    "softening",
    "study",
    "styled",
    "sweeps",
    "temperature",
    "training",
    "tuning",
]
