"""What a second of training buys: from cached soft targets, and from a teacher that is asked.

``python -m kdbook.recorders equal_seconds`` does what is left, and writes one line of JSON a run to
``results/scale.jsonl``. It starts with the line ``costs``: what a step of each way to train
takes, measured in turns. A budget is turned into steps by that line, with the writing of the cache
paid first. So the trainings themselves may run beside other programs, and give the same networks.
Seconds are those of the processor, all cores together: other programs stretch them little.

Three arms, ``float32``, ``float16`` and ``uint8``, ask something else: whether the student notices
how its soft targets were stored. They have the same crops and a fixed number of steps.
"""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np

from kdbook.recorders import program
from kdbook.recorders.timing import alternate, by_clock
from kdbook.study import provenance, scoring
from kdbook.study.arms import Plan, Run
from kdbook.study.plans import STUDENT, TAUGHT
from kdbook.study.record import RESULTS, Record, by_arm
from kdlib import cache, data, pretrained, recipes, runtime
from kdlib.distiller import Distiller

ALPHA, TEMPERATURE = 0.1, 2.0
"""Those of the distilled students of :mod:`kdbook.study.plans`."""

LOOKS = 4
"""How often each network is judged while it trains."""


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to train a student.

    - ``taught``: {"labels", "cached", "online"}. By labels alone, by soft targets of a cache, or by
      a teacher that is asked at each step.
    - ``seconds``: budget of processor time, the writing of the cache included.
    - ``steps``: length, where there is no budget.
    - ``crops``: fixed crops; 0 cuts random ones, flipped and turned, at each step.
    - ``views``: {1, 8}. Of each fixed crop: as it is, or in its eight flips and turns.
    - ``store``: of the cache.
    """

    name: str
    taught: str
    seconds: float | None = None
    steps: int | None = None
    crops: int = 0
    views: int = 1
    store: str = "float16"

    def length(self, costs):
        """Return the steps that the budget is enough for, a multiple of :data:`LOOKS`.

        - ``costs``: dict of str to float. As :func:`seconds_of` returns it.
        - ``ValueError`` if the writing of the cache takes all.
        """
        if self.seconds is None:
            return self.steps
        left = self.seconds - self.crops * self.views * costs["written"]
        steps = int(left / costs[self.taught]) // LOOKS * LOOKS
        if steps < 1:
            raise ValueError(
                f"{self.name} has {self.seconds} s, and {left:.1f} s of them are left after the "
                f"writing of {self.crops * self.views} views: no step. Take fewer crops."
            )
        return steps

    def clock(self, costs):
        """Return the seconds that were spent at each look, those for the cache among them."""
        start = self.crops * self.views * costs["written"]
        step = self.length(costs) / LOOKS * costs[self.taught]
        return [start + step * look for look in range(1, LOOKS + 1)]

    def recipe(self, costs):
        """Return the recipe: rates as the study found them, length as the budget allows."""
        base = STUDENT if self.taught == "labels" else TAUGHT
        steps = self.length(costs) // LOOKS
        return dataclasses.replace(base, epochs=LOOKS, steps_per_epoch=steps)


@dataclasses.dataclass(frozen=True)
class Costs:
    """The measurement that budgets are counted by: see :func:`measure_costs`."""

    name: str = "costs"


SECONDS = 40
"""The budget of a training, in seconds of processor time."""

WAYS = (
    Way("labels", "labels", SECONDS),
    Way("online", "online", SECONDS),
    Way("fixed", "cached", SECONDS, crops=400),
    Way("turned", "cached", SECONDS, crops=50, views=8),
    *(Way(store, "cached", steps=120, crops=120, store=store) for store in cache.STORES),
)
"""The caches of ``fixed`` and ``turned`` have one size: many crops, or few from all sides."""

PLAN = Plan("scale", (Costs(), *WAYS), seeds=(0, 1, 2), judged_on="validation")
"""Names the record. It is run by this module, not by :mod:`kdbook.study.runner`."""


def measure_costs(patches, teacher, rounds=5, steps=25):
    """Measure a step of each way, its batches included, and the writing of a view to a cache.

    - Returns dict: ``settings`` with the names, and ``wall`` and ``processor``: for each the
      seconds of each round, in which ``steps`` steps are done, or ``views`` views written.
    """
    crops = data.fixed_crops(patches, TAUGHT.crop, steps * TAUGHT.batch_size)
    with tempfile.TemporaryDirectory() as folder:
        targets = cache.write(Path(folder, "kept"), teacher, crops)
        tasks = {}
        for taught in ("labels", "cached", "online"):
            batches = _batches(Way(taught, taught), TAUGHT, steps, patches, crops, targets, seed=0)
            tasks[taught] = _steps(_model(taught, TAUGHT, teacher, seed=0), batches)
        numbers = iter(range(rounds + 2))
        tasks["written"] = lambda: cache.write(Path(folder, str(next(numbers))), teacher, crops)
        timed = by_clock(alternate(tasks, rounds))
    return {"settings": {"names": list(tasks), "steps": steps, "views": len(crops)}, **timed}


def seconds_of(entry):
    """Return {way: processor seconds of a step}, and of a view that is ``written``: medians.

    - ``entry``: the line ``costs`` of the record.
    """
    kept, medians = entry["settings"], [float(np.median(row)) for row in entry["processor"]]
    per = {"written": kept["views"]}
    return {
        name: value / per.get(name, kept["steps"])
        for name, value in zip(kept["names"], medians, strict=True)
    }


def train(way, seed, recipe, patches, teacher, callbacks=()):
    """Train a student in one way; return it.

    All ways of a seed start from the same weights.
    """
    model = _model(way.taught, recipe, teacher, seed)
    with tempfile.TemporaryDirectory() as folder:
        crops = targets = None
        if way.crops:
            crops = data.fixed_crops(patches, recipe.crop, way.crops, seed)
            targets = cache.write(folder, teacher, crops, way.views, way.store)
        batches = _batches(way, recipe, recipe.steps_per_epoch, patches, crops, targets, seed)
        seeded = recipes.EpochSeeds(batches, seed)
        model.fit(batches, epochs=recipe.epochs, callbacks=[seeded, *callbacks], shuffle=False,
                  verbose=0)  # fmt: skip
    return getattr(model, "student", model)


def _model(taught, recipe, teacher, seed):
    """Return what is to be fitted: the student alone, or a Distiller."""
    student = recipes.build("student", seed, recipe)
    if taught == "labels":
        recipes.compile_alone(student, recipe)
        return student
    distiller = Distiller(student, teacher)
    distiller.compile(recipe.optimizer(), alpha=ALPHA, temperature=TEMPERATURE,
                      jit_compile=runtime.jit_compile())  # fmt: skip
    return distiller


def _batches(way, recipe, steps, patches, crops, targets, seed):
    """Return the batches of an epoch: random crops, or fixed ones with their soft targets."""
    if way.taught == "cached":
        return cache.CachedBatches(crops, targets, recipe.batch_size, augment=way.views == 8,
                                   seed=seed, steps=steps, shuffle=True)  # fmt: skip
    return dataclasses.replace(recipe, steps_per_epoch=steps).batches(patches, seed)


def _steps(model, batches):
    return lambda: model.fit(batches, shuffle=False, verbose=0)


def record(name, seed, costs, images, split, teacher):
    """Measure or train one run of the plan; return what its line says."""
    if name == "costs":
        found = measure_costs(split.train, teacher)
    else:
        found = _trained(PLAN.arm(name), seed, costs, split, teacher)
    return {**found, "data": provenance.data_entry(images, split)}


def _trained(way, seed, costs, split, teacher):
    recipe = way.recipe(costs)
    chosen = np.linspace(0, len(split.validation) - 1, 16).astype(int)
    curve = scoring.ValidationCurve(split.validation.take(chosen))
    network = train(way, seed, recipe, split.train, teacher, [curve])
    return {
        "settings": dataclasses.asdict(way),
        "budget": dataclasses.asdict(recipe),
        "curve": curve.curve,
        "validation": scoring.score(network, split.validation),
    }


def read(folder=RESULTS):
    """Return {arm: {seed: line}} of what is recorded: :func:`kdbook.study.record.by_arm`."""
    return by_arm(PLAN, folder)


def main(options):
    """Do what is left of the record, the costs first, and then seed by seed."""
    images = data.load("dubai")
    split, teacher = data.split(data.cut(images), images), pretrained("teacher", images.name)
    runs = [Run(PLAN.name, "costs", 0)]
    runs += [Run(PLAN.name, way.name, s) for s in PLAN.seeds for way in WAYS]

    def found(run):
        measured = Record(options.out, PLAN).runs().get(runs[0])
        costs = seconds_of(measured) if measured else None
        return record(run.arm, run.seed, costs, images, split, teacher)

    program.do_what_is_left(PLAN, runs[:1] if options.costs else runs, found, options)
