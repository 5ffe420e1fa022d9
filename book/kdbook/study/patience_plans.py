"""The plans of patience: the narrow student, trained until its curve is flat.

The plan ``main`` stops after 2.45 passes over the patches, where the student has not found the
roads yet. Here a training has 20,000 steps of 8 crops, 49 passes, with changed colours, as the
teacher's has. The teacher answers once for each patch, as the mean of its eight views, and crops
are cut from that: see :mod:`kdbook.study.answers`.
"""

from kdbook.study import method_plans
from kdbook.study.arms import Arm, Plan, Run
from kdlib.recipes import Recipe

AN_EPOCH = 500
"""Steps between two looks at the validation images, and between two checkpoints."""

RATES = (0.0025, 0.005, 0.01)

SEARCHED = 3_000
"""Steps of the runs that settings are chosen by: 7.3 passes."""

STEPS = 20_000
"""Of the main comparison: 49 passes."""

LENGTHS = (1_000, 3_000, 10_000)
"""The shorter ones, beside the main one."""

LONGEST = 60_000
"""147 passes, with one seed: is the curve flat?"""

CITY_STEPS = 4_000
"""Of a student of the drawn city: 42 passes over its patches."""

FEW_STEPS = 4_500
"""Of the coarse student with few labels: 11 passes over all patches, 106 over those of five."""


def budget(steps, rate):
    """Return the recipe of a student, as long as the number of steps says."""
    return Recipe(
        steps // AN_EPOCH,
        AN_EPOCH,
        batch_size=8,
        crop=128,
        learning_rate=rate,
        warmup_steps=200,
        dropout=0.0,
        normalization="batch",
        jitter=0.2,
    )


def labels(name, recipe, **options):
    """Return the arm that learns from the labels of people."""
    return Arm(name, recipe, **{"baseline": None, **options})


def decisions(name, recipe, **options):
    """Return the arm that learns from the teacher's decisions, as if they were labels."""
    return Arm(name, recipe, **{"answers": "views", "labels": "decisions", **options})


def distilled(name, recipe, temperature=1.0, alpha=0.0, teacher="trained", **options):
    """Return the arm that learns from the teacher's soft targets."""
    taught = {"teacher": teacher, "alpha": alpha, "temperature": temperature, "answers": "views"}
    return Arm(name, recipe, **{**taught, **options})


def smoothed(name, recipe, epsilon=0.1, **options):
    """Return the arm with label smoothing: see :func:`kdbook.study.controls.uniform`."""
    return Arm(name, recipe, "student", "uniform", 1 - epsilon, 1.0, **options)


def search(teacher):
    """Return the plan that settings are chosen by, on validation images: six runs a family.

    The settings of labels, of decisions and of smoothing are three rates, with two seeds; those of
    distillation three rates, two other temperatures, and half the weight for labels.
    """

    def at(rate):
        """Give a name for the rate, the recipe, and no baseline."""
        return {"recipe": budget(SEARCHED, rate), "baseline": None}

    tried = method_plans.tried
    others = {"t0p5": (0.5, 0.0), "t2": (2.0, 0.0), "alpha0p5": (1.0, 0.5)}
    once = {"seeds": (100,)}
    return Plan(
        "patience-search",
        (
            *(labels(tried("labels", rate), **at(rate)) for rate in RATES),
            *(decisions(tried("decisions", rate), **at(rate)) for rate in RATES),
            *(smoothed(tried("smoothed", rate), **at(rate)) for rate in RATES),
            *(distilled(tried("distilled", rate), **at(rate), **once) for rate in RATES),
            *(
                distilled(f"distilled-{name}", temperature=t, alpha=alpha, **at(RATES[1]), **once)
                for name, (t, alpha) in others.items()
            ),
        ),
        seeds=(100, 101),  # none of those that the other plans report
        teacher=teacher,
        judged_on="validation",
        scored=("validation",),
    )


def main(teacher, chosen):
    """Return the main comparison: labels, the teacher's soft targets, and its decisions as labels.

    The primary difference is that of distilled and labels in mean IoU on the test images, over
    eight paired seeds; the others are secondary, and corrected together. A difference within a
    point either way counts as none. The controls have four of the seeds.

    - ``chosen``: dict of str to dict: what the search found best on validation images, as
      ``{"labels": {"rate": 0.005}, "decisions": ..., "smoothed": ..., "distilled": {"rate": 0.005,
      "temperature": 1.0, "alpha": 0.0}}``.
    """
    arm, half = _arms(chosen, STEPS), {"seeds": (0, 1, 2, 3)}
    return Plan(
        "patience",
        (
            arm("labels"),
            arm("distilled", baseline="labels"),
            arm("decisions", baseline="labels"),
            arm("shuffled", baseline="labels", **half),
            arm("smoothed", baseline="labels", **half),
        ),
        seeds=tuple(range(8)),
        teacher=teacher,
    )


