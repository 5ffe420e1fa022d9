"""How long a network is trained, at which rate, from which batches."""

import dataclasses

import keras

from kdlib import runtime
from kdlib.data import Batches


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a U-Net is trained: everything but the data and the seed.

    Parameters
    ----------
    epochs, steps_per_epoch : int
        Length of the training. An epoch here is a number of steps, not a pass over the patches.
    batch_size : int
        Crops a step.
    crop : int
        Height and width of the random crops, in pixels, divisible by 16.
    learning_rate : float
        The peak: reached after ``warmup_steps``, then lowered along a half cosine to zero.
    warmup_steps : int
        Steps in which the rate rises in a straight line from zero.
    dropout, normalization
        As in :func:`kdlib.unet.unet`.
    fastest_precision : bool
        Whether to build the network in :func:`kdlib.runtime.faster_precision`, not in float32.
    jitter : float or None
        How far the colours of the crops are changed at random, as in :class:`kdlib.data.Batches`.
    momentum : float or None
        None trains with Adam; a number from 0 to below 1 with SGD and Nesterov's momentum.

    Examples
    --------
    >>> recipe = Recipe(epochs=2, steps_per_epoch=5, batch_size=8, crop=64, learning_rate=3e-3)
    >>> recipe.steps
    10
    """

    epochs: int
    steps_per_epoch: int
    batch_size: int
    crop: int
    learning_rate: float
    warmup_steps: int = 50
    dropout: float = 0.1
    normalization: str | None = None
    fastest_precision: bool = False
    jitter: float | None = None
    momentum: float | None = None

    @property
    def steps(self):
        """Number of training steps in all."""
        return self.epochs * self.steps_per_epoch

    def suited_to(self, patches):
        """Return the recipe with crops that are no larger than the patches.

        Parameters
        ----------
        patches : kdlib.data.Patches

        Returns
        -------
        Recipe

        Raises
        ------
        ValueError
            If the U-Nets cannot take patches of this size.

        Examples
        --------
        >>> from kdlib.data import cut, synthetic
        >>> patches = cut(synthetic.city(n_images=1, size=64), size=32)
        >>> Recipe(2, 5, batch_size=8, crop=128, learning_rate=3e-3).suited_to(patches).crop
        32
        """
        side = min(patches.labels.shape[1:])
        if any(length % 16 for length in patches.labels.shape[1:]):
            raise ValueError(
                f"the patches have {side} × {side} pixels; the U-Nets halve them four times, and "
                f"need a multiple of 16. Cut patches of {max(16, side // 16 * 16)}."
            )
        return dataclasses.replace(self, crop=min(self.crop, side))

    def optimizer(self):
        """Return Adam (Kingma and Ba 2015), or SGD, with a warm-up and cosine decay."""
        warmup = min(self.warmup_steps, self.steps // 2)
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, self.steps - warmup, warmup_target=self.learning_rate, warmup_steps=warmup
        )
        if self.momentum is None:
            return keras.optimizers.Adam(schedule)
        return keras.optimizers.SGD(schedule, self.momentum, nesterov=True)

    def batches(self, patches, seed=0):
        """Return random crops of the patches, flipped and turned, void pixels at weight 0."""
        return Batches(
            patches,
            self.batch_size,
            crop=self.crop,
            augment=True,
            steps=self.steps_per_epoch,
            shuffle=True,
            jitter=self.jitter,
            seed=seed,
        )


RECIPES = {
    "teacher": {
        "smoke": Recipe(4, 30, batch_size=16, crop=32, learning_rate=3e-3, normalization="batch"),
        # That of the teacher that comes with the library, with 400 steps and not 3,000.
        "full": Recipe(
            8,
            50,
            batch_size=16,
            crop=128,
            learning_rate=3e-3,
            warmup_steps=100,
            dropout=0.0,
            normalization="batch",
            fastest_precision=True,
            jitter=0.2,
        ),
    },
    # Without normalisation the narrow student loses whole classes: see chapter 07.
    "student": {
        "smoke": Recipe(4, 40, batch_size=16, crop=32, learning_rate=1e-2, normalization="batch"),
        "full": Recipe(
            12,
            50,
            batch_size=8,
            crop=128,
            learning_rate=5e-3,
            warmup_steps=100,
            normalization="batch",
        ),
    },
}
"""The recipe of each role, in each run mode."""


def recipe(role):
    """Return the recipe of ``"teacher"`` or ``"student"`` for the run mode.

    Raises
    ------
    ValueError
        If there is no such role.

    Examples
    --------
    >>> recipe("student").batch_size
    16
    """
    if role not in RECIPES:
        raise ValueError(f"role is {role!r}; expected 'teacher' or 'student'.")
    return runtime.pick(**RECIPES[role])
