"""The trainings that the chapters share: how long, with which optimizer, from which batches.

A chapter shows one training in the open and leaves the others to these few functions, so that
every model of the book is trained alike and a comparison between two of them is fair.
"""

import dataclasses
import hashlib
import os

import keras

from kdlib import runtime
from kdlib.data import N_CLASSES, Batches
from kdlib.unet import multi_student_unet_model, multi_teacher_unet_model

BUILDERS = {"teacher": multi_teacher_unet_model, "student": multi_student_unet_model}


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
        """Return Adam (Kingma and Ba 2015) with a warm-up and cosine decay over the training."""
        warmup = min(self.warmup_steps, self.steps // 2)
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, self.steps - warmup, warmup_target=self.learning_rate, warmup_steps=warmup
        )
        return keras.optimizers.Adam(schedule)

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
        # In so few steps a teacher without normalisation has not found all five classes yet.
        "smoke": Recipe(4, 30, batch_size=16, crop=64, learning_rate=3e-3, normalization="batch"),
        "full": Recipe(
            20,
            50,
            batch_size=16,
            crop=128,
            learning_rate=2e-3,
            warmup_steps=100,
            fastest_precision=True,
        ),
    },
    # Without normalisation the narrow student loses whole classes: see chapter 04.
    "student": {
        "smoke": Recipe(4, 40, batch_size=16, crop=64, learning_rate=1e-2, normalization="batch"),
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


def build(role, seed=0, chosen=None, n_classes=N_CLASSES):
    """Return a fresh, untrained teacher or student of the recipe, for images of any size.

    Parameters
    ----------
    role : {"teacher", "student"}
    seed : int
        Decides the initial weights: the same seed gives the same weights.
    chosen : Recipe, optional
        Gives dropout, normalisation and precision; by default the recipe of the run mode.
    n_classes : int
        Number of outputs a pixel, the void class included: ``len(palette)``.

    Returns
    -------
    keras.Model
        Takes any height and width divisible by 16.

    Examples
    --------
    >>> build("student").input_shape
    (None, None, None, 3)
    """
    chosen = chosen or recipe(role)
    precision = runtime.faster_precision() if chosen.fastest_precision else "float32"
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    runtime.set_seed(seed)
    try:
        return BUILDERS[role](
            n_classes=n_classes,
            image_height=None,
            image_width=None,
            dropout=chosen.dropout,
            normalization=chosen.normalization,
        )
    finally:
        keras.config.set_dtype_policy(before)


def fit(model, patches, chosen, seed=0, callbacks=(), verbose=0):
    """Train a compiled model or Distiller by a recipe; return its Keras history.

    Parameters
    ----------
    model : keras.Model
        Compiled, with ``chosen.optimizer()`` if the rates are to follow the recipe.
    patches : Patches
        The training patches.
    chosen : Recipe
        Gives length, batch size and crops.
    seed : int
        Decides order, crops, flips, turns and dropout: the same seed gives two models the same
        batches, which is what makes a comparison paired.
    callbacks : sequence of keras.callbacks.Callback
        Run after the one that seeds the epochs.
    verbose : {0, 1, 2}
        As in ``keras.Model.fit``: 2 prints one line an epoch.

    Returns
    -------
    keras.callbacks.History

    Examples
    --------
    >>> from kdlib.data import cut, synthetic
    >>> from kdlib.unet import unet
    >>> patches = cut(synthetic.city(n_images=1, size=64), size=32)
    >>> chosen = Recipe(2, steps_per_epoch=1, batch_size=2, crop=16, learning_rate=1e-3)
    >>> model = unet((1, 1, 1, 1, 1), image_height=16, image_width=16)
    >>> compile_alone(model, chosen)
    >>> len(fit(model, patches, chosen).history["loss"])
    2
    """
    batches = chosen.batches(patches, seed)
    return model.fit(
        batches,
        epochs=chosen.epochs,
        callbacks=[EpochSeeds(batches, seed), *callbacks],
        # The batches shuffle by seed and epoch; Keras would shuffle them again, by chance.
        shuffle=False,
        verbose=verbose,
    )


def compile_alone(model, chosen, metrics=None):
    """Compile a model to learn from labels only, with the loss that the Distiller uses at α = 1.

    Examples
    --------
    >>> compile_alone(build("student"), recipe("student"))
    """
    model.compile(
        chosen.optimizer(),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        weighted_metrics=metrics,
        jit_compile=runtime.jit_compile(),
    )


def trained_teacher(image_set, split, seed=0, retrain=False, chosen=None):
    """Return the teacher of this run mode: from the cache, or trained now and cached.

    Parameters
    ----------
    image_set : ImageSet
        Where the patches come from; its fingerprint names the file in the cache.
    split : Split
        Its training patches train the teacher.
    seed : int
        Decides weights and batches.
    retrain : bool
        Whether to train even if there is a teacher in the cache.
    chosen : Recipe, optional
        How to train it; by default ``recipe("teacher")``. Crops are never larger than the patches.

    Returns
    -------
    keras.Model
        The teacher, with an output for each class of the patches' palette.

    Raises
    ------
    ValueError
        If the file in the cache is damaged, or the patches have a size that the U-Nets cannot take.

    Examples
    --------
    >>> from kdlib import data
    >>> images = data.synthetic.city(n_images=9, size=32)
    >>> split = data.split(data.cut(images, size=16), images)
    >>> tiny = Recipe(1, steps_per_epoch=1, batch_size=1, crop=16, learning_rate=1e-3)
    >>> teacher = trained_teacher(images, split, retrain=True, chosen=tiny)
    Training the teacher: 1 steps of 1 crops.
    >>> teacher.name
    'teacher'
    """
    chosen = _teacher_recipe(split, chosen)
    model = build("teacher", seed, chosen, len(split.train.palette))
    path = _teacher_path(image_set, split, chosen, seed)
    if path.exists() and not retrain:
        print(f"Teacher from the cache: {path.name}")
        _load(model, path)
        return model
    print(f"Training the teacher: {chosen.steps} steps of {chosen.batch_size} crops.")
    compile_alone(model, chosen)
    fit(model, split.train, chosen, seed)
    save_teacher(model, image_set, split, seed, chosen)
    return model


def save_teacher(model, image_set, split, seed=0, chosen=None):
    """Put a trained teacher where :func:`trained_teacher` finds it. Return the file's path.

    Parameters
    ----------
    model : keras.Model
        The teacher.
    image_set, split, seed, chosen
        As for :func:`trained_teacher`.

    Examples
    --------
    >>> from kdlib import data
    >>> images = data.synthetic.city(n_images=9, size=32)
    >>> split = data.split(data.cut(images, size=16), images)
    >>> save_teacher(build("teacher"), images, split).suffixes
    ['.weights', '.h5']
    """
    path = _teacher_path(image_set, split, _teacher_recipe(split, chosen), seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written beside and renamed: whoever reads meanwhile finds a whole file or none.
    partial = path.with_name(f"{os.getpid()}-{path.name}")
    model.save_weights(partial)
    os.replace(partial, path)
    return path


class EpochSeeds(keras.callbacks.Callback):
    """Make each epoch depend on seed and epoch alone, so that a resumed run equals an unbroken one.

    At the start of an epoch it sets the epoch of the batches and the seeds of all dropout layers.
    Put it before ``keras.callbacks.BackupAndRestore`` in the list of callbacks.

    Parameters
    ----------
    batches : Batches
        The training batches.
    seed : int
        The seed of the run.

    Examples
    --------
    >>> from kdlib.data import cut, synthetic
    >>> batches = Batches(cut(synthetic.city(n_images=1, size=32), size=32), batch_size=1)
    >>> seeds = EpochSeeds(batches)
    >>> seeds.set_model(build("student"))
    >>> seeds.on_epoch_begin(7)
    >>> batches.epoch
    7
    """

    def __init__(self, batches, seed=0):
        super().__init__()
        self.batches, self.seed = batches, seed

    def on_epoch_begin(self, epoch, logs=None):
        """Seed the epoch."""
        self.batches.epoch = epoch
        network = getattr(self.model, "student", self.model)
        for place, layer in enumerate(network.layers):
            # A dropout layer of rate 0 draws nothing and has no generator.
            if generator := getattr(layer, "seed_generator", None):
                generator.state.assign([self.seed * 1000 + epoch, place])


class FairCurves(keras.callbacks.Callback):
    """After each epoch, evaluate in inference mode on fixed patches: curves that can be compared.

    The loss that ``fit`` prints is an average over the epoch, with dropout on and over changing
    crops. This one has the same definition for every set of patches.

    Parameters
    ----------
    sets : dict of str to Patches
        What to evaluate on, by name, for example ``{"training": ..., "validation": ...}``.
    batch_size : int
        Patches at a time.

    Attributes
    ----------
    curves : dict
        For each name a list of dicts, one an epoch, of what ``evaluate`` returns.

    Examples
    --------
    >>> from kdlib.data import cut, synthetic
    >>> from kdlib.unet import unet
    >>> curves = FairCurves({"validation": cut(synthetic.city(n_images=1, size=32), size=16)})
    >>> model = unet((1, 1, 1, 1, 1), image_height=16, image_width=16)
    >>> compile_alone(model, recipe("student"))
    >>> curves.set_model(model)
    >>> curves.on_epoch_end(0)
    >>> [list(epoch) for epoch in curves.curves["validation"]]
    [['loss']]
    """

    def __init__(self, sets, batch_size=16):
        super().__init__()
        self.batches = {name: Batches(patches, batch_size) for name, patches in sets.items()}
        self.curves = {name: [] for name in sets}

    def on_epoch_end(self, epoch, logs=None):
        """Evaluate on every set."""
        for name, batches in self.batches.items():
            scores = self.model.evaluate(batches, verbose=0, return_dict=True)
            self.curves[name].append(scores)


def _teacher_recipe(split, chosen):
    return (chosen or recipe("teacher")).suited_to(split.train)


def _teacher_path(image_set, split, chosen, seed):
    void = split.train.palette.void
    key = repr((image_set.fingerprint(), split.by, len(split.train), chosen, seed, void))
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    name = f"teacher-{image_set.name}-{runtime.mode()}-{digest}.weights.h5"
    return runtime.cache_dir() / "teachers" / name


def _load(model, path):
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{path} is no teacher that this version can read ({error}). Delete the file, or call "
            "trained_teacher with retrain=True."
        ) from error
