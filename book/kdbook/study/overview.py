"""What of a plan is done, what is running, what is left, and how long that will take."""

import numpy as np

from kdbook.study.record import Record, notice, queue_file

DONE, RUNNING, LEFT = "done", "running", "left"


def overview(plan, folder, only=None, storage=None):
    """Return a table of the runs of a plan, as text.

    - ``only``: sequence of str. Names of arms.
    - ``storage``: URL of the database through which the workers share the runs.
    - Returns str: one line an arm; then the sum, and the time that the rest takes one worker,
      judged by the runs that are done.
    - ``ValueError`` if an arm is unknown or the record is damaged.
    """
    runs, recorded = plan.runs(only), Record(folder, plan).runs()
    running = set() if set(runs) <= set(recorded) else _running(plan, folder, storage)
    states = {
        run: DONE if run in recorded else RUNNING if str(run) in running else LEFT for run in runs
    }
    width = max(len(run.arm) for run in runs)
    lines = [f"plan {plan.name} in {folder}"]
    for arm in dict.fromkeys(run.arm for run in runs):
        of_arm = [f"{run.seed} {states[run]}" for run in runs if run.arm == arm]
        lines.append(f"  {arm:{width}}  seed " + ", ".join(of_arm))
    counts = ", ".join(
        f"{list(states.values()).count(state)} {state}" for state in (DONE, RUNNING, LEFT)
    )
    rest = [run for run in runs if states[run] != DONE]
    return "\n".join([*lines, f"{counts} of {len(runs)}; {_time_left(plan, rest, recorded)}"])


def seconds_left(plan, rest, recorded):
    """Return the seconds that runs will take one worker, or None if none like them is recorded.

    A run takes what the runs of its arm took; without such, what its number of crops took in
    runs of the same network.
    """
    total = 0.0
    for run in rest:
        arm = plan.arm(run.arm)
        same = [entry["seconds"] for other, entry in recorded.items() if other.arm == run.arm]
        if not same:
            crops = arm.recipe.steps * arm.recipe.batch_size
            same = [
                entry["seconds"] / _crops(entry) * crops
                for other, entry in recorded.items()
                if entry["settings"]["network"] == arm.network
            ]
        if not same:
            return None
        total += float(np.mean(same))
    return total


def _crops(entry):
    budget = entry["budget"]
    return budget["epochs"] * budget["steps_per_epoch"] * budget["batch_size"]


def _running(plan, folder, storage):
    if storage is None and not queue_file(folder).exists():
        return set()
    try:
        from kdbook.study.queue import Queue
    except ImportError as error:
        notice(f"what is running is not shown: {error}")
        return set()
    return Queue(plan, folder, storage).running()


def _time_left(plan, rest, recorded):
    if not rest:
        return "nothing is left"
    seconds = seconds_left(plan, rest, recorded)
    if seconds is None:
        return "no run like the others is done yet to judge the time by"
    unit, size = ("hours", 3600) if seconds > 5400 else ("minutes", 60)
    return f"about {seconds / size:.1f} {unit} for one worker"
