"""The table: differences by hand, and comparisons that it refuses."""

import math

import numpy as np
import pytest

from kdbook.study.arm_table import EPOCHS, epochs_to_reach, in_words, render, table
from kdbook.study.arms import Arm, Plan, Run
from kdlib import metrics
from kdlib.recipes import Recipe

RECIPE = Recipe(3, 2, batch_size=2, crop=16, learning_rate=1e-2)
PLAN = Plan(
    "x",
    (Arm("scratch", RECIPE, baseline=None), Arm("taught", RECIPE, teacher="trained")),
    (0, 1, 2),
)


def matrix(right, n=100):
    """Two classes with n pixels each: Building is right `right` times, else taken for Land."""
    counts = np.zeros((6, 6), int)
    counts[0, :2], counts[1, 1] = (right, n - right), n
    return counts.tolist()


def entry(right, curve, ece=0.1, agreement=0.5, **changes):
    part = {"confusion": matrix(right), "ece": ece, "agreement": agreement}
    part["agreement_where_teacher_wrong"] = agreement / 2
    other = part | {"confusion": matrix(0)}
    return {
        "budget": {"epochs": 3, "steps_per_epoch": 2, "batch_size": 2, "crop": 16},
        "settings": {"network": "student"},
        "precision": "float32",
        "data": {"hash": "a", "split": "image"},
        "judge": {"run": "x-teacher-0", "weights": "1"},
        "teacher": None,
        "curve": {"mean_iou": curve},
        "test": part,
        "validation": other,
    } | changes


@pytest.fixture
def runs():
    curves = {"scratch": [0.1, 0.2, 0.3], "taught": [0.2, 0.35, 0.3]}
    return {
        Run("x", arm, seed): entry(50 + 10 * (arm == "taught") + 4 * seed * place, curves[arm])
        for place, arm in enumerate(curves)
        for seed in range(3)
    }


def find(rows, arm, score):
    (row,) = [row for row in rows if (row.arm, row.score) == (arm, score)]
    return row


def test_differences_are_those_computed_by_hand(runs):
    row = find(table(PLAN, runs), "taught", "IoU Building")
    assert row.values == pytest.approx((0.60, 0.64, 0.68)) and row.seeds == (0, 1, 2)
    d = np.array([0.10, 0.14, 0.18])
    half = 4.302653 * d.std(ddof=1) / math.sqrt(3)  # the quantile of Student's t with 2 degrees
    assert row.difference == pytest.approx((0.14, 0.14 - half, 0.14 + half), abs=1e-6)
    assert row.mean == pytest.approx(0.64)


def test_every_score_is_there(runs):
    rows = table(PLAN, runs)
    expected = metrics.scores(matrix(60), 5)
    by_hand = {
        "mean IoU": expected.mean_iou,
        "IoU Land": expected.iou[1],
        "mean precision": expected.mean_precision,
        "mean recall": expected.mean_recall,
        "expected calibration error": 0.1,
        "agreement with the teacher": 0.5,
        "agreement where it is wrong": 0.25,
        EPOCHS: 2.0,
    }
    for score, value in by_hand.items():
        assert find(rows, "taught", score).values[0] == pytest.approx(value)
    epochs = find(rows, "taught", EPOCHS)
    assert epochs.values == (2.0, 2.0, 2.0)
    assert epochs.difference == pytest.approx((-1.0, -1.0, -1.0))


def test_the_baseline_has_no_difference(runs):
    assert all(row.difference is None for row in table(PLAN, runs) if row.arm == "scratch")


def test_other_images_can_be_asked_for(runs):
    assert find(table(PLAN, runs, "validation"), "taught", "IoU Building").mean == 0
    choosing = Plan("x", PLAN.arms, PLAN.seeds, judged_on="validation")
    assert find(table(choosing, runs), "taught", "IoU Building").mean == 0


def test_images_that_were_not_scored_cannot_be_asked_for(runs):
    choosing = Plan("x", PLAN.arms, PLAN.seeds, judged_on="validation", scored=("validation",))
    with pytest.raises(ValueError, match="scored on validation, not on test"):
        table(choosing, runs, "test")


