"""The plans of chapter 10: the comparison of main, for a student of another shape."""

import dataclasses

from kdbook.study.arms import Plan
from kdbook.study.method_plans import tried
from kdbook.study.search_plans import chosen_by

RATES = (0.005, 0.015, 0.045)
"""Those that were tried for the student too."""


def shaped(arm, **changes):
    """Return an arm that trains the coarse student, the same in all else but the changes.

    >>> from kdlib.recipes import RECIPES
    >>> from kdbook.study.arms import Arm
    >>> shaped(Arm("scratch", RECIPES["student"]["full"]), name="coarse").network
    'coarse-student'
    """
    return dataclasses.replace(arm, network="coarse-student", **changes)


def search(main):
    """Return the plan that chooses the rates, from labels alone and taught, as main has them."""
    arms = tuple(
        shaped(
            arm,
            name=tried(arm.name, rate),
            recipe=dataclasses.replace(arm.recipe, learning_rate=rate),
            baseline=None,
        )
        for rate in RATES
        for arm in map(main.arm, ("scratch", "distilled"))
    )
    return chosen_by("coarse-search", arms, (100, 101), main.teacher)


def comparison(main):
    """Return the comparison: labels alone, distilled, and two controls, at main's budget and rates.

    The search found the same rates as for the student.
    """
    names = "scratch", "distilled", "smoothed", "shuffled"
    arms = tuple(shaped(main.arm(name)) for name in names)
    return Plan("coarse", arms, main.seeds, teacher=main.teacher, keeps_logits=True)


def longer(main):
    """Return the plan of four times main's steps: labels alone, and distilled at T = 0.5.

    T = 0.5 is the best of the plan sweep, on validation images and for the other student.
    """
    taught = dataclasses.replace(main.arm("distilled"), name="distilled-t0p5", temperature=0.5)
    arms = tuple(
        shaped(arm, recipe=dataclasses.replace(arm.recipe, steps_per_epoch=200))
        for arm in (main.arm("scratch"), taught)
    )
    return Plan("coarse-long", arms, main.seeds, teacher=main.teacher, keeps_logits=True)
