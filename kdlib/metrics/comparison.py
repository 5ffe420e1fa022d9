"""Two models beside each other: how often they agree, and how much they differ over seeds."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from kdlib._arguments import as_numbers
from kdlib.metrics._validation import checked_ids


class PairedDifference(NamedTuple):
    """The mean of the differences of pairs, and the ends of its confidence interval.

    Examples
    --------
    >>> difference = PairedDifference(mean=0.02, low=-0.01, high=0.05)
    >>> difference.low < 0 < difference.high
    True
    """

    mean: float
    low: float
    high: float


def agreement(predictions_a, predictions_b, mask=None):
    """Return the share of pixels on which two predictions are the same.

    Parameters
    ----------
    predictions_a, predictions_b : array of int, same shape
        Class ids.
    mask : array of bool, same shape, optional
        True where a pixel counts, for example ``labels != VOID``. All count by default.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        If the shapes differ, the mask is not one of booleans, or no pixel counts.

    Examples
    --------
    >>> agreement([0, 1, 2, 2], [0, 1, 1, 1], mask=[True, True, True, False])
    0.6666666666666666
    """
    a, b = np.asarray(predictions_a), np.asarray(predictions_b)
    mask = np.ones(a.shape, bool) if mask is None else np.asarray(mask)
    if not a.shape == b.shape == mask.shape:
        raise ValueError(
            f"predictions have shapes {a.shape} and {b.shape}, the mask {mask.shape}; expected one "
            "shape. Turn probabilities into ids with np.argmax(probabilities, axis=-1)."
        )
    if mask.dtype != bool:
        raise ValueError(f"mask is {mask.dtype}; expected booleans, such as labels != VOID.")
    if not mask.any():
        raise ValueError("no pixel is left to compare; expected at least one True in the mask.")
    a, b = checked_ids(a, "predictions_a"), checked_ids(b, "predictions_b")
    return float(np.mean(a[mask] == b[mask]))


def paired_difference(a, b, confidence=0.95):
    r"""Return the mean of ``a - b`` over pairs, with its confidence interval.

    For runs that share all but the method: the same seeds, in the same order. What a seed does to
    both runs cancels in the difference. With mean :math:`\bar d` and standard deviation
    :math:`s` (divisor :math:`n - 1`) of the :math:`n` differences, the ends are

    .. math:: \bar d \pm t_{n-1}\left(\tfrac{1 + confidence}{2}\right) \frac{s}{\sqrt{n}}

    with the quantile of Student's t distribution (Student 1908). It holds for differences that
    are about normal, and over a few seeds it is wide: that is what few seeds say.

    Parameters
    ----------
    a, b : array of float, shape (n,)
        Scores of the two methods, pair by pair; n is 2 or more.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    PairedDifference
        ``(mean, low, high)``, in the unit of the scores.

    Raises
    ------
    ValueError
        If there are fewer than two pairs, the lengths differ, a score is not finite, or the
        confidence is not between 0 and 1.

    Examples
    --------
    >>> mean, low, high = paired_difference([0.52, 0.50, 0.54], [0.50, 0.49, 0.51])
    >>> print(f"{mean:.3f}, from {low:.3f} to {high:.3f}")
    0.020, from -0.005 to 0.045
    """
    a, b = as_numbers(a, "a"), as_numbers(b, "b")
    if a.ndim != 1 or a.shape != b.shape or a.size < 2:
        raise ValueError(
            f"scores of shapes {a.shape} and {b.shape} came; expected two lists of one length, at "
            "least 2: one score of each method per seed."
        )
    if not (np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
        raise ValueError("a score is NaN or infinite; leave out the pair whose run failed.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence!r}; expected a number between 0 and 1.")
    with np.errstate(over="ignore", invalid="ignore"):
        differences = a - b
        mean = float(differences.mean())
        error = differences.std(ddof=1) / np.sqrt(differences.size)
    if not np.isfinite(error):
        raise ValueError(f"the differences, such as {differences[0]:.3g}, are too large to square.")
    reach = float(stats.t.ppf((1 + confidence) / 2, differences.size - 1) * error)
    return PairedDifference(mean, mean - reach, mean + reach)
