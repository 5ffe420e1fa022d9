"""The plans of the study: which arms, with which budget and how many seeds.

To change an experiment that was recorded already, give the changed plan another name: the recorder
refuses to mix lines of two budgets. Budgets are sized for two CPU cores: a run of a student in main
takes four to seven minutes on one of them.
"""

import dataclasses

from kdbook.study import coarse_plans, method_plans, patience_plans, search_plans
from kdbook.study.arms import Arm, Plan, Run
from kdlib.recipes import RECIPES, Recipe


def _with(recipe, **changes):
    return dataclasses.replace(recipe, **changes)


def _taught(name, recipe, teacher="trained", alpha=0.1, temperature=2.0, **options):
    return Arm(name, recipe, "student", teacher, alpha, temperature, **options)


def _smoothed(name, recipe, epsilon=0.1, **options):
    """Label smoothing by ε: what a teacher teaches that finds all named classes equally likely."""
    return _taught(name, recipe, "uniform", alpha=1 - epsilon, temperature=1.0, **options)


def _teacher(name, recipe, **options):
    return Arm(name, recipe, "teacher", **{"baseline": None, "seeds": (0,), **options})


_PLAIN = Recipe(
    20, 50, batch_size=16, crop=128, learning_rate=2e-3, warmup_steps=100, fastest_precision=True
)
_NORM = _with(_PLAIN, normalization="batch")
_FAST = _with(_NORM, epochs=30, learning_rate=3e-3, jitter=0.2)

TEACHER_SEARCH = Plan(
    "teacher-search",
    tuple(
        _teacher(name, recipe, seeds=None)
        for name, recipe in {
            "plain-20": _PLAIN,
            "norm-20": _NORM,
            "norm-60": _with(_NORM, epochs=60),
            # Three times as long is no better: it learns the training images by heart. Do changed
            # colours keep it from that, or more dropout, or larger crops?
            "jitter-30": _FAST,
            "jitter-30-dropout": _with(_FAST, dropout=0.3),
            "jitter-30-large-crops": _with(_FAST, crop=256, batch_size=4),
            # More dropout is much worse, so perhaps none is better: after it, the batch statistics
            # of training are not those of inference (Li, Chen, Hu and Yang 2019).
            "jitter-30-no-dropout": _with(_FAST, dropout=0.0),
            "jitter-60-no-dropout": _with(_FAST, dropout=0.0, epochs=60),
        }.items()
    ),
    seeds=(0,),
    judged_on="validation",
)
"""Recipes of the teacher, judged on validation images."""

PATIENT_TEACHER = Plan(
    "patient-teacher",
    (_teacher("jitter-180-no-dropout", _with(_FAST, dropout=0.0, epochs=180), seeds=None),),
    seeds=(0,),
    judged_on="validation",
    scored=("validation",),
)
"""The best recipe of the search for three times as long: 9,000 steps, 44 passes over the images."""

PATIENT = Run("patient-teacher", "jitter-180-no-dropout", 0)
"""The teacher of the plans of patience: 0.669 mean IoU on validation images, where the one below
has 0.651. It is scored on the test images when it is shipped."""

DUBAI_TEACHER = Run("teacher-search", "jitter-60-no-dropout", 0)
"""The teacher of the other plans on the Dubai images: the best of the search."""

SHORT_TEACHER = _with(_FAST, dropout=0.0, epochs=8)
"""The budget where many teachers are trained: the best recipe, with 400 steps and not 3,000."""

_WITH_DROPOUT = _with(RECIPES["student"]["full"], epochs=20, learning_rate=0.015)
_STUDENT = _with(_WITH_DROPOUT, dropout=0.0)

STUDENT_SEARCH = Plan(
    "student-search",
    (
        *(
            Arm(name, recipe, baseline=None)
            for name, recipe in {
                "no-dropout": _STUDENT,
                "norm": _WITH_DROPOUT,
                "no-dropout-jitter": _with(_STUDENT, jitter=0.2),
                # Twice as long: is the curve flat?
                "no-dropout-40": _with(_STUDENT, epochs=40),
                # Without normalisation it needs a lower rate: see chapter 07.
                "plain": _with(_WITH_DROPOUT, normalization=None, learning_rate=0.005),
            }.items()
        ),
        # The best of these at other rates, with one seed.
        *(
            Arm(method_plans.tried("no-dropout", rate), _with(_STUDENT, learning_rate=rate),
                baseline=None, seeds=(100,))
            for rate in (0.0017, 0.005, 0.045)
        ),
    ),
    seeds=(100, 101),  # none of those that the other plans report
    judged_on="validation",
)  # fmt: skip
"""Recipes and rates of the student from scratch, judged on validation images."""

