"""One run from the images to the finished line of the record."""

import datetime
import hashlib
import itertools
import time

import numpy as np

from kdbook.study import provenance, scoring
from kdbook.study.arm_training import logits_suffice, train
from kdbook.study.arms import several
from kdbook.study.checkpoint import Checkpoint
from kdbook.study.plans import PLANS
from kdbook.study.record import RESULTS, Record, work_folder
from kdlib import beyond, data, metrics, models, recipes

SOURCES = {
    "dubai": lambda: data.load("dubai"),
    "city": lambda: data.load("city"),
    "small city": lambda: data.synthetic.city(n_images=18, size=64),
}
"""How to get the images of a plan."""


class Bench:
    """Images, splits and teachers of a plan, kept from run to run.

    - ``folder``: of the record. Trained networks are in ``work/weights`` below it.
    """

    def __init__(self, plan, folder):
        self.plan, self.folder = plan, folder
        self.images = SOURCES[plan.source]()
        self.fingerprint = self.images.fingerprint()
        self._patches = data.cut(self.images, plan.patch_size)
        self._kept = {}

    def do(self, run, callbacks=()):
        """Train and judge one run; save its network; return the entry for the record.

        - ``callbacks``: sequence of keras.callbacks.Callback. For the training.
        - ``FileNotFoundError``, ``ValueError`` as :meth:`teacher`; ``ValueError`` also if the
          training diverges.
        """
        arm = self.plan.arm(run.arm)
        started, start = datetime.datetime.now(datetime.UTC), time.perf_counter()
        split = self.split(arm, run.seed)
        taught_by, judge = self.plan.teachers_of(arm, run.seed), self.plan.judge_of(arm)
        teacher = self._joined(taught_by, arm.temperature)
        curve = self._curve(split, judge)
        kept = arm.answers or (self.plan.keeps_logits and logits_suffice(arm))
        keep = work_folder(self.folder) / "logits" if kept else None
        checkpoint = Checkpoint(self._checkpoint_folder(run, arm, taught_by), curve)
        try:
            network = train(
                arm, split, run.seed, teacher, [curve, checkpoint, *callbacks], keep,
                checkpoint.epoch,
            )  # fmt: skip
        except ValueError:  # it diverged: not worth going on with
            checkpoint.remove()
            raise
        # What is scored is what is kept, and what others can be given: float16.
        weights = models.half(network)
        models.assign(network, weights)
        entry = {
            **run._asdict(),
            "settings": arm.settings(),
            "budget": arm.budget(),
            "precision": network.get_layer("c1").compute_dtype,
            "data": provenance.data_entry(self.images, split),
            "teacher": self._reference(*taught_by),
            "judge": self._reference(*several(judge)),
            "soft_targets": arm.answers or ("kept in float16" if kept else "online"),
            **provenance.origin(started),
            "training_seconds": round(checkpoint.seconds, 2),
            "images_per_second": round(
                arm.recipe.steps * arm.recipe.batch_size / checkpoint.seconds, 2
            ),
            "passes": round(_passes(arm.recipe, split), 3),
            "epochs": arm.recipe.epochs,
            "curve": {"patches": len(curve.patches), "temperature": curve.temperature}
            | curve.curve,
            **{
                part: self._score(network, split, part, judge, arm, run.seed)
                for part in self.plan.scored
            },
            "weights": self._save(weights, run),
        }
        checkpoint.remove()
        return entry | {"seconds": round(time.perf_counter() - start, 2)}

    def split(self, arm, seed):
        """Return the split of an arm; the seed counts for the split by patch alone."""
        key = _split_key(arm, seed)
        if key not in self._kept:
            self._forget("split")
            options = {"held_out_tile": arm.held_out_tile, "seed": seed}
            split = data.split(self._patches, self.images, by=arm.split, **options)
            if arm.split != "patch":
                data.check_disjoint(split)
            self._kept[key] = split
        return self._kept[key]

    def teacher(self, run):
        """Return the network that a recorded run trained.

        - ``FileNotFoundError`` if the run is not recorded, or its weights are not here.
        - ``ValueError`` if the weights are not those that were recorded.
        """
        if ("network", run) not in self._kept:
            check_teacher(run, self.plan, self.folder)
            arm = _plan_of(run, self.plan).arm(run.arm)
            network = recipes.build(arm.network, run.seed, arm.recipe)
            models.assign(network, models.read(weights_path(self.folder, run)))
            self._kept["network", run] = network
        return self._kept["network", run]

    def score(self, run, part):
        """Return what the network of a recorded run scores on a part of its split.

        - ``part``: {"train", "validation", "test"}.
        - ``FileNotFoundError``, ``ValueError`` as :meth:`teacher`.
        """
        arm, network = self.plan.arm(run.arm), self.teacher(run)
        judge = self.plan.judge_of(arm)
        return self._score(network, self.split(arm, run.seed), part, judge, arm, run.seed)

    def _joined(self, runs, temperature):
        """Return the teacher of an arm: a network, an ensemble of several, or None."""
        if len(runs) > 1:
            return beyond.ensemble([self.teacher(run) for run in runs], temperature)
        return self.teacher(*runs) if runs else None

    def _reference(self, *runs):
        """Name the runs of a teacher with the hashes of their weights, or return None."""
        hashes = [models.digest(models.half(self.teacher(run))) for run in runs]
        return {"run": ", ".join(map(str, runs)), "weights": ", ".join(hashes)} if runs else None

    def _curve(self, split, judge):
        count = min(self.plan.curve_patches, len(split.validation))
        places = np.linspace(0, len(split.validation) - 1, count).astype(int)
        teacher = judge and self.teacher(judge)
        patches = split.validation.take(places)
        return scoring.ValidationCurve(patches, teacher, self.plan.curve_temperature)

    def _score(self, network, split, part, judge, arm, seed):
        patches, key = getattr(split, part), (*_split_key(arm, seed), judge, part)
        if judge and key not in self._kept:
            self._kept[key] = metrics.predict_labels(self.teacher(judge), patches)
        return scoring.score(network, patches, self._kept.get(key))

    def _forget(self, kind):
        self._kept = {key: value for key, value in self._kept.items() if key[0] != kind}

    def _checkpoint_folder(self, run, arm, taught_by):
        """Return the folder for what a run has reached: another one if anything is changed."""
        told = (arm.settings(), arm.budget(), self._reference(*taught_by), self.fingerprint)
        name = f"{run}-{hashlib.sha256(repr(told).encode()).hexdigest()[:8]}"
        return work_folder(self.folder) / "checkpoints" / name

    def _save(self, weights, run):
        path = work_folder(self.folder) / "weights" / f"{run}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        models.write(path, weights)
        return models.digest(weights)


