"""The first and the third figure: what a teacher and its students say about patches."""

import base64

import keras
import numpy as np

from kdbook.explorers.packing import class_colors, described, in_words, pack, photograph
from kdbook.figures.style import MODEL_COLORS
from kdlib import data, metrics, softening, unet

NETWORKS = {
    "teacher": "teacher",
    "student from scratch": "student-scratch",
    "distilled student": "student",
}
"""The networks of the swipe, and their names for :func:`kdlib.pretrained`."""


def temperature(teacher, patches):
    """Return the data of what a teacher says about each pixel of a patch.

    - ``teacher``: any U-Net of kdlib for the six classes.
    - ``patches``: the first one is shown. Every second pixel of every second row is kept.
    - Returns dict: a logit is ``low + step * byte``: stored in steps of 1/255 of their range.

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
        **class_colors(),
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

    - ``networks``: dict of str to keras.Model. The networks under their names, which are among
      :data:`NETWORKS`, the teacher first.
    - ``patches``: every second pixel of every second row is kept.
    - Returns dict: for each patch ``photograph``, ``alt``, and the ``layers``: the classes of the
      labels and of each network, packed by :func:`pack`.
    - ``ValueError`` if a name is not among :data:`NETWORKS`, or the teacher is not the first.

    >>> from kdlib import recipes
    >>> patches = data.cut(data.synthetic.city(n_images=1, size=64), size=32)
    >>> made = teacher_and_student({"teacher": recipes.build("teacher")}, patches)
    >>> list(made["patches"][0]["layers"])
    ['labels', 'teacher']
    """
    if list(networks)[:1] != ["teacher"] or not networks.keys() <= NETWORKS.keys():
        raise ValueError(
            f"the networks are named {list(networks)}; expected 'teacher' first, and after it "
            f"names among {list(NETWORKS)[1:]}."
        )
    answers = {"labels": patches.labels}
    answers |= {name: metrics.predict_labels(model, patches) for name, model in networks.items()}
    return {
        **class_colors(),
        "void": data.VOID,
        "side": patches.labels[0, ::2].shape[0],
        "networks": {name: MODEL_COLORS[name] for name in networks},
        "patches": [
            {
                **described(patches.images[i], patches.labels[i]),
                "layers": {name: pack(maps[i, ::2, ::2]) for name, maps in answers.items()},
            }
            for i in range(len(patches))
        ],
    }


def count_right(labels, first, second, void=data.VOID):
    """Return how many pixels both, only the first, only the second, and none gets right.

    - ``labels``, ``first``, ``second``: array of int, of one shape. The true classes, and the
      answers of two networks.
    - ``void``: label whose pixels do not count.
    - Returns list of int: four counts.

    >>> count_right([0, 0, 1, 1, 5], [0, 0, 0, 0, 0], [0, 1, 1, 0, 0])
    [1, 1, 1, 1]
    """
    labels = np.asarray(labels)
    a, b = np.asarray(first) == labels, np.asarray(second) == labels
    counted = labels != void
    return [int((case & counted).sum()) for case in (a & b, a & ~b, ~a & b, ~a & ~b)]
