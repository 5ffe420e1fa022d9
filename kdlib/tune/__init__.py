"""Choosing T, α and the settings of a training.

- :mod:`kdlib.tune.sweep` and :mod:`kdlib.tune.chance`: a sweep of T and α, and what of it is luck;
- :mod:`kdlib.tune.space`: the configurations that a search chooses from;
- :mod:`kdlib.tune.hyperband` and :mod:`kdlib.tune.density`: the parts of BOHB, in a few lines;
- :mod:`kdlib.tune.replay` and :mod:`kdlib.tune.methods`: searches on a table of trainings;
- :mod:`kdlib.tune.engine`, :mod:`kdlib.tune.problem`, :mod:`kdlib.tune.storage`,
  :mod:`kdlib.tune.search`, :mod:`kdlib.tune.report` and :mod:`kdlib.tune.recorded`: a live search
  with Optuna, and what it found. ``python -m kdlib.tune`` is the command.
"""

import kdlib.runtime  # noqa: F401 first of all, since it keeps TensorFlow quiet while it is imported
