"""What a live search found, as text: the best, what mattered, and how the best rose."""

import json
import warnings

from kdbook.tune import engine, search_storage

optuna = engine.optuna

FEWEST = 10
"""Finished trials below which nothing is said on what mattered."""


def report(study):
    """Return the report of a search.

    - ``study``: optuna.Study. As :func:`kdbook.tune.search_storage.study` returns it.

    >>> study = optuna.create_study(direction="maximize")
    >>> study.add_trial(optuna.create_trial(value=0.5, intermediate_values={1: 0.4}))
    >>> print(report(study).splitlines()[0])
    1 finished, 0 stopped early, 0 failed, 0 running; 1 epochs trained
    """
    states = optuna.trial.TrialState
    counts = ", ".join(
        f"{search_storage.count(study, (state,))} {name}"
        for state, name in {
            states.COMPLETE: "finished",
            states.PRUNED: "stopped early",
            states.FAIL: "failed",
            states.RUNNING: "running",
        }.items()
    )
    curve = anytime(study)
    lines = [f"{counts}; {curve[-1][0] if curve else 0} epochs trained"]
    if not search_storage.count(study, (states.COMPLETE,)):
        return "\n".join([*lines, "no training has come to its end yet"])
    best = study.best_trial
    lines.append(f"best: trial {best.number}, mean IoU {best.value:.4f} on the validation images")
    if best.params:
        lines.append(f"  {engine.configuration(best.params)}")
    return "\n".join([*lines, *_mattered(study), "the best so far, after so many epochs:",
                      *_rises(curve)])  # fmt: skip


def anytime(study):
    """Return the best score in hand after each trial that is over.

    - Returns list of (int, float or None): epochs trained so far, by all workers, and the best
      score of a finished training.

    >>> anytime(optuna.create_study())
    []
    """
    full = json.loads(study.user_attrs.get("problem", "{}")).get("epochs")
    spent, best, curve = 0, None, []
    over = study.get_trials(deepcopy=False, states=search_storage.DONE)
    for trial in sorted(over, key=lambda trial: trial.datetime_complete):
        finished = trial.state == optuna.trial.TrialState.COMPLETE
        spent += full if finished and full else trial.last_step or 0
        if finished and (best is None or trial.value > best):
            best = trial.value
        curve.append((spent, best))
    return curve


def importance(study):
    """Return how much each parameter mattered, or None with fewer than ten finished trials.

    By Optuna's PED-ANOVA: how far the distribution of the best trials differs from that of all.
    Only finished trainings count. The pruner left the worst ones out, so this is a hint.

    - Returns dict of str to float, or None.

    >>> importance(optuna.create_study()) is None
    True
    """
    if search_storage.count(study, (optuna.trial.TrialState.COMPLETE,)) < FEWEST:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _mattered(study):
    shares = importance(study)
    if shares is None:
        yield f"what mattered: ask again after {FEWEST} finished trials"
        return
    yield "what mattered, as a share, among the finished trials:"
    for name, share in sorted(shares.items(), key=lambda pair: -pair[1]):
        yield f"  {name:14}{share:6.2f}"


def _rises(curve):
    """Give a line for each trial that raised the best."""
    before = None
    for spent, best in curve:
        if best != before:
            yield f"  {spent:5} epochs  {best:.4f}"
        before = best
