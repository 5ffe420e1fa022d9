"""The teacher's answers for whole patches: asked once, then cut and turned with the image.

A teacher that is asked at each step costs several times what the student does. Here it answers once
for each training patch, for the patch as it is or as the mean of its eight views, and a crop is
given its part of the answer. The image's colours may be changed at random, the answer stays that of
the patch as it was: the student learns to give it whatever the light. How this compares with asking
for each crop is measured in the plan ``same-view``.
"""

import hashlib
from pathlib import Path

import keras
import numpy as np
from scipy.ndimage import uniform_filter
from scipy.special import log_softmax

from kdbook.study.kept_logits import npy_header
from kdlib._files import put
from kdlib.cache import hash_of_images, hash_of_teacher
from kdlib.data import N_CLASSES, VOID, Batches
from kdlib.data.batches import turned
from kdlib.unet import logits_model

VIEWS = {"whole": 1, "views": 8}
"""How many views of a patch an answer is the mean of."""


def answers(patches, teacher, views, folder):
    """Return the teacher's answers for some patches, from the disk if they were asked before.

    - ``patches``: square.
    - ``teacher``: with a layer named ``logits``.
    - ``views``: {"whole", "views"}. The logits for each patch, or the mean of the log-probabilities
      of its eight flips and turns, each turned back. The softmax of that mean is the geometric mean
      of the eight.
    - ``folder``: where they are kept.
    - Returns array of float16, shape (n, height, width, classes): mapped into memory: 640 MB for
      the 815 training patches of Dubai stay on the disk. A logit is off by at most a two-thousandth
      of itself.
    """
    told = (hash_of_teacher(teacher), hash_of_images(patches), views)
    path = folder / f"answers-{hashlib.sha256(repr(told).encode()).hexdigest()[:16]}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        put(path, _file(patches, logits_model(teacher), VIEWS[views]))
    return np.load(path, mmap_mode="r")


def decisions(patches, answered):
    """Return the patches with the teacher's decisions as labels; void pixels stay void.

    - ``answered``: array, shape (n, height, width, classes). As :func:`answers` returns it.
    - Returns array of uint8, shape (n, height, width): the named class with the largest logit.
    """
    decided = np.empty_like(patches.labels)
    for place, answer in enumerate(answered):
        decided[place] = np.where(np.arange(N_CLASSES) == VOID, -np.inf, answer).argmax(-1)
    return np.where(patches.labels == VOID, np.uint8(VOID), decided)


def shuffled(answered, seed, folder):
    """Return the answers with the logits of the wrong classes dealt out at random.

    The winner of each pixel keeps its logit, and so does the void class: see
    :class:`kdbook.study.controls.DealOut`, which draws anew at each step. Here the draw of a pixel
    stays what it is, as the answers themselves do.

    - ``answered``: array of float16, shape (n, height, width, classes).
    - ``seed``: decides the draw.
    - ``folder``: the result is as large as the answers, and mapped into memory from here.
    """
    path = folder / f"{Path(answered.filename).stem}-shuffled-{seed}.npy"
    if not path.exists():
        put(path, _dealt_out(answered, seed))
    return np.load(path, mmap_mode="r")


def _dealt_out(answered, seed):
    yield npy_header(answered.shape)
    rng, named = np.random.default_rng([seed, 7]), np.arange(N_CLASSES) != VOID
    for answer in answered:
        dealt = np.array(answer)
        logits = dealt[..., named]
        winner = logits.argmax(-1)[..., None]
        drawn = rng.random(logits.shape, dtype=np.float32)
        # The largest number that is drawn gets the largest logit: the winner's place draws 2.
        np.put_along_axis(drawn, winner, 2.0, axis=-1)
        ranks = drawn.argsort(-1).argsort(-1)
        dealt[..., named] = np.take_along_axis(np.sort(logits, -1), ranks, axis=-1)
        yield dealt


def simplified(labels, side):
    """Return masks in which each pixel has the most frequent named class around it.

    - ``labels``: array of uint8, shape (n, height, width).
    - ``side``: odd: height and width of the square around a pixel.
    - Returns array of uint8, shape of ``labels``: void pixels stay void, and do not vote.
    """
    simple = np.empty_like(labels)
    for place, mask in enumerate(labels):
        votes = [uniform_filter(1.0 * (mask == number), side) for number in range(N_CLASSES)]
        votes[VOID][:] = -1
        simple[place] = np.where(mask == VOID, VOID, np.argmax(votes, axis=0))
    return simple


class AnsweredBatches(Batches):
    """Serve crops as :class:`kdlib.data.Batches` does, each with its part of the teacher's answer.

    Inputs are ``{"image": images, "teacher_logits": logits}``, with which a Distiller does not run
    its teacher. With the same seed the images, labels and weights are those of ``Batches``.

    - ``answered``: array, shape (n, height, width, classes). Of the patches.
    - ``patches``, ``batch_size``, ``options``: as in :class:`kdlib.data.Batches`.
    - ``ValueError`` as ``Batches``; also if the answers are not as many and as large as the
      patches.
    """

    def __init__(self, answered, patches, batch_size, **options):
        super().__init__(patches, batch_size, **options)
        if answered.shape[:3] != patches.labels.shape:
            raise ValueError(
                f"answers of shape {answered.shape} came for patches of {patches.labels.shape}; "
                "expected one for each patch, of its size."
            )
        self.answered = answered

    def __getitem__(self, index):
        """Give inputs with the teacher's logits, labels and sample weights of one batch."""
        images, labels, weight = super().__getitem__(index)
        chosen = self._choose(index)
        drawn = zip(chosen, *self._draw(chosen, self._rng(index)), strict=True)
        height, width = labels.shape[1:]
        logits = [
            turned(self.answered[number, top : top + height, left : left + width], turn)
            for number, top, left, turn in drawn
        ]
        return {"image": images, "teacher_logits": np.stack(logits)}, labels, weight


def _file(patches, model, views):
    """Yield the parts of a file of NumPy, an answer at a time."""
    yield npy_header((*patches.labels.shape, N_CLASSES))
    for image in patches.images:
        seen = np.stack([turned(image, turn) for turn in range(views)]) * np.float32(1 / 255)
        said = keras.ops.convert_to_numpy(model(seen, training=False))
        if views > 1:
            back = [_turned_back(log_softmax(z, -1), turn) for turn, z in enumerate(said)]
            said = np.mean(back, axis=0, keepdims=True)
        yield said[0].astype(np.float16)


def _turned_back(array, turn):
    array = np.rot90(array, -(turn % 4))
    return array[:, ::-1] if turn >= 4 else array
