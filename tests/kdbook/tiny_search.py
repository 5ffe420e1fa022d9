"""A search whose trials train nothing, in a process that can be killed in the middle of one."""

import sys
import time
from pathlib import Path

from kdbook.tune import live_search, search_storage
from kdbook.tune.problem import Problem

PROBLEM = Problem("small city", epochs=2, crops=40, crop=16)


def make_quick(setattr):
    """Make dead workers noticed after two seconds; by monkeypatch's setattr."""
    setattr(search_storage, "BEAT", 1)
    setattr(search_storage, "STALE", 2)
    setattr(search_storage, "WAIT", 0.1)


class Idle:
    """Stands in for the trainer: the score is the dropout."""

    def __init__(self, problem, folder):
        self.problem = problem

    def __call__(self, trial):
        trial.report(0.1, 1)
        return live_search.suggest(trial).dropout


class Stuck(Idle):
    """Never comes to an end, once it has chosen a configuration and left a mark."""

    def __init__(self, problem, folder):
        super().__init__(problem, folder)
        self.mark = Path(folder) / "begun"

    def __call__(self, trial):
        live_search.suggest(trial)
        self.mark.touch()
        time.sleep(600)


if __name__ == "__main__":
    make_quick(setattr)
    live_search.work(sys.argv[1], PROBLEM, trials=1, quiet=True, trainer=Stuck)
