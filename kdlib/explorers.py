"""The data of the figures that move, one function a figure: for the pages and for the widgets.

What a function returns is plain (text, numbers, lists), so that JSON holds it. `make figures`
writes it for the pages, where scripts draw from it; :mod:`kdlib.widgets` draws from the same where
there is a kernel.
"""

import base64
import io

import keras
import numpy as np
from PIL import Image

from kdlib import data, metrics, softening, unet
from kdlib.plots.style import CLASS_COLORS, MODEL_COLORS
from kdlib.study import collapse
from kdlib.study.looks import LOOK

START = {"alpha": 0.1, "temperature": 4.0}
"""Where the knobs of the two objectives stand at first."""

PIXELS = (
    {
        "name": "the teacher agrees with the label",
        "story": "The label says Road, and so does the teacher, who finds Land and Building likely"
        " too. The student still thinks of Land.",
        "label": "Road",
        "teacher": [1.5, 2.5, 5.0, -1.0, -3.0, -4.0],
        "student": [0.5, 2.0, 1.0, 0.0, -1.0, -1.5],
    },
    {
        "name": "the teacher doubts",
        "story": "The label says Building. The teacher finds Building and Land about as likely."
        " The student leans to Road.",
        "label": "Building",
        "teacher": [3.0, 2.8, 1.0, -0.5, -3.0, -3.5],
        "student": [1.0, 1.0, 2.0, 0.0, -1.0, -1.5],
    },
    {
        "name": "the teacher contradicts the label",
        "story": "The label says Land, where people drew the outline of a tree too small. The"
        " teacher says Vegetation, and so does the student.",
        "label": "Land",
        "teacher": [-1.0, 1.5, -0.5, 5.0, 0.0, -4.0],
        "student": [-0.5, 1.0, 0.0, 2.0, 0.0, -1.5],
    },
)
"""Made up, as in chapter 05: three things that can happen at a pixel."""

NETWORKS = {
    "teacher": "teacher",
    "student from scratch": "student-scratch",
    "distilled student": "student",
}
"""The networks of the swipe, and their names for :func:`kdlib.pretrained`."""

RUNS = {"healthy": 0.001, "collapsing": 0.047}
"""The two trainings of the collapse, and the learning rate of each: nothing else differs."""

_LONGEST = 32


