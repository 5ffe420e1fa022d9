"""Working through a plan: once each, whoever is killed, and with clear ends."""

import dataclasses
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from kdbook.study import arm_table, provenance, runner, search_plans, ship, workbench
from kdbook.study.__main__ import main
from kdbook.study.arms import Arm, Plan, Run
from kdbook.study.overview import overview, seconds_left
from kdbook.study.plans import PLANS, find
from kdbook.study.queue import Claim, Queue
from kdbook.study.record import RESULTS, Record, queue_file
from kdbook.study.runner import work_through
from kdbook.study.workers import share_of_cores
from kdlib import data, metrics, models
from kdlib.data import N_CLASSES, VOID
from tests.kdbook import tiny_study

SMOKE = find("smoke")
NAMES = [
    "smoke-teacher-0",
    "smoke-scratch-0",
    "smoke-distilled-0",
    "smoke-scratch-1",
    "smoke-distilled-1",
]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    tiny_study.make_small(monkeypatch.setattr)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Return a folder in which the smoke plan is done; do not change it."""
    folder = tmp_path_factory.mktemp("done")
    with pytest.MonkeyPatch.context() as patch:
        tiny_study.make_small(patch.setattr)
        assert work_through(SMOKE, folder, quiet=True) == []
    return folder


@pytest.fixture
def copy(done, tmp_path):
    """Return the folder of a machine that has the record of the smoke plan and its networks."""
    for path in (done / "smoke.jsonl", *(done / "work" / "weights").iterdir()):
        target = tmp_path / path.relative_to(done)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return tmp_path


def lines(folder):
    return [json.loads(line) for line in (folder / "smoke.jsonl").read_text().splitlines()]


def keep(folder, wanted):
    kept = [json.dumps(line) + "\n" for line in lines(folder) if wanted(line)]
    (folder / "smoke.jsonl").write_text("".join(kept))


def test_every_run_leaves_one_line_that_tells_where_it_comes_from(done):
    assert [f"smoke-{each['arm']}-{each['seed']}" for each in lines(done)] == [
        "smoke-teacher-0",
        *("smoke-scratch-0", "smoke-scratch-1", "smoke-distilled-0", "smoke-distilled-1"),
    ]
    city = data.synthetic.city(n_images=18, size=64)
    for line in lines(done):
        arm = SMOKE.arm(line["arm"])
        assert line["budget"] == dataclasses.asdict(arm.recipe)
        assert line["data"]["hash"] == city.fingerprint() and line["data"]["train"] == 12
        assert line["versions"]["keras"] == keras.__version__
        assert line["versions"]["backend"].startswith(keras.backend.backend())
        assert line["precision"] == "float32" and line["device"] and line["code"]
        assert 0 < line["training_seconds"] < line["seconds"]
        crops = arm.recipe.steps * arm.recipe.batch_size
        assert line["images_per_second"] == pytest.approx(crops / line["training_seconds"], rel=0.1)
        assert len(line["curve"]["mean_iou"]) == line["epochs"] == arm.recipe.epochs


def test_the_recorded_scores_are_those_of_the_saved_network(done):
    images = data.synthetic.city(n_images=18, size=64)
    split = data.split(data.cut(images, 64), images)
    by_name = {(line["arm"], line["seed"]): line for line in lines(done)}
    networks = {}
    for (arm, seed), line in by_name.items():
        network = tiny_study.builder(None, None, 0.1, "batch")
        path = workbench.weights_path(done, Run("smoke", arm, seed))
        models.assign(network, models.read(path))
        networks[arm, seed] = network
        assert line["weights"] == models.digest(models.read(path))
        for part in ("validation", "test"):
            patches = getattr(split, part)
            predicted = metrics.predict_labels(network, patches)
            matrix = metrics.confusion_matrix(patches.labels, predicted, N_CLASSES, void_class=VOID)
            assert np.abs(matrix - line[part]["confusion"]).sum() <= 4
    teacher = metrics.predict_labels(networks["teacher", 0], split.test)
    student = metrics.predict_labels(networks["distilled", 1], split.test)
    expected = metrics.agreement(teacher, student, split.test.labels != VOID)
    line = by_name["distilled", 1]
    assert line["test"]["agreement"] == pytest.approx(expected, abs=1e-3)
    assert (
        line["teacher"]
        == line["judge"]
        == {
            "run": "smoke-teacher-0",
            "weights": by_name["teacher", 0]["weights"],
        }
    )
    assert by_name["scratch", 0]["teacher"] is None and by_name["teacher", 0]["judge"] is None


def test_what_is_done_is_not_done_again(done, monkeypatch):
    monkeypatch.setattr(runner, "Bench", None)
    before = (done / "smoke.jsonl").read_bytes()
    assert work_through(SMOKE, done, quiet=True) == []
    assert (done / "smoke.jsonl").read_bytes() == before


def test_only_what_is_left_is_done(copy, monkeypatch):
    monkeypatch.setattr(workbench, "train", tiny_study.idle)
    keep(copy, lambda line: (line["arm"], line["seed"]) != ("scratch", 1))
    before = {json.dumps(line) for line in lines(copy)}
    assert work_through(SMOKE, copy, only=["scratch"], quiet=True) == []
    after = {json.dumps(line) for line in lines(copy)}
    assert before < after and len(after) == 5


def test_a_run_that_fails_does_not_stop_the_others(copy, monkeypatch, capsys):
    keep(copy, lambda line: line["arm"] == "teacher")

    def diverging(arm, split, seed, *rest):
        if (arm.name, seed) == ("scratch", 0):
            raise ValueError("the model returns NaN: its training diverged.")
        return tiny_study.idle(arm, split, seed, *rest)

    monkeypatch.setattr(workbench, "train", diverging)
    assert main(["--plan", "smoke", "--out", str(copy), "--quiet"]) == 1
    said = capsys.readouterr().err
    assert "smoke-scratch-0 failed, the others go on: the model returns NaN" in said
    assert "error: 1 runs failed: smoke-scratch-0." in said
    assert len(lines(copy)) == 4


def test_what_waits_for_a_failed_teacher_fails_too(tmp_path, monkeypatch):
    def diverging(*_):
        raise ValueError("diverged")

    monkeypatch.setattr(workbench, "train", diverging)
    assert sorted(map(str, work_through(SMOKE, tmp_path, quiet=True))) == sorted(NAMES)


def start(folder, *arguments):
    """Start the smoke plan in a process of its own; with --idle nothing is trained."""
    command = [sys.executable, tiny_study.__file__, "--plan", "smoke", "--out", str(folder)]
    root = os.path.dirname(os.path.dirname(os.path.dirname(tiny_study.__file__)))
    return subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=dict(os.environ, PYTHONPATH=root),
    )


def wait_until(true):
    for _ in range(6000):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come within five minutes")


def count_lines(folder):
    files = folder.glob("work/lines/*.jsonl")
    return sum(len(path.read_bytes().splitlines()) for path in files)


def trials(folder):
    if not queue_file(folder).exists():
        return []
    return [(t.user_attrs["run"], t.state.name) for t in Queue(SMOKE, folder).study.get_trials()]


def in_the_midst_of_a_run_that_is_not_the_first(folder):
    return count_lines(folder) >= 1 and "RUNNING" in {state for _, state in trials(folder)[1:]}


@pytest.mark.tensorflow  # processes share a folder alike on every backend
def test_a_killed_worker_costs_at_most_one_run(tmp_path):
    command = ["--only", "teacher,scratch"]
    with start(tmp_path, "--quiet", *command) as worker:
        wait_until(lambda: in_the_midst_of_a_run_that_is_not_the_first(tmp_path))
        os.kill(worker.pid, signal.SIGKILL)
    before = Record(tmp_path, SMOKE).lines()
    assert 1 <= len(before) < 3
    # As if it had been killed while writing, besides.
    (path,) = (tmp_path / "work" / "lines").glob("*.jsonl")
    with path.open("a") as file:
        file.write('{"plan": "smoke", "arm": "scr')
    with start(tmp_path, *command) as worker:
        said, _ = worker.communicate(timeout=300)
    assert worker.returncode == 0, said
    assert set(before) < set(Record(tmp_path, SMOKE).lines())
    done = [f"smoke-{each['arm']}-{each['seed']}" for each in lines(tmp_path)]
    assert done == ["smoke-teacher-0", "smoke-scratch-0", "smoke-scratch-1"]
    assert "ended in the middle of a line" in said and "18/18" in said
    # The run that was cut has a second trial; no other has.
    states = [state for _, state in trials(tmp_path)]
    assert sorted(states) == ["COMPLETE"] * 3 + ["FAIL"]
    assert trials(tmp_path)[states.index("FAIL")][0] in {name for name, _ in trials(tmp_path)[2:]}


@pytest.mark.tensorflow  # processes share a folder alike on every backend
def test_two_workers_share_the_runs(tmp_path):
    workers = [start(tmp_path, "--quiet", "--idle") for _ in range(2)]
    said = [worker.communicate(timeout=300)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    done = [path.read_text().splitlines() for path in (tmp_path / "work" / "lines").glob("*.jsonl")]
    assert sum(map(len, done)) == len(lines(tmp_path)) == 5
    complete = [run for run, state in trials(tmp_path) if state == "COMPLETE"]
    assert sorted(complete) == sorted(NAMES)
    assert {state for _, state in trials(tmp_path)} <= {"COMPLETE", "WAITING"}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_what_is_recorded_fits_the_plans(plan):
    record = Record(RESULTS, plan)
    runner.check_settings(plan, record)
    for run, line in record.runs().items():
        assert run in plan.runs(), f"{run} is in the record and not in its plan"
        confusions = [line[part]["confusion"] for part in plan.scored]
        assert all(np.sum(one) > 0 for one in confusions)
        assert len({str(one) for one in confusions}) == len(confusions)
        assert len(line["curve"]["mean_iou"]) == line["epochs"] == line["budget"]["epochs"]
        assert "with changes" not in line["code"] and "not from" not in line["code"], run


def test_the_coarse_students_have_the_rates_that_their_search_found_and_the_seeds_of_main():
    search, plan = find("coarse-search"), find("coarse")
    tried = {row.arm: row for row in arm_table.table(search, arm_table.read(search))
             if row.score == "mean IoU"}  # fmt: skip
    for family in ("scratch", "distilled"):
        best = max((arm for arm in tried if arm.startswith(family)), key=lambda a: tried[a].mean)
        assert search.arm(best).recipe == plan.arm(family).recipe, family
    assert plan.seeds == find("main").seeds == find("coarse-long").seeds
    recorded = {(run.arm, run.seed) for run in Record(RESULTS, plan).runs()}
    assert recorded == {(run.arm, run.seed) for run in plan.runs()}


@pytest.mark.parametrize(
    "workers, shares",
    [
        (1, [[0, 1, 2, 3, 4]]),
        (2, [[0, 2, 4], [1, 3]]),
        (5, [[0], [1], [2], [3], [4]]),
        # More workers than cores: nobody is kept to anything.
        (6, [[0, 1, 2, 3, 4]] * 6),
    ],
)
def test_workers_divide_the_cores(monkeypatch, workers, shares):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 4}, raising=False)
    assert [share_of_cores(number, workers) for number in range(workers)] == shares


def test_cores_are_left_alone_where_the_system_does_not_divide_them(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert share_of_cores(0, 2) is None
    assert provenance.device().startswith(("CPU", "GPU"))


@pytest.mark.tensorflow  # processes share a folder alike on every backend
def test_several_workers_are_started_by_one_command(done):
    command = [sys.executable, "-m", "kdbook.study", "--plan", "smoke", "--out", str(done)]
    run = subprocess.run([*command, "--workers", "2"], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    assert 1 <= run.stderr.count("30/30") <= 2  # one bar, drawn at its start and at its end


def test_a_result_that_another_worker_took_over_is_dropped(copy, monkeypatch, capsys):
    keep(copy, lambda line: (line["arm"], line["seed"]) != ("scratch", 1))
    monkeypatch.setattr(workbench, "train", tiny_study.idle)
    monkeypatch.setattr(Claim, "_beat", lambda self: None)  # a machine that sleeps is silent
    do = workbench.Bench.do

    def slow(self, run, callbacks):
        entry = do(self, run, callbacks)
        with sqlite3.connect(queue_file(copy)) as file:  # it slept for so long
            file.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-9 seconds')")
        file.close()
        assert Queue(SMOKE, copy).take(run) is not None
        Record(copy, SMOKE).append(entry | {"device": "another machine"})
        return entry

    monkeypatch.setattr(workbench.Bench, "do", slow)
    work_through(SMOKE, copy, quiet=True)
    assert "another worker took smoke-scratch-1 over" in capsys.readouterr().err
    assert [each["device"] for each in lines(copy)].count("another machine") == 1
    assert len(lines(copy)) == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"recipe": dataclasses.replace(SMOKE.arms[1].recipe, epochs=3)},
            "smoke-scratch-0 was recorded with another budget: epochs is 2 in the record and 3 in",
        ),
        (
            {"labelled": 0.5},
            "smoke-scratch-0 was recorded with another settings: labelled is 1.0 in the record",
        ),
    ],
)
def test_a_record_of_other_settings_is_refused(done, changes, message):
    arms = (SMOKE.arms[0], dataclasses.replace(SMOKE.arms[1], **changes), SMOKE.arms[2])
    with pytest.raises(ValueError, match=message):
        work_through(dataclasses.replace(SMOKE, arms=arms), done, quiet=True)


def test_a_record_of_other_images_is_refused(copy):
    keep(copy, lambda line: (line["arm"], line["seed"]) != ("scratch", 1))
    text = (copy / "smoke.jsonl").read_text()
    (copy / "smoke.jsonl").write_text(re.sub(r'"hash": "\w+"', '"hash": "0123"', text))
    with pytest.raises(ValueError, match="recorded on images with hash 0123; those here have"):
        work_through(SMOKE, copy, quiet=True)
    assert Queue(SMOKE, copy).running() == set()


def test_a_teacher_that_is_not_recorded_is_named(tmp_path):
    message = "teacher smoke-teacher-0 is missing.*--plan smoke --only teacher"
    with pytest.raises(FileNotFoundError, match=message):
        work_through(SMOKE, tmp_path, only=["scratch"], quiet=True)


def test_a_teacher_of_another_plan_is_named(tmp_path):
    message = "--plan teacher-search --only jitter-60-no-dropout"
    with pytest.raises(FileNotFoundError, match=message):
        work_through(find("rates"), tmp_path, quiet=True)


def test_a_teacher_without_weights_is_named(copy):
    keep(copy, lambda line: line["arm"] == "teacher")
    workbench.weights_path(copy, Run("smoke", "teacher", 0)).unlink()
    with pytest.raises(FileNotFoundError, match="is recorded, but its weights are missing"):
        work_through(SMOKE, copy, only=["scratch"], quiet=True)


def test_a_teacher_with_other_weights_is_named(copy):
    keep(copy, lambda line: line["arm"] == "teacher")
    path = workbench.weights_path(copy, Run("smoke", "teacher", 0))
    weights = models.read(path)
    weights["logits/bias"] += 1
    models.write(path, weights)
    with pytest.raises(ValueError, match="Put the recorded file back"):
        work_through(SMOKE, copy, only=["scratch"], quiet=True)


def test_a_teacher_in_a_broken_file_is_named(copy):
    keep(copy, lambda line: line["arm"] == "teacher")
    path = workbench.weights_path(copy, Run("smoke", "teacher", 0))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="smoke-teacher-0.npz is damaged .* Put the whole file"):
        work_through(SMOKE, copy, only=["scratch"], quiet=True)


@pytest.mark.parametrize("shipped", [True, False])
def test_a_teacher_that_comes_with_the_clone_needs_no_work_folder(
    copy, tmp_path, monkeypatch, shipped
):
    keep(copy, lambda line: line["arm"] == "teacher")
    teacher = Run("smoke", "teacher", 0)
    path = workbench.weights_path(copy, teacher)
    if shipped:
        monkeypatch.setattr(models, "FOLDER", tmp_path)
        ship.save(models.read(path), "teacher", "city", {"run": str(teacher)})
        path.unlink()
    else:
        monkeypatch.setattr(workbench, "RESULTS", tmp_path)
        (tmp_path / "weights").mkdir()
        path.rename(tmp_path / "weights" / path.name)
    assert work_through(SMOKE, copy, only=["scratch"], quiet=True) == []
    weights = lines(copy)[0]["weights"]
    assert {line["judge"]["weights"] for line in lines(copy) if line["judge"]} == {weights}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--plan", "nope"], "there is no plan 'nope'; there are smoke, teacher-search"),
        (["--plan", "smoke", "--only", "nope"], "plan smoke has no arm 'nope'; it has teacher"),
        (["--plan", "smoke", "--list", "--only", "x"], "plan smoke has no arm 'x'"),
        (["--plan", "smoke", "--table"], "nothing of plan smoke is recorded yet"),
    ],
)
def test_mistakes_on_the_command_line_end_with_a_message(tmp_path, capsys, arguments, message):
    assert main([*arguments, "--out", str(tmp_path)]) == 1
    assert f"error: {message}" in capsys.readouterr().err


@pytest.mark.parametrize("count", ["0", "two"])
def test_the_number_of_workers_is_checked(capsys, count):
    with pytest.raises(SystemExit):
        main(["--plan", "smoke", "--workers", count])
    assert f"{count!r} came; expected 1 or more" in capsys.readouterr().err


def test_a_full_disk_ends_the_command_with_a_message(copy, monkeypatch, capsys):
    keep(copy, lambda line: (line["arm"], line["seed"]) != ("scratch", 1))
    monkeypatch.setattr(workbench, "train", tiny_study.idle)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kdbook.study.record._append", full)
    assert main(["--plan", "smoke", "--out", str(copy), "--quiet"]) == 1
    said = capsys.readouterr().err
    assert "the line of run smoke-scratch-1 could not be written" in said
    assert "(No space left on device). All earlier lines are safe" in said
    assert len(lines(copy)) == 4


def test_the_overview_counts_and_judges_the_time(done, copy, capsys):
    assert main(["--plan", "smoke", "--list", "--out", str(done)]) == 0
    assert "5 done, 0 running, 0 left of 5; nothing is left" in capsys.readouterr().out
    keep(copy, lambda line: line["seed"] == 0)
    Queue(SMOKE, copy).take(Run("smoke", "scratch", 1))
    said = overview(SMOKE, copy)
    assert "scratch    seed 0 done, 1 running" in said
    assert "distilled  seed 0 done, 1 left" in said
    assert re.search(r"3 done, 1 running, 1 left of 5; about \d+\.\d minutes for one worker", said)


def test_the_time_left_is_that_of_the_arm_or_of_its_network():
    long = dataclasses.replace(SMOKE.arms[1], name="long")
    long = dataclasses.replace(long, recipe=dataclasses.replace(long.recipe, epochs=6))
    plan = dataclasses.replace(SMOKE, arms=(*SMOKE.arms, long))
    recorded = {
        Run("smoke", "scratch", seed): {
            "seconds": seconds,
            "budget": SMOKE.arms[1].budget(),
            "settings": {"network": "student"},
        }
        for seed, seconds in ((0, 10.0), (1, 30.0))
    }
    for arm, expected in (("scratch", 20.0), ("distilled", 20.0), ("long", 60.0)):
        assert seconds_left(plan, [Run("smoke", arm, 2)], recorded) == pytest.approx(expected)
    assert seconds_left(plan, [Run("smoke", "teacher", 0)], recorded) is None


def test_every_plan_can_be_run():
    for name, plan in PLANS.items():
        runs = plan.runs()
        assert plan.name == name and len(runs) == len(set(runs))
        for arm in plan.arms:
            assert re.fullmatch("[a-z0-9-]+", arm.name)
            for teacher in plan.teachers():
                PLANS[teacher.plan].arm(teacher.arm)
            if arm.baseline:
                other = plan.arm(arm.baseline)
                # The same budget; the rate is tuned for each.
                rate = arm.recipe.learning_rate
                same_rate = dataclasses.replace(other.recipe, learning_rate=rate)
                assert (same_rate, other.network) == (arm.recipe, arm.network)
                # Two controls of the long comparison have half of its seeds.
                half = (name, arm.name) in {("patience", "shuffled"), ("patience", "smoothed")}
                seeds = (0, 1, 2, 3) if half else other.seeds
                assert (other.labelled, seeds) == (arm.labelled, arm.seeds)
        places = {run: place for place, run in enumerate(runs)}
        needed = {
            (place, need) for run, place in places.items() for need in runner.needs(plan, run)
        }
        assert all(places.get(need, -1) < place for place, need in needed)


def test_what_is_chosen_by_is_never_the_test_set():
    assert {plan.name for plan in PLANS.values() if plan.judged_on == "validation"} == {
        "coarse-search",
        "methods-search",
        "patience-search",
        "patient-teacher",
        "rates",
        "same-view",
        "student-search",
        "sweep",
        "table",
        "teacher-search",
    }


def test_searches_of_many_arms_leave_the_test_images_alone():
    for name in ("sweep", "table", "methods-search"):
        assert PLANS[name].scored == ("validation",)
        crops = {arm.recipe.steps * arm.recipe.batch_size for arm in PLANS[name].arms}
        assert crops == {search_plans.CROPS}
    assert PLANS["coarse-search"].scored == ("validation",)


def test_a_split_by_patch_is_drawn_by_the_seed(tmp_path):
    recipe = SMOKE.arms[0].recipe
    arms = (Arm("patch", recipe, split="patch"), Arm("tile", recipe, split="tile", held_out_tile=2))
    made = workbench.Bench(Plan("x", arms, (0,), source="small city", patch_size=64), tmp_path)
    first, other = (set(made.split(arms[0], s).test.image_index.tolist()) for s in (0, 1))
    assert first != other
    assert set(made.split(arms[1], 0).test.tile) == {2}
    assert made.split(arms[1], 0) is made.split(arms[1], 1)


def test_the_code_is_named_by_git_or_by_version(tmp_path):
    assert provenance.code_revision(tmp_path).endswith("not from a clone")

    def git(*command):
        identity = ["-c", "user.name=x", "-c", "user.email=x@y"]
        subprocess.run(["git", *identity, *command], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "__init__.py").write_text("")
    git("add", ".")
    git("commit", "-m", "x")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "main.jsonl").write_text("")
    assert re.fullmatch("[0-9a-f]{12}", provenance.code_revision(tmp_path))
    (tmp_path / "__init__.py").write_text("changed")
    assert re.fullmatch("[0-9a-f]{12}, with changes", provenance.code_revision(tmp_path))