def weights_path(folder, run):
    """Return where the weights of a run's network are: in the work folder, or else in the clone.

    A clone has those of the networks that come with the library, and, in ``results/weights``, of
    the teacher of the older plans: so that the study can go on there.
    """
    path = work_folder(folder) / "weights" / f"{run}.npz"
    for kept in (path, RESULTS / "weights" / path.name):
        if kept.exists():
            return kept
    for shipped in itertools.product(models.NAMES, models.IMAGES):
        of_library = models.weights_path(*shipped)
        if of_library.exists() and models.card(*shipped)["run"] == str(run):
            return of_library
    return path


def check_teacher(run, plan, folder):
    """Raise unless the network of a recorded run is here, with the recorded weights.

    - ``plan``: the plan that needs it; the run may be of another one.
    - ``FileNotFoundError``, ``ValueError`` as :meth:`Bench.teacher`.
    """
    entry, path = Record(folder, _plan_of(run, plan)).runs().get(run), weights_path(folder, run)
    if entry is None:
        raise FileNotFoundError(
            f"the teacher {run} is missing: no such run is recorded in {folder}. Train it first: "
            f"python -m kdbook.study --plan {run.plan} --only {run.arm}"
        )
    if not path.exists():
        raise FileNotFoundError(
            f"the teacher {run} is recorded, but its weights are missing: expected {path} with "
            f"hash {entry['weights']}. Copy the file from where it was trained, or use another "
            "--out and train the teacher there."
        )
    if (found := models.digest(models.read(path))) != entry["weights"]:
        raise ValueError(
            f"{path} holds weights with hash {found}, and the teacher {run} was recorded with "
            f"{entry['weights']}. Put the recorded file back."
        )


def _passes(recipe, split):
    """Return how often a training sees the area of the training patches."""
    seen = recipe.steps * recipe.batch_size * recipe.crop**2
    return seen / split.train.labels.size


def _plan_of(run, plan):
    return plan if run.plan == plan.name else PLANS[run.plan]


def _split_key(arm, seed):
    return "split", arm.split, arm.held_out_tile, seed if arm.split == "patch" else None
