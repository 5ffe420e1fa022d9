"""The command ``python -m kdbook.study``."""

import sys
from pathlib import Path

from kdbook.study import workers
from kdlib import _commands as commands


def main(arguments=None):
    """Run the command; return the exit status."""
    return commands.status_of(_act, _parser().parse_args(arguments))


def _act(options):
    import kdlib.runtime  # noqa: F401 first: it keeps TensorFlow quiet while it is imported
    from kdbook.study import arm_table, overview, plans, record, runner, ship

    if options.ship:
        ship.ship_all()
        return 0
    plan, only = plans.find(options.plan), options.only.split(",") if options.only else None
    folder = options.out or record.folder(reading=options.list or options.table)
    kept = record.Record(folder, plan)
    if options.list:
        print(overview.overview(plan, folder, only, options.storage))
    elif options.table:
        runner.check_settings(plan, kept)
        rows = arm_table.table(plan, arm_table.read(plan, folder), options.on)
        print(arm_table.render(rows))
    elif options.workers > 1:
        return _start_workers(options, folder)
    elif failed := runner.work_through(plan, folder, only, options.quiet, options.storage):
        raise ValueError(f"{len(failed)} runs failed: {', '.join(map(str, failed))}.")
    return 0


def _start_workers(options, folder):
    """Start processes that each do this command alone; return the worst exit status."""
    command = [sys.executable, "-m", "kdbook.study", "--plan", options.plan]
    command += ["--out", str(folder)]
    command += ["--only", options.only] if options.only else []
    command += ["--storage", options.storage] if options.storage else []
    return workers.run(command, options)


def _parser():
    parser = commands.parser(
        "python -m kdbook.study", "Run the recorded experiments, or look at their record."
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--plan", help="its name; a wrong one lists all")
    what.add_argument(
        "--ship", action="store_true", help="write the networks of kdlib.pretrained, in a clone"
    )
    parser.add_argument("--only", metavar="ARM,ARM", help="only these arms of the plan")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder of the record; workers that share it share the work (default: that of the "
        "clone, or else kdbook-results here)",
    )
    workers.add_storage(parser)
    parser.add_argument(
        "--workers",
        type=commands.count,
        default=1,
        help="processes to start on this machine (default: 1)",
    )
    parser.add_argument("--list", action="store_true", help="say what is done and what is left")
    parser.add_argument("--table", action="store_true", help="compare the arms")
    parser.add_argument(
        "--on", choices=("validation", "test"), help="images for the table (default: the plan's)"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")
    return parser


if __name__ == "__main__":
    sys.exit(main())