def test_a_score_that_is_never_reached_has_no_interval(runs):
    runs[Run("x", "taught", 1)]["curve"]["mean_iou"] = [0.1, 0.2, 0.29]
    row = find(table(PLAN, runs), "taught", EPOCHS)
    assert math.isnan(row.values[1]) and row.difference is None and row.mean == 2.0
    assert "2.0 in 2 of 3 seeds" in render([row])


def test_epochs_count_from_one_and_to_the_first():
    assert epochs_to_reach([0.1, 0.3, 0.2, 0.4], 0.3) == 2
    assert math.isnan(epochs_to_reach([0.1], 0.3))


def test_classes_that_are_not_there_have_no_interval(runs):
    row = find(table(PLAN, runs), "taught", "IoU Road")
    assert row.difference is None and math.isnan(row.mean)


def test_the_text_says_value_difference_and_interval(runs):
    text = render(table(PLAN, runs))
    assert "taught   0.6400 in 3 seeds  +0.1400 [+0.0406, +0.2394] to scratch: higher" in text
    assert "scratch  0.5000 in 3 seeds" in text


def test_precision_and_recall_of_each_class_are_there(runs):
    rows = table(PLAN, runs)
    assert find(rows, "taught", "recall Building").values == pytest.approx((0.60, 0.64, 0.68))
    assert find(rows, "taught", "precision Building").mean == 1.0
    # Nobody predicts Road: 0/0 has no mean, and no difference.
    road = find(rows, "taught", "precision Road")
    assert math.isnan(road.mean) and road.difference is None


@pytest.mark.parametrize(
    "low, high, words",
    [(0.01, 0.2, "higher"), (-0.2, -0.01, "lower"), (-0.1, 0.1, "cannot tell"), (0, 1, "cannot")],
)
def test_the_verdict_is_that_of_the_interval(low, high, words):
    difference = metrics.PairedDifference((low + high) / 2, low, high)
    assert in_words(difference).startswith(words)


def test_a_seed_waits_for_its_partner_and_this_is_said(runs, capsys):
    """Workers end in any order. Until both are there, the table is that of the other seeds."""
    del runs[Run("x", "taught", 2)]
    del runs[Run("x", "scratch", 2)]
    pairs = [row for row in table(PLAN, runs) if row.arm == "taught"]
    runs[Run("x", "taught", 2)] = runs[Run("x", "taught", 1)]
    assert "notice" not in capsys.readouterr().err
    again = [row for row in table(PLAN, runs) if row.arm == "taught"]
    assert repr(again) == repr(pairs)  # NaN is not equal to itself
    assert "taught, seed 2: left out, until scratch is recorded" in capsys.readouterr().err
    assert {row.seeds for row in pairs} == {(0, 1)}


def test_an_arm_without_its_baseline_is_refused(runs):
    kept = {run: line for run, line in runs.items() if run.arm == "taught"}
    with pytest.raises(ValueError, match=r"baseline scratch for \[\]; a paired difference needs"):
        table(PLAN, kept)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"budget": {"epochs": 4, "steps_per_epoch": 2, "batch_size": 2, "crop": 16}}, "budget"),
        ({"precision": "bfloat16"}, "precision"),
        ({"data": {"hash": "b", "split": "image"}}, "images"),
        ({"judge": {"run": "x-teacher-0", "weights": "2"}}, "judge"),
    ],
)
def test_what_cannot_be_compared_is_refused(runs, changes, name):
    runs[Run("x", "taught", 1)] |= changes
    with pytest.raises(ValueError, match=f"taught and scratch, seed 1, differ in {name}: "):
        table(PLAN, runs)


def test_an_arm_with_two_teachers_is_refused(runs):
    runs[Run("x", "taught", 1)]["teacher"] = {"run": "x-teacher-0", "weights": "2"}
    with pytest.raises(ValueError, match="the runs of taught had different teachers"):
        table(PLAN, runs)


def test_nothing_recorded_is_said():
    with pytest.raises(ValueError, match="nothing of plan x is recorded yet"):
        table(PLAN, {})
