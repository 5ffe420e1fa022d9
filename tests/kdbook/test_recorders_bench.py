"""The bench: turns and ratios by a fake clock, contenders that compute the same, and the record."""

import json

import keras
import numpy as np
import pytest

from kdbook.recorders import bench, objective_costs, step_times
from kdbook.recorders.__main__ import main
from kdbook.recorders.contenders import contender
from kdbook.recorders.objective_costs import objectives
from kdbook.recorders.timing import alternate, ratios
from kdlib.unet import unet


class Clock:
    """Time passes only in the functions that it makes."""

    def __init__(self):
        self.now, self.calls = 0.0, []

    def __call__(self):
        return self.now

    def function(self, name, seconds):
        def call():
            self.calls.append(name)
            self.now += seconds[min(self.calls.count(name), len(seconds)) - 1]

        return call


def row(**different):
    usual = {"contender": "student alone", "precision": "float32", "xla": False}
    usual |= {"milliseconds": 20.0, "ratio": 1.0, "ratio_low": 1.0, "ratio_high": 1.0}
    return usual | {"cpu_ratio": 1.0, "peak_mib": None} | different


def test_functions_take_turns_and_the_first_calls_do_not_count():
    clock = Clock()
    functions = {
        "a": clock.function("a", [100, 50, 1, 2, 4]),
        "b": clock.function("b", [100, 50, 3, 6, 8]),
    }
    seconds = alternate(functions, 3, [clock, lambda: 2 * clock()])
    assert "".join(clock.calls) == "aabb" + "ab" + "ba" + "ab"
    assert seconds["a"].tolist() == [[1, 2, 4], [2, 4, 8]]
    assert seconds["b"].tolist() == [[3, 6, 8], [6, 12, 16]]


def test_median_and_quartiles_are_of_the_ratios_within_a_round():
    seconds = {"a": np.array([1.0, 2.0, 4.0, 1.0, 1.0]), "b": np.array([3.0, 6.0, 8.0, 1.0, 10.0])}
    # The ratios are 3, 3, 2, 1 and 10.
    assert ratios(seconds, "a") == {"a": (1, 1, 1), "b": (3, 2, 3)}


def test_what_slows_all_alike_leaves_the_ratio():
    disturbed = np.array([1.0, 1.0, 30.0, 1.0])
    assert ratios({"a": disturbed, "b": 2 * disturbed}, "a")["b"] == (2, 2, 2)


def test_nothing_to_time_and_an_unknown_base():
    for functions, rounds in (({}, 1), ({"a": int}, 0)):
        with pytest.raises(ValueError, match="expected one or more of each"):
            alternate(functions, rounds)
    with pytest.raises(ValueError, match="base is 'c'; expected one that was timed: a"):
        ratios({"a": np.ones(1)}, "c")


def test_an_unknown_contender():
    with pytest.raises(ValueError, match="contender is 'x'; expected one of student alone"):
        contender("x", None, None)


def test_the_loop_by_hand_is_for_tensorflow_only():
    on_tensorflow = keras.backend.backend() == "tensorflow"
    assert ("two passes" in bench.ways()) == on_tensorflow
    assert set(bench.CONTENDERS) - set(bench.ways()) <= {"two passes"}


def tiny():
    """The same student and teacher at each call, without dropout, so that losses compare."""
    keras.utils.set_random_seed(0)
    return [unet((2,) * 5, 6, 16, 16, dropout=0.0, name=name) for name in ("student", "teacher")]


@pytest.mark.skipif(not hasattr(keras, "distillation"), reason="this Keras has none")
def test_all_ways_to_distil_reach_the_same_loss():
    """To 1e-5, and to 1e-3 from logits that were kept in float16."""
    names = [name for name in bench.ways() if not name.startswith(("student", "teacher"))]
    losses = {name: contender(name, *tiny(), batch=2)() for name in names}
    assert losses.keys() >= {"kdlib online", "kdlib cached", "keras.distillation"}
    for name, loss in losses.items():
        tolerance = 1e-3 if name == "kdlib cached" else 1e-5
        assert loss == pytest.approx(losses["kdlib online"], rel=tolerance), name


