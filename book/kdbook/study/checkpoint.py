"""A training that goes on where it was cut: weights, optimiser, curve and time of each epoch."""

import json
import shutil
import time

from kdlib._files import put
from kdlib.parallel import Backup


class Checkpoint(Backup):
    """What a run has reached, kept after each epoch.

    A run that is started again goes on from there, and ends at the weights of an unbroken one, as
    long as each epoch depends on seed and epoch alone: see :class:`kdlib.recipes.EpochSeeds`. Call
    ``fit(..., initial_epoch=checkpoint.epoch)`` with the checkpoint after the curve.

    - ``folder``: of this run alone.
    - ``curve``: object with a dict ``curve`` and a number ``seconds``. Such as
      :class:`kdbook.study.scoring.ValidationCurve`: brought back, too.
    - ``seconds``: what the training took, those before it was cut included, the curve and the
      writing not.
    """

    def __init__(self, folder, curve):
        super().__init__(folder, process=0)
        self.curve, self.seconds = curve, 0.0
        if self.epoch:
            kept = json.loads(self._beside(self.epoch).read_text(encoding="utf-8"))
            self.curve.curve, self.seconds = kept["curve"], kept["seconds"]

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock."""
        self._start, self._judging = time.perf_counter(), self.curve.seconds

    def on_epoch_end(self, epoch, logs=None):
        """Write all down; what is beside the weights first, since they say that it is complete."""
        judging = self.curve.seconds - self._judging
        self.seconds += time.perf_counter() - self._start - judging
        kept = {"curve": self.curve.curve, "seconds": self.seconds}
        put(self._beside(epoch + 1), json.dumps(kept).encode())
        super().on_epoch_end(epoch)

    def on_train_end(self, logs=None):
        """Keep all: the run is not recorded yet."""

    def remove(self):
        """Remove it, for the run is recorded, or cannot be."""
        shutil.rmtree(self.folder)

    def _beside(self, epoch):
        return self.folder / f"epoch-{epoch}.json"

    def _remove(self, but=None):
        super()._remove(but)
        for path in self.folder.glob("epoch-*.json"):
            if path != self._beside(but):
                path.unlink()
