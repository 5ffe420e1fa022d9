"""The plans of the early ranking: what is beyond logits, tuned alike, compared at one budget."""

import dataclasses

from kdbook.study.arms import Arm, Plan, Run
from kdbook.study.search_plans import chosen_by, short

RATES = (0.005, 0.015)
TEMPERATURES = (0.5, 2.0)
EQUAL = {
    "squared-error": 0.5,
    "standardised": 5.0,
    "decoupled": 0.07,
    "channel-wise": 1.6,
    "correlation": 1.4,
    "boundary": 0.9,
    "attention": 1.2,
    "hint": 15.0,
    "pair-wise": 9.0,
    "channel-wise-features": 6.0,
}
"""For each method of :data:`kdlib.beyond.METHODS` the weight at which the gradient of its term is
as long as that of the loss on the labels: a mean over three batches, at a trained student."""

STRENGTHS = (1, 8)
"""How much of that a search tries. With α = 0.1 and T = 2, plain distillation pulls some ten times
as hard as the labels do."""

MORE_RATES = (0.0017, 0.045)
"""Also for labels alone, which have no weight to tune: so all choose from four trainings."""


def search(alone, taught, teacher):
    """Return the plan that chooses rate and weight of each method, with one seed.

    Each method is added to the loss on the labels (α = 1). All get four trainings: two rates times
    two weights of the term, or two temperatures of plain distillation, or four rates of labels
    alone.
    """
    arms = [
        Arm(tried("scratch", rate), short(alone, learning_rate=rate), baseline=None)
        for rate in sorted(RATES + MORE_RATES)
    ]
    for rate in RATES:
        recipe = short(taught, learning_rate=rate)
        arms += [plain(tried("plain", rate, t), recipe, t) for t in TEMPERATURES]
        arms += [
            with_term(tried(name, rate, strength), recipe, name, strength)
            for name in EQUAL
            for strength in STRENGTHS
        ]
    return chosen_by("methods-search", tuple(arms), (100,), teacher)


CHOSEN = {
    "scratch": (0.015,),
    "plain": (0.005, 0.5),
    "squared-error": (0.015, 1),
    "standardised": (0.015, 1),
    "decoupled": (0.015, 1),
    "channel-wise": (0.015, 1),
    "correlation": (0.015, 1),
    "boundary": (0.015, 1),
    "attention": (0.015, 1),
    "hint": (0.005, 1),
    "pair-wise": (0.015, 1),
    "channel-wise-features": (0.015, 1),
}
"""What that search found best on validation images: the rate, and the temperature of plain
distillation or the multiple of a method's weight."""

STEPS_OF_EQUAL_COST = {
    "decoupled": 19,
    "attention": 15,
    "hint": 15,
    "pair-wise": 15,
    "channel-wise-features": 14,
}
"""Where a step cost at least a quarter more than one of plain distillation: how many an epoch,
instead of 25, took as long when the comparison was made."""

SHORT_TEACHERS = tuple(Run("splits", "by-image", seed) for seed in (0, 1, 2))
"""Three teachers of 400 steps."""

ASSISTANT = Run("methods", "assistant", 0)


def comparison(alone, taught, assistant, teacher):
    """Return the plan that compares the methods with plain distillation, and that with labels.

    - ``alone``, ``taught``, ``assistant``: Recipe. Of the student from scratch, of a distilled one,
      and of the assistant, whose length is that of the short teachers.
    """
    rate, temperature = CHOSEN["plain"]
    usual = short(taught, learning_rate=rate)
    beside = {"baseline": "plain"}
    arms = [
        Arm("scratch", short(alone, learning_rate=CHOSEN["scratch"][0]), baseline=None),
        plain("plain", usual, temperature, baseline="scratch"),
        *(_chosen(name, taught, **beside) for name in EQUAL),
        # The null control of the largest gain: as sure, as often right, the other classes mixed up.
        dataclasses.replace(
            _chosen("correlation", taught, **beside),
            name="correlation-shuffled",
            teacher="shuffled",
        ),
        # Other teachers. The short one alone is what the ensemble must be compared with.
        plain("short-teacher", usual, temperature, taught_by=SHORT_TEACHERS[0], **beside),
        plain("ensemble", usual, temperature, taught_by=SHORT_TEACHERS, baseline="short-teacher"),
        plain(ASSISTANT.arm, assistant, temperature, network="assistant", seeds=(ASSISTANT.seed,)),
        plain("by-assistant", usual, temperature, taught_by=ASSISTANT, **beside),
        # Images without labels: those of the plan, and others.
        plain("no-labels", usual, temperature, alpha=0.0, **beside),
        plain("city", usual, temperature, alpha=0.0, transfer="city", baseline="no-labels"),
        *(
            _chosen(name, alone if name == "scratch" else taught, steps)
            for name, steps in STEPS_OF_EQUAL_COST.items()
        ),
    ]
    return Plan("methods", tuple(arms), seeds=(0, 1, 2), teacher=teacher, keeps_logits=True)


def _chosen(name, recipe, steps=None, **more):
    """Return the arm of a method as it was chosen, or cut to some steps an epoch."""
    rate, *setting = CHOSEN[name]
    recipe = short(recipe, learning_rate=rate)
    if steps is not None:
        recipe = dataclasses.replace(recipe, steps_per_epoch=steps, warmup_steps=2 * steps)
    called = name if steps is None else f"{name}-same-seconds"
    if name == "scratch":
        return Arm(called, recipe, baseline=None)
    return with_term(called, recipe, name, *setting, **more)


def plain(name, recipe, temperature, **more):
    """Return an arm of the usual distillation, compared with nothing unless it says so."""
    soft = {"teacher": "trained", "alpha": 0.1, "temperature": temperature}
    return Arm(name, recipe, **{"baseline": None, **soft, **more})


def with_term(name, recipe, method, strength, **more):
    """Return an arm of labels and a method, at a multiple of the weight in :data:`EQUAL`."""
    term = {"teacher": "trained", "method": method, "weight": strength * EQUAL[method]}
    return Arm(name, recipe, **{"baseline": None, **term, **more})


def tried(method, rate, setting=None):
    """Return the name of an arm of that search.

    >>> tried("scratch", 0.005), tried("hint", 0.005, 8), tried("plain", 0.015, 0.5)
    ('scratch-0p005', 'hint-0p005-8', 'plain-0p015-0p5')
    """
    numbers = (rate,) if setting is None else (rate, setting)
    return "-".join([method, *(f"{number:g}".replace(".", "p") for number in numbers)])