def test_the_latest_line_of_the_record_counts(tmp_path):
    path = tmp_path / "bench.jsonl"
    with pytest.raises(FileNotFoundError, match="python -m kdbook.recorders bench --record"):
        step_times.read(path)
    path.write_text('{"device": "old"}\n{"device": "new"}\n')
    assert step_times.read(path) == {"device": "new"}
    path.write_text('{"device": "old"}\n{"dev')
    with pytest.raises(ValueError, match="is not JSON"):
        step_times.read(path)


def test_the_table_shows_each_setting_and_what_was_left_out():
    rows = [row(), row(contender="kdlib online", ratio=2.5, ratio_low=2.0, ratio_high=3.0)]
    rows.append(row(precision="mixed_bfloat16", xla=True, peak_mib=812.4))
    entry = {"device": "CPU", "batch": 8, "size": 256, "rows": rows, "left_out": "two passes"}
    entry["input"] = [{"contender": "kdlib cached", "milliseconds": 4.0, "share": 0.2}]
    entry["objectives"] = {"labels alone": 17.04, "both, in one pass": 18.0}
    text = step_times.render(entry)
    assert "in the logits:\n  labels alone 17.0 ms; both, in one pass 18.0 ms." in text
    assert "float32, without XLA" in text and "mixed_bfloat16, with XLA" in text
    assert "2.50 (2.00 to 3.00)" in text and "812" in text
    assert "0.200 of its fastest step" in text and "Left out" in text


def test_the_command_prints_a_table_and_records_a_line_if_asked(tmp_path, capsys, monkeypatch):
    path = tmp_path / "bench.jsonl"
    monkeypatch.setattr(bench, "networks", lambda size, precision: (None, None))
    monkeypatch.setattr(bench, "contender", lambda *given: lambda: sum(range(100_000)))
    monkeypatch.setattr(bench, "peak", lambda row, batch, size: 12.0)
    monkeypatch.setattr(bench, "inputs", lambda *given: [])
    monkeypatch.setattr(bench, "objectives", lambda *given: {"labels alone": 1.0})
    command = ["bench", "--out", str(tmp_path), "--rounds", "2", "--size", "16", "--no-xla"]
    assert main(command) == 0
    assert not path.exists()
    assert main([*command, "--record"]) == 0
    entry = step_times.read(path)
    assert capsys.readouterr().out.endswith(step_times.render(entry) + "\n")
    assert {"device", "versions", "code", "batch", "size", "rows"} <= set(entry)
    assert len(entry["rows"]) == 2 * len(bench.ways())
    assert all(set(each) == set(row()) and each["peak_mib"] == 12 for each in entry["rows"])


@pytest.mark.tensorflow
def test_the_objectives_that_are_timed_are_the_same_loss_and_gradient():
    ways = objective_costs._ways(2, 16)
    calls = {name: objective_costs._with_gradient(*way) for name, way in ways.items()}
    (alone, _), (apart, slope), (together, same_slope) = (call() for call in calls.values())
    assert apart == pytest.approx(together, rel=1e-5) and alone != pytest.approx(apart, rel=0.1)
    np.testing.assert_allclose(slope, same_slope, rtol=1e-4, atol=1e-8)


def test_the_objectives_are_timed_where_tensorflow_computes():
    found = objectives(1, 16, rounds=2)
    assert bool(found) == (keras.backend.backend() == "tensorflow")
    assert all(milliseconds > 0 for milliseconds in found.values())


def test_making_a_batch_is_timed_with_and_without_a_cache():
    rows = [row(contender=name) for name in ("kdlib online", "kdlib cached")]
    found = bench.inputs(2, 32, rows, rounds=2)
    assert [each["contender"] for each in found] == ["kdlib online", "kdlib cached"]
    for each in found:
        assert each["share"] == pytest.approx(each["milliseconds"] / 20, abs=1e-3)


@pytest.mark.tensorflow  # a process of its own is the same thing on all backends, and is slow
def test_the_peak_is_measured_in_a_process_of_its_own():
    given = row(contender="teacher forward")
    assert bench.peak(given, batch=1, size=16) > 50
    with pytest.raises(RuntimeError, match="own process: ValueError: contender is 'x'"):
        bench.peak(row(contender="x"), batch=1, size=16)


def test_the_recorded_line_can_be_read_and_shown():
    if step_times.FILE.exists():
        entry = step_times.read()
        assert step_times.render(entry).startswith(entry["device"])
        json.dumps(entry, allow_nan=False)
