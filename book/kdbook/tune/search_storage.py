"""Where a live search is kept: a database that workers share, and that survives kills.

Whoever trains a trial touches it every few seconds. One that was not touched for long is a dead
worker's: it is marked as failed, and its configuration is tried again.
"""

import contextlib
import dataclasses
import json
from pathlib import Path

from kdbook import database
from kdbook.tune import engine
from kdlib._quiet import without_warnings_of

optuna = database.optuna

FILE, NAME = "search.db", "search"
BEAT, STALE = 10, 60
"""Seconds: between two touches of a trial, and until one that nobody touched counts as dead."""

WAIT = 2
"""Seconds between two looks at the trials of other workers."""

DONE = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
RUNNING = (optuna.trial.TrialState.RUNNING,)


def study(folder, problem=None, url=None):
    """Open the search of a folder; begin one if there is none.

    - ``problem``: Problem. What its trials share. Without it the search is only looked at.
    - ``url``: of the database; the search is then named after the folder. By default an SQLite file
      in the folder.
    - ``FileNotFoundError`` if there is none, and no problem to begin one with.
    - ``ValueError`` if the search that is there is of another problem, or the URL is none.
    - ``OSError`` if the folder cannot be made, the file is none of a search, or the database does
      not answer.
    - ``ImportError`` if the package that talks to such a database is missing.

    >>> import tempfile
    >>> from kdbook.tune.problem import Problem
    >>> folder = tempfile.mkdtemp()
    >>> len(study(folder, Problem("city")).trials)
    0
    >>> study(folder, Problem("dubai"))
    Traceback (most recent call last):
    ...
    ValueError: ... images is 'city' there and 'dubai' here. ...
    """
    path, name = Path(folder) / FILE, NAME
    if url:
        name = f"{NAME}-{Path(folder).resolve().name}"
    else:
        if problem is None and not path.exists():
            raise FileNotFoundError(f"{path} is missing: no search was begun in {folder}.")
        path.parent.mkdir(parents=True, exist_ok=True)
    found = _open(url or f"sqlite:///{path}", name, problem)
    kept = json.loads(found.user_attrs.get("problem", "{}"))
    own = kept if problem is None else dataclasses.asdict(problem)
    changed = [
        f"{name} is {kept.get(name)!r} there and {value!r} here"
        for name, value in own.items()
        if kept.get(name) != value
    ]
    if changed:
        raise ValueError(
            f"{path if url is None else name} holds the search of another problem: "
            f"{'; '.join(changed)}. Go on with the "
            "same settings, or begin another search in another folder with --out."
        )
    found.pruner = engine.pruner(kept["epochs"])
    return found


def count(found, states):
    """Return how many trials of a search are in one of some states.

    >>> count(optuna.create_study(), DONE)
    0
    """
    return len(found.get_trials(deepcopy=False, states=states))


def take_up(found):
    """Mark the trials of dead workers as failed, and put their configurations in the queue.

    >>> take_up(optuna.create_study())  # in memory: nobody can have died
    """
    with _no_warnings():
        optuna.storages.fail_stale_trials(found)


def one_trial(found, objective):
    """Do one trial. If it is interrupted, its configuration is put in the queue again.

    - ``objective``: takes a trial, returns its score, and raises ``optuna.TrialPruned`` to stop it.
    - ``Exception`` whatever the objective raises but that.

    >>> study = optuna.create_study()
    >>> one_trial(study, lambda trial: 0.5)
    >>> study.best_value
    0.5
    """
    begun = []

    def noted(trial):
        """Remember the trial, and do it."""
        begun.append(trial.number)
        # Optuna's own thread may come too late: a trial without a sign of life never counts as
        # dead. A study in memory has no such signs.
        if hasattr(trial.storage, "record_heartbeat"):
            trial.storage.record_heartbeat(trial._trial_id)
        return objective(trial)

    with _no_warnings():
        try:
            found.optimize(noted, n_trials=1)
        except BaseException:
            for number in begun:
                _retry()(found, found.trials[number])
            raise


def _open(url, name, problem):
    rdb = database.storage(url, BEAT, STALE, _retry())
    with database.reached(url):
        if problem is None and name not in optuna.get_all_study_names(rdb):
            raise FileNotFoundError(f"{database.shown(url)} has no search {name}.")
        found = optuna.create_study(
            storage=rdb,
            study_name=name,
            direction="maximize",
            load_if_exists=True,
            # Workers know of each other's running trials, and keep away from them.
            sampler=optuna.samplers.TPESampler(multivariate=True, constant_liar=True),
        )
        if problem is not None and "problem" not in found.user_attrs:
            found.set_user_attr("problem", json.dumps(dataclasses.asdict(problem)))
    return found


def _retry():
    with database.quiet():
        return optuna.storages.RetryHeartbeatStaleTrialCallback()


@contextlib.contextmanager
def _no_warnings():
    """Keep to itself what is no news in a search, with what :func:`kdbook.database.quiet` keeps.

    That TensorFlow traces anew for each trial: each has a network of its own.
    """
    with without_warnings_of("tensorflow"), database.quiet():
        yield
