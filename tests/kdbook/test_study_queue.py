"""Who does which run: one of many, and another one after a death; what a database can do wrong."""

import concurrent.futures
import dataclasses
import multiprocessing
import re
import sqlite3
import subprocess
import sys
import time

import pytest

from kdbook import database
from kdbook.recorders.__main__ import main as recorders
from kdbook.study import overview, queue
from kdbook.study.__main__ import main
from kdbook.study.arms import Run
from kdbook.study.plans import find
from kdbook.study.queue import Queue
from kdbook.study.record import queue_file
from tests.kdbook.hidden import hide

PLAN = find("smoke")
RUN = Run("smoke", "scratch", 0)

# Filters of warnings are those of all threads: they take turns in ours.
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(database, "TRIES", 1)


def silence(folder, seconds=1000):
    """Make all signs of life old, and the ends of trials too."""
    with sqlite3.connect(queue_file(folder)) as file:
        then = f"-{seconds} seconds"
        file.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', ?)", [then])
        file.execute("UPDATE trials SET datetime_complete = datetime(datetime_complete, ?)", [then])
    file.close()


def _heart(folder, what="max(heartbeat)"):
    with sqlite3.connect(queue_file(folder), timeout=60) as file:
        ((found,),) = file.execute(f"SELECT {what} FROM trial_heartbeats")
    file.close()
    return found


def states(folder):
    trials = Queue(PLAN, folder).study.get_trials()
    return [trial.state.name for trial in trials]


def one_each(queues, run):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        taken = list(pool.map(lambda queue: queue.take(run), queues))
    return [claim for claim in taken if claim is not None]


def test_one_of_many_gets_a_run(tmp_path):
    queues = [Queue(PLAN, tmp_path) for _ in range(8)]
    (claim,) = one_each(queues * 4, RUN)
    assert claim.held()
    assert one_each(queues[:1] * 64, RUN) == []


def take_all(folder, runs):
    queue = Queue(PLAN, folder)
    return [run for run in runs if queue.take(run) is not None]


@pytest.mark.tensorflow  # a database is shared alike on every backend
def test_of_several_processes_one_gets_each_run(tmp_path, monkeypatch):
    monkeypatch.undo()  # they make the tables together
    runs = [RUN._replace(seed=seed) for seed in range(8)]
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        taken = list(pool.map(take_all, [tmp_path] * 2, [runs] * 2))
    assert sorted(sum(taken, [])) == runs


def test_a_worker_that_looked_before_another_one_took_the_run_does_not_get_it(
    tmp_path, monkeypatch
):
    """Both have seen the trial waiting; the second to say so is told that it is late."""
    first, second = Queue(PLAN, tmp_path), Queue(PLAN, tmp_path)
    beat = second.storage.record_heartbeat

    def late(trial):
        """Let the other one be faster, between the look and the claim."""
        monkeypatch.setattr(second.storage, "record_heartbeat", beat)
        assert first.take(RUN) is not None
        beat(trial)

    monkeypatch.setattr(second.storage, "record_heartbeat", late)
    assert second.take(RUN) is None


def test_a_waiting_trial_too_many_gives_no_second_claim(tmp_path):
    first, second = Queue(PLAN, tmp_path), Queue(PLAN, tmp_path)
    for each in (first, second):
        each.study.enqueue_trial({}, user_attrs={"run": str(RUN)})
    with first.take(RUN) as claim:
        assert second.take(RUN) is None and claim.held()
    assert second.take(RUN) is None
    assert states(tmp_path) == ["COMPLETE", "WAITING"]


def test_one_of_many_takes_over_a_dead_workers_run(tmp_path):
    queues = [Queue(PLAN, tmp_path) for _ in range(4)]
    for seed in range(3):
        run = RUN._replace(seed=seed)
        dead = queues[0].take(run)
        silence(tmp_path)
        assert queues[1].running() == set()
        (claim,) = one_each(queues * 2, run)
        assert claim.held() and not dead.held()
        with dead:  # it wakes up, and comes to its end
            pass
        assert claim.held()


def test_a_worker_that_died_before_its_first_sign_of_life_is_noticed(tmp_path, monkeypatch):
    queue = Queue(PLAN, tmp_path)

    def die(*_):
        raise SystemExit

    for name in ("record_heartbeat", "set_trial_state_values"):
        with monkeypatch.context() as patch, pytest.raises(SystemExit):
            patch.setattr(queue.storage, name, die)
            queue.take(RUN)
    assert Queue(PLAN, tmp_path).take(RUN) is not None
    silence(tmp_path)
    assert Queue(PLAN, tmp_path).take(RUN) is not None


def test_other_runs_are_free(tmp_path):
    queue = Queue(PLAN, tmp_path)
    queue.take(RUN)
    for other in (RUN._replace(seed=1), RUN._replace(arm="distilled"), RUN._replace(seed=10)):
        assert str(other) not in queue.running()
        assert queue.take(other) is not None
    assert Queue(dataclasses.replace(PLAN, name="other"), tmp_path).take(RUN) is not None


