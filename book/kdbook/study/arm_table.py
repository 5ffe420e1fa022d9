"""From lines to the reported table: each arm beside its baseline, with intervals."""

import dataclasses
import math

import numpy as np

from kdbook.study.record import RESULTS, Record, notice
from kdlib.data import CLASS_NAMES, VOID
from kdlib.metrics import PairedDifference, paired_difference, scores

SCORES = {"iou": "IoU", "precision": "precision", "recall": "recall"}
AGREEMENTS = {
    "agreement with the teacher": "agreement",
    "agreement where it is wrong": "agreement_where_teacher_wrong",
}
EPOCHS = "epochs to the baseline's score"


@dataclasses.dataclass(frozen=True)
class Row:
    """One score of one arm.

    - ``values``: tuple of float. One for each seed, in the order of ``seeds``; NaN where there is
      no such value.
    - ``seeds``: tuple of int.
    - ``baseline``: the arm that it is compared with.
    - ``difference``: PairedDifference or None. Mean of arm minus baseline over the seeds, with the
      ends of its 95 % interval; None without a baseline, with fewer than two seeds, or if a value
      is NaN.
    """

    arm: str
    score: str
    values: tuple
    seeds: tuple
    baseline: str | None
    difference: PairedDifference | None

    @property
    def mean(self):
        """The mean over the seeds that have a value, or NaN."""
        known = [value for value in self.values if not math.isnan(value)]
        return float(np.mean(known)) if known else math.nan


def table(plan, runs, on=None):
    """Return the rows of all arms that are recorded, arm by arm.

    - ``runs``: dict of Run to dict. As :func:`read` returns it.
    - ``on``: {"validation", "test"}. Which images; by default those that the plan is judged on.
    - Returns list of Row.
    - ``ValueError`` if nothing is recorded, or an arm and its baseline cannot be compared: no seed
      in common, another budget, precision, images, judge, or teachers that differ between seeds.
      The learning rate may differ: it is tuned for each arm. Or the plan is not scored there.

    A seed that the baseline does not have yet is left out, with a notice.
    """
    if (on or plan.judged_on) not in plan.scored:
        raise ValueError(f"plan {plan.name} is scored on {', '.join(plan.scored)}, not on {on}.")
    own = {run: entry for run, entry in runs.items() if run.plan == plan.name}
    if not own:
        raise ValueError(f"nothing of plan {plan.name} is recorded yet.")
    rows = []
    for arm in plan.arms:
        if not (entries := _of_arm(own, arm.name)):
            continue
        partner = _of_arm(own, arm.baseline)
        if arm.baseline:
            entries = _paired(arm, entries, partner)
        rows += _rows(arm, entries, partner, on or plan.judged_on)
    return rows


def read(plan, folder=RESULTS):
    """Return what is recorded of a plan.

    - ``folder``: by default that of the record that comes with the library.
    - Returns dict of Run to dict: see :meth:`kdbook.study.record.Record.runs`, which tells the
      errors.
    """
    return Record(folder, plan).runs()


def render(rows):
    """Return the rows as text: a block for each score, a line for each arm, with a verdict."""
    width = max(len(row.arm) for row in rows)
    lines = []
    for score in dict.fromkeys(row.score for row in rows):
        lines.append(f"{score} · mean over the seeds · difference to the baseline, 95 % interval")
        lines += [_line(row, width) for row in rows if row.score == score]
        lines.append("")
    return "\n".join(lines)


def epochs_to_reach(curve, target):
    """Return the number of the first epoch, from 1, whose value is at least the target, or NaN.

    >>> epochs_to_reach([0.1, 0.4, 0.3], 0.3), epochs_to_reach([0.1], 0.3)
    (2.0, nan)
    """
    reached = np.flatnonzero(np.asarray(curve) >= target)
    return float(reached[0] + 1) if reached.size else math.nan


def _of_arm(runs, name):
    """Return {seed: entry} of an arm, by seed."""
    return {run.seed: runs[run] for run in sorted(runs) if run.arm == name}


