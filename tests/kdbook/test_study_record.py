"""The record: nothing is lost, whatever is cut, doubled or full."""

import errno
import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdbook.study import record
from kdbook.study.arms import Run
from kdbook.study.plans import find
from kdbook.study.record import Record

PLAN = find("smoke")
RUN = Run("smoke", "scratch", 0)


def entry(arm="scratch", seed=0, started="2026-11-01T10:00:00", **more):
    return {"plan": "smoke", "arm": arm, "seed": seed, "started": started, **more}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "results"


def old(path, seconds=1000):
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_lines_of_all_workers_are_read_and_gathered(folder):
    first, second = Record(folder, PLAN), Record(folder, PLAN)
    first.append(entry("distilled", 1))
    second.append(entry("scratch", 1))
    first.append(entry("teacher", 0))
    assert first.own != second.own
    assert set(map(str, first.runs())) == {
        "smoke-distilled-1",
        "smoke-scratch-1",
        "smoke-teacher-0",
    }
    second.gather()
    gathered = [json.loads(line) for line in (folder / "smoke.jsonl").read_text().splitlines()]
    assert [each["arm"] for each in gathered] == ["teacher", "scratch", "distilled"]
    assert len(first.lines()) == 3


def test_what_is_gathered_needs_no_files_of_workers(folder):
    made = Record(folder, PLAN)
    made.append(entry(value=0.25))
    made.gather()
    made.own.unlink()
    assert Record(folder, PLAN).runs()[RUN]["value"] == 0.25
    Record(folder, PLAN).gather()
    assert len((folder / "smoke.jsonl").read_text().splitlines()) == 1


def test_reading_makes_nothing(folder):
    assert Record(folder, PLAN).runs() == {} and not folder.exists()
    folder.mkdir()
    Record(folder, PLAN).gather()
    assert list(folder.iterdir()) == []


def test_the_work_folder_stays_out_of_git(folder):
    Record(folder, PLAN).append(entry())
    assert (folder / "work" / ".gitignore").read_text() == "*\n"


def test_of_two_lines_of_one_run_the_earlier_counts(folder, capsys):
    for started, value in (("2026-11-02", 2), ("2026-11-01", 1)):
        Record(folder, PLAN).append(entry(started=started, value=value))
    made = Record(folder, PLAN)
    assert made.runs()[RUN]["value"] == 1
    assert "smoke-scratch-0 is recorded twice" in capsys.readouterr().err
    made.gather()
    assert len((folder / "smoke.jsonl").read_text().splitlines()) == 2


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_wherever_a_file_is_cut_only_the_last_line_is_repeated(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("cut")
    made = Record(folder, PLAN)
    for seed in range(3):
        made.append(entry(seed=seed, name="é"))
    made.gather()
    made.own.unlink()
    path = folder / "smoke.jsonl"
    whole = path.read_bytes()
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    path.write_bytes(cut)
    lines = Record(folder, PLAN).lines()
    ends = [place for place in range(len(whole)) if whole[place : place + 1] == b"\n"]
    assert len(lines) == sum(len(cut) >= end for end in ends)
    aside = b"".join(side.read_bytes() for side in folder.glob("smoke.cut-*.txt"))
    assert path.read_bytes() + aside == cut


def test_a_cut_line_is_reported_and_kept(folder, capsys):
    made = Record(folder, PLAN)
    made.append(entry())
    made.gather()
    made.own.unlink()
    with (folder / "smoke.jsonl").open("a") as file:
        file.write('{"plan": "smoke", "arm"')
    assert list(Record(folder, PLAN).runs()) == [RUN]
    said = capsys.readouterr().err
    assert "ended in the middle of a line" in said and "the run will be repeated" in said
    (side,) = folder.glob("smoke.cut-*.txt")
    assert side.read_text() == '{"plan": "smoke", "arm"'


def test_a_line_that_is_being_written_is_left_alone(folder, capsys):
    made = Record(folder, PLAN)
    made.append(entry())
    with made.own.open("a") as file:
        file.write('{"plan": "smo')
    size = made.own.stat().st_size
    assert list(Record(folder, PLAN).runs()) == [RUN]
    assert made.own.stat().st_size == size and capsys.readouterr().err == ""
    old(made.own)
    assert list(Record(folder, PLAN).runs()) == [RUN]
    assert made.own.stat().st_size < size
    assert "ended in the middle of a line" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no json", "line 2 of .*smoke.jsonl is not JSON: 'no json'. Nothing was changed"),
        ("[1, 2]", "line 2 of .*smoke.jsonl is not JSON"),
        ('{"plan": "smoke", "seed": 0}', "line 2 of .*smoke.jsonl lacks arm, started"),
        (json.dumps(entry() | {"plan": "main"}), "line 2 of .*smoke.jsonl is of plan main"),
    ],
)
def test_a_bad_line_in_the_middle_is_named_and_kept(folder, line, message):
    folder.mkdir()
    text = "\n".join([json.dumps(entry()), line, json.dumps(entry(seed=1))]) + "\n"
    (folder / "smoke.jsonl").write_text(text)
    for act in (Record(folder, PLAN).runs, Record(folder, PLAN).gather):
        with pytest.raises(ValueError, match=message):
            act()
    assert (folder / "smoke.jsonl").read_text() == text


def test_a_full_disk_ends_with_a_message_and_what_is_done_stays(folder):
    Record(folder, PLAN).append(entry())
    full = Record(folder, PLAN)
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    full.own.symlink_to("/dev/full")
    with pytest.raises(OSError, match="line of run smoke-scratch-1 could not be written") as error:
        full.append(entry(seed=1))
    assert error.value.errno == errno.ENOSPC
    full.own.unlink()
    assert list(Record(folder, PLAN).runs()) == [RUN]


def test_a_line_that_was_half_written_when_the_disk_was_full_is_taken_back(folder, monkeypatch):
    made = Record(folder, PLAN)
    made.append(entry())
    whole = made.own.read_bytes()

    def fail(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(record.os, "fsync", fail)
    with pytest.raises(OSError, match="All earlier lines are safe"):
        made.append(entry(seed=1))
    assert made.own.read_bytes() == whole


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="work cannot be made .* --out"):
        Record(tmp_path / "file", PLAN).append(entry())


def test_nan_is_no_json(folder):
    with pytest.raises(ValueError, match="not JSON compliant"):
        Record(folder, PLAN).append(entry(value=float("nan")))
    assert Record(folder, PLAN).lines() == []


def test_the_clock_is_that_of_the_folder(tmp_path):
    assert abs(record.now(tmp_path) - time.time()) < 60
    assert abs(record.now(tmp_path / "nowhere") - time.time()) < 60
