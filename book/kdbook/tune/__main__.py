"""The command ``python -m kdbook.tune``: search for the settings of a distillation."""

import dataclasses
import sys
from pathlib import Path

from kdbook.study import workers
from kdbook.tune.problem import Problem
from kdlib import _commands as commands

FIELDS = {field.name: field.default for field in dataclasses.fields(Problem)}


def main(arguments=None, prog="python -m kdbook.tune"):
    """Run the command; return the exit status.

    - ``arguments``: list of str. By default those of the command line.
    - ``prog``: what was typed.

    >>> import tempfile
    >>> main(["--report", "--out", tempfile.mkdtemp()])
    1
    """
    return commands.status_of(_act, _parser(prog).parse_args(arguments))


def _act(options):
    import kdlib.runtime  # noqa: F401 first: it keeps TensorFlow quiet while it is imported

    # isort: split
    from kdbook.tune import (  # they need Optuna
        live_search,
        recorded_search,
        search_report,
        search_storage,
    )
    from kdlib._processes import apart

    if options.record:
        recorded_search.write(
            search_storage.study(options.out, url=options.storage), options.record
        )
        return 0
    if options.report:
        print(search_report.report(search_storage.study(options.out, url=options.storage)))
        return 0
    problem = Problem(**{name: getattr(options, name) for name in FIELDS})
    # Before any worker: two that make the same file at once get in each other's way.
    study = search_storage.study(options.out, problem, options.storage)
    if options.workers > 1:
        if problem.teacher is None and Path(problem.images).is_dir():
            told = dataclasses.asdict(problem), str(options.out)
            apart("kdbook.tune.live_search._prepare", *told)
        status = _start_workers(options)
    else:
        live_search.work(options.out, problem, options.trials, options.quiet, url=options.storage)
        status = 0
    if not options.quiet:
        print(search_report.report(study))
    return status


def _start_workers(options):
    """Start processes that each do this command alone; return the worst exit status."""
    command = [sys.executable, "-m", "kdbook.tune", "--trials", str(options.trials)]
    command += ["--out", str(options.out)]
    command += ["--storage", options.storage] if options.storage else []
    for name in FIELDS:
        if (value := getattr(options, name)) is not None:
            command += [f"--{name}", str(value)]
    return workers.run(command, options)


def _parser(prog):
    parser = commands.parser(
        prog,
        "Search for the settings of a distillation, judged on validation images: "
        "Optuna's TPE with its Hyperband pruner. Stop it at any time; the same command goes on.",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("kdlib-tune"),
        help="folder of the search; workers that share it share the work (default: %(default)s)",
    )
    workers.add_storage(parser)
    parser.add_argument(
        "--trials", type=commands.count, default=20, help="trials in all (default: %(default)s)"
    )
    parser.add_argument(
        "--workers",
        type=commands.count,
        default=1,
        help="processes to start (default: %(default)s)",
    )
    parser.add_argument("--report", action="store_true", help="only say what was found so far")
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="only write what was found as lines of JSON"
    )
    parser.add_argument("--quiet", action="store_true", help="show neither progress nor report")
    parser.add_argument(
        "--images",
        default=FIELDS["images"],
        help="what is learned from: a folder with images, masks and palette.json, or a name; a "
        "wrong one lists all (default: %(default)s)",
    )
    parser.add_argument(
        "--teacher",
        metavar="FILE",
        help="a .keras file that teaches (default: that of the library; for a folder, one that is "
        "trained first)",
    )
    for name, text in {
        "epochs": "epochs of a training that is not stopped",
        "crops": "crops that it sees: at least one batch of the largest size an epoch",
        "crop": "height and width of a crop, in pixels",
        "patches": "validation patches that each epoch is judged on",
        "seed": "seed of all trainings",
    }.items():
        kind = {"seed": commands.seed, "crop": commands.side}.get(name, commands.count)
        parser.add_argument(
            f"--{name}", type=kind, default=FIELDS[name], help=f"{text} (default: %(default)s)"
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
