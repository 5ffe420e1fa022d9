"""The command ``python -m kdbook.recorders NAME``: do what is left of a record."""

import importlib
import sys
from pathlib import Path

from kdbook.study import workers
from kdlib import _commands as commands

PROGRAMS = {
    "bench": "time a step of distillation beside other ways to do it",
    "collapse": "the short trainings of chapter 07",
    "equal_seconds": "distillation online and from a cache, at equal seconds",
    "growth": "how costs grow with what is computed",
    "language_lessons": "what the students of chapter 12 are taught from",
    "method_costs": "what a step of each method of chapter 09 costs",
    "peers": "one classifier distilled in four ways, beside each other",
}
"""Each is the module of this room that does it, in its function ``main``."""


def main(arguments=None):
    """Run the command; return the exit status."""
    return commands.status_of(_act, _parser().parse_args(arguments))


def _act(options):
    import kdlib.runtime  # noqa: F401 first: it keeps TensorFlow quiet while it is imported
    from kdbook.study import record

    options.out = options.out or record.folder()
    # Better said before images are loaded than after it.
    if options.program not in ("bench", "peers"):
        importlib.import_module("kdbook.study.queue")  # needs Optuna
    importlib.import_module(f"kdbook.recorders.{options.program}").main(options)


def _parser():
    parser = commands.parser("python -m kdbook.recorders", "Do what is left of a record.")
    choice = parser.add_subparsers(dest="program", metavar="NAME", required=True)
    each = {name: choice.add_parser(name, help=text) for name, text in PROGRAMS.items()}
    for added in each.values():
        added.add_argument(
            "--out",
            type=Path,
            help="folder of the record (default: that of the clone, or else kdbook-results here)",
        )
    each["peers"].add_argument(
        "--rounds", type=commands.count, default=15, help="steps of each way (default: 15)"
    )
    for name in set(PROGRAMS) - {"bench", "peers"}:
        workers.add_storage(each[name])
    each["equal_seconds"].add_argument(
        "--costs", action="store_true", help="measure the costs, and no more"
    )
    each["growth"].add_argument("--only", help="one series; a wrong name lists all")
    each["language_lessons"].add_argument("--only", help="lessons whose name begins so")
    _add_options_of_the_bench(each["bench"].add_argument)
    return parser


def _add_options_of_the_bench(add):
    add("--batch", type=commands.count, default=8, help="images a step (default: 8)")
    add("--size", type=commands.side, default=256, help="height and width (default: 256)")
    add("--rounds", type=commands.count, default=15, help="steps of each way (default: 15)")
    precisions = ["float32", "mixed_bfloat16"]
    add("--precision", nargs="+", choices=precisions, default=precisions, help="(default: both)")
    add("--no-xla", action="store_true", help="leave out the steps with XLA")
    add("--no-memory", action="store_true", help="leave out the peak memory")
    add("--record", action="store_true", help="add the run to bench.jsonl")


if __name__ == "__main__":
    sys.exit(main())
