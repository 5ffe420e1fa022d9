"""What of a sweep is an effect, and what is the luck of the seeds."""

import math

import numpy as np
from scipy import stats


def noise(sweep):
    r"""Return the standard deviation of one run around its point, and its degrees of freedom.

    What a seed does to all points alike is taken out first, since points are compared within
    seeds: with :math:`C` points and :math:`S` seeds, the residuals
    :math:`x_{cs} - \bar x_{c} - \bar x_{s} + \bar x` have :math:`(C - 1)(S - 1)` degrees of
    freedom.

    - ``sweep``: kdbook.tune.sweep.Sweep. Points without all seeds are left out.
    - ``ValueError`` if fewer than two points have all seeds, or there is one seed.

    >>> from kdbook.tune.sweep import Sweep
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

    >>> from kdbook.tune.sweep import Sweep
    >>> scores = np.array([[[0.0, 0.0], [0.0, 2.0]]])
    >>> round(least_difference(Sweep((0.0,), (1.0, 2.0), (0, 1), scores)), 2)
    12.71
    """
    deviation, freedom = noise(sweep)
    quantile = stats.t.ppf(1 - (1 - confidence) / 2 / comparisons, freedom)
    return float(quantile * deviation * math.sqrt(2 / len(sweep.seeds)))


def tied(sweep, confidence=0.95):
    """Mark the points that cannot be told from the best: booleans, shape (alphas, temperatures).

    The best is the highest of many, so each of the others is one comparison of several.

    >>> from kdbook.tune.sweep import Sweep
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

    - ``sweep``: kdbook.tune.sweep.Sweep. Without gaps: take :func:`kdbook.tune.sweep.whole` of one
      that has some.
    - ``axis``: {0, 1}. 0 for α, 1 for T.
    - Returns ``means``: array of float.
    - Returns ``among_best``: array of bool.

    >>> from kdbook.tune.sweep import Sweep
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

    >>> spread(np.array([[[1.0], [2.0], [4.0]]]), axis=1)
    3.0
    """
    others = tuple(place for place in range(scores.ndim) if place != axis)
    return float(np.ptp(scores.mean(axis=others)))


def by_chance(sweep, axis, times, rng):
    """Return the spreads that remain once the values along an axis are shuffled: the null control.

    Within each seed, and each value of the other setting, the scores are dealt out at random. If
    the setting did nothing, that would change nothing.

    - ``sweep``: kdbook.tune.sweep.Sweep. Without gaps: take :func:`kdbook.tune.sweep.whole` of one
      that has some.
    - ``axis``: {0, 1}. 0 shuffles α, 1 shuffles T.
    - Returns array of float, shape (times,).

    >>> from kdbook.tune.sweep import Sweep
    >>> sweep = Sweep((0.0,), (1.0, 2.0), (0,), np.array([[[1.0], [3.0]]]))
    >>> by_chance(sweep, 1, 3, np.random.default_rng(0))
    array([2., 2., 2.])
    """
    return np.array([spread(rng.permuted(sweep.scores, axis=axis), axis) for _ in range(times)])
