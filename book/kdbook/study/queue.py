"""Who runs what: workers share a plan through a database of Optuna, and never take the same run.

A plan is a study of Optuna, and whoever does a run holds a trial that names it. Only one worker can
bring a trial from waiting to running. While the run is done the worker gives signs of life, every
:data:`BEAT` seconds. The trial of one that was silent for :data:`STALE` seconds is marked as
failed, and its run is free again.

Only who does what is kept here. What came out is in the record, which decides what is left.
"""

import contextlib
import datetime
import threading
import time

from kdbook import database
from kdbook.study.record import make_work_folder, queue_file

optuna = database.optuna
_State = optuna.trial.TrialState

BEAT = 10
"""Seconds between two signs of life."""

STALE = 120
"""Seconds after which a silent worker counts as dead. Longer than the 60 seconds for which a
shared folder may hide a line of the record."""


class Queue:
    """The runs of a plan that workers have taken.

    - ``plan``: or anything else with a name.
    - ``folder``: of the record.
    - ``storage``: URL of the database. By default an SQLite file in the folder.
    - ``ValueError``, ``ImportError``, ``OSError`` if the database cannot be opened.

    >>> import tempfile
    >>> from kdbook.study.arms import Run
    >>> from kdbook.study.plans import find
    >>> queue, run = Queue(find("smoke"), tempfile.mkdtemp()), Run("smoke", "scratch", 0)
    >>> with queue.take(run):
    ...     print(queue.take(run), queue.running())
    None {'smoke-scratch-0'}
    """

    def __init__(self, plan, folder, storage=None):
        path = queue_file(folder)
        if storage is None:
            make_work_folder(path.parent)
        self.url = storage or f"sqlite:///{path}"
        self.storage = database.storage(self.url, BEAT, STALE)
        with database.reached(self.url):
            self.study = optuna.create_study(
                storage=self.storage, study_name=f"plan-{plan.name}", load_if_exists=True
            )

    def take(self, run):
        """Claim a run.

        - Returns Claim or None: none if another worker has it, or had it a moment ago: then the
          record may not show it yet.
        """
        with database.reached(self.url):
            trials = self._trials(run)
            if not any(trial.state == _State.WAITING or _taken(trial) for trial in trials):
                self.study.enqueue_trial({}, user_attrs={"run": str(run)})
                trials = self._trials(run)
            # Others may have added one too. Decided by this one look: all who see the same go for
            # the first, and who sees a later one alone knows that the first is over.
            waiting = [trial.number for trial in trials if trial.state == _State.WAITING]
            if not waiting or any(map(_taken, trials)):
                return None
            study = self.storage.get_study_id_from_name(self.study.study_name)
            trial = self.storage.get_trial_id_from_study_id_trial_number(study, min(waiting))
            # Before it is running: a running trial without a sign of life never counts as dead.
            self.storage.record_heartbeat(trial)
            try:
                won = self.storage.set_trial_state_values(trial, _State.RUNNING)
            except optuna.exceptions.UpdateFinishedTrialError:  # taken and ended meanwhile
                won = False
            return Claim(self, run, trial) if won else None

    def running(self):
        """Return the names of the runs that living workers have."""
        with database.reached(self.url):
            return {t.user_attrs["run"] for t in self._trials() if t.state == _State.RUNNING}

    def _trials(self, run=None):
        optuna.storages.fail_stale_trials(self.study)
        trials = self.study.get_trials(deepcopy=False)
        return [trial for trial in trials if run is None or trial.user_attrs["run"] == str(run)]


class Claim:
    """One worker's hold on one run. Made by :meth:`Queue.take`; used in a ``with`` statement."""

    def __init__(self, queue, run, trial):
        self.queue, self.run, self.trial = queue, run, trial
        self._end, self._start = _State.COMPLETE, time.monotonic()
        self._over = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self):
        """Start to give signs of life."""
        self._beating.start()
        return self

    def __exit__(self, kind, error, trace):
        """Give the run back. After an error others may take it at once."""
        self._over.set()
        self._beating.join()
        # An overtaken trial was ended by others. Of two errors the first matters.
        no_news = [optuna.exceptions.UpdateFinishedTrialError]
        if kind is not None:
            self.fail()
            no_news.append(ConnectionError)
        # Optuna wants a value of a trial that is complete: the seconds that it took.
        values = [time.monotonic() - self._start] if self._end == _State.COMPLETE else None
        with contextlib.suppress(*no_news), database.reached(self.queue.url):
            self.queue.storage.set_trial_state_values(self.trial, self._end, values)

    def fail(self):
        """Say that nothing came of the run: others may take it as soon as it is given back."""
        self._end = _State.FAIL

    def held(self):
        """Tell whether the run is still this worker's, and not taken by one that thought it dead.

        A machine that slept for longer than :data:`STALE` seconds has lost its claim. If the
        database does not answer, the run counts as held: better done twice than for nothing.
        """
        try:
            return self.queue.storage.get_trial(self.trial).state == _State.RUNNING
        except database.FAULTS:
            return True

    def _beat(self):
        while not self._over.wait(BEAT):
            with contextlib.suppress(*database.FAULTS):  # tried again at the next beat
                self.queue.storage.record_heartbeat(self.trial)


def _taken(trial):
    """Tell whether a trial is running, or came to its end a moment ago.

    By the clocks of two machines, which may differ: then a run may be done twice, and the record
    takes the earlier one.
    """
    if trial.state == _State.COMPLETE:
        ago = datetime.datetime.now() - trial.datetime_complete
        return abs(ago.total_seconds()) <= STALE
    return trial.state == _State.RUNNING
