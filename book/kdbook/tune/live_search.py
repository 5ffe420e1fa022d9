"""A live search: students trained as Optuna proposes, and stopped where its pruner says so.

All are judged on validation images. Nothing here looks at a test image.
"""

import time
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

import kdlib
from kdbook.study.arm_training import train
from kdbook.study.scoring import ValidationCurve
from kdbook.study.workbench import SOURCES
from kdbook.tune import engine, search_storage
from kdbook.tune.problem import Problem
from kdbook.tune.replay import final_score
from kdlib import data, metrics, recipes, saved

optuna = engine.optuna


class Trainer:
    """Trains the student of a trial, reports each epoch, and stops when the pruner says so.

    - ``folder``: of the search. The teacher's logits are kept in ``logits`` below it, for all
      trials.

    >>> import tempfile
    >>> from kdbook.tune.problem import Problem
    >>> problem = Problem("small city", epochs=2, crops=40, crop=16)
    >>> Trainer(problem, tempfile.mkdtemp()).teacher.name
    'teacher'
    """

    def __init__(self, problem, folder):
        self.problem, self.keep = problem, Path(folder) / "logits"
        images = _images(problem.images)
        side = min(256, *(length for labels in images.labels for length in labels.shape))
        self.split = data.split(data.cut(images, max(16, side // 16 * 16)), images, by="image")
        self.teacher = _teacher(problem, images, self.split)

    def __call__(self, trial):
        """Return the mean IoU on all validation patches."""
        arm, judged = self.problem.arm(suggest(trial)), self.split.validation
        judge = Judge(trial, judged, self.problem)
        network = train(arm, self.split, self.problem.seed, self.teacher, [judge], self.keep)
        predicted = metrics.predict_labels(network, judged)
        palette = judged.palette
        matrix = metrics.confusion_matrix(
            judged.labels, predicted, len(palette), void_class=palette.void
        )
        keras.utils.clear_session()
        return float(final_score(matrix, palette.void))


def _images(name):
    if name in SOURCES:
        return SOURCES[name]()
    return data.read_folder(name, palette=saved.palette(Path(name) / "palette.json"))


def _teacher(problem, images, split):
    if problem.teacher is not None:
        return saved.load_network(problem.teacher, images.palette)
    if problem.images in SOURCES:
        return kdlib.pretrained("teacher", images.name)
    return recipes.trained_teacher(images, split, chosen=recipes.RECIPES["teacher"]["full"])


def _prepare(problem, folder):
    """Train the teacher of one's own images before several workers would, each for itself."""
    Trainer(Problem(**problem), folder)


class Judge(ValidationCurve):
    """After each epoch but the last, tell the trial its mean IoU, and ask whether to go on.

    - ``patches``: the validation patches, of which some are judged on.

    >>> from kdlib.data import cut, synthetic
    >>> from kdbook.tune.problem import Problem
    >>> trial = optuna.create_study().ask()
    >>> patches = cut(synthetic.city(n_images=1, size=32), size=16)
    >>> len(Judge(trial, patches, Problem(patches=2)).patches)
    2
    """

    def __init__(self, trial, patches, problem):
        places = np.linspace(0, len(patches) - 1, min(problem.patches, len(patches)))
        super().__init__(patches.take(places.astype(int)))
        self.trial, self.problem = trial, problem

    def on_epoch_end(self, epoch, logs=None):
        """Judge. A training whose loss is no number any more has a score of 0, and is stopped."""
        diverged = not np.isfinite(logs["loss"])
        if not diverged and epoch + 1 == self.problem.epochs:
            return
        if not diverged:
            super().on_epoch_end(epoch, logs)
        self.trial.report(0.0 if diverged else self.curve["mean_iou"][-1], epoch + 1)
        if diverged or self.trial.should_prune():
            raise optuna.TrialPruned


def suggest(trial):
    """Return the configuration that Optuna proposes for a trial.

    >>> type(suggest(optuna.create_study().ask())).__name__
    'Configuration'
    """
    params = {}
    for name, axis in engine.distributions().items():
        if hasattr(axis, "choices"):
            params[name] = trial.suggest_categorical(name, axis.choices)
        else:
            params[name] = trial.suggest_float(name, axis.low, axis.high, log=axis.log)
    return engine.configuration(params)


def work(folder, problem, trials, quiet=False, trainer=Trainer, url=None):
    """Search until so many trials are done, as one of any number of workers.

    Trials that others have are waited for: if a worker dies, its configuration is tried again.
    Several workers that start their last trials at the same moment can make one too many each.

    - ``folder``: of the search, made if it is missing.
    - ``trials``: finished or stopped trials that the search shall have in all, earlier ones
      included.
    - ``quiet``: whether to show no progress bar.
    - ``trainer``: ``trainer(problem, folder)`` returns what trains a trial: for tests.
    - ``url``: of the database, as for :func:`kdbook.tune.search_storage.study`.
    - ``ValueError``, ``OSError``, ``ImportError`` as :func:`kdbook.tune.search_storage.study`.

    >>> import tempfile
    >>> from kdbook.tune.problem import Problem
    >>> chance = lambda problem, folder: lambda trial: suggest(trial).dropout
    >>> work(tempfile.mkdtemp(), Problem(), 2, quiet=True, trainer=chance).best_value <= 0.5
    True
    """
    study, objective = search_storage.study(folder, problem, url), None
    with tqdm(total=trials, unit="trial", disable=quiet) as bar:
        while (done := search_storage.count(study, search_storage.DONE)) < trials:
            bar.update(done - bar.n)
            search_storage.take_up(study)
            if done + search_storage.count(study, search_storage.RUNNING) >= trials:
                time.sleep(search_storage.WAIT)
                continue
            objective = objective or trainer(problem, folder)
            search_storage.one_trial(study, objective)
        bar.update(done - bar.n)
    return study
