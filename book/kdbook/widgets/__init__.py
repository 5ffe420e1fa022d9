"""Widgets: a slider that needs no kernel, and the figures that move, where there is a kernel."""

from kdbook.widgets.explore import temperature, the_collapse, two_objectives
from kdbook.widgets.slider import TEMPERATURES, describe, temperature_slider
from kdbook.widgets.swipe import teacher_and_student

__all__ = [
    "TEMPERATURES",
    "describe",
    "teacher_and_student",
    "temperature",
    "temperature_slider",
    "the_collapse",
    "two_objectives",
]
