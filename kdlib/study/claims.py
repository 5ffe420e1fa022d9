"""Who runs what: claims, so that workers share a plan and never take the same run.

A claim is an empty file ``RUN.NUMBER``, made so that only one can make it (O_EXCL), on one machine
or over a shared folder. Its owner touches it every :data:`BEAT` seconds. One that was not touched
for :data:`STALE` seconds is a dead worker's: whoever makes the file with the next number has the
run. No claim is ever removed or renamed, so there is no moment at which two can take one.
"""

import contextlib
import os
import threading

from kdlib.study.record import now

BEAT = 10
"""Seconds between two touches of a claim."""

STALE = 120
"""Seconds after which a claim that nobody touched is a dead worker's. Longer than the 60 seconds
for which a shared folder may show an old time."""


class Claim:
    """One worker's hold on one run. Made by :func:`take`; used in a ``with`` statement."""

    def __init__(self, folder, run, number):
        self.folder, self.run, self.number = folder, run, number
        self.path = _path(folder, run, number)
        self._over = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self):
        """Start to touch the claim."""
        self._beating.start()
        return self

    def __exit__(self, kind, error, trace):
        """Stop touching it. After an error others may take the run at once."""
        self._over.set()
        self._beating.join()
        if kind is not None:
            with contextlib.suppress(OSError):
                os.utime(self.path, (0, 0))

    def held(self):
        """Tell whether the run is still this worker's, and not taken by one that thought it dead.

        A machine that slept for longer than :data:`STALE` seconds has lost its claim.
        """
        return _newest(self.folder, self.run) == self.number

    def _beat(self):
        while not self._over.wait(BEAT):
            with contextlib.suppress(OSError):  # tried again at the next beat
                os.utime(self.path)


def take(folder, run):
    """Claim a run.

    Parameters
    ----------
    folder : path
        Where the claims are; made if it is missing.
    run : kdlib.study.arms.Run

    Returns
    -------
    Claim or None
        None if another worker has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Looked up once: the number that follows the claim that was found to be dead, and no later one.
    newest = _newest(folder, run)
    if newest is not None and _alive(folder, run, newest):
        return None
    number = 0 if newest is None else newest + 1
    try:
        _path(folder, run, number).touch(exist_ok=False)  # O_CREAT | O_EXCL
    except FileExistsError:
        return None
    return Claim(folder, run, number)


def active(folder, run):
    """Tell whether a living worker has claimed the run, or had it within the last minutes."""
    newest = _newest(folder, run)
    return newest is not None and _alive(folder, run, newest)


def _alive(folder, run, number):
    return now(folder) - _path(folder, run, number).stat().st_mtime <= STALE


def _path(folder, run, number):
    return folder / f"{run}.{number}"


def _newest(folder, run):
    numbers = [int(path.suffix[1:]) for path in folder.glob(f"{run}.*")]
    return max(numbers, default=None)
