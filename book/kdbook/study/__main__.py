"""The command ``python -m kdbook.study``."""

import argparse
import sys
from pathlib import Path

from kdbook.study import workers
from kdbook.study.arm_table import read, render, table
from kdbook.study.overview import overview
from kdbook.study.plans import PLANS, find
from kdbook.study.record import RESULTS, Record
from kdbook.study.runner import check_settings, work_through
from kdbook.study.training_costs import costs
from kdbook.study.training_costs import render as render_costs


def main(arguments=None):
    """Run the command; return the exit status: 0, or 1 with a message on the error stream."""
    options = _parser().parse_args(arguments)
    only = options.only.split(",") if options.only else None
    try:
        return _act(options, find(options.plan), only)
    except (ValueError, OSError, ImportError) as error:
        text = _said(error) if getattr(error, "errno", None) else str(error)
        print(f"error: {text}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; what is done stays.", file=sys.stderr)
        return 130


def _act(options, plan, only):
    if options.list:
        print(overview(plan, options.out, only, options.storage))
    elif options.table:
        check_settings(plan, Record(options.out, plan))
        print(render(table(plan, read(plan, options.out), options.on)))
    elif options.cost:
        print(render_costs(costs(Record(options.out, plan).runs())))
    elif options.workers > 1:
        return _start_workers(options)
    elif failed := work_through(plan, options.out, only, options.quiet, options.storage):
        raise ValueError(f"{len(failed)} runs failed: {', '.join(map(str, failed))}.")
    return 0


def _start_workers(options):
    """Start processes that each do this command alone; return the worst exit status."""
    command = [sys.executable, "-m", "kdbook.study", "--plan", options.plan]
    command += ["--out", str(options.out)]
    command += ["--only", options.only] if options.only else []
    command += ["--storage", options.storage] if options.storage else []
    # One bar is enough: it counts the runs of all.
    quiet = [number > 0 or options.quiet for number in range(options.workers)]
    return workers.run([command + ["--quiet"] * each for each in quiet])


def _said(error):
    """Say what the system has to say about a file, without the number of the error."""
    return f"{error.strerror}{f': {error.filename}' if error.filename else ''}"


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m kdbook.study",
        description="Run the recorded experiments, or look at their record.",
    )
    parser.add_argument("--plan", required=True, help=f"one of {', '.join(PLANS)}")
    parser.add_argument("--only", metavar="ARM,ARM", help="only these arms of the plan")
    parser.add_argument(
        "--out",
        type=Path,
        default=RESULTS,
        help="folder of the record; workers that share it share the work (default: %(default)s)",
    )
    workers.add_storage(parser)
    parser.add_argument(
        "--workers", type=_count, default=1, help="processes to start on this machine (default: 1)"
    )
    parser.add_argument("--list", action="store_true", help="say what is done and what is left")
    parser.add_argument("--table", action="store_true", help="compare the arms")
    parser.add_argument("--cost", action="store_true", help="say what the runs cost")
    parser.add_argument(
        "--on", choices=("validation", "test"), help="images for the table (default: the plan's)"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")
    return parser


def _count(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of workers; expected 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
