"""What a comparison over seeds says: intervals, equivalence, what could have been seen at all.

The primary difference of a comparison is named before its runs. Beside each verdict stands the
effect that as many seeds with as much noise would have shown four times of five.
"""

import dataclasses

import numpy as np
from scipy import optimize, stats

from kdlib.data import VOID
from kdlib.metrics import scores

MARGIN = 0.01
"""A difference in mean IoU within one point either way counts as none."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A paired difference over seeds, and what it allows one to say.

    - ``mean``, ``low``, ``high``: of the differences, with the ends of the 95 % interval by
      Student's t.
    - ``p``: two-sided, of the paired t test: not corrected for other comparisons.
    - ``deviation``: standard deviation of the differences, with divisor n - 1.
    - ``n``: seeds.
    - ``detectable``: the true difference that such a test notices with a probability of 80 %.
    - ``equivalent``: whether the 90 % interval is within :data:`MARGIN` of 0: two one-sided tests
      at 5 % (Schuirmann 1987).
    """

    mean: float
    low: float
    high: float
    p: float
    deviation: float
    n: int
    detectable: float
    equivalent: bool

    def in_words(self):
        """Say it: "higher" or "lower", and "within a point of it" if the difference is small."""
        words = []
        if self.low > 0 or self.high < 0:
            words.append("higher" if self.mean > 0 else "lower")
        if self.equivalent:
            words.append("within a point of it")
        return ", ".join(words) or "cannot tell"


def verdict(a, b):
    """Return the verdict on the scores of two arms, paired by seed.

    - ``a``, ``b``: sequence of float. The same seeds in the same order, two or more.

    >>> found = verdict([0.60, 0.61, 0.59, 0.62], [0.55, 0.58, 0.55, 0.58])
    >>> print(f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]", found.in_words())
    0.040 [0.027, 0.053] higher
    """
    test = stats.ttest_rel(a, b)
    wide, narrow = test.confidence_interval(0.95), test.confidence_interval(0.90)
    differences = np.subtract(a, b)
    n, deviation = len(differences), float(differences.std(ddof=1))
    return Verdict(
        float(differences.mean()),
        float(wide.low),
        float(wide.high),
        float(test.pvalue),
        deviation,
        n,
        detectable(deviation, n),
        bool(narrow.low > -MARGIN and narrow.high < MARGIN),
    )


def detectable(deviation, n, power=0.8, level=0.05):
    """Return the true mean difference that a paired t test notices with a given probability.

    - ``deviation``: standard deviation of the differences.
    - ``n``: pairs, at least 2.
    - ``power``, ``level``: the probability, and that of an alarm where there is no difference.

    >>> print(f"{detectable(0.021, 8):.3f}, {detectable(0.021, 3):.3f}")
    0.024, 0.069
    """
    limit = stats.t.ppf(1 - level / 2, n - 1)

    def noticed(effect):
        """Return how much the probability is above the one that is wanted."""
        return stats.nct.sf(limit, n - 1, effect * np.sqrt(n)) - power

    return float(deviation * optimize.brentq(noticed, 0, 50))


def holm(p_values):
    """Return p-values that are corrected for being several: the step-down method of Holm (1979).

    - ``p_values``: dict of str to float.
    - Returns dict of str to float: each below 0.05 is a finding, with a probability of a false one
      among them of at most 5 %.

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    corrected, largest = {}, 0.0
    for place, name in enumerate(sorted(p_values, key=p_values.get)):
        largest = max(largest, min(1.0, p_values[name] * (len(p_values) - place)))
        corrected[name] = largest
    return {name: corrected[name] for name in p_values}


def over_images(a, b, draws=2_000, seed=0):
    """Return the 95 % interval of a difference in mean IoU over seeds *and* test images.

    The interval over seeds holds for these test images. Here both are drawn again, with
    replacement (Efron and Tibshirani 1993), and the mean IoU is that of the drawn images together.

    - ``a``, ``b``: array of int, shape (seeds, images, classes, classes). Confusion matrices of two
      arms, paired by seed and image.
    - Returns tuple of float: the 2.5 % and the 97.5 % quantile.
    """
    a, b = np.asarray(a), np.asarray(b)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        seeds = rng.integers(0, len(a), len(a))
        images = rng.integers(0, a.shape[1], a.shape[1])
        pairs = [(a[one][images].sum(0), b[one][images].sum(0)) for one in seeds]
        found.append(np.mean([_mean_iou(x) - _mean_iou(y) for x, y in pairs]))
    return tuple(float(end) for end in np.quantile(found, (0.025, 0.975)))


def _mean_iou(matrix):
    return scores(matrix, VOID).mean_iou
