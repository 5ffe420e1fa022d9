"""The measurements of chapter 11: fits and budgets by closed forms, and each part run once."""

import dataclasses

import numpy as np
import pytest

from kdbook.recorders import cache_growth, equal_seconds, growth
from kdbook.recorders.equal_seconds import LOOKS, PLAN, WAYS, Way
from kdbook.study.record import Record
from kdlib import cache, data
from tests.kdbook.tiny_study import builder
from tests.kdlib.small import network

COSTS = {"labels": 0.1, "cached": 0.125, "online": 0.25, "written": 0.01}


@pytest.fixture(scope="module")
def patches():
    return data.cut(data.synthetic.city(n_images=4, size=64), 32)


@pytest.fixture(scope="module")
def teacher():
    return network(2, classes=6, size=None)


def test_the_exponent_is_that_of_numpy_with_the_interval_of_the_textbook():
    rng = np.random.default_rng(0)
    x = np.array([1.0, 2, 4, 8, 16])
    y = 3 * x**1.5 * np.exp(rng.normal(0, 0.1, 5))
    found = growth.exponent(x, y)
    (slope, _), covariance = np.polyfit(np.log(x), np.log(y), 1, cov="unscaled")
    rest = np.log(y) - np.polyval(np.polyfit(np.log(x), np.log(y), 1), np.log(x))
    error = np.sqrt((rest**2).sum() / 3 * covariance[0, 0])
    assert found.value == pytest.approx(slope)
    assert found.high - found.value == pytest.approx(3.182446 * error, rel=1e-5)
    assert found.value - found.low == pytest.approx(found.high - found.value)


@pytest.mark.parametrize("sizes, costs", [([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]),
                                          ([1, 2, 3], [1, 0, 2]), ([1, 2, 3], [1, 2])])  # fmt: skip
def test_points_that_no_line_fits(sizes, costs):
    with pytest.raises(ValueError, match="with three sizes or more, all above 0"):
        growth.exponent(sizes, costs)


@pytest.mark.parametrize("work", ["training", "forward"])
def test_a_series_is_measured_size_by_size(work):
    one = growth.Series("tiny", work, "width", (1, 2, 3), pixels=256, batch=1)
    line = growth.series(one, rounds=2)
    assert line["settings"] == dataclasses.asdict(one)
    assert np.shape(line["wall"]) == np.shape(line["processor"]) == (3, 2)


def test_what_grows_is_what_is_named():
    seen = {}
    for grows, size in (("pixels", 32**2), ("batch", 3), ("width", 2)):
        one = growth.Series("tiny", "forward", grows, (size,), pixels=256, batch=1, width=1)
        seen[grows] = one.step(size)().shape
    assert seen == {"pixels": (1, 32, 32, 6), "batch": (3, 16, 16, 6), "width": (1, 16, 16, 6)}


def test_names_of_the_recorded_series_are_all_different():
    names = [arm.name for arm in growth.PLAN.arms]
    assert len(set(names)) == len(names)


def test_a_budget_pays_for_the_cache_first():
    way = Way("turned", "cached", 20.0, crops=100, views=8)
    assert way.length(COSTS) == (20 - 100 * 8 * 0.01) / 0.125 // LOOKS * LOOKS == 96
    assert Way("online", "online", 20.0).length(COSTS) == 80
    assert Way("fixed", "cached", steps=200, crops=400).length(COSTS) == 200
    with pytest.raises(ValueError, match="-0.0 s of them are left.*no step. Take fewer crops"):
        Way("large", "cached", 8.0, crops=101, views=8).length(COSTS | {"written": 0.0099010})


def test_the_clock_starts_with_the_cache_and_ends_with_the_budget():
    way = Way("turned", "cached", 21.0, crops=100, views=8)
    assert way.clock(COSTS) == [8 + 0.125 * 104 * look / 4 for look in (1, 2, 3, 4)]
    assert Way("online", "online", 20.0).clock(COSTS) == [5, 10, 15, 20]


def test_costs_are_medians_by_step_and_by_view():
    entry = {
        "settings": {"names": ["labels", "written"], "steps": 10, "views": 200},
        "processor": [[1.0, 2.0, 30.0], [4.0, 5.0, 6.0]],
    }
    assert equal_seconds.seconds_of(entry) == {"labels": 0.2, "written": 0.025}


