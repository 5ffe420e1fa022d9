"""The space that a search chooses from: that of the source project, with α and T added."""

import dataclasses
import math

import numpy as np

from kdbook.study import plans, search_plans
from kdbook.study.arms import Arm

RATES = (3.16e-4, 0.1)
BATCH_SIZES = search_plans.BATCH_SIZES
MOMENTA = (0.0, 0.5, 0.9, 0.98)
DROPOUTS = (0.0, 0.5)
ALPHAS = (0.0, 1.0)
TEMPERATURES = (0.5, 32.0)

AXES = ("learning rate", "batch size", "optimiser", "momentum", "dropout", "α", "T")
"""What the coordinates of :meth:`Configuration.unit` are."""


@dataclasses.dataclass(frozen=True)
class Configuration:
    """One choice of all settings.

    - ``learning_rate``: the peak of the schedule, from :data:`RATES`.
    - ``batch_size``: one of :data:`BATCH_SIZES`.
    - ``momentum``: none for Adam; one of :data:`MOMENTA` for SGD with Nesterov's momentum.
    - ``dropout``: from 0 to 0.5.
    - ``alpha``, ``temperature``: as for the Distiller: from 0 to 1, and from 0.5 to 32.

    >>> chosen = Configuration(0.0047, 8, None, 0.2, 0.1, 4.0)
    >>> print(chosen)
    Adam at rate 0.0047, batch 8, dropout 0.2, α = 0.1, T = 4
    """

    learning_rate: float
    batch_size: int
    momentum: float | None
    dropout: float
    alpha: float
    temperature: float

    def __str__(self):
        """Return the choice in words."""
        optimiser = "Adam" if self.momentum is None else f"SGD with momentum {self.momentum:g}"
        return (
            f"{optimiser} at rate {self.learning_rate:.3g}, batch {self.batch_size}, "
            f"dropout {self.dropout:.2g}, α = {self.alpha:.2g}, T = {self.temperature:.3g}"
        )

    def unit(self):
        """Return the choice as a point of the unit cube, with the axes :data:`AXES`.

        Rate, batch size and T count by their logarithms. The optimiser is 0 for Adam and 1 for
        SGD; the momentum is NaN for Adam, which has none.

        >>> Configuration(0.1, 20, None, 0.25, 1.0, 4.0).unit()
        array([1. , 1. , 0. , nan, 0.5, 1. , 0.5])
        """
        place = math.nan if self.momentum is None else self.momentum / MOMENTA[-1]
        return np.array(
            [
                _log_share(self.learning_rate, *RATES),
                _log_share(self.batch_size, min(BATCH_SIZES), max(BATCH_SIZES)),
                0.0 if self.momentum is None else 1.0,
                place,
                _share(self.dropout, *DROPOUTS),
                self.alpha,
                _log_share(self.temperature, *TEMPERATURES),
            ]
        )

    def arm(self, name="trial", **changes):
        """Return the arm of a study that trains so: a student of the trained teacher.

        - ``**changes``: of the recipe: for example ``epochs=2``.

        >>> arm = Configuration(0.1, 20, None, 0.25, 1.0, 4.0).arm()
        >>> arm.recipe.batch_size, arm.recipe.learning_rate, arm.temperature
        (20, 0.1, 4.0)
        """
        recipe = search_plans.short(
            plans.TAUGHT,
            self.batch_size,
            learning_rate=self.learning_rate,
            momentum=self.momentum,
            dropout=self.dropout,
        )
        recipe = dataclasses.replace(recipe, **changes)
        return Arm(name, recipe, "student", "trained", self.alpha, self.temperature)


def of_entry(entry):
    """Return the configuration of a line of the record.

    - ``entry``: with ``budget`` and ``settings``, as :class:`kdbook.study.record.Record` returns
      it.

    >>> entry = {"budget": {"learning_rate": 0.01, "batch_size": 8, "momentum": None,
    ...                     "dropout": 0.1}, "settings": {"alpha": 0.5, "temperature": 2.0}}
    >>> of_entry(entry).temperature
    2.0
    """
    budget, settings = entry["budget"], entry["settings"]
    return Configuration(
        budget["learning_rate"],
        budget["batch_size"],
        budget["momentum"],
        budget["dropout"],
        settings["alpha"],
        settings["temperature"],
    )


def distances(point, points):
    """Return how far points of the unit cube are from one of them; a missing momentum counts 0.

    - ``point``: array of float, shape (axes,).
    - ``points``: array of float, shape (n, axes).
    - Returns array of float, shape (n,).

    >>> distances(np.array([0.0, 1.0]), np.array([[0.0, 0.5], [1.0, np.nan]]))
    array([0.5, 1. ])
    """
    return np.sqrt(np.nansum((points - point) ** 2, axis=1))


def _share(value, low, high):
    return (value - low) / (high - low)


def _log_share(value, low, high):
    return math.log(value / low) / math.log(high / low)
