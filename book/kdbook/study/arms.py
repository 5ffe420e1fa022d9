"""What an experiment is: an arm is one way to train a network, a plan is arms × seeds."""

import dataclasses
from typing import NamedTuple

from kdlib.recipes import Recipe


class Run(NamedTuple):
    """One training: the arm of a plan with one seed."""

    plan: str
    arm: str
    seed: int

    def __str__(self):
        """Return the name of the run in files and messages."""
        return f"{self.plan}-{self.arm}-{self.seed}"


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way to train a network: everything but the data and the seed.

    - ``name``: lower-case letters, digits and dashes.
    - ``recipe``: Recipe. The budget, and the learning rate, which is tuned for each arm.
    - ``network``: {"student", "assistant", "teacher", "coarse-student"}. Which U-Net is trained.
    - ``teacher``: what teaches it: a key of :data:`kdbook.study.controls.TEACHERS`, or None for
      labels only.
    - ``alpha``, ``temperature``: as for the Distiller. They say nothing if there is no teacher.
    - ``taught_by``: Run or tuple of Run. The run that trained its teacher; by default the teacher
      of the plan. Several are an ensemble (:func:`kdlib.beyond.ensemble`), softened at the
      temperature of the arm.
    - ``own_teacher``: the arm whose run of the same seed trained its teacher, instead of one for
      all seeds.
    - ``labelled``: share of the training images whose labels are seen, above 0 to 1. Without a
      teacher the others are left out; with one they are seen with its soft targets alone.
    - ``redraw``: whether each seed draws anew which images those are. By default they are the same
      for all.
    - ``split``: {"image", "patch", "tile"}. How patches are divided. By patch, the seed of the run
      draws them.
    - ``held_out_tile``: for the split by tile.
    - ``method``: a key of :data:`kdlib.beyond.METHODS`: a third term of the loss.
    - ``weight``: the weight of that term.
    - ``transfer``: {"city"}. Images to learn from instead of those of the plan, by the teacher's
      soft targets alone: a transfer set that nobody has labelled. They are as many as the plan has
      for training.
    - ``answers``: {"whole", "views"}. The teacher answers once for each training patch, as it is or
      as the mean of its eight views, and crops are cut from that (:mod:`kdbook.study.answers`). By
      default it is asked for each crop, as the plan says.
    - ``labels``: {"decisions", "mixed", "simplified"}. What stands for the labels of people: the
      teacher's decisions, those in half of the patches, or the most frequent class around each
      pixel.
    - ``baseline``: the arm that it is compared with.
    - ``seeds``: tuple of int. Its own seeds instead of those of the plan: one for the teacher of a
      plan.
    """

    name: str
    recipe: Recipe
    network: str = "student"
    teacher: str | None = None
    alpha: float = 1.0
    temperature: float = 1.0
    taught_by: Run | tuple | None = None
    own_teacher: str | None = None
    labelled: float = 1.0
    redraw: bool | None = None
    split: str = "image"
    held_out_tile: int | None = None
    method: str | None = None
    weight: float | None = None
    transfer: str | None = None
    answers: str | None = None
    labels: str | None = None
    baseline: str | None = "scratch"
    seeds: tuple | None = None

    def settings(self):
        """Return all that decides the training but the budget and the seed, for the record."""
        kept = dataclasses.asdict(self)
        for name in ("name", "recipe", "seeds", "baseline"):
            del kept[name]
        kept["taught_by"] = ", ".join(map(str, several(self.taught_by))) or None
        return kept

    def budget(self):
        """Return the recipe as it is recorded."""
        return dataclasses.asdict(self.recipe)


def several(runs):
    """Return a tuple of runs: of none, of one, or of several.

    >>> several(None), several(Run("main", "scratch", 0))
    ((), (Run(plan='main', arm='scratch', seed=0),))
    """
    if runs is None:
        return ()
    return (runs,) if isinstance(runs, Run) else tuple(runs)


@dataclasses.dataclass(frozen=True)
class Plan:
    """A named list of runs: arms × seeds.

    - ``name``: lower-case letters, digits and dashes.
    - ``arms``: tuple of Arm.
    - ``seeds``: tuple of int. Each arm is run with each of them.
    - ``source``: {"dubai", "city", "small city"}. The images. The small city is for tests.
    - ``teacher``: Run or None. The recorded run whose network teaches, and with whom agreement is
      measured.
    - ``judged_on``: {"validation", "test"}. The part whose scores the table shows. A plan that
      serves to choose something shows the validation images, so that nobody chooses by the test
      images.
    - ``patch_size``: height and width of the patches, in pixels.
    - ``curve_patches``: number of validation patches behind the curves.
    - ``curve_temperature``: T of the distillation loss in the curves, the same for all arms.
    - ``scored``: tuple of str. The parts of the split that finished networks are scored on. A plan
      of many arms leaves the test images alone.
    - ``keeps_logits``: whether the teacher is asked once for the batches of a seed, and its logits
      are kept in float16 for all arms (:mod:`kdbook.study.kept_logits`), instead of being run in
      every step.

    >>> recipe = Recipe(1, 1, batch_size=1, crop=16, learning_rate=0.1)
    >>> plan = Plan("tiny", (Arm("scratch", recipe), Arm("again", recipe)), seeds=(0, 1))
    >>> [str(run) for run in plan.runs()]
    ['tiny-scratch-0', 'tiny-again-0', 'tiny-scratch-1', 'tiny-again-1']
    """

    name: str
    arms: tuple
    seeds: tuple
    source: str = "dubai"
    teacher: Run | None = None
    judged_on: str = "test"
    patch_size: int = 256
    curve_patches: int = 16
    curve_temperature: float = 2.0
    scored: tuple = ("validation", "test")
    keeps_logits: bool = False

    def arm(self, name):
        """Return the arm of this name, or raise ``ValueError``."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        known = ", ".join(arm.name for arm in self.arms)
        raise ValueError(f"plan {self.name} has no arm {name!r}; it has {known}.")

    def runs(self, only=None):
        """Return the runs, seed by seed, so that a plan that is cut short still has pairs.

        - ``only``: sequence of str. Names of arms. The teacher of the plan is not added by itself.
        """
        arms = [self.arm(name) for name in only] if only else self.arms
        runs = [
            Run(self.name, arm.name, seed)
            for arm in arms
            for seed in (self.seeds if arm.seeds is None else arm.seeds)
        ]
        # What others wait for comes first.
        return sorted(runs, key=lambda run: (run not in self.teachers(), run.seed))

    def teachers(self):
        """Return the runs whose networks teach in this plan."""
        own = {run for arm in self.arms for run in several(arm.taught_by)}
        return {self.teacher, *own} - {None}

    def teachers_of(self, arm, seed):
        """Return the runs whose networks teach the arm: none, one, or an ensemble."""
        if not arm.teacher and arm.labels not in ("decisions", "mixed"):
            return ()
        if arm.own_teacher:
            return (Run(self.name, arm.own_teacher, seed),)
        return several(arm.taught_by or self.teacher)

    def judge_of(self, arm):
        """Return the run with whose network agreement is measured, or None for that itself."""
        own = self.teacher and Run(self.name, arm.name, self.teacher.seed)
        return None if own == self.teacher else self.teacher
