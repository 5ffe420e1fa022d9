"""A search that is over, as lines of JSON: small enough to keep beside the study's record."""

import json
from pathlib import Path

from kdbook.study import provenance
from kdbook.study.record import RESULTS
from kdbook.tune import engine, search_storage
from kdlib._files import put

optuna = engine.optuna

PATH = RESULTS / "search.jsonl"
"""The search that comes with the library."""


def write(study, path):
    """Write a search: first what its trials share and where it ran, then a line for each trial.

    - ``study``: optuna.Study. As :func:`kdbook.tune.search_storage.study` returns it. Trials that
      failed are left out.
    - ``ValueError`` if no trial is over.

    >>> import tempfile
    >>> study = optuna.create_study(direction="maximize")
    >>> study.set_user_attr("problem", "{}")
    >>> study.add_trial(optuna.create_trial(value=0.5))
    >>> path = Path(tempfile.mkdtemp()) / "search.jsonl"
    >>> write(study, path)
    >>> read(path).best_value
    0.5
    """
    over = study.get_trials(deepcopy=False, states=search_storage.DONE)
    if not over:
        raise ValueError("no trial of this search is over yet; there is nothing to write.")
    head = {
        "problem": json.loads(study.user_attrs["problem"]),
        **provenance.origin(),
    }
    head["versions"]["optuna"] = optuna.__version__
    lines = [head, *map(_line, sorted(over, key=lambda trial: trial.datetime_complete))]
    text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
    put(Path(path), text.encode())


def read(path=PATH):
    """Return a written search, in memory, to be reported on.

    - ``FileNotFoundError`` if it is missing.
    - ``ValueError`` if it is no written search.

    >>> read("nowhere.jsonl")
    Traceback (most recent call last):
    ...
    FileNotFoundError: ...
    """
    try:
        head, *lines = map(json.loads, Path(path).read_text(encoding="utf-8").splitlines())
        trials = [_trial(line) for line in lines]
        problem = json.dumps(head["problem"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no written search ({error}). Write it anew.") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", study_name=search_storage.NAME)
    study.set_user_attr("problem", problem)
    study.add_trials(trials)
    return study


def _line(trial):
    return {
        "trial": trial.number,
        "state": trial.state.name,
        "value": trial.value if trial.state.name == "COMPLETE" else None,
        "curve": {str(epoch): value for epoch, value in trial.intermediate_values.items()},
        "params": trial.params,
        "seconds": round(trial.duration.total_seconds(), 1) if trial.duration else None,
    }


def _trial(line):
    return optuna.create_trial(
        state=optuna.trial.TrialState[line["state"]],
        value=line["value"],
        params=line["params"],
        distributions=engine.distributions() if line["params"] else {},
        intermediate_values={int(epoch): value for epoch, value in line["curve"].items()},
    )
