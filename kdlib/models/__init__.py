"""The networks that come with the library: trained, small, and each with a card.

Four roles, for each of two sets of images: the ``teacher``, the ``student`` that it taught, the
``student-scratch``, trained on the labels alone, and the ``coarse-student``, taught and made for
speed. The card of a model says what it was trained on and how, what it scores on the test images,
under which licence it is, and what it cannot do.
"""

import dataclasses
import hashlib
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from kdlib._files import whole

FOLDER = Path(__file__).parent
"""Where the weights and cards are."""

NAMES = ("teacher", "student", "student-scratch", "coarse-student")
"""The roles that a model can have."""

IMAGES = ("dubai", "city")
"""What the models were trained on."""


def pretrained(name, images="dubai"):
    """Return a trained network that comes with the library.

    The weights are stored in float16 and computed with in float32.

    Parameters
    ----------
    name : {"teacher", "student", "student-scratch", "coarse-student"}
        The student is distilled from the teacher; ``student-scratch`` was trained without one, with
        the same budget; the coarse student is distilled too, see :mod:`kdlib.coarse_unet`.
    images : {"dubai", "city"}
        What it was trained on: the photographs of Dubai, or the procedural city. It is the
        ``name`` of an :class:`kdlib.data.ImageSet`.

    Returns
    -------
    keras.Model
        Takes images of shape (batch, height, width, 3) with values in [0, 1], height and width
        divisible by 16; returns probabilities of shape (batch, height, width, 6).

    Raises
    ------
    ValueError
        If there is no such model, or its file is damaged.

    Examples
    --------
    >>> pretrained("student").output_shape
    (None, None, None, 6)
    """
    facts, path = card(name, images), weights_path(name, images)
    weights = read(path)
    if digest(weights) != facts["weights"]:
        raise ValueError(
            f"{path} is not the file that its card describes: the weights have hash "
            f"{digest(weights)} instead of {facts['weights']}. Install kdlib again."
        )
    return build(facts, weights)


def card(name, images="dubai"):
    """Return what is known about a model: its card.

    Parameters
    ----------
    name, images : str
        As for :func:`pretrained`.

    Returns
    -------
    dict
        ``run``: the recorded run that trained it. ``data``: images, their hash, the split, and
        how many patches are in each part. ``recipe`` and ``settings``: how it was trained.
        ``scores``: on the test images accuracy, mean IoU, and precision, recall and IoU of each
        class, with accuracy and mean IoU of the constant predictor. ``weights``: their hash, see
        :func:`digest`. Further ``parameters``, ``versions``, ``device``, ``code``, ``licence`` and
        ``limits``.

    Raises
    ------
    ValueError
        If there is no such model.

    Examples
    --------
    >>> card("student")["settings"]["teacher"]
    'trained'
    """
    _check(name, images)
    path = weights_path(name, images).with_suffix(".json")
    return json.loads(path.read_text(encoding="utf-8"))


def weights_path(name, images="dubai"):
    """Return where the weights of a model are: an ``.npz`` file, a float16 array a variable.

    Examples
    --------
    >>> weights_path("student", "city").name
    'city-student.npz'
    """
    _check(name, images)
    return FOLDER / f"{images}-{name}.npz"


def build(facts, weights):
    """Return the network that a card describes, with given weights, computing in float32.

    Parameters
    ----------
    facts : dict
        ``recipe`` and ``settings`` are used.
    weights : mapping of str to array
        As :func:`half` returns it.

    Examples
    --------
    >>> network = build(card("student"), read(weights_path("student")))
    >>> network.name
    'student'
    """
    from kdlib import recipes  # it needs Keras, and the names and cards of the models do not

    known = {field.name for field in dataclasses.fields(recipes.Recipe)} & set(facts["recipe"])
    recipe = recipes.Recipe(**{key: facts["recipe"][key] for key in known})
    # Not in the precision of the training: the same image gets the same classes on every machine.
    recipe = dataclasses.replace(recipe, fastest_precision=False)
    network = recipes.build(facts["settings"]["network"], chosen=recipe)
    assign(network, weights)
    return network


def assign(network, weights):
    """Give a network the weights that :func:`half` returned.

    Raises
    ------
    ValueError
        If they are those of another network.

    Examples
    --------
    >>> from kdlib import recipes
    >>> network = recipes.build("student")
    >>> assign(network, half(network))
    """
    own = {variable.path: tuple(variable.shape) for variable in network.weights}
    given = {path: array.shape for path, array in weights.items()}
    if own != given:
        differ = sorted(own.items() ^ given.items())[:4]
        raise ValueError(f"these are the weights of another network; they differ in {differ}.")
    for variable in network.weights:
        variable.assign(weights[variable.path].astype(np.float32))


def half(network):
    """Return the weights of a network in float16: {path of the variable: array}.

    A variable with a value beyond 65504, where float16 ends, stays in float32. The variances that
    batch normalisation keeps can be so large.

    Raises
    ------
    ValueError
        If a weight is no finite number: the training diverged.

    Examples
    --------
    >>> from kdlib import recipes
    >>> half(recipes.build("student"))["logits/bias"]
    array([0., 0., 0., 0., 0., 0.], dtype=float16)
    """
    weights = {}
    for variable in network.weights:
        wide = np.asarray(variable, dtype=np.float32)
        if not np.isfinite(wide).all():
            raise ValueError(
                f"{variable.path} holds numbers that are not finite: the training diverged. Try a "
                "lower learning rate."
            )
        with np.errstate(over="ignore"):
            narrow = wide.astype(np.float16)
        weights[variable.path] = narrow if np.isfinite(narrow).all() else wide
    return weights


def digest(weights):
    """Return the first 12 hex digits of a SHA-256 over names, shapes and values of the weights.

    It is the same whatever file they are in.

    Examples
    --------
    >>> digest({"bias": np.zeros(2, np.float16)})
    'eee3951d6b3b'
    """
    total = hashlib.sha256()
    for path in sorted(weights):
        array = np.ascontiguousarray(weights[path])
        array = array.astype(array.dtype.newbyteorder("<"))
        total.update(f"{path} {array.shape}".encode() + array.tobytes())
    return total.hexdigest()[:12]


def write(path, weights):
    """Write weights to an ``.npz`` file: whoever reads meanwhile finds a whole file or none.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "tiny.npz"
    >>> write(path, {"bias": np.zeros(2, np.float16)})
    >>> read(path)
    {'bias': array([0., 0.], dtype=float16)}
    """
    with whole(path) as partial:
        np.savez_compressed(partial, **weights)


def read(path):
    """Return the weights that :func:`write` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged.

    Examples
    --------
    >>> read(weights_path("student"))["logits/bias"].shape
    (6,)
    """
    try:
        with np.load(path) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{path} is damaged ({error}). Put the whole file back, or install kdlib again."
        ) from error


def _check(name, images):
    if name not in NAMES or images not in IMAGES:
        raise ValueError(
            f"there is no model {name!r} for images {images!r}; the names are {', '.join(NAMES)}, "
            f"the images {' and '.join(IMAGES)}."
        )