def test_a_living_claim_gives_signs_of_life(tmp_path, monkeypatch):
    made = Queue(PLAN, tmp_path)
    monkeypatch.setattr(queue, "BEAT", 0.05)
    claim = made.take(RUN)
    silence(tmp_path)
    with claim:
        end = time.monotonic() + 60
        while _heart(tmp_path) < _heart(tmp_path, "datetime('now', '-60 seconds')"):
            assert time.monotonic() < end
            time.sleep(0.05)
        assert made.running() == {str(RUN)} and claim.held()
    # Done a moment ago: the record may not show it yet.
    assert made.take(RUN) is None
    silence(tmp_path)
    assert Queue(PLAN, tmp_path).take(RUN) is not None


def test_a_run_that_ended_in_an_error_is_free_at_once(tmp_path):
    queue = Queue(PLAN, tmp_path)
    for error in (OSError("full"), KeyboardInterrupt()):
        with pytest.raises(type(error)), queue.take(RUN):
            raise error
    with queue.take(RUN) as claim:
        claim.fail()
    assert queue.take(RUN) is not None
    assert states(tmp_path) == ["FAIL", "FAIL", "FAIL", "RUNNING"]


def broken(*_):
    raise database.FAULTS[-1]("the server is gone")


def test_a_database_that_fails_is_named_and_no_result_is_lost(tmp_path, monkeypatch):
    made = Queue(PLAN, tmp_path)
    claim = made.take(RUN)
    for name in ("get_trial", "set_trial_state_values", "record_heartbeat"):
        monkeypatch.setattr(made.storage, name, broken)
    with pytest.raises(ConnectionError, match="queue.db does not do its work: the server"), claim:
        assert claim.held()  # as far as it can tell: the result is recorded
    with pytest.raises(KeyError), claim_again(made, RUN):
        raise KeyError  # which is told, and not that the database fails besides


def claim_again(made, run):
    return queue.Claim(made, run, 1)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "error: --storage 'nonsense' names no database: .* Expected something like"),
        ("oracel://me:secret@host/x", r"oracel://me:\*\*\*@host/x names no database"),
        ("mssql+nothing://host/x", "names no database"),
        ("sqlite:///{0}/no/folder.db", "folder.db does not do its work: unable to open database"),
        ("sqlite:///{0}/text", "text does not do its work: file is not a database"),
    ],
)
def test_a_database_that_cannot_be_opened_is_an_error(tmp_path, capsys, url, message):
    (tmp_path / "text").write_text("something else, and long enough to be looked at" * 99)
    url = url.format(tmp_path)
    for more in (["--list"], ["--quiet"]):
        out = ["--out", str(tmp_path / "out"), "--storage", url]
        assert main(["--plan", "smoke", *out, *more]) == 1
        said = capsys.readouterr().err
        assert re.search(message, said) and "secret" not in said
    assert (tmp_path / "text").read_text().startswith("something else")


def test_a_missing_driver_is_named(tmp_path, monkeypatch):
    hide(monkeypatch, "psycopg2")
    with pytest.raises(ImportError, match="the driver psycopg2,.* pip install psycopg2-binary$"):
        Queue(PLAN, tmp_path, "postgresql+psycopg2://host/x")


def test_a_database_of_ones_own_leaves_the_folder_alone(tmp_path):
    url = f"sqlite:///{tmp_path}/all.db"
    with Queue(PLAN, tmp_path / "out", url).take(RUN):
        assert not (tmp_path / "out").exists()
        assert Queue(PLAN, tmp_path / "elsewhere", url).take(RUN) is None
        assert "0 running" in overview.overview(PLAN, tmp_path / "out")
        assert "1 running" in overview.overview(PLAN, tmp_path / "out", storage=url)


def test_only_work_needs_optuna(tmp_path, monkeypatch, capsys):
    Queue(PLAN, tmp_path).take(RUN)
    hide(monkeypatch, "optuna", "kdbook.database", "kdbook.study.queue")
    out = ["--plan", "smoke", "--out", str(tmp_path)]
    assert main([*out, "--list"]) == 0
    captured = capsys.readouterr()
    assert "0 done, 0 running, 5 left" in captured.out
    assert "what is running is not shown: " in captured.err
    assert main(["--plan", "main", "--list"]) == main(["--plan", "main", "--table"]) == 0
    assert capsys.readouterr().err == ""
    assert main(out) == 1
    message = "needs the package optuna, which is not installed. Install it: python -m pip install"
    assert message in capsys.readouterr().err
    for program in ("collapse", "equal_seconds"):
        assert recorders([program, "--out", str(tmp_path)]) == 1
        assert message in capsys.readouterr().err


@pytest.mark.tensorflow  # what is imported is the same on every backend
def test_nothing_that_a_chapter_imports_imports_optuna():
    code = "from kdbook.recorders import collapse, collapse_callbacks, equal_seconds\n"
    code += "from kdbook.study import arm_table, plans, runner\n"
    code += "import sys; sys.exit('optuna' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
