"""The teacher of a run mode: trained once, and kept on disk."""

import hashlib

import numpy as np

from kdlib import runtime
from kdlib._files import ready, whole
from kdlib.recipes.budget import recipe
from kdlib.recipes.fitting import build, compile_alone, fit


def trained_teacher(image_set, split, seed=0, retrain=False, chosen=None):
    """Return the teacher of this run mode: from the cache, or trained now and cached.

    Parameters
    ----------
    image_set : ImageSet
        Where the patches come from. Its fingerprint and the training patches name the file in the
        cache, so that no teacher of another split, which may have seen the test patches, is read.
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
    OSError
        Before the training, if the cache cannot be written to.

    Examples
    --------
    >>> from kdlib import data
    >>> images = data.synthetic.city(n_images=9, size=32)
    >>> split = data.split(data.cut(images, size=16), images)
    >>> from kdlib.recipes import Recipe
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
    ready(path.parent)
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
    ready(path.parent)
    with whole(path) as partial:
        model.save_weights(partial)
    return path


def _teacher_recipe(split, chosen):
    return (chosen or recipe("teacher")).suited_to(split.train)


def _teacher_path(image_set, split, chosen, seed):
    train, void = split.train, split.train.palette.void
    digest = hashlib.sha256(repr((image_set.fingerprint(), chosen, seed, void)).encode())
    for array in (train.images, train.labels):
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array))
    name = f"teacher-{image_set.name}-{runtime.mode()}-{digest.hexdigest()[:12]}.weights.h5"
    return runtime.cache_dir() / "teachers" / name


def _load(model, path):
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{path} is no teacher that this version can read ({error}). Delete the file, or call "
            "trained_teacher with retrain=True."
        ) from error