def length(teacher, chosen):
    """Return the plan of gain against length: trained anew at each length, by its own schedule.

    A schedule that ends lets any curve look flat, so a curve within one training says nothing.
    """
    taught = "distilled", "decisions"
    return Plan(
        "patience-length",
        tuple(
            arm(name, f"{name}-{steps}", baseline=f"labels-{steps}" if name in taught else None)
            for steps in LENGTHS
            for arm in (_arms(chosen, steps),)
            for name in ("labels", *taught)
        )
        + tuple(
            arm(name, f"{name}-{LONGEST}", baseline=baseline, seeds=(0,))
            for arm in (_arms(chosen, LONGEST),)
            for name, baseline in (("labels", None), ("distilled", f"labels-{LONGEST}"))
        ),
        seeds=(0, 1, 2, 3, 4),
        teacher=teacher,
    )


def why(teacher, chosen):
    """Return the exploratory plan that asks whose knowledge it is, beside three seeds of main.

    Masks of people that a majority filter made simpler, without a teacher; and masks of which the
    teacher's decisions replace half.
    """
    recipe = budget(STEPS, chosen["labels"]["rate"])
    return Plan(
        "patience-why",
        (
            labels("simplified", recipe, labels="simplified"),
            decisions("mixed", recipe, labels="mixed", baseline=None),
        ),
        seeds=(0, 1, 2),
        teacher=teacher,
    )


def coarse(teacher, chosen):
    """Return the plan of the coarse student, at the steps and settings of the main comparison.

    Its rate, T and α are those that the search found for the narrow student.
    """
    arm, shape = _arms(chosen, STEPS), {"network": "coarse-student"}
    arms = arm("labels", **shape), arm("distilled", baseline="labels", **shape)
    return Plan("patience-coarse", arms, seeds=(0, 1, 2, 3, 4), teacher=teacher)


def city(teacher, chosen):
    """Return the plan of the networks of the drawn city, which are to be used and not compared.

    - ``teacher``: Arm. Of one seed; it teaches the others.
    """
    arm = _arms(chosen, CITY_STEPS)
    return Plan(
        "patience-city",
        (
            teacher,
            arm("labels"),
            arm("distilled", baseline="labels"),
            arm("distilled", "coarse", network="coarse-student"),
        ),
        seeds=(0,),
        source="city",
        teacher=Run("patience-city", teacher.name, 0),
    )


def _arms(chosen, steps):
    """Return a function that gives a family's arm at its chosen settings, under any name."""
    makers = {"labels": labels, "decisions": decisions, "smoothed": smoothed}
    chosen = chosen | {"shuffled": chosen["distilled"] | {"teacher": "shuffled"}}

    def arm(family, name=None, **options):
        """Return the arm, compared with nothing unless the options say so."""
        settings = dict(chosen[family])
        recipe = budget(steps, settings.pop("rate"))
        made = makers.get(family, distilled)
        return made(name or family, recipe, **{"baseline": None, **settings, **options})

    return arm


def same_view(teacher):
    """Return the plan that asks how the teacher should answer: for each crop, or for the patch.

    A teacher that is asked for each crop sees the colours that the student sees, and no more of the
    surroundings. One that answers for the whole patch sees more of them, and the patch as it is.
    """
    recipe = budget(SEARCHED, RATES[1])
    ways = ("whole", "views")
    return Plan(
        "same-view",
        (
            distilled("crop", recipe, answers=None, baseline=None),
            *(distilled(way, recipe, answers=way, baseline="crop") for way in ways),
        ),
        seeds=(100, 101, 102),
        teacher=teacher,
        judged_on="validation",
        scored=("validation",),
    )


def few_labels(teacher, teacher_recipe, labelled=5 / 48):
    """Return the plan in which 5 of the 48 training images have labels, drawn anew by each seed.

    A teacher learns from those 5 alone. The coarse student learns from the same labels, or, on all
    48 images, from that teacher: from its soft targets, or from its decisions as labels.

    - ``teacher``: Run. The teacher of all labels: agreement is measured with it, and nobody learns
      from it.
    - ``teacher_recipe``: Recipe. Of the teachers that see few labels.
    - ``labelled``: share of the images.
    """
    few = {"labelled": labelled, "redraw": True}
    small = {"network": "coarse-student", **few}
    taught = {"own_teacher": "teacher-5", "baseline": "labels-5", **small}
    recipe = budget(FEW_STEPS, 0.005)
    return Plan(
        "few-labels",
        (
            Arm("teacher-5", teacher_recipe, "teacher", baseline=None, **few),
            labels("labels-5", recipe, **small),
            Arm("distilled-5", recipe, teacher="trained", alpha=0.0, answers="views", **taught),
            decisions("decisions-5", recipe, **taught),
        ),
        seeds=(0, 1, 2, 3, 4, 5),
        teacher=teacher,
    )
