"""Optuna as the engine of a search: TPE proposes, the Hyperband pruner stops.

This is close to BOHB (Falkner, Klein and Hutter 2018), and not the same. BOHB halves a bracket at
once, when all of a rung are done; Optuna decides at each rung by those who have come that far
before, and what was stopped never goes on. BOHB has one model, made from the longest trainings of
which there are enough; Optuna has one for each bracket, in which trainings that were stopped rank
by how far they came, and then by their score. BOHB draws a third of all points at random, and
calls the best 15 % good; TPE draws the first points of each bracket at random, and calls the best
10 % good.
"""

import numpy as np

from kdbook.database import optuna
from kdbook.tune import space

ETA = 2
"""One in so many goes on at each rung."""


def distributions():
    """Return the space in Optuna's terms: the momentum is drawn for Adam too, and not used.

    >>> sorted(distributions())[:3]
    ['alpha', 'batch_size', 'dropout']
    """
    number, choice = (
        optuna.distributions.FloatDistribution,
        optuna.distributions.CategoricalDistribution,
    )
    return {
        "learning_rate": number(*space.RATES, log=True),
        "batch_size": choice(space.BATCH_SIZES),
        "optimizer": choice(("Adam", "SGD")),
        "momentum": choice(space.MOMENTA),
        "dropout": number(*space.DROPOUTS),
        "alpha": number(*space.ALPHAS),
        "temperature": number(*space.TEMPERATURES, log=True),
    }


def configuration(params):
    """Return the configuration that parameters of a trial mean.

    >>> params = {"learning_rate": 0.01, "batch_size": 8, "optimizer": "Adam", "momentum": 0.9,
    ...           "dropout": 0.1, "alpha": 0.5, "temperature": 2.0}
    >>> print(configuration(params))
    Adam at rate 0.01, batch 8, dropout 0.1, α = 0.5, T = 2
    """
    named = {name: value for name, value in params.items() if name != "optimizer"}
    return space.Configuration(
        **named | {"momentum": None if params["optimizer"] == "Adam" else params["momentum"]}
    )


def params(chosen, unused_momentum=0.9):
    """Return the parameters of a trial that mean a configuration.

    - ``unused_momentum``: what stands there for Adam.

    >>> chosen = space.Configuration(0.01, 8, None, 0.1, 0.5, 2.0)
    >>> configuration(params(chosen)) == chosen
    True
    """
    adam = chosen.momentum is None
    return vars(chosen) | {
        "optimizer": "Adam" if adam else "SGD",
        "momentum": unused_momentum if adam else chosen.momentum,
    }


def pruner(epochs):
    """Return the Hyperband pruner for trainings of so many epochs.

    >>> type(pruner(8)).__name__
    'HyperbandPruner'
    """
    return optuna.pruners.HyperbandPruner(1, epochs, ETA)


class RowSampler(optuna.samplers.TPESampler):
    """TPE on a table: in place of the point that it proposes, the nearest row not tried yet.

    - ``row``: the row of the last proposal.

    >>> from kdbook.tune.replay import Ledger, Table
    >>> chosen = space.Configuration(0.01, 8, None, 0.1, 0.5, 2.0)
    >>> table = Table(chosen.unit()[None], np.array([[0.5]]), (chosen,))
    >>> sampler = RowSampler(Ledger(table, budget=1), np.random.default_rng(0))
    >>> optuna.logging.set_verbosity(optuna.logging.ERROR)
    >>> optuna.create_study(sampler=sampler).ask(distributions()).params["alpha"]
    0.5
    """

    def __init__(self, ledger, rng):
        super().__init__(seed=int(rng.integers(2**31)), multivariate=True, constant_liar=False)
        self.ledger, self.rng_of_rows, self.row = ledger, rng, None

    def infer_relative_search_space(self, study, trial):
        """Return the whole space: all parameters are proposed together."""
        return distributions()

    def sample_relative(self, study, trial, search_space):
        """Return the parameters of a row; a random one as long as TPE has too few trials."""
        wanted = super().sample_relative(study, trial, search_space)
        free, table = self.ledger.free(), self.ledger.table
        if wanted:
            near = space.distances(configuration(wanted).unit(), table.points[free])
            self.row = int(free[np.argmin(near)])
        else:
            self.row = int(self.rng_of_rows.choice(free))
        momentum = wanted.get("momentum", self.rng_of_rows.choice(space.MOMENTA))
        return params(table.configurations[self.row], float(momentum))


def replay(ledger, rng, prune):
    """Search a table by TPE until the budget is spent, with the pruner or without.

    - ``kdbook.tune.replay.Spent`` at the end: that is how it ends.

    >>> from kdbook.tune.replay import Ledger, Spent, Table
    >>> chosen = space.Configuration(0.01, 8, None, 0.1, 0.5, 2.0)
    >>> ledger = Ledger(Table(chosen.unit()[None], np.array([[0.5]]), (chosen,)), budget=1)
    >>> try:
    ...     replay(ledger, np.random.default_rng(0), prune=True)
    ... except Spent:
    ...     print(ledger.best)
    [0.5]
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    epochs, sampler = ledger.table.epochs, RowSampler(ledger, rng)
    study = optuna.create_study(
        # The name decides which trial belongs to which bracket.
        study_name=f"replay-{rng.integers(2**31)}",
        direction="maximize",
        sampler=sampler,
        pruner=pruner(epochs) if prune else optuna.pruners.NopPruner(),
    )
    while True:
        trial = study.ask(distributions())
        for epoch in range(1, epochs + 1):
            value = ledger.train(sampler.row, epoch)
            trial.report(value, epoch)
            if epoch < epochs and trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, value)
