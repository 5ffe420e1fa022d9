"""Verdicts over seeds, against simulation and against what is written out by hand."""

import numpy as np
import pytest
from scipy import stats

from kdbook.study import arm_table, patience_plans, record, verdicts, workbench
from kdbook.study.plans import CHOSEN, DUBAI_TEACHER, PATIENT, find
from kdlib import metrics, models
from kdlib.data import N_CLASSES, VOID
from kdlib.metrics import paired_difference


def test_the_interval_is_that_of_the_library():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.6, 0.02, 8), rng.normal(0.58, 0.02, 8)
    found = verdicts.verdict(a, b)
    assert (found.mean, found.low, found.high) == pytest.approx(paired_difference(a, b))
    assert found.n == 8 and found.deviation == pytest.approx(np.std(a - b, ddof=1))


def test_a_detectable_effect_is_noticed_four_times_of_five():
    rng, effect = np.random.default_rng(1), verdicts.detectable(0.02, 5)
    samples = rng.normal(effect, 0.02, (20_000, 5))
    noticed = (stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05).mean()
    assert noticed == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        ([0.05, 0.06, 0.055, 0.045], "higher"),
        ([-0.05, -0.06, -0.055, -0.045], "lower"),
        ([0.004, 0.005, 0.0045, 0.0055], "higher, within a point of it"),
        ([0.001, -0.001, 0.002, -0.002], "within a point of it"),
        ([0.05, -0.06, 0.055, -0.045], "cannot tell"),
    ],
)
def test_in_words(differences, words):
    zeros = np.zeros(len(differences))
    assert verdicts.verdict(np.array(differences), zeros).in_words() == words


def test_holm_by_hand():
    # Smallest times 3, next times 2, and never smaller than one before; at most 1.
    assert verdicts.holm({"x": 0.5, "y": 0.001, "z": 0.02}) == pytest.approx(
        {"x": 0.5, "y": 0.003, "z": 0.04}
    )
    assert verdicts.holm({"x": 0.6, "y": 0.7}) == pytest.approx({"x": 1.0, "y": 1.0})


def test_an_interval_over_images_is_wider_where_images_differ():
    def confusions(share_right, images):
        """Make matrices of 100 pixels a class, a share of which is right."""
        wrong = np.roll(np.eye(N_CLASSES), 1, axis=1)
        return np.stack([
            np.round(100 * (s * np.eye(N_CLASSES) + (1 - s) * wrong)) for s in share_right
        ])[None, :images].repeat(3, axis=0).astype(int)  # fmt: skip

    base = confusions([0.6] * 6, 6)
    even = verdicts.over_images(confusions([0.7] * 6, 6), base, draws=200)
    uneven = verdicts.over_images(confusions([0.5, 0.9] * 3, 6), base, draws=200)
    assert even[0] == pytest.approx(even[1]) and even[0] > 0
    assert uneven[1] - uneven[0] > 0.05
    same = verdicts.over_images(base, base, draws=50)
    assert same == (0.0, 0.0)


def test_each_family_is_tuned_by_as_many_runs():
    runs = find("patience-search").runs()
    families = [run.arm.split("-")[0] for run in runs]
    assert {family: families.count(family) for family in families} == dict.fromkeys(
        ("labels", "decisions", "smoothed", "distilled"), 6
    )
    assert {arm.recipe.steps for arm in find("patience-search").arms} == {patience_plans.SEARCHED}
    assert find("patience-search").teacher == PATIENT


def test_what_was_chosen_is_the_best_of_the_search():
    plan = find("patience-search")
    rows = [row for row in arm_table.table(plan, arm_table.read(plan)) if row.score == "mean IoU"]
    for family, chosen in CHOSEN.items():
        best = max((row for row in rows if row.arm.startswith(family)), key=lambda row: row.mean)
        (arm,) = (arm for arm in plan.arms if arm.name == best.arm)
        found = {"rate": arm.recipe.learning_rate}
        if family == "distilled":
            found |= {"temperature": arm.temperature, "alpha": arm.alpha}
        assert found == chosen


def test_the_patient_teacher_is_here_and_better_on_validation_images():
    found = {}
    for run in (PATIENT, DUBAI_TEACHER):
        entry = record.Record(record.RESULTS, find(run.plan)).runs()[run]
        found[run] = metrics.scores(entry["validation"]["confusion"], VOID).mean_iou
        weights = models.read(workbench.weights_path(record.RESULTS, run))
        assert models.digest(weights) == entry["weights"]
    assert [round(score, 3) for score in found.values()] == [0.669, 0.651]
