"""Searches on a table: random, successive halving, Hyperband, BOHB, and what Optuna offers.

Each is called with a :class:`kdbook.tune.replay.Ledger` and a random generator, and goes on until
the ledger raises :class:`kdbook.tune.replay.Spent`. None tries a row twice.
"""

import numpy as np

from kdbook.tune import density, hyperband

AT_RANDOM = 1 / 3
"""Share of BOHB's proposals that are random, so that it is never much worse than Hyperband."""


def random_search(ledger, rng):
    """Train rows in random order, each to the end (Bergstra and Bengio 2012).

    >>> from kdbook.tune.replay import Table, replay
    >>> table = Table(np.array([[0.1], [0.9]]), np.array([[0.1, 0.2], [0.1, 0.4]]))
    >>> float(replay(random_search, table, budget=4, repeats=1)[0, -1])
    0.4
    """
    while True:
        ledger.train(at_random(ledger, rng), ledger.table.epochs)


def successive_halving(ledger, rng):
    """Repeat the boldest bracket of Hyperband (Jamieson and Talwalkar 2016).

    >>> from kdbook.tune.replay import Table, replay
    >>> table = Table(np.array([[0.1], [0.9]]), np.array([[0.1, 0.2], [0.1, 0.4]]))
    >>> float(replay(successive_halving, table, budget=4, repeats=1)[0, -1])
    0.4
    """
    rungs = hyperband.brackets(ledger.table.epochs)[0]
    while True:
        run_bracket(ledger, rng, rungs, at_random)


def hyperband_search(ledger, rng):
    """Repeat all brackets of Hyperband, with random rows (Li et al. 2018).

    >>> from kdbook.tune.replay import Table, replay
    >>> table = Table(np.array([[0.1], [0.9]]), np.array([[0.1, 0.2], [0.1, 0.4]]))
    >>> float(replay(hyperband_search, table, budget=4, repeats=1)[0, -1])
    0.4
    """
    _all_brackets(ledger, rng, at_random)


def bohb(ledger, rng):
    """Hyperband whose rows are proposed by kernel densities (Falkner, Klein and Hutter 2018).

    >>> from kdbook.tune.replay import Table, replay
    >>> table = Table(np.array([[0.1], [0.9]]), np.array([[0.1, 0.2], [0.1, 0.4]]))
    >>> float(replay(bohb, table, budget=4, repeats=1)[0, -1])
    0.4
    """
    _all_brackets(ledger, rng, by_density)


def run_bracket(ledger, rng, rungs, propose):
    """Run one bracket of successive halving.

    - ``rungs``: list of Rung.
    - ``propose``: ``propose(ledger, rng)`` returns a row that was not tried.

    >>> from kdbook.tune.replay import Ledger, Table
    >>> ledger = Ledger(Table(np.array([[0.1], [0.9]]), np.array([[0.1, 0.2], [0.1, 0.4]])), 9)
    >>> run_bracket(ledger, np.random.default_rng(0), hyperband.halving(2, 1, 2), at_random)
    >>> ledger.trained.tolist() in ([1, 2], [2, 1])
    True
    """
    values = {}
    for _ in range(rungs[0].configurations):
        row = propose(ledger, rng)
        values[row] = ledger.train(row, rungs[0].epochs)
    for count, epochs in rungs[1:]:
        kept = sorted(values, key=values.get, reverse=True)[:count]
        values = {row: ledger.train(row, epochs) for row in kept}


def at_random(ledger, rng):
    """Propose a row that was not tried, by chance.

    >>> from kdbook.tune.replay import Ledger, Table
    >>> ledger = Ledger(Table(np.array([[0.1], [0.9]]), np.array([[0.1, 0.2], [0.1, 0.4]])), 9)
    >>> at_random(ledger, np.random.default_rng(0)) in (0, 1)
    True
    """
    return int(rng.choice(ledger.free()))


def by_density(ledger, rng):
    """Propose the free row where good configurations are densest, compared with bad ones.

    The model is made of what was seen at the longest training with enough configurations: two
    more than it needs at least, which is one more than there are axes. Until then, and for every
    third proposal or so, chance decides.

    >>> from kdbook.tune.replay import Ledger, Table
    >>> ledger = Ledger(Table(np.array([[0.1], [0.9]]), np.array([[0.1, 0.2], [0.1, 0.4]])), 9)
    >>> by_density(ledger, np.random.default_rng(0)) in (0, 1)
    True
    """
    free, least = ledger.free(), ledger.table.points.shape[1] + 1
    enough = [
        epochs
        for epochs in range(ledger.table.epochs, 0, -1)
        if np.count_nonzero(ledger.trained >= epochs) >= least + 2
    ]
    if not enough or rng.random() < AT_RANDOM:
        return int(rng.choice(free))
    seen = np.flatnonzero(ledger.trained >= enough[0])
    points, values = ledger.table.points[seen], ledger.table.scores[seen, enough[0] - 1]
    good, bad = density.split(values, least)
    at = ledger.table.points[free]
    quotient = density.log_density(at, points[good]) - density.log_density(at, points[bad])
    return int(free[np.argmax(quotient)])


def tpe(ledger, rng):
    """Optuna's TPE (Bergstra et al. 2011), every training to the end.

    >>> from kdbook.tune.replay import Table, replay
    >>> from kdbook.tune.space import Configuration
    >>> chosen = Configuration(0.01, 8, None, 0.1, 0.5, 2.0)
    >>> table = Table(chosen.unit()[None], np.array([[0.5, 0.6]]), (chosen,))
    >>> float(replay(tpe, table, budget=2, repeats=1)[0, -1])
    0.6
    """
    from kdbook.tune.engine import replay  # here: the others need no Optuna

    replay(ledger, rng, prune=False)


def tpe_hyperband(ledger, rng):
    """Optuna's TPE with its Hyperband pruner.

    >>> from kdbook.tune.replay import Table, replay
    >>> from kdbook.tune.space import Configuration
    >>> chosen = Configuration(0.01, 8, None, 0.1, 0.5, 2.0)
    >>> table = Table(chosen.unit()[None], np.array([[0.5, 0.6]]), (chosen,))
    >>> float(replay(tpe_hyperband, table, budget=2, repeats=1)[0, -1])
    0.6
    """
    from kdbook.tune.engine import replay

    replay(ledger, rng, prune=True)


def _all_brackets(ledger, rng, propose):
    while True:
        for rungs in hyperband.brackets(ledger.table.epochs):
            run_bracket(ledger, rng, rungs, propose)
