"""Plans of many short trainings: a sweep of T and α, and a table of configurations."""

import dataclasses

import numpy as np

from kdbook.study.arms import Arm, Plan

TEMPERATURES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
ALPHAS = (0.0, 0.3, 0.7)
CONFIGURATIONS = 60
BATCH_SIZES = (4, 8, 20)
CROPS = 1600
"""Crops that each of these trainings sees, in 8 epochs: a fifth of those of the main plan."""

_EPOCHS = 8


def short(recipe, batch_size=8, **changes):
    """Return a recipe cut to the budget of these plans: 1,600 crops, whatever the batch size.

    >>> from kdlib.recipes import RECIPES
    >>> recipe = short(RECIPES["student"]["full"], batch_size=20)
    >>> recipe.epochs, recipe.steps_per_epoch, recipe.warmup_steps
    (8, 10, 20)
    """
    steps = CROPS // _EPOCHS // batch_size
    lengths = {"epochs": _EPOCHS, "steps_per_epoch": steps, "warmup_steps": 2 * steps}
    return dataclasses.replace(recipe, batch_size=batch_size, **lengths, **changes)


def point(temperature, alpha):
    """Return the name of an arm of the sweep: names have no points.

    >>> point(0.5, 0.3), point(8.0, 0.0)
    ('t0p5-alpha0p3', 't8-alpha0')
    """
    return f"t{temperature:g}-alpha{alpha:g}".replace(".", "p")


def sweep(alone, taught, teacher):
    """Return the plan of the sweep: T × α, and the labels alone at two rates.

    - ``alone``, ``taught``: Recipe. Of the student from scratch, and of a distilled one, which all
      points share.
    """
    points = [
        Arm(point(t, alpha), short(taught), teacher="trained", alpha=alpha, temperature=t)
        for alpha in ALPHAS
        for t in TEMPERATURES
    ]
    labels = (
        Arm("scratch", short(alone), baseline=None),
        # α = 1, at the rate of the points: T says nothing there.
        Arm("alpha1", short(taught)),
    )
    return chosen_by("sweep", (*labels, *points), (0, 1, 2), teacher)


def table(taught, teacher):
    """Return the plan of the table: configurations drawn at random, one training of each.

    The space is that of the source project's search, with α and T added.
    """
    rng = np.random.default_rng(8)
    arms = tuple(
        Arm(f"c{number:02}", short(taught, **budget), baseline=None, teacher="trained", **soft)
        for number, (budget, soft) in enumerate(_draw(rng) for _ in range(CONFIGURATIONS))
    )
    return chosen_by("table", arms, (100,), teacher)


def _draw(rng):
    """Draw one configuration: what the recipe holds of it, and what the Distiller does."""
    momentum = rng.choice([None, 0.0, 0.5, 0.9, 0.98], p=[0.5, 0.125, 0.125, 0.125, 0.125])
    budget = {
        "learning_rate": _rounded(10 ** rng.uniform(-3.5, -1)),
        "batch_size": int(rng.choice(BATCH_SIZES)),
        "momentum": momentum,
        "dropout": round(float(rng.uniform(0, 0.5)), 2),
    }
    soft = {
        "alpha": round(float(rng.uniform(0, 1)), 2),
        "temperature": _rounded(2 ** rng.uniform(-1, 5)),
    }
    return budget, soft


def _rounded(value):
    """Round to three digits, so that the record can be read."""
    return float(f"{value:.3g}")


def chosen_by(name, arms, seeds, teacher):
    """Return a plan that serves to choose: it leaves the test images alone."""
    return Plan(
        name,
        arms,
        seeds,
        teacher=teacher,
        judged_on="validation",
        scored=("validation",),
        keeps_logits=True,
    )
