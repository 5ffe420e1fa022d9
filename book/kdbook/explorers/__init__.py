"""The data of the figures that move, one function a figure: for the pages and for the widgets.

What a function returns is plain (text, numbers, lists), so that JSON holds it. `make figures`
writes it for the pages, where scripts draw from it; :mod:`kdbook.widgets` draws from the same where
there is a kernel.
"""

from kdbook.explorers.collapse_runs import RUNS, the_collapse
from kdbook.explorers.networks import NETWORKS, count_right, teacher_and_student, temperature
from kdbook.explorers.objectives import PIXELS, START, gradients, two_objectives
from kdbook.explorers.packing import class_colors, described, in_words, pack, photograph, unpack

__all__ = [
    "NETWORKS",
    "PIXELS",
    "RUNS",
    "START",
    "class_colors",
    "count_right",
    "described",
    "gradients",
    "in_words",
    "pack",
    "photograph",
    "teacher_and_student",
    "temperature",
    "the_collapse",
    "two_objectives",
    "unpack",
]