RATES = Plan(
    "rates",
    tuple(
        dataclasses.replace(arm, name=method_plans.tried(arm.name, rate), baseline=None)
        for rate in (0.005, 0.015, 0.045)
        for arm in (
            _taught("distilled", _with(_STUDENT, learning_rate=rate)),
            _smoothed("smoothed", _with(_STUDENT, learning_rate=rate)),
        )
    ),
    seeds=(100,),
    teacher=DUBAI_TEACHER,
    judged_on="validation",
)
"""The taught arms of main at three learning rates, judged on validation images, as the student
from scratch is in the plan before."""

STUDENT = _with(_STUDENT, learning_rate=0.005)
"""The budget of a student from scratch, at the rate that its search found."""

TAUGHT = _with(_STUDENT, learning_rate=0.015)
"""The budget of a distilled student and of its controls, at the rate that the plan rates found."""

SMOOTHED = _with(_STUDENT, learning_rate=0.015)
"""The budget of a student with label smoothing, likewise."""

_TINY = Recipe(2, 3, batch_size=4, crop=32, learning_rate=1e-2, normalization="batch")

SMOKE = Plan(
    "smoke",
    (_teacher("teacher", _TINY), Arm("scratch", _TINY, baseline=None), _taught("distilled", _TINY)),
    seeds=(0, 1),
    source="small city",
    teacher=Run("smoke", "teacher", 0),
    patch_size=64,
    curve_patches=2,
)
"""In seconds, without any data: for trying the recorder out, and for its tests."""

MAIN = Plan(
    "main",
    (
        Arm("scratch", STUDENT, baseline=None),
        _taught("distilled", TAUGHT),
        _smoothed("smoothed", SMOOTHED),
        _taught("shuffled", TAUGHT, "shuffled"),
        _taught("distracted", TAUGHT, "distracted"),
    ),
    seeds=(0, 1, 2, 3, 4),
    teacher=DUBAI_TEACHER,
)
"""The main comparison: does the student gain, and is it the teacher's knowledge?"""


_BRIEF = {"epochs": 8}
"""400 steps, two fifths of those of main."""

_BRIEF_STUDENT, _BRIEF_TAUGHT = _with(STUDENT, **_BRIEF), _with(TAUGHT, **_BRIEF)


def _few_labels(share):
    """Give the arms of label scarcity: labels alone, a teacher of all labels, one of the same."""
    percent = round(100 * share)
    alone, few = f"labels-{percent}", Run("more", f"teacher-{percent}", 0)
    taught = {"labelled": share, "baseline": alone}
    return (
        _teacher(few.arm, SHORT_TEACHER, labelled=share),
        Arm(alone, _BRIEF_STUDENT, labelled=share, baseline=None),
        _taught(f"distilled-{percent}-by-all", _BRIEF_TAUGHT, **taught),
        _taught(f"distilled-{percent}", _BRIEF_TAUGHT, taught_by=few, **taught),
    )


MORE = Plan(
    "more",
    (
        # All labels, and the reference for the others: main's two arms at this plan's budget.
        Arm("scratch", _BRIEF_STUDENT, baseline=None),
        _taught("distilled", _BRIEF_TAUGHT),
        _taught("t1", _BRIEF_TAUGHT, temperature=1.0),
        _taught("alpha0", _BRIEF_TAUGHT, alpha=0.0),
        _taught("untrained", _BRIEF_TAUGHT, "untrained"),
        *_few_labels(0.1),
        *_few_labels(0.25),
        # The rates of main were found for a smaller student, so both arms have both of them.
        Arm("large-scratch", _BRIEF_STUDENT, "teacher", baseline=None),
        Arm("large-scratch-0p015", _BRIEF_TAUGHT, "teacher", baseline=None),
        Arm("self", _BRIEF_TAUGHT, "teacher", "trained", 0.1, 2.0, baseline="large-scratch"),
        Arm("self-0p005", _BRIEF_STUDENT, "teacher", "trained", 0.1, 2.0,
            baseline="large-scratch"),
    ),
    seeds=(0, 1, 2),
    teacher=DUBAI_TEACHER,
)  # fmt: skip
"""The other arms, shorter and with fewer seeds; rates are those that were found for main."""

_SHORT = {"epochs": 6}

