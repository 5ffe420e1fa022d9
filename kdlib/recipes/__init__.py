"""The trainings that the chapters share: how long, with which optimizer, from which batches.

A chapter shows one training in the open and leaves the others to these few functions, so that
every model of the book is trained alike and a comparison between two of them is fair.

>>> from kdlib import recipes
>>> chosen = recipes.recipe("student")
>>> student = recipes.build("student", seed=1, chosen=chosen)
>>> recipes.compile_alone(student, chosen)
"""

from kdlib.recipes.budget import RECIPES, Recipe, recipe
from kdlib.recipes.callbacks import EpochSeeds, FairCurves
from kdlib.recipes.fitting import BUILDERS, build, compile_alone, fit
from kdlib.recipes.trained_teachers import save_teacher, trained_teacher

__all__ = [
    "BUILDERS",
    "RECIPES",
    "EpochSeeds",
    "FairCurves",
    "Recipe",
    "build",
    "compile_alone",
    "fit",
    "recipe",
    "save_teacher",
    "trained_teacher",
]
