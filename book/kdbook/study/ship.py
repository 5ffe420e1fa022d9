"""The command ``python -m kdbook.study --ship``: recorded networks become those of ``pretrained``.

It takes weights from the work folder of the record, writes them in float16 beside the library, and
refuses to if the small file does not score what the record says.
"""

import json
import math

from kdbook.study import scoring
from kdbook.study.arms import Run
from kdbook.study.plans import PATIENT, find
from kdbook.study.record import RESULTS, Record, in_clone
from kdbook.study.workbench import Bench
from kdlib import metrics, models
from kdlib.data import CLASS_NAMES, VOID

TOLERANCE = 0.002
"""How far the mean IoU and the accuracy of a shipped model may be from the recorded ones."""

SHIPPED = {
    ("teacher", "dubai"): PATIENT,
    ("student", "dubai"): Run("patience", "distilled", 0),
    ("student-scratch", "dubai"): Run("patience", "labels", 0),
    ("coarse-student", "dubai"): Run("patience-coarse", "distilled", 0),
    ("teacher", "city"): Run("city", "teacher", 0),
    ("student", "city"): Run("city", "distilled", 0),
    ("student-scratch", "city"): Run("city", "scratch", 0),
    ("coarse-student", "city"): Run("city", "coarse", 0),
}
"""Which run trained which model. Always seed 0: the luckiest seed would be a choice by the test.

The coarse student is of the plan that is better on validation images.
"""

CLASS_SCORES = ("precision", "recall", "iou")
"""What a card says of each class."""

LICENCE = "MIT, like the code"

LIMITS = {
    "dubai": [
        "It has seen 72 photographs of one city, from one satellite and one season. Do not expect "
        "these scores elsewhere.",
        "Two people who outlined the same ground agree on about four pixels of five, so part of "
        "what counts as an error here is none.",
        "It was never taught the class Unlabeled, and its probability there means nothing.",
        "It is made for lessons. Nobody should plan, tax or police anything by it.",
    ],
    "city": [
        "It knows a drawn city, not photographs.",
        "It was never taught the class Unlabeled, and its probability there means nothing.",
    ],
}
"""What the models cannot do, for their cards."""


def ship_all():
    """Write all models, and print what they score.

    - ``ValueError`` if this is no clone of the repository, or as :func:`ship` says.
    """
    if not in_clone():
        raise ValueError(
            f"{models.FOLDER} belongs to an installed package; models are written in a clone of "
            "the repository alone."
        )
    bench = None
    for (name, images), run in SHIPPED.items():
        if bench is None or bench.plan.name != run.plan:
            bench = Bench(find(run.plan), RESULTS)
        found = ship(bench, run, name, images)
        print(f"{images}-{name}: {found:.4f} mean IoU on the test images")


def ship(bench, run, name, images):
    """Write one model; return its mean IoU on the test images.

    - ``bench``: kdbook.study.workbench.Bench. Of the plan of the run.
    - ``run``: kdbook.study.arms.Run. A recorded one, whose weights are in the work folder.
    - ``name``, ``images``: as for :func:`kdlib.models.pretrained`.
    - ``FileNotFoundError`` if the run is not recorded, or its weights are not here.
    - ``ValueError`` if the weights are not the recorded ones, are not finite, or score other than
      the record says by more than :data:`TOLERANCE`.
    """
    weights = models.half(bench.teacher(run))
    facts = describe(scored(bench, run), images)
    found = judge(models.build(facts, weights), bench, run)
    for score in ("mean_iou", "accuracy"):
        recorded, now = facts["scores"][score], getattr(found, score)
        if abs(recorded - now) > TOLERANCE:
            raise ValueError(
                f"{run} was recorded with a {score} of {recorded:.4f} on the test images, and "
                f"scores {now:.4f} in float16. Nothing was written."
            )
    save(weights, name, images, facts)
    return found.mean_iou


def scored(bench, run):
    """Return the line of a run with its scores on the test images.

    A plan that serves to choose leaves them alone. What was chosen is scored on them here, once,
    and its line keeps that.
    """
    record = Record(bench.folder, bench.plan)
    entry = record.runs()[run]
    if "test" not in entry:
        complete = entry | {"test": bench.score(run, "test")}
        record.replace(entry, complete)
        return complete
    return entry


def save(weights, name, images, facts):
    """Write weights and card to where :func:`kdlib.pretrained` finds them."""
    path = models.weights_path(name, images)
    models.write(path, weights)
    size = sum(array.size for array in weights.values())
    facts = facts | {"parameters": size, "weights": models.digest(weights)}
    text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    path.with_suffix(".json").write_text(text, encoding="utf-8")


def judge(network, bench, run):
    """Return the :class:`kdlib.metrics.Scores` of a network on the test images of a run."""
    patches = bench.split(bench.plan.arm(run.arm), run.seed).test
    return metrics.scores(scoring.score(network, patches)["confusion"], VOID)


def describe(entry, images):
    """Return the card of a model from the line of its run.

    - ``entry``: as :meth:`kdbook.study.record.Record.runs` returns it.
    - ``images``: {"dubai", "city"}.
    """
    found = metrics.scores(entry["test"]["confusion"], VOID)
    constant = metrics.constant_predictor(entry["test"]["confusion"], VOID)
    overall = {
        part: {"accuracy": round(of.accuracy, 6), "mean_iou": round(of.mean_iou, 6)}
        for part, of in (("model", found), ("constant_predictor", constant))
    }
    classes = {
        name: {score: _number(getattr(found, score)[number]) for score in CLASS_SCORES}
        for number, name in enumerate(CLASS_NAMES)
        if number != VOID
    }
    return {
        "run": f"{entry['plan']}-{entry['arm']}-{entry['seed']}",
        "data": entry["data"],
        "recipe": entry["budget"],
        "settings": entry["settings"],
        "scores": {
            **overall["model"],
            "constant_predictor": overall["constant_predictor"],
            "classes": classes,
        },
        **{key: entry[key] for key in ("versions", "device", "code")},
        "licence": LICENCE,
        "limits": LIMITS[images],
    }


def _number(score):
    """Round for a card; a precision that is 0/0 becomes None, since JSON has no NaN."""
    return None if math.isnan(score) else round(float(score), 6)