CITY = Plan(
    "city",
    (
        _teacher("teacher", _with(_FAST, dropout=0.0, epochs=6)),
        Arm("scratch", _with(STUDENT, **_SHORT), baseline=None),
        _taught("distilled", _with(TAUGHT, **_SHORT)),
        coarse_plans.shaped(_taught("coarse", _with(TAUGHT, **_SHORT)), baseline=None),
    ),
    seeds=(0,),
    source="city",
    teacher=Run("city", "teacher", 0),
)
"""The first networks for the procedural city, with a third of the steps of main."""

SPLITS = Plan(
    "splits",
    (
        _teacher("by-image", SHORT_TEACHER, seeds=None),
        _teacher("by-patch", SHORT_TEACHER, seeds=None, split="patch"),
        *(
            _teacher(f"tile-{tile}", SHORT_TEACHER, split="tile", held_out_tile=tile)
            for tile in range(1, 9)
        ),
    ),
    seeds=(0, 1, 2),
)
"""One recipe of the teacher under three ways to divide the patches: three seeds each by image and
by patch, one for each tile."""

SWEEP = search_plans.sweep(STUDENT, TAUGHT, DUBAI_TEACHER)
"""Which temperature and which α, judged on validation images."""

TABLE = search_plans.table(TAUGHT, DUBAI_TEACHER)
"""Configurations to replay searches on, judged on validation images."""

METHODS_SEARCH = method_plans.search(STUDENT, TAUGHT, DUBAI_TEACHER)
"""Rate and weight of each method beyond logits, judged on validation images."""

METHODS = method_plans.comparison(STUDENT, TAUGHT, SHORT_TEACHER, DUBAI_TEACHER)
"""The methods beyond logits, other teachers and images without labels, at a fifth of the steps of
main."""

COARSE_SEARCH = coarse_plans.search(MAIN)
"""The rates of a student that is made for speed, judged on validation images."""

COARSE = coarse_plans.comparison(MAIN)
"""The comparison of main for that student, without the distracted teacher."""

COARSE_LONG = coarse_plans.longer(MAIN)
"""Four times the steps, at the temperature of the sweep: did it learn too little of its teacher?"""

PATIENCE_SEARCH = patience_plans.search(PATIENT)
"""Rates, T and α of the students that are trained to the end, judged on validation images."""

CHOSEN = {
    "labels": {"rate": 0.005},
    "decisions": {"rate": 0.01},
    "smoothed": {"rate": 0.01},
    "distilled": {"rate": 0.01, "temperature": 1.0, "alpha": 0.0},
}
"""What that search found best for each family, by the mean over its seeds. Three have the largest
of the rates that were tried: a larger one may suit them better still."""

PATIENCE = patience_plans.main(PATIENT, CHOSEN)
"""The main comparison: 20,000 steps, eight paired seeds."""

PATIENCE_LENGTH = patience_plans.length(PATIENT, CHOSEN)
"""Gain against length: the same arms, trained anew at other lengths."""

PATIENCE_WHY = patience_plans.why(PATIENT, CHOSEN)
"""Exploratory: whose knowledge is it?"""

SAME_VIEW = patience_plans.same_view(PATIENT)
"""How the teacher should answer, judged on validation images: for each crop or for the patch."""

FEW_LABELS = patience_plans.few_labels(PATIENT, _with(_FAST, dropout=0.0, epochs=20))
"""Does a teacher of five labelled images help where the others have no labels?"""

PATIENCE_COARSE = patience_plans.coarse(PATIENT, CHOSEN)
"""Labels and soft targets for the coarse student, at that length."""

PATIENCE_CITY = patience_plans.city(
    _teacher("teacher", _with(_FAST, dropout=0.0, epochs=20)), CHOSEN
)
"""Networks of the city that find all its classes: the plan city stops before its students do, and
its teacher is behind a student of this length. This one has 1,000 steps, 21 passes."""

PLANS = {
    plan.name: plan
    for plan in (
        SMOKE, TEACHER_SEARCH, PATIENT_TEACHER, STUDENT_SEARCH, RATES, MAIN, MORE, SPLITS, CITY,
        SWEEP, TABLE, METHODS_SEARCH, METHODS, COARSE_SEARCH, COARSE, COARSE_LONG,
        PATIENCE_SEARCH, PATIENCE, PATIENCE_LENGTH, PATIENCE_WHY, SAME_VIEW, FEW_LABELS,
        PATIENCE_COARSE, PATIENCE_CITY,
    )
}  # fmt: skip
"""The plans by name."""


def find(name):
    """Return the plan of this name.

    - ``ValueError`` if there is none.

    >>> find("smoke").seeds
    (0, 1)
    """
    if name not in PLANS:
        raise ValueError(f"there is no plan {name!r}; there are {', '.join(PLANS)}.")
    return PLANS[name]
