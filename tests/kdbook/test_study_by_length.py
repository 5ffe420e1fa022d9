"""Gain against length: what is read out of the record is what stands there, pair by pair."""

import json

import numpy as np

from kdbook.study import arm_table
from kdbook.study.arms import Run
from kdbook.study.by_length import FAMILIES, by_length
from kdbook.study.record import RESULTS
from kdlib.data import VOID


def mean_iou(confusion):
    """In plain NumPy: void is no class of its own, but a pixel called void is a mistake."""
    m = np.asarray(confusion, float)
    m[VOID] = 0
    hits = np.diag(m)[:VOID]
    return (hits / (m.sum(axis=1)[:VOID] + m.sum(axis=0)[:VOID] - hits)).mean()


def test_the_scores_are_those_of_the_recorded_confusion_matrices():
    lines = {}
    for plan in ("patience", "patience-length"):
        text = (RESULTS / f"{plan}.jsonl").read_text(encoding="utf-8")
        for line in map(json.loads, text.splitlines()):
            family, budget = line["arm"].partition("-")[0], line["budget"]
            steps = budget["epochs"] * budget["steps_per_epoch"]
            lines[family, steps, line["seed"]] = mean_iou(line["test"]["confusion"])
    found = by_length()
    assert set(found) == set(FAMILIES)
    for family, lengths in found.items():
        for steps, seeds in lengths.items():
            for seed, value in seeds.items():
                np.testing.assert_allclose(value, lines[family, steps, seed], atol=1e-12)
    assert set(found["labels"][20_000]) >= {0, 1, 2}


def test_a_seed_that_one_arm_does_not_have_yet_counts_for_none(monkeypatch):
    read, missing = arm_table.read, Run("patience", "decisions", 1)

    def without(plan, folder):
        return {run: line for run, line in read(plan, folder).items() if run != missing}

    monkeypatch.setattr(arm_table, "read", without)
    found = by_length()
    assert all(1 not in found[family][20_000] for family in FAMILIES)
    assert all({0, 2} <= set(found[family][20_000]) for family in FAMILIES)
