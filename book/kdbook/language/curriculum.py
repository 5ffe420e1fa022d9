"""What the experiments of chapter 12 are, and what was recorded of them."""

import dataclasses

from kdbook.study.arms import Plan, Run
from kdbook.study.record import RESULTS, by_arm

LENGTH = 12
"""Words in a row. Longer sentences are cut off."""

STUDENT, TEACHER, SMALL = {"width": 24}, {"width": 64, "blocks": 2}, {"width": 8}
"""What :func:`kdbook.language.transformer.transformer` gets for each network."""

TEACHERS = {"teacher": (20_000, (1200,)), "poor teacher": (200, (100, 400))}
"""How many sentences each teacher learned from, and the lengths of its trainings."""


@dataclasses.dataclass(frozen=True)
class Lesson:
    """What a student is taught from.

    - ``targets``: a key of :data:`kdbook.language.lessons.TARGETS`.
    - ``k``: how many tokens are kept, or drawn.
    - ``steps``: tuple of int. Lengths of the trainings, the best of which counts.

    >>> Lesson("labels-50", "labels", 50).steps
    (200, 800, 2400)
    """

    name: str
    targets: str
    sentences: int
    k: int | None = None
    temperature: float = 1.0
    steps: tuple = (200, 800, 2400)


@dataclasses.dataclass(frozen=True)
class Road:
    """Whose text a student goes on with that is too small, and what the teacher says about it.

    - ``text``: {"language", "teacher", "own"}. Who wrote the sentences. The student's own are
      written anew after each 20 steps.
    - ``targets``: {"labels", "teacher"}. The words of the text, or the teacher's probabilities.
    - ``reverse``: whether the divergence is the reverse one.

    >>> Road("own-text", "own").targets
    'teacher'
    """

    name: str
    text: str
    targets: str = "teacher"
    reverse: bool = False
    sentences: int = 800
    steps: int = 400


COUNTS = (50, 200, 800, 3200)
WORTH = ("labels", "teacher", "truth", "poor-teacher")
LESSONS = (
    *(Lesson(f"{taught}-{n}", taught, n) for taught in WORTH for n in COUNTS),
    *(Lesson(f"labels-{n}", "labels", n) for n in (6400, 12_800)),
    *(Lesson(f"{taught}-{n}", taught, n) for taught in ("shuffled", "smoothed") for n in (50, 800)),
    *(Lesson(f"T-{t:g}-{n}", "teacher", n, temperature=t) for t in (0.5, 2.0, 4.0)
      for n in (50, 800)),
    *(Lesson(f"shuffled-T-4-{n}", "shuffled", n, temperature=4.0) for n in (50, 800)),
    *(Lesson(f"{how}-{k}", how, 800, k) for k in (1, 5, 20)
      for how in ("renormalised", "ignored", "even", "drawn")),
)  # fmt: skip
ROADS = (
    Road("truth-labels", "language", "labels"),
    Road("teacher-labels", "teacher", "labels"),
    Road("teacher-text", "teacher"),
    Road("teacher-text-reverse", "teacher", reverse=True),
    Road("own-text", "own"),
    Road("own-text-reverse", "own", reverse=True),
)
PLAN = Plan("language", (*ROADS, *LESSONS), seeds=(0, 1, 2))
"""Names the record. It is run by :mod:`kdbook.recorders.language_lessons`."""


def runs():
    """Return all runs, seed by seed, so that a record that is cut short still has pairs.

    >>> len(runs()), str(runs()[0])
    (144, 'language-truth-labels-0')
    """
    return [Run(PLAN.name, arm.name, seed) for seed in PLAN.seeds for arm in PLAN.arms]


def recorded(folder=RESULTS):
    """Return {arm: {seed: line}} of what is recorded: :func:`kdbook.study.record.by_arm`.

    - ``ValueError`` if the lines were recorded on several backends: each trains teachers of its
      own, and draws other initial weights.

    >>> 0 in recorded()["labels-50"]
    True
    """
    found = by_arm(PLAN, folder)
    backends = {line["versions"]["backend"] for lines in found.values() for line in lines.values()}
    if len(backends) > 1:
        raise ValueError(
            f"the record of {PLAN.name} was made on {' and '.join(sorted(backends))}: the teachers "
            "and the initial weights differ. Remove the lines of one, and record them again."
        )
    return found