def test_the_ways_of_the_book_are_comparable():
    ways = {way.name: way for way in WAYS}
    assert ways["turned"].crops * ways["turned"].views == ways["fixed"].crops
    assert {way.seconds for way in WAYS if way.seconds} == {equal_seconds.SECONDS}
    stores = [ways[store] for store in cache.STORES]
    assert all(dataclasses.replace(w, name="", store="") == dataclasses.replace(
        stores[0], name="", store="") for w in stores)  # fmt: skip


@pytest.fixture
def short(monkeypatch):
    """Make budgets and networks small."""
    monkeypatch.setattr("kdlib.recipes.fitting.BUILDERS", {"student": builder})
    small = {"crop": 16, "batch_size": 2}
    for name in ("STUDENT", "TAUGHT"):
        monkeypatch.setattr(
            equal_seconds, name, dataclasses.replace(getattr(equal_seconds, name), **small)
        )
    return equal_seconds


def test_costs_are_measured(short, patches, teacher):
    line = short.measure_costs(patches, teacher, rounds=1, steps=1)
    assert line["settings"] == {
        "names": ["labels", "cached", "online", "written"], "steps": 1, "views": 2
    }  # fmt: skip
    assert all(value > 0 for value in equal_seconds.seconds_of(line).values())


@pytest.mark.parametrize("way", [Way("a", "labels", steps=8), Way("b", "online", steps=8),
                                 Way("c", "cached", steps=8, crops=3, views=8)])  # fmt: skip
def test_each_way_trains_from_the_same_start(short, patches, teacher, way, monkeypatch):
    starts = []
    build = equal_seconds.recipes.build

    def noted(*arguments):
        student = build(*arguments)
        starts.append([np.array(w) for w in student.get_weights()])
        return student

    monkeypatch.setattr(equal_seconds.recipes, "build", noted)
    trained = equal_seconds.train(way, 5, way.recipe(COSTS), patches, teacher)
    again = build("student", 5, way.recipe(COSTS)).get_weights()
    assert all(map(np.array_equal, starts[0], again))
    assert not all(map(np.array_equal, trained.get_weights(), again))


def test_the_line_of_a_training_has_its_settings_curve_and_scores(short, patches, teacher):
    images = data.synthetic.city(n_images=9, size=32)
    split = data.split(data.cut(images, 32), images)
    way = Way("online", "online", seconds=2.0)
    line = equal_seconds._trained(way, 0, COSTS, split, teacher)
    assert line["settings"] == dataclasses.asdict(way)
    assert (line["budget"]["epochs"], line["budget"]["steps_per_epoch"]) == (LOOKS, 2)
    assert len(line["curve"]["mean_iou"]) == LOOKS
    assert np.sum(line["validation"]["confusion"]) > 0


def test_a_way_that_was_changed_is_refused(tmp_path):
    kept = Record(tmp_path, PLAN)
    run = {"plan": "scale", "arm": "online", "seed": 0, "started": "2026"}
    kept.append(run | {"settings": dataclasses.asdict(PLAN.arm("online"))})
    assert list(equal_seconds.read(tmp_path)) == ["online"]
    kept.append(run | {"seed": 1, "settings": {"name": "online", "crops": 7}})
    with pytest.raises(ValueError, match="other settings now. Give the changed ones another name"):
        equal_seconds.read(tmp_path)


def test_a_cache_is_read_view_by_view_or_as_a_whole(tmp_path, patches, teacher):
    targets = cache.write(tmp_path, teacher, patches)
    size = len(patches) * targets.header.record.itemsize + 4  # the checksum of the one file
    for how in ("mapped", "loaded"):
        found = cache_growth.reading(tmp_path, how)
        assert found["bytes"] == size and found["seconds"] >= 0
        assert found["rise"] >= 0


def test_growing_caches_are_measured_one_by_one(teacher, monkeypatch):
    small = data.synthetic.city(n_images=2, size=512)
    monkeypatch.setattr(cache_growth.data, "load", lambda source: small)
    monkeypatch.setattr(cache_growth, "pretrained", lambda *names: teacher)
    monkeypatch.setattr(
        cache_growth, "_read_apart", lambda folder, how: cache_growth.reading(folder, how)
    )
    line = cache_growth.measure(counts=(2, 5), side=16)
    assert line["settings"]["counts"] == [2, 5]
    assert len(line["wall"]) == len(line["processor"]) == 2
    view = 16 * 16 * 6 * 2 + 12
    whole = [2 * view + 4, 5 * view + 4]  # each file ends in a checksum
    assert [one["bytes"] for one in line["mapped"]] == whole
    assert [one["bytes"] for one in line["loaded"]] == whole