def gradients(pixel, alpha, temperature):
    """Return the gradient of both parts of the loss in the student's logits, with T².

    The first is alpha (q - [i = y]), the second (1 - alpha) T (q(T) - p(T)).

    Parameters
    ----------
    pixel : dict
        ``label``, a class name, and the logits of ``teacher`` and ``student``, as in
        :data:`PIXELS`.
    alpha, temperature : float
        α from 0 to 1, and T > 0.

    Returns
    -------
    hard, soft : numpy.ndarray, shape (n_classes,)

    Examples
    --------
    >>> hard, soft = gradients(PIXELS[0], alpha=0, temperature=4)
    >>> hard.tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    student = np.asarray(pixel["student"], dtype=float)
    truth = np.eye(len(CLASS_COLORS))[list(CLASS_COLORS).index(pixel["label"])]
    hard = float(alpha) * (softening.softmax(student) - truth) + 0.0
    soft = (1 - alpha) * softening.kl_gradient(student, pixel["teacher"], temperature)
    return hard, soft


def two_objectives(pixels=PIXELS):
    """Return the data of the pushes of label and teacher at one pixel.

    Parameters
    ----------
    pixels : sequence of dict
        As :data:`PIXELS`.

    Examples
    --------
    >>> two_objectives()["pixels"][0]["label"]
    2
    """
    known = _classes()
    pixels = [{**pixel, "label": known["classes"].index(pixel["label"])} for pixel in pixels]
    return {**known, "pixels": pixels}


def temperature(teacher, patches):
    """Return the data of what a teacher says about each pixel of a patch.

    Parameters
    ----------
    teacher : keras.Model
        Any U-Net of kdlib for the six classes.
    patches : kdlib.data.Patches
        The first one is shown. Every second pixel of every second row is kept.

    Returns
    -------
    dict
        A logit is ``low + step * byte``: stored in steps of 1/255 of their range.

    Examples
    --------
    >>> from kdlib import recipes
    >>> patches = data.cut(data.synthetic.city(n_images=1, size=64), size=32)
    >>> temperature(recipes.build("teacher"), patches)["side"]
    16
    """
    inputs = patches.images[:1].astype(np.float32) / 255
    logits = unet.logits_model(teacher)(inputs)
    logits = keras.ops.convert_to_numpy(logits)[0, ::2, ::2].astype(float)
    labels = patches.labels[0, ::2, ::2]
    low, step = float(logits.min()), float(np.ptp(logits) / 255)
    stored = np.round((logits - low) / step).astype(np.uint8)
    start = np.unravel_index(softening.entropy(softening.softmax(logits)).argmax(), labels.shape)
    return {
        **_classes(),
        "side": len(labels),
        "low": low,
        "step": step,
        "start": [int(i) for i in start],
        "logits": base64.b64encode(stored.tobytes()).decode("ascii"),
        "labels": base64.b64encode(labels.astype(np.uint8).tobytes()).decode("ascii"),
        "photograph": photograph(patches.images[0]),
        "alt": f"A satellite photograph. As people labelled it: {in_words(patches.labels[0])}.",
    }


def teacher_and_student(networks, patches):
    """Return the data of the swipe: what networks say about patches, beside the labels.

    Parameters
    ----------
    networks : dict of str to keras.Model
        Name, as in :data:`NETWORKS`, the teacher first, and the network.
    patches : kdlib.data.Patches
        Every second pixel of every second row is kept.

    Returns
    -------
    dict
        For each patch ``photograph``, ``alt``, and the ``layers``: the classes of the labels
        and of each network, packed by :func:`pack`.

    Examples
    --------
    >>> from kdlib import recipes
    >>> patches = data.cut(data.synthetic.city(n_images=1, size=64), size=32)
    >>> made = teacher_and_student({"teacher": recipes.build("teacher")}, patches)
    >>> list(made["patches"][0]["layers"])
    ['labels', 'teacher']
    """
    answers = {"labels": patches.labels}
    answers |= {name: metrics.predict_labels(model, patches) for name, model in networks.items()}
    return {
        **_classes(),
        "void": data.VOID,
        "side": patches.labels[0, ::2].shape[0],
        "networks": {name: MODEL_COLORS[name] for name in networks},
        "patches": [
            {
                "photograph": photograph(patches.images[i]),
                "alt": f"A satellite photograph. Labelled: {in_words(patches.labels[i])}.",
                "layers": {name: pack(maps[i, ::2, ::2]) for name, maps in answers.items()},
            }
            for i in range(len(patches))
        ],
    }


def who_is_right(labels, first, second, void=data.VOID):
    """Return how many pixels both, only the first, only the second, and none gets right.

    Parameters
    ----------
    labels, first, second : array of int, of one shape
        The true classes, and the answers of two networks.
    void : int
        Label whose pixels do not count.

    Returns
    -------
    list of int
        Four counts.

    Examples
    --------
    >>> who_is_right([0, 0, 1, 1, 5], [0, 0, 0, 0, 0], [0, 1, 1, 0, 0])
    [1, 1, 1, 1]
    """
    labels = np.asarray(labels)
    a, b = np.asarray(first) == labels, np.asarray(second) == labels
    counted = labels != void
    return [int((case & counted).sum()) for case in (a & b, a & ~b, ~a & b, ~a & ~b)]


def the_collapse(split, judged, steps=400, crop=64, seed=0):
    """Train two networks that differ in their learning rate; return what they say meanwhile.

    All but the rates of :data:`RUNS` is as in :mod:`kdlib.study.collapse`: the teacher's network
    without normalisation, Adam at a constant rate, batches of 9, the same weights at first, and
    the same crops.

    Parameters
    ----------
    split : kdlib.data.Split
        Its training patches are learned from.
    judged : kdlib.data.Patches
        All are scored; the first, the middle and the last one are shown, every second pixel.
    steps, crop, seed : int
        As for :class:`kdlib.study.collapse.Setting`.

    Returns
    -------
    dict
        ``runs``: for each ``accuracy``, ``mean_iou``, ``largest`` (share of the most frequent
        answer) and its class ``answer``, and the packed answers of each shown patch in ``maps``,
        after each of the ``step``.
    """
    shown = judged.take([0, len(judged) // 2, len(judged) - 1])
    runs = {}
    for name, rate in RUNS.items():
        setting = collapse.Setting(name, rate=rate, steps=steps, crop=crop)
        watched = _Watched(shown)
        _, curve = collapse.train(setting, seed, split.train, judged, [watched])
        runs[name] = {"rate": rate, **_over_time(curve["confusion"]), "maps": watched.maps}
    constant = metrics.constant_predictor(curve["confusion"][-1], data.VOID)
    budget = {"steps": steps, "crop": crop, "batch": setting.batch, "seed": seed, "look": LOOK}
    return {
        **_classes(),
        "side": shown.labels[0, ::2].shape[0],
        "step": curve["step"],
        "budget": {**budget, "scored": len(judged)},
        "constant": {"accuracy": constant.accuracy, "mean_iou": constant.mean_iou},
        "runs": runs,
        "patches": [
            {
                "photograph": photograph(shown.images[i]),
                "alt": f"A satellite photograph. Labelled: {in_words(shown.labels[i])}.",
                "labels": pack(shown.labels[i, ::2, ::2]),
            }
            for i in range(len(shown))
        ],
    }


class _Watched(keras.callbacks.Callback):
    """Keep what a network says about a few patches after each epoch: maps[patch][epoch]."""

    def __init__(self, patches):
        super().__init__()
        self.patches, self.maps = patches, [[] for _ in patches.labels]

    def on_epoch_end(self, epoch, logs=None):
        answers = metrics.predict_labels(self.model, self.patches)
        for kept, answer in zip(self.maps, answers, strict=True):
            kept.append(pack(answer[::2, ::2]))


def _over_time(matrices):
    found = [metrics.scores(matrix, data.VOID) for matrix in matrices]
    return {
        "accuracy": [each.accuracy for each in found],
        "mean_iou": [each.mean_iou for each in found],
        "largest": [float(each.predicted_share.max()) for each in found],
        "answer": [int(each.predicted_share.argmax()) for each in found],
    }


def pack(labels):
    """Return class ids as text: runs of up to 32 pixels of one class, a byte each, in base64.

    The upper three bits of a byte are the class, the lower five the length less one.

    Examples
    --------
    >>> pack(np.array([[1, 1], [1, 4]]))
    'IoA='
    >>> unpack("IoA=", 2).tolist()
    [[1, 1], [1, 4]]
    """
    flat = np.asarray(labels).ravel()
    if flat.size == 0 or flat.min() < 0 or flat.max() > 7:
        raise ValueError(f"labels {labels!r} came; expected class ids from 0 to 7.")
    starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
    packed = bytearray()
    for start, end in zip(starts, [*starts[1:], flat.size], strict=True):
        for at in range(start, end, _LONGEST):
            packed.append(int(flat[start]) << 5 | min(_LONGEST, end - at) - 1)
    return base64.b64encode(packed).decode("ascii")


def unpack(text, side):
    """Return what :func:`pack` packed: uint8, shape (height, side)."""
    runs = np.frombuffer(base64.b64decode(text), np.uint8)
    return np.repeat(runs >> 5, (runs & 31) + 1).reshape(-1, side)


def photograph(pixels):
    """Return RGB pixels, uint8 of shape (height, width, 3), as the address of a small JPEG."""
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(packed.getvalue()).decode('ascii')}"


def in_words(labels):
    """Return the shares of the classes as text, the largest first.

    Examples
    --------
    >>> in_words(np.array([[1, 1], [1, 2]]))
    'Land 75 %, Road 25 %'
    """
    shares = data.class_shares(labels)
    order = [i for i in np.argsort(-shares) if shares[i] >= 0.005]
    return ", ".join(f"{data.CLASS_NAMES[i]} {100 * shares[i]:.0f} %" for i in order)


def _classes():
    return {"classes": list(CLASS_COLORS), "colors": list(CLASS_COLORS.values())}
