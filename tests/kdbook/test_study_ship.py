"""From the record to the shipped models: what is written scores what was recorded, or is not."""

import json

import pytest

from kdbook.study import ship
from kdbook.study.arms import Run
from kdbook.study.plans import find
from kdbook.study.runner import work_through
from kdbook.study.workbench import Bench
from kdlib import metrics, models
from kdlib.data import VOID
from tests.kdbook import tiny_study

SMOKE, TEACHER = find("smoke"), Run("smoke", "teacher", 0)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Return a folder in which the teacher of the smoke plan is done."""
    folder = tmp_path_factory.mktemp("done")
    with pytest.MonkeyPatch.context() as patch:
        tiny_study.make_small(patch.setattr)
        assert work_through(SMOKE, folder, only=["teacher"], quiet=True) == []
    return folder


@pytest.fixture
def bench(done, tmp_path, monkeypatch):
    """Return the bench of the smoke plan; models are saved in a folder of the test."""
    tiny_study.make_small(monkeypatch.setattr)
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    return Bench(SMOKE, done)


def recorded(bench):
    return json.loads((bench.folder / "smoke.jsonl").read_text())


def test_a_shipped_model_scores_what_was_recorded(bench):
    found = ship.ship(bench, TEACHER, "teacher", "city")
    line, card = recorded(bench), models.card("teacher", "city")
    scores = metrics.scores(line["test"]["confusion"], VOID)
    assert found == pytest.approx(scores.mean_iou, abs=ship.TOLERANCE)
    assert card["run"] == "smoke-teacher-0"
    assert card["scores"]["mean_iou"] == pytest.approx(scores.mean_iou, abs=1e-6)
    assert card["scores"]["classes"]["Road"]["iou"] == pytest.approx(scores.iou[2], abs=1e-6)
    for key in ("data", "settings", "versions", "device", "code"):
        assert card[key] == line[key]
    assert card["recipe"] == line["budget"]
    again = ship.judge(models.pretrained("teacher", "city"), bench, TEACHER)
    assert again.mean_iou == pytest.approx(found, abs=1e-6)


def test_what_was_chosen_on_validation_images_is_scored_on_the_test_images_once(
    done, bench, monkeypatch
):
    files = [done / "smoke.jsonl", *(done / "work" / "lines").glob("smoke.*.jsonl")]
    texts = [path.read_text() for path in files]
    whole = recorded(bench)
    alone = json.dumps({key: value for key, value in whole.items() if key != "test"})
    for path, text in zip(files, texts, strict=True):
        path.write_text(text.replace(json.dumps(whole), alone))
    assert "test" not in recorded(bench)
    ship.ship(bench, TEACHER, "teacher", "city")
    assert recorded(bench) == whole
    assert models.card("teacher", "city")["scores"]["mean_iou"] > 0
    monkeypatch.setattr(bench, "score", lambda *_: pytest.fail("it was scored twice"))
    ship.ship(bench, TEACHER, "teacher", "city")
    assert [json.loads(path.read_text()) for path in files] == list(map(json.loads, texts))


def test_a_class_that_is_never_predicted_has_no_precision(bench):
    line = recorded(bench)
    confusion = [[0] * 6 for _ in range(6)]
    for row in range(5):
        confusion[row][1] = 10
    line["test"]["confusion"] = confusion
    classes = ship.describe(line, "city")["scores"]["classes"]
    assert classes["Building"] == {"precision": None, "recall": 0.0, "iou": 0.0}
    assert classes["Land"] == {"precision": 0.2, "recall": 1.0, "iou": 0.2}


def test_a_model_that_scores_otherwise_is_not_written(bench, tmp_path, monkeypatch):
    wrong = recorded(bench)
    wrong["test"]["confusion"][1] = [count + 10**5 for count in wrong["test"]["confusion"][1]]
    monkeypatch.setattr(ship.Record, "runs", lambda self: {TEACHER: wrong})
    with pytest.raises(ValueError, match="smoke-teacher-0 was recorded with a mean_iou of .* Noth"):
        ship.ship(bench, TEACHER, "teacher", "city")
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_not_recorded(bench):
    with pytest.raises(FileNotFoundError, match="smoke-scratch-0 is missing: no such run"):
        ship.ship(bench, Run("smoke", "scratch", 0), "student-scratch", "city")


def test_every_model_has_a_run_of_a_plan():
    assert set(ship.SHIPPED) == {
        (name, images) for images in models.IMAGES for name in models.NAMES
    }
    for (_, images), run in ship.SHIPPED.items():
        plan = find(run.plan)
        assert plan.source == images
        assert run in plan.runs()
