"""What all trials of a live search share: images, lengths and seed."""

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Problem:
    """What all trials of a search share.

    - ``images``: a key of :data:`kdbook.study.workbench.SOURCES`, or a folder with ``images``,
      ``masks`` and ``palette.json``, as ``kdlib distil`` takes it.
    - ``epochs``: of a training that is not stopped.
    - ``crops``: that such a training sees, whatever its batch size.
    - ``crop``: height and width of a crop, in pixels.
    - ``patches``: validation patches that each epoch is judged on.
    - ``seed``: of all trainings.
    - ``teacher``: a ``.keras`` file; by default that of the library, or for a folder one that is
      trained first, by the recipe of the full mode, and kept in the cache.
    - ``ValueError`` if the images are unknown or a number is too small.

    >>> Problem("small city", epochs=2, crops=80, crop=32).steps(batch_size=20)
    2
    """

    images: str = "dubai"
    epochs: int = 8
    crops: int = 1600
    crop: int = 128
    patches: int = 16
    seed: int = 100
    teacher: str | None = None

    def __post_init__(self):
        """Check."""
        from kdbook.study.workbench import SOURCES  # both need Keras, and the defaults do not
        from kdbook.tune import space

        if self.images not in SOURCES and not (Path(self.images) / "palette.json").is_file():
            raise ValueError(
                f"images are {self.images!r}; expected one of {', '.join(SOURCES)}, or a folder "
                "that holds images, masks and palette.json."
            )
        least = self.epochs * max(space.BATCH_SIZES)
        if self.epochs < 2 or self.crops < least:
            raise ValueError(
                f"{self.crops} crops in {self.epochs} epochs; expected 2 epochs or more, and at "
                f"least {least} crops: one batch of {max(space.BATCH_SIZES)} an epoch."
            )
        if self.crop < 16 or self.crop % 16:
            raise ValueError(f"crops have {self.crop} pixels; expected a multiple of 16.")

    def steps(self, batch_size):
        """Return the steps of an epoch."""
        return self.crops // self.epochs // batch_size

    def arm(self, chosen):
        """Return the arm that trains a configuration."""
        steps = self.steps(chosen.batch_size)
        return chosen.arm(
            epochs=self.epochs, steps_per_epoch=steps, warmup_steps=2 * steps, crop=self.crop
        )
