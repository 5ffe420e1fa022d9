r"""Kernel densities of good and bad configurations: the model in TPE and in BOHB.

Both split what was tried into good and bad, estimate a density of each, and propose where the
quotient is highest: :math:`x^* = \arg\max_x l(x) / g(x)`.

References
----------
Bergstra, Bardenet, Bengio and Kégl (2011), Algorithms for hyper-parameter optimization. Falkner,
Klein and Hutter (2018), BOHB.
"""

import numpy as np

NARROWEST = 0.03
"""The least bandwidth, as a share of an axis: points that coincide would have none."""


def scott(points):
    r"""Return a bandwidth for each axis by Scott's rule, :math:`h = \hat\sigma\, n^{-1/(d+4)}`.

    - ``points``: array of float, shape (n, d). NaN where a point has no such coordinate.
    - Returns array of float, shape (d,).

    >>> scott(np.array([[0.0], [1.0]])).round(3)
    array([0.616])
    """
    count, axes = points.shape
    spread = np.ma.masked_invalid(points).std(axis=0, ddof=1).filled(0.0)
    return np.maximum(spread * count ** (-1 / (axes + 4)), NARROWEST)


def log_density(at, points, bandwidth=None):
    r"""Return the logarithm of a kernel density: a normal bump on every point.

    .. math:: p(x) = \frac{1}{n} \sum_i \prod_j \mathcal{N}(x_j \mid x_{ij}, h_j^2)

    On an axis where one of two points has no coordinate (NaN), they do not differ, and the factor
    is 1.

    - ``at``: array of float, shape (m, d). Where to evaluate.
    - ``points``: array of float, shape (n, d). n is 1 or more.
    - ``bandwidth``: array of float, shape (d,). By default :func:`scott`.
    - Returns array of float, shape (m,).
    - ``ValueError`` if there are no points.

    >>> np.exp(log_density(np.array([[0.0]]), np.array([[0.0]]), np.array([1.0]))).round(4)
    array([0.3989])
    """
    if not len(points):
        raise ValueError("no points came; a density needs one or more.")
    width = scott(points) if bandwidth is None else bandwidth
    apart = (at[:, None, :] - points[None, :, :]) / width
    bumps = -0.5 * apart**2 - np.log(width * np.sqrt(2 * np.pi))
    # log of the mean of exponentials, without underflow
    logs = np.nansum(bumps, axis=-1)
    top = logs.max(axis=1, keepdims=True)
    return (top + np.log(np.exp(logs - top).mean(axis=1, keepdims=True)))[:, 0]


def split(values, least, share=0.15):
    """Say which are good: the best share, but at least so many; and which are bad, likewise.

    With few points the two overlap, as in BOHB.

    - ``values``: array of float, shape (n,). Higher is better.
    - ``least``: members that each side has at least, if there are as many.
    - ``share``: above 0, below 1.
    - Returns good, bad : arrays of int: places in ``values``.

    >>> good, bad = split(np.array([0.1, 0.4, 0.3, 0.2]), least=1, share=0.5)
    >>> good.tolist(), bad.tolist()
    ([1, 2], [3, 0])
    """
    order = np.argsort(-np.asarray(values), kind="stable")
    good = max(least, int(share * len(order)))
    bad = max(least, len(order) - good)
    return order[:good], order[max(0, len(order) - bad) :]
