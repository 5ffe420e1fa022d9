"""A sweep of T and α over a few seeds: what is an effect, and what is the luck of the seeds."""

import dataclasses
import math

import numpy as np
from scipy.special import stdtrit

from kdlib.study.searches import ALPHAS, TEMPERATURES, point
from kdlib.tune.replay import final_score

LABELS_ALONE = ("scratch", "alpha1")
"""The arms of the sweep without a teacher: at their own rate, and at the rate of the points."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sweep:
    """Scores over a grid of α and T.

    Parameters
    ----------
    alphas, temperatures, seeds : tuple
        The axes of the grid.
    scores : array of float, shape (alphas, temperatures, seeds)
        Higher is better; NaN where nothing is recorded.
    alone : dict of str to array of float, shape (seeds,)
        Arms without a teacher.

    Examples
    --------
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

    def best(self):
        """Return (α, T) of the highest mean.

        Raises
        ------
        ValueError
            If no point has all seeds.
        """
        if not self.complete.any():
            raise ValueError("no point of the sweep has all its seeds yet; record more of it.")
        row, column = np.unravel_index(np.nanargmax(self.means), self.means.shape)
        return self.alphas[row], self.temperatures[column]


def from_record(runs):
    """Return the sweep of recorded runs; what is not recorded is NaN.

    Seeds of which a point is missing are left out, unless there is none without a gap.

    Parameters
    ----------
    runs : dict of Run to dict
        As :func:`kdlib.study.table.read` returns it for the plan ``sweep``.

    Raises
    ------
    ValueError
        If nothing is recorded.

    Examples
    --------
    >>> from_record({})
    Traceback (most recent call last):
    ...
    ValueError: nothing of the sweep is recorded yet: python -m kdlib.study --plan sweep
    """
    if not runs:
        raise ValueError("nothing of the sweep is recorded yet: python -m kdlib.study --plan sweep")
    found = {
        (run.arm, run.seed): final_score(entry["validation"]["confusion"])
        for run, entry in runs.items()
    }

    names = [point(t, alpha) for alpha in ALPHAS for t in TEMPERATURES] + [*LABELS_ALONE]
    seen = sorted({seed for _, seed in found})
    seeds = [seed for seed in seen if all((arm, seed) in found for arm in names)] or seen

    def of(arm):
        """Return the scores of an arm, seed by seed."""
        return [found.get((arm, seed), math.nan) for seed in seeds]

    scores = np.array([[of(point(t, alpha)) for t in TEMPERATURES] for alpha in ALPHAS])
    alone = {arm: np.array(of(arm)) for arm in LABELS_ALONE}
    return Sweep(ALPHAS, TEMPERATURES, tuple(seeds), scores, alone)


def noise(sweep):
    r"""Return the standard deviation of one run around its point, and its degrees of freedom.

    What a seed does to all points alike is taken out first, since points are compared within
    seeds: with :math:`C` points and :math:`S` seeds, the residuals
    :math:`x_{cs} - \bar x_{c} - \bar x_{s} + \bar x` have :math:`(C - 1)(S - 1)` degrees of
    freedom.

    Parameters
    ----------
    sweep : Sweep
        Points without all seeds are left out.

    Returns
    -------
    deviation : float
    freedom : int

    Raises
    ------
    ValueError
        If fewer than two points have all seeds, or there is one seed.

    Examples
    --------
    >>> scores = np.array([[[0.0, 0.0], [0.0, 2.0]]])
    >>> noise(Sweep((0.0,), (1.0, 2.0), (0, 1), scores))
    (1.0, 1)
    """
    cells = sweep.scores[sweep.complete]
    count, seeds = cells.shape
    if count < 2 or seeds < 2:
        raise ValueError(
            f"{count} points have all of {seeds} seeds; expected two points and two seeds or more."
        )
    rest = cells - cells.mean(1, keepdims=True) - cells.mean(0, keepdims=True) + cells.mean()
    freedom = (count - 1) * (seeds - 1)
    return float(np.sqrt((rest**2).sum() / freedom)), freedom


