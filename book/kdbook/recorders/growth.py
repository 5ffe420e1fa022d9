r"""How the cost of distilling grows: with pixels, images, width, and the number of cached patches.

``python -m kdbook.recorders growth`` measures what is left and writes one line of JSON a series to
``results/growth.jsonl``. All sizes of a series take turns, round by round, so that what
disturbs the machine disturbs all of them. Wall time and processor time are both kept. Measure on
a machine at rest.

A law :math:`seconds = a \cdot size^b` is a straight line of slope :math:`b` on two logarithmic
scales: :func:`exponent` fits it.
"""

import dataclasses
from typing import NamedTuple

import keras
import numpy as np
from scipy import stats

from kdbook.recorders import cache_growth, program
from kdbook.recorders.timing import alternate, by_clock
from kdbook.study.arms import Plan, Run
from kdbook.study.record import RESULTS, Record
from kdlib import data, runtime
from kdlib.unet import logits_model, unet

ROUNDS = 9
"""How often each size of a series is timed."""


@dataclasses.dataclass(frozen=True)
class Series:
    """Steps that differ in one size.

    - ``work``: {"training", "forward"}. A step of training from labels, or an answer in inference
      mode.
    - ``grows``: {"pixels", "batch", "width"}. What the sizes are: pixels of an image, images a
      batch, or filters of the first block.
    - ``sizes``: tuple of int.
    - ``pixels``, ``batch``, ``width``: of what does not grow.
    """

    name: str
    work: str
    grows: str
    sizes: tuple
    pixels: int = 128**2
    batch: int = 4
    width: int = 4

    def step(self, size):
        """Return a function that does one step of this size, and waits for it."""
        of = dataclasses.asdict(self) | {self.grows: size}
        side = round(of["pixels"] ** 0.5)
        rng = np.random.default_rng(0)
        x = rng.random((of["batch"], side, side, 3), dtype=np.float32)
        y = rng.integers(0, data.N_CLASSES, x.shape[:3]).astype(np.int32)
        keras.utils.set_random_seed(0)
        model = logits_model(
            unet([of["width"] * 2**depth for depth in range(5)], data.N_CLASSES, side, side)
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, jit_compile=runtime.jit_compile())
        if self.work == "training":
            return lambda: model.train_on_batch(x, y)
        return lambda: model.predict_on_batch(x)


_SIDES = tuple(side**2 for side in (64, 96, 128, 192, 256))
_BATCHES = (1, 2, 4, 8, 16)
STUDENT, TEACHER = {"work": "training", "width": 4}, {"work": "forward", "width": 16}

SERIES = (
    Series("pixels-student", grows="pixels", sizes=_SIDES, **STUDENT),
    Series("pixels-teacher", grows="pixels", sizes=_SIDES, **TEACHER),
    Series("batch-student", grows="batch", sizes=_BATCHES, **STUDENT),
    Series("batch-teacher", grows="batch", sizes=_BATCHES, **TEACHER),
    Series("width-student", grows="width", sizes=(2, 4, 8, 16, 32), **STUDENT),
    Series("width-teacher", grows="width", sizes=(4, 8, 16, 32, 64), **TEACHER),
)
"""The student's training and the teacher's answer, each along three sizes."""


@dataclasses.dataclass(frozen=True)
class Caches:
    """Caches of more and more patches: see :mod:`kdbook.recorders.cache_growth`."""

    name: str = "patches"


PLAN = Plan("growth", (*SERIES, Caches()), seeds=(0,))
"""Names the record. It is run by this module, not by :mod:`kdbook.study.runner`."""


class Exponent(NamedTuple):
    """The slope of a line through points on logarithmic scales, with the ends of its interval."""

    value: float
    low: float
    high: float


def exponent(sizes, costs, confidence=0.95):
    r"""Fit :math:`cost = a \cdot size^b` by least squares of the logarithms; return :math:`b`.

    The interval is :math:`b \pm t_{n-2}\, s_b` for the :math:`n` points, with the standard error
    of the slope: it says how far the points are from one straight line.

    - ``sizes``, ``costs``: sequence of float, shape (n,). All above 0; n is 3 or more, and not all
      sizes are equal.
    - ``confidence``: between 0 and 1.
    - ``ValueError`` if there are too few points, or one is not above 0.

    >>> found = exponent([1, 2, 4, 8], [3, 12, 48, 192])
    >>> print(f"{found.value:.2f}, from {found.low:.2f} to {found.high:.2f}")
    2.00, from 2.00 to 2.00
    """
    sizes, costs = np.asarray(sizes, float), np.asarray(costs, float)
    usable = sizes.ndim == 1 and sizes.shape == costs.shape and np.unique(sizes).size >= 3
    if not usable or not (sizes > 0).all() or not (costs > 0).all():
        raise ValueError(
            f"sizes {sizes.tolist()} and costs {costs.tolist()} came; expected two lists of one "
            "length, with three sizes or more, all above 0."
        )
    line = stats.linregress(np.log(sizes), np.log(costs))
    reach = stats.t.ppf((1 + confidence) / 2, len(sizes) - 2) * line.stderr
    return Exponent(*map(float, (line.slope, line.slope - reach, line.slope + reach)))


def series(one, rounds=ROUNDS):
    """Measure a series; return what its line says."""
    seconds = alternate({size: one.step(size) for size in one.sizes}, rounds)
    return {"settings": dataclasses.asdict(one), **by_clock(seconds)}


def measure(name):
    """Measure one arm of the plan; return what its line says."""
    return cache_growth.measure() if name == "patches" else series(PLAN.arm(name))


def read(folder=RESULTS):
    """Return {name: line} of what is recorded."""
    return {run.arm: entry for run, entry in Record(folder, PLAN).runs().items()}


def main(options):
    """Do what is left of the record."""
    arms = [PLAN.arm(options.only)] if options.only else PLAN.arms
    runs = [Run(PLAN.name, arm.name, 0) for arm in arms]
    program.do_what_is_left(PLAN, runs, lambda run: measure(run.arm), options)
