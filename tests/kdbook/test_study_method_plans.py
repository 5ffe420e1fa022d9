"""The plans of chapter 09, and what a step of each method costs."""

import dataclasses

import numpy as np
import pytest

from kdbook.recorders import method_costs
from kdbook.recorders.__main__ import main
from kdbook.study import arm_table, method_plans
from kdbook.study.plans import TAUGHT, find
from kdbook.study.record import Record
from kdlib import data
from tests.kdbook.tiny_study import builder
from tests.kdlib.small import network


def method_of(name):
    """Return what an arm of the search trains: its name without the numbers."""
    return "-".join(part for part in name.split("-") if not part[0].isdigit())


def test_all_choose_from_equally_many_trainings():
    arms = find("methods-search").arms
    names = [method_of(arm.name) for arm in arms]
    assert {name: names.count(name) for name in names} == dict.fromkeys(
        ["scratch", "plain", *method_plans.EQUAL], 4
    )
    assert len({arm.name for arm in arms}) == len(arms) == 48


@pytest.mark.tensorflow  # thirteen networks to compile: once is enough
def test_the_cost_of_all_methods_is_measured(monkeypatch):
    monkeypatch.setattr("kdlib.recipes.fitting.BUILDERS", {"student": builder})
    short = dataclasses.replace(TAUGHT, crop=32, batch_size=2, normalization=None)
    patches = data.cut(data.synthetic.city(n_images=4, size=64), 32)
    teacher = network(2, classes=data.N_CLASSES, size=None)
    found = method_costs.measure(patches, teacher, 1, 1, short, peak=len)
    names = ["labels", "plain", "plain-online", *method_plans.EQUAL]
    assert found["settings"] == {"names": names, "steps": 1, "batch_size": 2, "crop": 32}
    assert np.shape(found["wall"]) == np.shape(found["processor"]) == (len(names), 1)
    assert found["peak_mib"] == [len(name) for name in names]
    ratios = method_costs.ratios_of(found)
    assert ratios["plain"] == (1, 1, 1) and np.all(np.array(list(ratios.values())) > 0)


def test_what_is_compared_is_what_the_search_found_best():
    plan = find("methods-search")
    scored = {row.arm: row.mean for row in arm_table.table(plan, arm_table.read(plan))
              if row.score == "mean IoU"}  # fmt: skip
    for name, setting in method_plans.CHOSEN.items():
        tried = [arm for arm in scored if method_of(arm) == name]
        assert max(tried, key=scored.get) == method_plans.tried(name, *setting)


def test_the_compared_arms_differ_in_what_their_names_say():
    arms = {arm.name: arm for arm in find("methods").arms}
    lengths = {name: arm.recipe.steps_per_epoch for name, arm in arms.items()}
    cut = {f"{name}-same-seconds": n for name, n in method_plans.STEPS_OF_EQUAL_COST.items()}
    assert {name: n for name, n in lengths.items() if n != 25 and name != "assistant"} == cut
    for name in method_plans.EQUAL:
        rate, strength = method_plans.CHOSEN[name]
        assert (arms[name].method, arms[name].weight) == (name, strength * method_plans.EQUAL[name])
        assert arms[name].recipe.learning_rate == rate and arms[name].alpha == 1
    assert arms["ensemble"].taught_by == method_plans.SHORT_TEACHERS
    assert arms["short-teacher"].taught_by in method_plans.SHORT_TEACHERS
    assert arms["by-assistant"].taught_by == method_plans.ASSISTANT
    assert (arms["no-labels"].alpha, arms["city"].alpha, arms["city"].transfer) == (0, 0, "city")


def test_ratios_are_taken_within_a_round():
    entry = {"settings": {"names": ["plain", "x"]}, "processor": [[1, 2, 4], [2, 2, 12]]}
    assert method_costs.ratios_of(entry) == {"plain": (1, 1, 1), "x": (2, 1.5, 2.5)}
    assert method_costs.steps_of_equal_cost(entry, 25) == {"x": 12}


def test_without_a_record_the_message_says_what_to_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="Run python -m kdbook.recorders method_costs"):
        method_costs.read(tmp_path)


def test_costs_are_recorded_once(tmp_path, monkeypatch):
    monkeypatch.setattr(method_costs, "_city", lambda: ())
    monkeypatch.setattr(method_costs, "measure", lambda: {"peak_mib": [1]})
    assert main(["method_costs", "--out", str(tmp_path)]) == 0
    assert method_costs.read(tmp_path)["peak_mib"] == [1]
    assert len(Record(tmp_path, method_costs.PLAN).runs()) == 1
    monkeypatch.setattr(method_costs, "measure", lambda: pytest.fail("measured once more"))
    assert main(["method_costs", "--out", str(tmp_path)]) == 0
