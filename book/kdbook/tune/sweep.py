"""A sweep of T and α over a few seeds, as far as it is recorded. See also kdbook.tune.chance."""

import dataclasses
import math

import numpy as np

from kdbook.study.search_plans import ALPHAS, TEMPERATURES, point
from kdbook.tune.replay import final_score

LABELS_ALONE = ("scratch", "alpha1")
"""The arms of the sweep without a teacher: at their own rate, and at the rate of the points."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sweep:
    """Scores over a grid of α and T.

    - ``alphas``, ``temperatures``, ``seeds``: the axes of the grid.
    - ``scores``: array of float, shape (alphas, temperatures, seeds). Higher is better; NaN where
      nothing is recorded.
    - ``alone``: dict of str to array of float, shape (seeds,). Arms without a teacher.

    >>> sweep = Sweep((0.0,), (1.0, 2.0), (0, 1), np.array([[[0.1, 0.3], [0.2, np.nan]]]))
    >>> sweep.means
    array([[0.2, nan]])
    """

    alphas: tuple
    temperatures: tuple
    seeds: tuple
    scores: np.ndarray
    alone: dict = dataclasses.field(default_factory=dict)

    @property
    def means(self):
        """Mean over the seeds of each point that has all of them, NaN elsewhere."""
        return self.scores.mean(axis=-1)

    @property
    def complete(self):
        """Whether a point has all seeds: booleans of shape (alphas, temperatures)."""
        return np.isfinite(self.scores).all(axis=-1)

    def part(self, rows, columns):
        """Return the sweep with some values of α and of T: two arrays of booleans."""
        return dataclasses.replace(
            self,
            alphas=tuple(np.array(self.alphas)[rows].tolist()),
            temperatures=tuple(np.array(self.temperatures)[columns].tolist()),
            scores=self.scores[np.ix_(rows, columns)],
        )

    def best(self):
        """Return (α, T) of the highest mean.

        - ``ValueError`` if no point has all seeds.
        """
        if not self.complete.any():
            raise ValueError("no point of the sweep has all its seeds yet; record more of it.")
        row, column = np.unravel_index(np.nanargmax(self.means), self.means.shape)
        return self.alphas[row], self.temperatures[column]


def from_record(runs):
    """Return the sweep of recorded runs, as far as it goes.

    As many seeds are taken, from the first one on, as use the most runs of points that have all of
    them: a seed that has only begun is left out. So are values of α and T without such a point.

    - ``runs``: dict of Run to dict. As :func:`kdbook.study.arm_table.read` returns it for the plan
      ``sweep``.
    - ``ValueError`` if nothing is recorded.

    >>> from_record({})
    Traceback (most recent call last):
    ...
    ValueError: nothing of the sweep is recorded yet: python -m kdbook.study --plan sweep
    """
    if not runs:
        raise ValueError(
            "nothing of the sweep is recorded yet: python -m kdbook.study --plan sweep"
        )
    found = {
        (run.arm, run.seed): final_score(entry["validation"]["confusion"])
        for run, entry in runs.items()
    }
    seen = sorted({seed for _, seed in found})
    # One seed has no noise to be judged by: two, with gaps, are better.
    counts = range(len(seen), min(2, len(seen)) - 1, -1)
    tried = [_sweep(found, tuple(seen[:count])) for count in counts]
    most = max(tried, key=lambda each: each.complete.sum() * len(each.seeds))
    return most.part(most.complete.any(axis=1), most.complete.any(axis=0))


def _sweep(found, seeds):
    def of(arm):
        """Return the scores of an arm, seed by seed."""
        return [found.get((arm, seed), math.nan) for seed in seeds]

    scores = np.array([[of(point(t, alpha)) for t in TEMPERATURES] for alpha in ALPHAS])
    alone = {arm: np.array(of(arm)) for arm in LABELS_ALONE}
    return Sweep(ALPHAS, TEMPERATURES, seeds, scores, alone)


def whole(sweep):
    """Return the sweep without the temperatures, or the α, of which a point is missing.

    Of the two ways, the one that leaves more points.

    - ``ValueError`` if none is left.

    >>> sweep = Sweep((0.0,), (1.0, 2.0), (0,), np.array([[[1.0], [np.nan]]]))
    >>> whole(sweep).temperatures
    (1.0,)
    """
    rows, columns = sweep.complete.all(axis=1), sweep.complete.all(axis=0)
    if not rows.any() and not columns.any():
        raise ValueError("no α and no temperature of the sweep has all its points; record more.")
    if rows.sum() * columns.size > columns.sum() * rows.size:
        columns = np.ones_like(columns)
    else:
        rows = np.ones_like(rows)
    return sweep.part(rows, columns)
