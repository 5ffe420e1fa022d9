"""Figures of the book. Each function returns a figure; :func:`show` puts it on the page."""

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
    "new_figure",
    "show",
    "styled",
]
