"""Searches replayed on a table of recorded trainings, where a repeat costs nothing.

Every configuration of the table was trained once, to the end, with its score after each epoch. A
search that asks for so many epochs of one is told what was recorded (Ying et al. 2019). What a
finite table cannot show: configurations between its rows, the luck of another seed, and what
becomes of a search once it has tried most rows.
"""

import contextlib
import dataclasses
import math

import numpy as np

from kdbook.tune.space import of_entry
from kdlib import metrics
from kdlib.data import VOID


class Spent(Exception):
    """The budget of a search is used up.

    >>> raise Spent
    Traceback (most recent call last):
    ...
    kdbook.tune.replay.Spent
    """


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """Recorded trainings to replay searches on.

    - ``points``: array of float, shape (rows, axes). The configurations, in the unit cube:
      :meth:`kdbook.tune.space.Configuration.unit`.
    - ``scores``: array of float, shape (rows, epochs). The validation score after each epoch; the
      last column is the final one. Higher is better.
    - ``configurations``: what the rows are.
    - ``seconds``: array of float, shape (rows,). What each training took.
    - ``ValueError`` if the shapes do not fit, or a score is not finite.

    >>> table = Table(np.zeros((2, 1)), np.array([[0.1, 0.3], [0.2, 0.2]]))
    >>> len(table), table.epochs, float(table.final.max())
    (2, 2, 0.3)
    """

    points: np.ndarray
    scores: np.ndarray
    configurations: tuple = ()
    seconds: np.ndarray | None = None

    def __post_init__(self):
        """Check."""
        if self.scores.ndim != 2 or len(self.points) != len(self.scores) or not len(self.scores):
            raise ValueError(
                f"points have shape {self.points.shape} and scores {self.scores.shape}; expected "
                "(rows, axes) and (rows, epochs), with as many rows, one at least."
            )
        if not np.isfinite(self.scores).all():
            raise ValueError("a score is not finite; leave out rows whose training failed.")

    def __len__(self):
        """Rows."""
        return len(self.scores)

    @property
    def epochs(self):
        """The most epochs that a configuration is trained."""
        return self.scores.shape[1]

    @property
    def final(self):
        """The score of each row after all epochs."""
        return self.scores[:, -1]

    def shuffled(self, rng):
        """Return the table with its curves dealt out to other configurations: the null control.

        Whoever models how the score depends on the configuration has nothing to learn here.
        """
        return dataclasses.replace(self, scores=self.scores[rng.permutation(len(self))])


def from_record(runs):
    """Return the table of recorded runs.

    Epoch by epoch the score is the mean IoU on the validation patches of the curve, and at last
    that on all validation patches.

    - ``runs``: dict of Run to dict. As :func:`kdbook.study.arm_table.read` returns it; one seed of
      each arm.
    - ``ValueError`` if nothing is recorded.

    >>> from_record({})
    Traceback (most recent call last):
    ...
    ValueError: nothing of the table is recorded yet: ...
    """
    entries = [runs[run] for run in sorted(runs)]
    if not entries:
        raise ValueError(
            "nothing of the table is recorded yet: python -m kdbook.study --plan table"
        )
    chosen = tuple(of_entry(entry) for entry in entries)
    scores = [
        [*entry["curve"]["mean_iou"][:-1], final_score(entry["validation"]["confusion"])]
        for entry in entries
    ]
    seconds = np.array([entry["training_seconds"] for entry in entries])
    points = np.array([each.unit() for each in chosen])
    return Table(points, np.array(scores), chosen, seconds)


def final_score(confusion, void=VOID):
    """Return the mean IoU of a confusion matrix over the named classes.

    >>> final_score(np.diag([1, 2, 3, 4, 5, 0]))
    1.0
    """
    return metrics.scores(confusion, void).mean_iou


class Ledger:
    """What one search has trained of a table, what it has spent, and the best that it has.

    - ``budget``: epochs.
    - ``trained``: array of int, shape (rows,). Epochs so far. A training that goes on is not begun
      anew.
    - ``spent``: epochs in all.
    - ``best``: array of float, shape (budget,). After each epoch that was spent, the best final
      score among *finished* trainings: what one would have in hand. NaN before the first.

    >>> ledger = Ledger(Table(np.zeros((2, 1)), np.array([[0.1, 0.3], [0.2, 0.2]])), budget=3)
    >>> ledger.train(0, 2), ledger.train(1, 1), ledger.best
    (0.3, 0.2, array([nan, 0.3, 0.3]))
    """

    def __init__(self, table, budget):
        self.table, self.budget = table, budget
        self.trained = np.zeros(len(table), int)
        self.best, self.spent = np.full(budget, math.nan), 0

    def train(self, row, epochs):
        """Train a row up to so many epochs; return its score then.

        - ``Spent`` if the budget does not last; what is left of it is used up.
        """
        more = max(0, epochs - self.trained[row])
        if self.spent + more > self.budget:
            self.spent = self.budget
            raise Spent
        self.spent += int(more)
        self.trained[row] += more
        if more and self.trained[row] == self.table.epochs:
            rest = self.best[self.spent - 1 :]
            rest[:] = np.fmax(rest, self.table.final[row])
        return float(self.table.scores[row, epochs - 1])

    def free(self):
        """Return the rows that were never trained; raise :class:`Spent` if there are none."""
        rows = np.flatnonzero(self.trained == 0)
        if not rows.size:
            raise Spent
        return rows


def replay(method, table, budget, repeats, seed=0):
    """Run a search many times on a table.

    - ``method``: ``method(ledger, rng)`` searches until the ledger raises :class:`Spent`: see
      :mod:`kdbook.tune.searchers`.
    - ``budget``: epochs of each repeat.
    - ``seed``: decides all chance.
    - Returns array of float, shape (repeats, budget): :attr:`Ledger.best` of each.

    >>> from kdbook.tune.searchers import random_search
    >>> table = Table(np.zeros((3, 1)), np.array([[0.1], [0.2], [0.3]]))
    >>> replay(random_search, table, budget=3, repeats=2)[:, -1]
    array([0.3, 0.3])
    """
    traces = []
    for child in np.random.SeedSequence(seed).spawn(repeats):
        ledger = Ledger(table, budget)
        with contextlib.suppress(Spent):
            method(ledger, np.random.default_rng(child))
        traces.append(ledger.best)
    return np.array(traces)
