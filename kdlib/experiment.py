"""One experiment: does a teacher help a student on these images? Three networks and a report.

The student from scratch and the distilled student start from the same weights and see the same
crops in the same order. What differs is the teacher.
"""

import contextlib
import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
from tqdm.keras import TqdmCallback

from kdlib import metrics, recipes, runtime, saved
from kdlib._files import put
from kdlib.data import Palette
from kdlib.distiller import Distiller
from kdlib.losses import checked_alpha
from kdlib.network_ends import only_output
from kdlib.softening import checked_temperature

TEACHER, SCRATCH, DISTILLED = "teacher", "student from scratch", "distilled student"
CONSTANT = "constant predictor"
_FACTS, _REPORT = "experiment.json", "report.txt"
_KINDS = {"palette": dict, "models": list, "matrices": dict, "parts": dict}
"""What the facts of an experiment must hold."""


@dataclasses.dataclass(frozen=True, eq=False)
class Experiment:
    """What :func:`run` returns: the networks, and what they get right on the test patches.

    Parameters
    ----------
    palette : kdlib.data.Palette
        The classes.
    models : dict of str to keras.Model
        "teacher", "student from scratch" and "distilled student".
    matrices : dict of str to array, shape (n_classes, n_classes)
        The confusion matrix of each on the test patches: rows true, columns predicted.
    parts : dict of str to dict
        Of "train", "validation" and "test": how many ``patches``, of how many ``images``, and the
        number of ``pixels`` of each class.
    mode : {"full", "smoke"}
        The run mode that chose the recipes. In smoke mode trainings are short, and the report says
        so. With a recipe of one's own it is "full".

    Raises
    ------
    ValueError
        From :meth:`scores` and :meth:`report`, if no test pixel is labelled.

    Examples
    --------
    >>> from kdlib.data import cut, split, synthetic
    >>> images = synthetic.city(n_images=9, size=32)
    >>> found = Experiment.of(split(cut(images, size=32), images), {}, {"teacher": np.eye(6)})
    >>> found.scores()["teacher"].accuracy
    1.0
    """

    palette: Palette
    models: dict
    matrices: dict
    parts: dict
    mode: str = "full"

    @classmethod
    def of(cls, split, models, matrices, mode="full"):
        """Return the experiment on the patches of a :class:`kdlib.data.Split`."""
        parts = {}
        for name in ("train", "validation", "test"):
            patches = getattr(split, name)
            parts[name] = {
                "patches": len(patches),
                "images": len(np.unique(patches.image_index)),
                "pixels": np.bincount(patches.labels.ravel(), minlength=len(patches.palette)),
            }
        return cls(split.test.palette, models, matrices, parts, mode)

    def __repr__(self):
        """Name the networks, the number of patches and the classes; :meth:`report` has scores."""
        patches = ", ".join(f"{name} {part['patches']}" for name, part in self.parts.items())
        return (
            f"Experiment({', '.join(self.matrices)}; patches: {patches}; {len(self.palette)} "
            f"classes: {', '.join(self.palette.names)}; mode: {self.mode})"
        )

    def save(self, folder):
        """Write networks, palette and report to a folder, from which :func:`load` takes them.

        ``distilled-student.keras`` and the other networks carry the palette: ``kdlib predict
        --model`` needs no more. None keeps its optimizer. The report is ``report.txt``.

        Parameters
        ----------
        folder : path
            Made if it is missing. Files of an earlier experiment are replaced.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, model in self.models.items():
            with _without_optimizer(model):
                saved.save(model, _file(folder, name), self.palette)
        facts = {
            "palette": json.loads(self.palette.to_json()),
            "models": list(self.models),
            "matrices": {name: np.asarray(m).tolist() for name, m in self.matrices.items()},
            "parts": {
                name: {**part, "pixels": np.asarray(part["pixels"]).tolist()}
                for name, part in self.parts.items()
            },
            "mode": self.mode,
        }
        put(folder / _FACTS, json.dumps(facts, indent=1, ensure_ascii=False).encode())
        put(folder / _REPORT, (self.report() + "\n").encode())

    def scores(self):
        """Return {name: :class:`kdlib.metrics.Scores`}, the constant predictor among them."""
        pixels, void = self.parts["test"]["pixels"], self.palette.void
        if void is not None and pixels[void] == sum(pixels):
            raise ValueError(_unlabelled("test", self.parts["test"]["patches"], self.palette))
        found = {name: metrics.scores(matrix, void) for name, matrix in self.matrices.items()}
        any_matrix = next(iter(self.matrices.values()))
        return {CONSTANT: metrics.constant_predictor(any_matrix, void), **found}

    def report(self):
        """Return the scores as text: all of them, then each class, then what to be wary of."""
        return "\n".join([*self._overall(), "", *self._by_class(), "", *self._warnings()])

    def _overall(self):
        yield "  ".join(
            f"{name}: {part['patches']} patches of {part['images']} images"
            for name, part in self.parts.items()
        )
        yield f"\n{'on the test patches':<24}{'accuracy':>10}{'mean IoU':>10}"
        for name, one in self.scores().items():
            yield f"{name:<24}{one.accuracy:>10.3f}{one.mean_iou:>10.3f}"

    def _by_class(self):
        palette, scores = self.palette, self.scores()
        width = max(16, *(len(name) + 2 for name in palette.names))
        columns = f"{'precision':>10}{'recall':>10}{'IoU':>10}"
        yield f"{'class':<{width}}{'pixels':<9}{'network':<24}{columns}"
        for number in palette.named:
            share = scores[CONSTANT].share[number]
            head = f"{palette.names[number]:<{width}}{share:<9.1%}"
            for name, one in scores.items():
                values = (one.precision[number], one.recall[number], one.iou[number])
                yield f"{head}{name:<24}" + "".join(f"{_number(value):>10}" for value in values)
                head = " " * len(head)

    def _warnings(self):
        if self.mode == "smoke":
            yield "Smoke mode was on: it trains for a few steps, to show that everything works, and"
            yield "its scores say nothing. In Python, set KD_MODE=full before it starts, or give"
            yield "recipes; on the command line, leave --quick out."
        palette = self.palette
        for name, part in self.parts.items():
            absent = [palette.names[c] for c in palette.named if part["pixels"][c] == 0]
            if absent:
                yield f"No pixel of {', '.join(absent)} in {name}."
        scores = self.scores()
        for name in self.models:
            if np.nanmax(scores[name].predicted_share) > 0.999:
                yield f"The {name} has learned nothing: it gives one class to all pixels."
        gain = scores[DISTILLED].mean_iou - scores[SCRATCH].mean_iou
        yield f"Distilled minus from scratch, mean IoU: {gain:+.3f}. It is one seed: repeat it with"
        yield "others, and compare with kdlib.metrics.paired_difference, before you believe it."


def run(split, teacher, chosen=None, alpha=0.1, temperature=1.0, seed=0, verbose=1):
    """Train a student from scratch and a distilled student alike, and judge both on test patches.

    Parameters
    ----------
    split : kdlib.data.Split
        Its training patches are learned from, its test patches judged by.
    teacher : keras.Model
        A trained network with an output for each class, such as
        :func:`kdlib.recipes.trained_teacher` returns.
    chosen : kdlib.recipes.Recipe, optional
        How both students are trained; by default ``recipes.recipe("student")``.
    alpha, temperature : float
        Weight of the loss on the labels, and T, as for :class:`kdlib.distiller.Distiller`.
    seed : int
        Decides the initial weights, the crops and the dropout of both students.
    verbose : {0, 1, 2}
        0 shows no progress, 1 a bar for each student, 2 a line for each epoch.

    Returns
    -------
    Experiment

    Raises
    ------
    ValueError
        Before the first training: if teacher and student are no pair, the teacher has another
        number of classes than the palette of the patches or cannot take them, the patches have a
        size that the U-Nets cannot take, alpha, temperature or verbose is out of its range, no
        pixel of the training or the test patches is labelled, or the teacher returns NaN. Later: if
        a training diverges.

    References
    ----------
    Hinton, Vinyals and Dean (2015), Distilling the knowledge in a neural network.

    Examples
    --------
    >>> from kdlib import data
    >>> images = data.synthetic.city(n_images=9, size=32)
    >>> split = data.split(data.cut(images, size=16), images)
    >>> tiny = recipes.Recipe(1, steps_per_epoch=1, batch_size=1, crop=16, learning_rate=1e-3)
    >>> found = run(split, recipes.build("teacher"), tiny)
    >>> found.mode
    'full'
    >>> found.report().splitlines()[0]
    'train: 24 patches of 6 images  validation: 4 patches of 1 images  test: 8 patches of 2 images'
    """
    if verbose not in (0, 1, 2):
        raise ValueError(
            f"verbose is {verbose!r}; expected 0 for no progress, 1 for a bar for each student, or "
            "2 for a line for each epoch."
        )
    n_classes = len(split.train.palette)
    mode = "full" if chosen else runtime.mode()  # of the recipes that the mode chooses
    check(split, alpha, temperature)
    _check_teacher(teacher, split.train.palette)
    chosen = (chosen or recipes.recipe("student")).suited_to(split.train)
    scratch, distilled = (recipes.build("student", seed, chosen, n_classes) for _ in range(2))
    recipes.compile_alone(scratch, chosen)
    distiller = Distiller(distilled, teacher)
    options = {"alpha": alpha, "temperature": temperature}
    distiller.compile(chosen.optimizer(), jit_compile=runtime.jit_compile(), **options)
    _check_answer(teacher, "crops of the training", chosen.batches(split.train, seed)[0][0][:1])
    _check_answer(teacher, "test patches", split.test.images[:1] / np.float32(255))
    models = {TEACHER: teacher, SCRATCH: scratch, DISTILLED: distilled}
    matrices = {TEACHER: _matrix(TEACHER, teacher, split.test)}  # first: it may return NaN
    for name, model in ((SCRATCH, scratch), (DISTILLED, distiller)):
        bar = [TqdmCallback(chosen.epochs, verbose=0, desc=name)] if verbose == 1 else []
        lines = 2 if verbose == 2 else 0
        recipes.fit(model, split.train, chosen, seed, callbacks=bar, verbose=lines)
        matrices[name] = _matrix(name, models[name], split.test)
    return Experiment.of(split, models, matrices, mode)


def check(split, alpha=0.1, temperature=1.0):
    """Refuse what :func:`run` would refuse, as far as that is known before there is a teacher.

    Parameters
    ----------
    split, alpha, temperature
        As for :func:`run`.

    Raises
    ------
    ValueError
        If alpha or temperature is out of its range, or no pixel of the training or the test patches
        is labelled.

    Examples
    --------
    >>> from kdlib import data
    >>> images = data.synthetic.city(n_images=9, size=32)
    >>> check(data.split(data.cut(images, size=16), images), temperature=0)
    Traceback (most recent call last):
    ...
    ValueError: temperature is 0; expected a positive number, from 1e-18 to 1e18. Use 1 for ...
    """
    checked_alpha(alpha)
    checked_temperature(temperature)
    for part in ("train", "test"):
        _check_labelled(split, part)


def load(folder):
    """Return the experiment that :meth:`Experiment.save` wrote.

    Parameters
    ----------
    folder : path

    Returns
    -------
    Experiment

    Raises
    ------
    FileNotFoundError
        If there is none, or a network is missing.
    ValueError
        If its files are damaged.

    Examples
    --------
    >>> load("nowhere")
    Traceback (most recent call last):
    ...
    FileNotFoundError: nowhere/experiment.json is missing: expected a folder of Experiment.save.
    """
    path = Path(folder) / _FACTS
    if not path.is_file():
        raise FileNotFoundError(
            f"{path.as_posix()} is missing: expected a folder of Experiment.save."
        )
    facts, palette = _facts(path)
    models = {name: saved.load(_file(folder, name)) for name in facts["models"]}
    matrices = {name: np.array(matrix) for name, matrix in facts["matrices"].items()}
    return Experiment(palette, models, matrices, facts["parts"], facts.get("mode", "full"))


def _facts(path):
    """Return what the file of an experiment holds, and its palette."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        found = facts if isinstance(facts, dict) else {}
        lost = [name for name, kind in _KINDS.items() if not isinstance(found.get(name), kind)]
        if lost:
            raise ValueError(f"it does not hold {', '.join(lost)}.")
        return facts, Palette.from_json(json.dumps(facts["palette"]))
    except ValueError as error:
        raise ValueError(
            f"{path.as_posix()} is damaged, or not of Experiment.save: {error} Restore it, or run "
            "the experiment again. The networks beside it can be read by kdlib.load."
        ) from error


