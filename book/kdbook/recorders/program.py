"""What the programs of this room share: doing what is left of a record."""

import datetime
import time

from kdbook.study import provenance
from kdbook.study.record import Record, notice


def do_what_is_left(plan, runs, found, options):
    """Do the runs that are not recorded, and that no other worker has; keep a line of each.

    - ``runs``: iterable of kdbook.study.arms.Run.
    - ``found``: from a run to what its line says, beside its name, origin and time. If it raises
      ``ValueError``, as for NaN in a loss, the others go on.
    - ``options``: argparse.Namespace. With ``out`` and ``storage``.
    """
    from kdbook.study.queue import Queue  # it needs Optuna, and a chapter that reads does not

    record, queue = Record(options.out, plan), Queue(plan, options.out, options.storage)
    for run in runs:
        if run in record.runs() or not (claim := queue.take(run)):
            continue
        started, wall, processor = _now(), time.perf_counter(), time.process_time()
        try:
            with claim:
                line = {**run._asdict(), **found(run), **provenance.origin(started)}
                line["seconds"] = round(time.perf_counter() - wall, 2)
                line["processor_seconds"] = round(time.process_time() - processor, 2)
                record.append(line)
                record.gather()
        except ValueError as error:
            notice(f"{run} failed, the others go on: {error}")


def _now():
    return datetime.datetime.now(datetime.UTC)
