"""Working through a plan: take a run that nobody has, do it, write its line, go on."""

import time

import keras
from tqdm import tqdm

from kdbook.study.record import Record, make_work_folder, notice
from kdbook.study.workbench import Bench, check_teacher

WAIT = 5
"""Seconds between two looks at runs that other workers have."""


def work_through(plan, folder, only=None, quiet=False, storage=None):
    """Do all runs of a plan that are left, as one of any number of workers.

    Runs that other workers have are waited for: if one dies, its run is left again.

    - ``folder``: of the record; the workers may be processes and machines that share it.
    - ``only``: sequence of str. Names of arms: only their runs are done.
    - ``quiet``: whether to show no progress bar.
    - ``storage``: URL of the database through which the workers share the runs; see
      :class:`kdbook.study.queue.Queue`.
    - Returns list of Run: those that failed, for example because the training diverged, and those
      that wait for them. All others are recorded.
    - ``FileNotFoundError`` if a teacher is missing that is not among these runs, or the images are.
    - ``ValueError`` if an arm is unknown, or the record is damaged or does not belong to the plan.
    - ``OSError`` if the disk is full, or the database does not answer. What is done stays.
    - ``ImportError`` if Optuna is missing.
    """
    from kdbook.study.queue import Queue  # it needs Optuna, and those who only look do not

    runs, failed, bench = plan.runs(only), set(), None
    record = Record(folder, plan)
    check_settings(plan, record)
    for teacher in {need for run in runs for need in needs(plan, run)} - set(runs):
        check_teacher(teacher, plan, folder)
    make_work_folder(record.work)
    record.gather()
    queue = Queue(plan, folder, storage)
    with Progress(plan, runs, quiet) as progress:
        while left := progress.left(record, failed):
            claim = _take_one(plan, left, record, queue)
            if claim is None:
                time.sleep(WAIT)
                continue
            with claim:
                bench = bench or Bench(plan, folder)
                check_data(bench, record)
                if not _do(claim, bench, record, progress):
                    failed |= {run for run in left if claim.run in {run, *needs(plan, run)}}
    record.gather()
    return sorted(failed)


def needs(plan, run):
    """Return the runs whose networks a run needs: the one that teaches it, and the judge.

    >>> from kdbook.study.arms import Run
    >>> from kdbook.study.plans import find
    >>> [str(run) for run in needs(find("smoke"), Run("smoke", "distilled", 1))]
    ['smoke-teacher-0']
    """
    arm = plan.arm(run.arm)
    return {*plan.teachers_of(arm, run.seed), plan.judge_of(arm)} - {None}


def check_settings(plan, record):
    """Raise ``ValueError`` if a run was recorded with another budget or settings than the plan's.

    The message says which run differs, and in what.
    """
    for run, entry in record.runs().items():
        arm = plan.arm(run.arm)
        for part, values in {"budget": arm.budget(), "settings": arm.settings()}.items():
            changed = [
                f"{key} is {entry[part].get(key)!r} in the record and {value!r} in the plan"
                for key, value in values.items()
                if entry[part].get(key) != value
            ]
            if changed:
                raise ValueError(
                    f"{run} was recorded with another {part}: {'; '.join(changed)}. Give the "
                    "changed plan another name, or record it in another folder with --out."
                )


def check_data(bench, record):
    """Raise ``ValueError`` if a run was recorded on other images than those of the bench."""
    for run, entry in record.runs().items():
        if entry["data"]["hash"] != bench.fingerprint:
            raise ValueError(
                f"{run} was recorded on images with hash {entry['data']['hash']}; those here have "
                f"{bench.fingerprint}. Use the same images, or record in another folder with --out."
            )


class Progress:
    """A bar over the training steps of some runs, those of other workers among them.

    - ``runs``: list of Run.
    - ``quiet``: whether to show nothing.
    """

    def __init__(self, plan, runs, quiet=False):
        self.recipes = {run: plan.arm(run.arm).recipe for run in runs}
        self.bar, self.quiet = None, quiet

    def __enter__(self):
        """Start; the bar appears with the first look at the record."""
        return self

    def __exit__(self, *_):
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()

    def left(self, record, failed):
        """Return the runs that are neither recorded nor failed, and bring the bar up to date."""
        done = record.runs()
        steps = sum(recipe.steps for run, recipe in self.recipes.items() if run in done)
        if self.bar is None:
            total = sum(recipe.steps for recipe in self.recipes.values())
            self.bar = tqdm(total=total, initial=steps, unit="step", disable=self.quiet)
        self.bar.update(steps - self.bar.n)
        return [run for run in self.recipes if run not in done and run not in failed]

    def callback(self, run):
        """Return a Keras callback that moves the bar while a run trains."""
        self.bar.set_postfix_str(str(run))
        steps = self.recipes[run].steps_per_epoch
        return keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: self.bar.update(steps))


def _take_one(plan, left, record, queue):
    """Claim the first run that is free and whose teachers are trained, or return None."""
    for run in left:
        if needs(plan, run) & set(left):
            continue
        claim = queue.take(run)
        if claim is not None and run not in record.runs():
            return claim
        if claim is not None:  # finished between the look at the record and the claim
            with claim:
                pass
    return None


def _do(claim, bench, record, progress):
    """Do one run and record it; return False if its training failed."""
    try:
        entry = bench.do(claim.run, [progress.callback(claim.run)])
    except ValueError as error:
        notice(f"{claim.run} failed, the others go on: {error}")
        claim.fail()
        return False
    if claim.held() and claim.run not in record.runs():
        record.append(entry)
        record.gather()
    else:
        notice(f"another worker took {claim.run} over meanwhile; this result is dropped.")
    # Traced functions of networks that are gone would pile up from run to run.
    keras.utils.clear_session()
    return True
