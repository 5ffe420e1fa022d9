"""Choosing T, α and the settings of a training.

- :mod:`kdbook.tune.sweep` and :mod:`kdbook.tune.chance`: a sweep of T and α, and its luck;
- :mod:`kdbook.tune.space`: the configurations that a search chooses from;
- :mod:`kdbook.tune.hyperband` and :mod:`kdbook.tune.density`: the parts of BOHB, in a few lines;
- :mod:`kdbook.tune.replay` and :mod:`kdbook.tune.searchers`: searches on a table of trainings;
- :mod:`kdbook.tune.engine`, :mod:`kdbook.tune.problem`, :mod:`kdbook.tune.search_storage`,
  :mod:`kdbook.tune.live_search`, :mod:`kdbook.tune.search_report` and
  :mod:`kdbook.tune.recorded_search`: a live search with Optuna, and what it found.
  ``python -m kdbook.tune`` is the command.

Not here: the trainings themselves, which are those of :mod:`kdbook.study`.
"""

import importlib

_MODULES = (
    "anytime", "chance", "density", "hyperband", "live_search", "problem", "recorded_search",
    "replay", "search_report", "searchers", "space", "sweep",
)  # fmt: skip


def __getattr__(name):
    """Give ``tune.sweep`` when a chapter asks for it: only the searches need Optuna."""
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
