"""Which choice makes a network answer one class everywhere? One choice changed at a time, recorded.

The settings start from what is known of the project that the book grew from: a U-Net without
normalisation, Adam at 0.0047, batches of 9. ``python -m kdbook.recorders collapse`` does what is
left and writes one line of JSON a run to ``results/collapse.jsonl``; it can be stopped at any
time. All settings of a seed start from the same weights, as far as their networks are the same,
and see the same crops, as far as their crops have the same size.

The whole record was sized for a quarter of an hour on one processor core, so the crops are small
(48 × 48, where the project took 256 × 256) and the trainings short (100 steps).
"""

import dataclasses

import keras
import numpy as np

from kdbook.recorders import program
from kdbook.recorders.collapse_callbacks import LOOK, Looks, compiled
from kdbook.study import provenance
from kdbook.study.arms import Plan, Run
from kdbook.study.record import RESULTS, by_arm
from kdlib import data, runtime
from kdlib.recipes import BUILDERS, EpochSeeds


@dataclasses.dataclass(frozen=True)
class Setting:
    """One way to train a network, the source project's but for what is given.

    - ``network``: {"teacher", "student"}.
    - ``rate``: of Adam; constant after the warm-up.
    - ``warmup``: share of the steps in which the rate rises from zero.
    - ``batch``, ``crop``, ``steps``: crops a step, their side in pixels, and steps.
    - ``dropout``, ``normalization``: as in :func:`kdlib.unet.unet`.
    - ``output``: {"probabilities", "twice", "logits"}. What reaches a cross-entropy that expects
      probabilities: them, the softmax of them, or logits, which it clips to what a probability can
      be.
    - ``labels``: {"own", "renumbered", "shuffled"}. The masks as they are, with the named classes
      numbered in another way, or each with the image of another patch.
    - ``steps_before``: steps that the optimiser has taken before, on another network. Its averages
      of this network's gradients begin at 0, and it no longer corrects them for that.
    """

    name: str
    network: str = "teacher"
    rate: float = 0.0047
    warmup: float = 0.0
    batch: int = 9
    crop: int = 48
    steps: int = 100
    dropout: float = 0.1
    normalization: str | None = None
    output: str = "probabilities"
    labels: str = "own"
    steps_before: int = 0

    def build(self, dropout=None):
        """Return the network, untrained, ending in what reaches the loss."""
        model = BUILDERS[self.network](
            image_height=None,
            image_width=None,
            dropout=self.dropout if dropout is None else dropout,
            normalization=self.normalization,
        )
        if self.output == "logits":
            return keras.Model(model.inputs[0], model.get_layer("logits").output)
        if self.output == "twice":
            return keras.Model(model.inputs[0], keras.layers.Softmax()(model.outputs[0]))
        return model

    @property
    def costly(self):
        """Whether a training takes several times as long as the source project's setting."""
        return self.steps > 200 or self.crop > 48

    def rate_at(self, step):
        """Return the learning rate of a step, the first of which is 0."""
        rising = self.warmup * self.steps
        return self.rate * min(1.0, (step + 1) / rising) if rising else self.rate

    def patches(self, patches, seed):
        """Return the training patches with the labels of this setting."""
        if self.labels == "own":
            return patches
        if self.labels == "renumbered":
            return dataclasses.replace(patches, labels=RENUMBERED[patches.labels])
        order = np.random.default_rng(seed).permutation(len(patches))
        return dataclasses.replace(patches, labels=patches.labels[order])


RENUMBERED = np.array([3, 4, 1, 0, 2, data.VOID], np.uint8)
"""The number that each class gets in the setting "renumbered"."""

_STUDENT = {"network": "student", "steps": 200}

SETTINGS = (
    Setting("source"),
    Setting("low-rate", rate=0.001),
    Setting("high-rate", rate=0.047),
    Setting("warm-up", warmup=1 / 3),
    Setting("batch-norm", normalization="batch"),
    Setting("much-dropout", dropout=0.5),
    Setting("double-softmax", output="twice"),
    Setting("logits-as-probabilities", output="logits"),
    Setting("renumbered-labels", labels="renumbered"),
    Setting("wrong-masks", labels="shuffled"),
    Setting("student", **_STUDENT),
    Setting("student-batch-norm", normalization="batch", **_STUDENT),
    Setting("longer", steps=300),
    Setting("large-crops", crop=96),
    # In the source project one Adam trained the teacher for 100 epochs of 116 steps, and then the
    # student; in its last version, for 5 epochs of 66 steps.
    Setting("used-optimizer", steps_before=11_600),
    Setting("used-a-little", steps_before=330),
    Setting("student-used-optimizer", steps_before=11_600, **_STUDENT),
)
"""The source project's setting, and each of the others with one choice changed."""

PLAN = Plan("collapse", SETTINGS, seeds=(0, 1, 2), judged_on="validation")
"""Names the record. It is run by this module, not by :mod:`kdbook.study.runner`."""


def train(setting, seed, training, judged, more=()):
    """Train one network and look at it meanwhile; return the network and its curve.

    `more` are further callbacks.
    """
    model = compiled(setting)
    runtime.set_seed(seed)
    model.set_weights(setting.build().get_weights())
    model.optimizer.iterations.assign(setting.steps_before)
    steps = min(LOOK, setting.steps)
    batches = data.Batches(setting.patches(training, seed), setting.batch, setting.crop,
                           augment=True, shuffle=True, seed=seed, steps=steps)  # fmt: skip
    if setting.labels == "renumbered":
        judged = setting.patches(judged, seed)
    looks = Looks(setting, judged, batches[0])
    epochs = setting.steps // steps
    callbacks = [EpochSeeds(batches, seed), looks, *more]
    model.fit(batches, epochs=epochs, callbacks=callbacks, shuffle=False, verbose=0)
    return model, {"step": [steps * (n + 1) for n in range(epochs)]} | looks.curve


def some(patches, count=16, side=128):
    """Return the middles of some patches, spread evenly: what the looks look at."""
    chosen = patches.take(np.linspace(0, len(patches) - 1, count).astype(int))
    size = chosen.labels.shape[1]
    side = min(side, size)
    middle = slice((size - side) // 2, (size + side) // 2)
    return dataclasses.replace(
        chosen, images=chosen.images[:, middle, middle], labels=chosen.labels[:, middle, middle]
    )


def record(setting, seed, images, split):
    """Train one network; return what its line says."""
    _, curve = train(setting, seed, split.train, some(split.validation))
    return {
        "settings": dataclasses.asdict(setting),
        "data": provenance.data_entry(images, split),
        "curve": curve,
    }


def runs(folder=RESULTS):
    """Return {setting: {seed: line}} of what is recorded: :func:`kdbook.study.record.by_arm`."""
    return by_arm(PLAN, folder, older={"steps_before": 0})


def _runs():
    """Return all runs, seed by seed, so that a record that is cut short still has pairs."""
    return [Run(PLAN.name, setting.name, seed) for seed in PLAN.seeds for setting in SETTINGS]


def main(options):
    """Do what is left of the record."""
    images = data.load("dubai")
    split = data.split(data.cut(images), images)
    # What costs most comes last.
    runs = sorted(_runs(), key=lambda run: PLAN.arm(run.arm).costly)
    program.do_what_is_left(
        PLAN, runs, lambda run: record(PLAN.arm(run.arm), run.seed, images, split), options
    )