def _file(folder, name):
    return Path(folder) / f"{name.replace(' ', '-')}.keras"


@contextlib.contextmanager
def _without_optimizer(model):
    """Lay aside what a network was compiled with: one that was distilled has nothing of it."""
    if not model.compiled:
        yield
        return
    optimizer = model.optimizer
    model.compiled, model.optimizer = False, None
    try:
        yield
    finally:
        model.compiled, model.optimizer = True, optimizer


def _matrix(name, model, patches):
    try:
        predicted = metrics.predict_labels(model, patches)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    palette = patches.palette
    return metrics.confusion_matrix(
        patches.labels, predicted, len(palette), void_class=palette.void
    )


def _check_teacher(teacher, palette):
    if not isinstance(teacher, keras.Model):
        raise ValueError(f"the teacher is {teacher!r}; expected a trained keras.Model.")
    answers = getattr(teacher, "outputs", None)  # none for a subclassed network
    classes = only_output(answers).shape[-1] if answers else len(palette)
    if classes != len(palette):
        raise ValueError(
            f"the teacher has {classes} outputs a pixel, and the palette "
            f"{len(palette)} classes: {', '.join(palette.names)}. Train a teacher on these images: "
            "recipes.trained_teacher(images, split)."
        )


def _check_answer(teacher, what, images):
    """Ask the teacher once, before any training: networks may take a single size of image."""
    try:
        answer = teacher(images, training=False)
    except (ValueError, TypeError, RuntimeError, OSError) as error:
        raise ValueError(
            f"the teacher cannot take the {what}, of shape {images.shape[1:]}: {error} Cut patches "
            "of the size that it takes, or build it for images of any size."
        ) from error
    answer = only_output(answer)
    shape = tuple(answer.shape)
    if shape[1:-1] != images.shape[1:-1]:
        raise ValueError(
            f"the teacher answers the {what}, of shape {images.shape[1:]}, with shape {shape[1:]}; "
            "expected an answer for each pixel."
        )
    if keras.ops.any(keras.ops.isnan(answer)):
        raise ValueError(
            f"the teacher returns NaN for the {what}: its training diverged. Train it anew at a "
            "lower rate, or take another teacher."
        )


def _check_labelled(split, part):
    """Refuse a part of which every pixel is void: nothing can be learned from it, or scored."""
    patches = getattr(split, part)
    void = patches.palette.void
    if void is not None and (patches.labels == void).all():
        raise ValueError(_unlabelled(part, len(patches), patches.palette))


def _unlabelled(part, patches, palette):
    return (
        f"no pixel of the {patches} {part} patches is labelled: all are "
        f"{palette.names[palette.void]!r}, the void class. Label some, or divide the images in "
        "another way."
    )


def _number(value):
    return "none" if np.isnan(value) else f"{value:.3f}"
