"""The fourth figure: what a collapsing and a healthy training say, epoch by epoch."""

import keras

from kdbook.explorers.packing import class_colors, described, pack
from kdbook.recorders import collapse
from kdbook.recorders.collapse_callbacks import LOOK
from kdlib import data, metrics

RUNS = {"healthy": 0.001, "collapsing": 0.047}
"""The two trainings of the collapse, and the learning rate of each: nothing else differs."""


def the_collapse(split, judged, steps=400, crop=64, seed=0):
    """Train two networks that differ in their learning rate; return what they say meanwhile.

    All but the rates of :data:`RUNS` is as in :mod:`kdbook.recorders.collapse`: the teacher's
    network without normalisation, Adam at a constant rate, batches of 9, the same weights at first,
    and the same crops.

    - ``split``: kdlib.data.Split. Its training patches are learned from.
    - ``judged``: all are scored; the first, the middle and the last one are shown, every second
      pixel.
    - ``steps``, ``crop``, ``seed``: as for :class:`kdbook.recorders.collapse.Setting`.
    - Returns dict: ``runs``: for each ``accuracy``, ``mean_iou``, ``largest`` (share of the most
      frequent answer) and its class ``answer``, and the packed answers of each shown patch in
      ``maps``, after each of the ``step``.
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
        **class_colors(),
        "side": shown.labels[0, ::2].shape[0],
        "step": curve["step"],
        "budget": {**budget, "scored": len(judged)},
        "constant": {"accuracy": constant.accuracy, "mean_iou": constant.mean_iou},
        "runs": runs,
        "patches": [
            {**described(pixels, labels), "labels": pack(labels[::2, ::2])}
            for pixels, labels in zip(shown.images, shown.labels, strict=True)
        ],
    }


class _Watched(keras.callbacks.Callback):
    """Keep what a network says about a few patches after each epoch: maps[patch][epoch]."""

    def __init__(self, patches):
        super().__init__()
        self.patches, self.maps = patches, [[] for _ in patches.labels]

    def on_epoch_end(self, epoch, logs=None):
        """Keep what the network says now."""
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