def _rows(arm, entries, partner, on):
    values = {seed: _values(entry, on) for seed, entry in entries.items()}
    others = {seed: _values(partner[seed], on) for seed in entries if partner}
    for seed in others:
        final = partner[seed]["curve"]["mean_iou"][-1]
        for of, entry in ((values, entries[seed]), (others, partner[seed])):
            of[seed][EPOCHS] = epochs_to_reach(entry["curve"]["mean_iou"], final)
    seeds = tuple(values)
    for score in next(iter(values.values())):
        own = tuple(values[seed][score] for seed in seeds)
        pairs = [others[seed][score] for seed in seeds] if others else None
        yield Row(arm.name, score, own, seeds, arm.baseline, _difference(own, pairs))


def _values(entry, on):
    """Return all scores of a line but those that need a baseline."""
    found = scores(entry[on]["confusion"], VOID)
    values = {}
    for score, title in SCORES.items():
        values[f"mean {title}"] = getattr(found, f"mean_{score}")
        for number, name in enumerate(CLASS_NAMES):
            if number != VOID:
                values[f"{title} {name}"] = float(getattr(found, score)[number])
    values["expected calibration error"] = entry[on]["ece"]
    for title, key in AGREEMENTS.items():
        value = entry[on][key]
        values[title] = math.nan if value is None else value
    return values


def _difference(own, partner):
    if partner is None or len(own) < 2 or not np.isfinite([*own, *partner]).all():
        return None
    return paired_difference(own, partner)


def _paired(arm, entries, partner):
    """Return the lines of an arm whose seeds its baseline has too, once they can be compared."""
    waiting = sorted(set(entries) - set(partner))
    if len(waiting) == len(entries):
        raise ValueError(
            f"{arm.name} is recorded for seeds {sorted(entries)} and its baseline {arm.baseline} "
            f"for {sorted(partner)}; a paired difference needs the same. Run what is left: --list "
            "shows it."
        )
    if waiting:  # workers that share a plan end their runs in any order
        seeds = ", ".join(map(str, waiting))
        notice(f"{arm.name}, seed {seeds}: left out, until {arm.baseline} is recorded for it too.")
    entries = {seed: entry for seed, entry in entries.items() if seed in partner}
    teachers = {str(entry["teacher"]) for entry in entries.values()}
    if len(teachers) > 1 and not arm.own_teacher:
        raise ValueError(f"the runs of {arm.name} had different teachers: {', '.join(teachers)}.")
    for seed, entry in entries.items():
        for name, of in _COMPARABLE.items():
            one, other = of(entry), of(partner[seed])
            if one != other:
                raise ValueError(
                    f"{arm.name} and {arm.baseline}, seed {seed}, differ in {name}: {one} and "
                    f"{other}. Their difference would not be that of the method; repeat one."
                )
    return entries


def _budget(entry):
    kept = ("epochs", "steps_per_epoch", "batch_size", "crop")
    return {key: entry["budget"][key] for key in kept} | {"network": entry["settings"]["network"]}


_COMPARABLE = {
    "budget": _budget,
    "precision": lambda entry: entry["precision"],
    "images": lambda entry: (entry["data"]["hash"], entry["data"]["split"]),
    "judge": lambda entry: entry["judge"],
}


def _line(row, width):
    count, known = len(row.values), sum(not math.isnan(value) for value in row.values)
    seeds = f"{count} seed{'s' * (count > 1)}" if known == count else f"{known} of {count} seeds"
    text = f"  {row.arm:{width}}  {_number(row.mean, row.score)} in {seeds}"
    if row.difference is None:
        return text
    low, high = (f"{value:+.4f}" for value in row.difference[1:])
    text = f"{text}  {row.difference.mean:+.4f} [{low}, {high}] to {row.baseline}"
    return f"{text}: {in_words(row.difference)}"


def in_words(difference):
    """Say what a paired difference with its interval allows one to say.

    - Returns str: "higher" or "lower" if the whole interval is on one side of 0, else "cannot
      tell".

    >>> in_words(PairedDifference(0.02, 0.01, 0.03)), in_words(PairedDifference(0.02, -0.01, 0.05))
    ('higher', 'cannot tell')
    """
    if difference.low > 0:
        return "higher"
    return "lower" if difference.high < 0 else "cannot tell"


def _number(value, score):
    return f"{value:6.1f}" if score == EPOCHS else f"{value:6.4f}"