def least_difference(sweep, comparisons=1, confidence=0.95):
    r"""Return how far two points must be apart in their means to be told apart.

    :math:`t_\nu\, s \sqrt{2 / S}`, with the noise :math:`s` of one run. For several comparisons the
    chance of a false one is divided among them (Bonferroni).

    Parameters
    ----------
    sweep : Sweep
    comparisons : int
    confidence : float

    Examples
    --------
    >>> scores = np.array([[[0.0, 0.0], [0.0, 2.0]]])
    >>> round(least_difference(Sweep((0.0,), (1.0, 2.0), (0, 1), scores)), 2)
    12.71
    """
    deviation, freedom = noise(sweep)
    quantile = stdtrit(freedom, 1 - (1 - confidence) / 2 / comparisons)
    return float(quantile * deviation * math.sqrt(2 / len(sweep.seeds)))


def tied(sweep, confidence=0.95):
    """Mark the points that cannot be told from the best: booleans, shape (alphas, temperatures).

    The best is the highest of many, so each of the others is one comparison of several.

    Examples
    --------
    >>> scores = np.array([[[0.0, 0.1], [0.1, 0.0], [5.0, 5.1]]])
    >>> tied(Sweep((0.0,), (1.0, 2.0, 4.0), (0, 1), scores)).tolist()
    [[False, False, True]]
    """
    least = least_difference(sweep, max(1, int(sweep.complete.sum()) - 1), confidence)
    return sweep.complete & (np.nanmax(sweep.means) - sweep.means < least)


def plateau(sweep, axis, confidence=0.95):
    r"""Say which values along an axis cannot be told from the best one, by their means.

    A mean over the :math:`K` values of the other setting has less noise than a point: two of them
    must be :math:`t\, s \sqrt{2 / (S K)}` apart, with the quantile for as many comparisons as
    there are other values.

    Parameters
    ----------
    sweep : Sweep
        Without gaps: take :func:`whole` of one that has some.
    axis : {0, 1}
        0 for α, 1 for T.
    confidence : float

    Returns
    -------
    means : array of float
    among_best : array of bool

    Examples
    --------
    >>> scores = np.array([[[0.0, 0.1], [0.1, 0.0], [5.0, 5.1]]])
    >>> plateau(Sweep((0.0,), (1.0, 2.0, 4.0), (0, 1), scores), axis=1)[1].tolist()
    [False, False, True]
    """
    others = tuple(place for place in range(sweep.scores.ndim) if place != axis)
    means = sweep.scores.mean(axis=others)
    least = least_difference(sweep, max(1, len(means) - 1), confidence)
    return means, means.max() - means < least / math.sqrt(sweep.scores.shape[1 - axis])


def spread(scores, axis):
    """Return the range of the means along an axis, 0 for α and 1 for T.

    Examples
    --------
    >>> spread(np.array([[[1.0], [2.0], [4.0]]]), axis=1)
    3.0
    """
    others = tuple(place for place in range(scores.ndim) if place != axis)
    return float(np.ptp(scores.mean(axis=others)))


def by_chance(sweep, axis, times, rng):
    """Return the spreads that remain once the values along an axis are shuffled: the null control.

    Within each seed, and each value of the other setting, the scores are dealt out at random. If
    the setting did nothing, that would change nothing.

    Parameters
    ----------
    sweep : Sweep
        Without gaps: take :func:`whole` of one that has some.
    axis : {0, 1}
        0 shuffles α, 1 shuffles T.
    times : int
    rng : numpy.random.Generator

    Returns
    -------
    array of float, shape (times,)

    Examples
    --------
    >>> sweep = Sweep((0.0,), (1.0, 2.0), (0,), np.array([[[1.0], [3.0]]]))
    >>> by_chance(sweep, 1, 3, np.random.default_rng(0))
    array([2., 2., 2.])
    """
    return np.array([spread(rng.permuted(sweep.scores, axis=axis), axis) for _ in range(times)])


def whole(sweep):
    """Return the sweep without the temperatures of which a point is missing.

    Raises
    ------
    ValueError
        If none is left.

    Examples
    --------
    >>> sweep = Sweep((0.0,), (1.0, 2.0), (0,), np.array([[[1.0], [np.nan]]]))
    >>> whole(sweep).temperatures
    (1.0,)
    """
    kept = sweep.complete.all(axis=0)
    if not kept.any():
        raise ValueError("no temperature of the sweep has all its points yet; record more of it.")
    temperatures = tuple(t for t, keep in zip(sweep.temperatures, kept, strict=True) if keep)
    return dataclasses.replace(sweep, temperatures=temperatures, scores=sweep.scores[:, kept])
