"""What a search has in hand after so many epochs: means over repeats, and random search exactly."""

import math

import numpy as np
from scipy import stats


def interval(traces, confidence=0.95):
    r"""Return the mean over repeats after each epoch, with the ends of its confidence interval.

    :math:`\bar x \pm t_{n-1} s / \sqrt n`. NaN until every repeat has a finished training: a mean
    over the quick ones would flatter.

    - ``traces``: array of float, shape (repeats, ...).
    - Returns mean, low, high : arrays of float.

    >>> [float(end.round(2)) for end in interval(np.array([0.0, 2.0, 1.0]))]
    [1.0, -1.48, 3.48]
    """
    mean = traces.mean(axis=0)
    half = stats.t.ppf((1 + confidence) / 2, len(traces) - 1) * stats.sem(traces)
    return mean, mean - half, mean + half


def expected_best(values, draws):
    r"""Return the mean of the best of so many draws without replacement: random search, exactly.

    With the values in ascending order, the i-th is the best of n in
    :math:`\binom{i-1}{n-1}` of :math:`\binom{N}{n}` cases.

    - ``values``: array of float, shape (N,).
    - ``draws``: n, from 1 to N.
    - ``ValueError`` if more are drawn than there are.

    >>> round(expected_best([1.0, 2.0, 3.0], draws=2), 4)
    2.6667
    """
    count = len(values)
    if not 1 <= draws <= count:
        raise ValueError(f"{draws} draws; expected 1 to {count}, the number of values.")
    ways = [math.comb(place, draws - 1) / math.comb(count, draws) for place in range(count)]
    return float(np.dot(ways, np.sort(values)))
