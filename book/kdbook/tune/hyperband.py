"""How successive halving and Hyperband spend a budget: who is trained how long.

References
----------
Jamieson and Talwalkar (2016), Non-stochastic best arm identification and hyperparameter
optimization. Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar (2018), Hyperband, algorithm 1.
"""

import math
from typing import NamedTuple


class Rung(NamedTuple):
    """One step of a bracket: so many configurations, each trained up to so many epochs.

    >>> Rung(8, 1).epochs
    1
    """

    configurations: int
    epochs: int


def halving(configurations, first, most, eta=2):
    r"""Return the rungs of successive halving.

    Of :math:`n` configurations that were trained for :math:`r` epochs, the best
    :math:`\lfloor n / \eta \rfloor` go on to :math:`\eta r` epochs, and so on.

    - ``configurations``: how many start.
    - ``first``, ``most``: epochs of the first rung, and the most that any gets.
    - ``eta``: one in eta goes on; 2 or more.
    - Returns list of Rung.
    - ``ValueError`` if a number is too small, or nobody would reach the last rung.

    >>> [tuple(rung) for rung in halving(8, 1, 8)]
    [(8, 1), (4, 2), (2, 4), (1, 8)]
    """
    _check(eta, first, most)
    rungs, epochs = [], first
    while epochs <= most:
        count = configurations // eta ** len(rungs)
        if count < 1:
            raise ValueError(
                f"{configurations} configurations are none after {len(rungs)} cuts by {eta}; "
                f"expected {eta ** _cuts(first, most, eta)} or more to train one for {most} epochs."
            )
        rungs.append(Rung(count, epochs))
        epochs *= eta
    return rungs


def brackets(most, eta=2):
    r"""Return the brackets of Hyperband: successive halving, from bold to cautious.

    With :math:`s_\text{max} = \lfloor \log_\eta R \rfloor`, bracket :math:`s` starts
    :math:`n = \lceil (s_\text{max} + 1)\, \eta^s / (s + 1) \rceil` configurations with
    :math:`r = R\, \eta^{-s}` epochs each, for :math:`s` from :math:`s_\text{max}` down to 0. All
    brackets cost about the same; the last one is random search.

    - ``most``: the most epochs that a configuration is trained, R: a power of eta.
    - Returns list of list of Rung.
    - ``ValueError`` if ``most`` is no power of eta, or eta is less than 2.
    - After Li et al. (2018), algorithm 1.

    >>> [[tuple(rung) for rung in rungs] for rungs in brackets(4)]
    [[(4, 1), (2, 2), (1, 4)], [(3, 2), (1, 4)], [(3, 4)]]
    """
    _check(eta, 1, most)
    highest = _cuts(1, most, eta)
    if eta**highest != most:
        raise ValueError(f"R is {most}; expected a power of eta, such as {eta**highest}.")
    return [
        halving(-(-(highest + 1) * eta**s // (s + 1)), most // eta**s, most, eta)
        for s in range(highest, -1, -1)
    ]


def cost(rungs):
    """Return the epochs that a bracket trains, if a training that goes on is not begun anew.

    >>> cost(halving(8, 1, 8))
    20
    """
    total, before = 0, 0
    for count, epochs in rungs:
        total += count * (epochs - before)
        before = epochs
    return total


def _cuts(first, most, eta):
    """Return how many times ``first`` can be multiplied by eta without exceeding ``most``."""
    return round(math.floor(math.log(most / first, eta) + 1e-9))


def _check(eta, first, most):
    if eta < 2:
        raise ValueError(f"eta is {eta}; expected 2 or more: one in eta goes on.")
    if not 1 <= first <= most:
        raise ValueError(f"epochs from {first} to {most}; expected 1 or more, then not fewer.")
