"""The live search: kept on disk, continued after a kill, shared, and clear about mistakes."""

import json
import math
import subprocess
import sys
import time
import warnings
from unittest import mock

import optuna
import pytest

from kdbook.tune import __main__ as command
from kdbook.tune import engine, live_search, recorded_search, search_report, search_storage, space
from kdbook.tune.problem import Problem
from kdlib import saved
from kdlib.data import N_CLASSES, Palette
from tests.kdbook import tiny_search
from tests.kdbook.hidden import hide
from tests.kdbook.tiny_search import PROBLEM, Idle
from tests.kdbook.tiny_study import builder
from tests.kdlib import own_images
from tests.kdlib.small import network

State = optuna.trial.TrialState


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    tiny_search.make_quick(monkeypatch.setattr)


def states(study):
    return [trial.state for trial in study.get_trials()]


def test_the_space_of_the_engine_is_the_space():
    axes = engine.distributions()
    for name, ends in {
        "learning_rate": space.RATES, "dropout": space.DROPOUTS, "alpha": space.ALPHAS,
        "temperature": space.TEMPERATURES,
    }.items():  # fmt: skip
        assert (axes[name].low, axes[name].high) == ends
    assert axes["learning_rate"].log and axes["temperature"].log and not axes["alpha"].log
    for momentum in (None, 0.5):
        chosen = space.Configuration(0.01, 8, momentum, 0.1, 0.5, 2.0)
        assert engine.configuration(engine.params(chosen)) == chosen
        assert set(engine.params(chosen)) == set(axes)


def test_a_search_goes_on_where_it_was(tmp_path):
    live_search.work(tmp_path, PROBLEM, 2, quiet=True, trainer=Idle)
    study = live_search.work(tmp_path, PROBLEM, 5, quiet=True, trainer=Idle)
    assert len(study.trials) == 5 and search_storage.count(study, search_storage.DONE) == 5
    # Nothing is left to do: nothing is done.
    live_search.work(tmp_path, PROBLEM, 5, quiet=True, trainer=None)
    assert [path.name for path in tmp_path.iterdir()] == [search_storage.FILE]
    assert study.best_value == max(t.params["dropout"] for t in study.trials if t.value)


@pytest.mark.tensorflow  # a file is shared alike on every backend
def test_the_trial_of_a_killed_worker_is_marked_and_taken_up(tmp_path):
    worker = subprocess.Popen([sys.executable, tiny_search.__file__, tmp_path])
    try:
        end = time.monotonic() + 120
        while not (tmp_path / "begun").exists() and time.monotonic() < end:
            time.sleep(0.1)
    finally:
        worker.kill()
        worker.wait()
    assert states(search_storage.study(tmp_path)) == [State.RUNNING]
    study = live_search.work(tmp_path, PROBLEM, 1, quiet=True, trainer=Idle)
    dead, again = study.trials
    assert dead.state == State.FAIL and again.state in search_storage.DONE
    assert again.params == dead.params


def test_an_interrupted_trial_is_taken_up(tmp_path):
    class Interrupted(Idle):
        def __call__(self, trial):
            super().__call__(trial)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        live_search.work(tmp_path, PROBLEM, 2, quiet=True, trainer=Interrupted)
    assert states(search_storage.study(tmp_path)) == [State.FAIL, State.WAITING]
    study = live_search.work(tmp_path, PROBLEM, 1, quiet=True, trainer=Idle)
    assert study.trials[1].params == study.trials[0].params
    assert study.trials[1].state in search_storage.DONE


def test_the_trial_of_a_living_worker_is_waited_for(tmp_path, monkeypatch):
    study = search_storage.study(tmp_path, PROBLEM)
    with warnings.catch_warnings(action="ignore"):  # that only optimize touches a trial
        theirs = study.ask(engine.distributions())

    def finish(_):
        """Let the other worker come to its end while this one waits."""
        study.tell(theirs, 0.4)

    monkeypatch.setattr("kdbook.tune.live_search.time.sleep", finish)
    live_search.work(tmp_path, PROBLEM, 1, quiet=True, trainer=None)
    assert states(study) == [State.COMPLETE]


def test_another_problem_is_refused(tmp_path):
    search_storage.study(tmp_path, PROBLEM)
    other = Problem("small city", epochs=4, crops=80, crop=16)
    with pytest.raises(ValueError, match="epochs is 2 there and 4 here; crops is 40 there and 80"):
        search_storage.study(tmp_path, other)


def test_a_file_that_is_no_search_is_refused_and_left_alone(tmp_path):
    (tmp_path / search_storage.FILE).write_text("something else")
    with pytest.raises(ConnectionError, match="search.db does not do its work: file is not a data"):
        search_storage.study(tmp_path, PROBLEM)
    assert (tmp_path / search_storage.FILE).read_text() == "something else"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": "mars"}, "images are 'mars'; expected one of dubai, city, small city"),
        ({"epochs": 1}, "1600 crops in 1 epochs; expected 2 epochs or more"),
        ({"crops": 100}, "at least 160 crops: one batch of 20 an epoch"),
        ({"crop": 40}, "crops have 40 pixels; expected a multiple of 16"),
    ],
)
def test_impossible_problems_are_errors(changes, message):
    with pytest.raises(ValueError, match=message):
        Problem(**changes)


def test_all_trials_see_as_many_crops():
    for size in space.BATCH_SIZES:
        arm = Problem().arm(space.Configuration(0.01, size, None, 0.1, 0.5, 2.0))
        assert arm.recipe.steps * arm.recipe.batch_size == Problem().crops


# Training.


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    with mock.patch.dict("kdlib.recipes.fitting.BUILDERS", student=builder):
        yield live_search.Trainer(PROBLEM, tmp_path_factory.mktemp("search"))


class Trial(optuna.trial.FixedTrial):
    """A trial with given parameters that is stopped if it is told to."""

    def __init__(self, stop=False):
        chosen = space.Configuration(0.01, 20, None, 0.0, 0.5, 2.0)
        super().__init__(engine.params(chosen))
        self.stop, self.told = stop, []

    def report(self, value, step):
        self.told.append((step, value))

    def should_prune(self):
        return self.stop


def test_a_trial_is_trained_judged_and_scored(trainer, monkeypatch):
    trial = Trial()
    seen = []
    monkeypatch.setattr(
        "kdbook.tune.live_search.metrics.predict_labels",
        lambda network, patches: seen.append(patches) or patches.labels,
    )
    assert trainer(trial) == 1.0  # the labels themselves, all five classes or those that are there
    assert [step for step, _ in trial.told] == [1] and 0 <= trial.told[0][1] <= 1
    assert seen == [trainer.split.validation]


def test_a_folder_of_ones_own_images_is_searched_with_its_own_classes(tmp_path):
    palette = own_images.palette(3)
    own_images.write(tmp_path / "mine", palette, [(40, 50)] * 6)
    (tmp_path / "mine" / "palette.json").write_text(palette.to_json())
    teacher = str(tmp_path / "teacher.keras")
    saved.save(network(classes=3, size=None), teacher, palette)
    problem = Problem(str(tmp_path / "mine"), epochs=2, crops=40, crop=16, teacher=teacher)
    with mock.patch.dict("kdlib.recipes.fitting.BUILDERS", student=builder):
        trainer = live_search.Trainer(problem, tmp_path / "search")
        assert 0 <= trainer(Trial()) <= 1
    assert trainer.split.train.palette.names == palette.names
    assert trainer.teacher.output_shape[-1] == 3
    turned = Palette(dict(zip(palette.names[::-1], palette.hex, strict=True)), palette.void)
    saved.save(trainer.teacher, teacher, turned)
    with pytest.raises(ValueError, match="was saved with the classes"):
        live_search.Trainer(problem, tmp_path / "search")
    with pytest.raises(ValueError, match="or a folder that holds images, masks and palette.json"):
        Problem(str(tmp_path))


def test_a_trial_is_stopped_by_the_pruner(trainer):
    trial = Trial(stop=True)
    judge = live_search.Judge(trial, trainer.split.validation, PROBLEM)
    judge.set_model(network(2, 1, N_CLASSES, 64))
    with pytest.raises(optuna.TrialPruned):
        judge.on_epoch_end(0, {"loss": 1.0})
    assert [step for step, _ in trial.told] == [1]
    judge.on_epoch_end(1, {"loss": 1.0})  # the last epoch is judged on all patches, by the trainer
    assert len(trial.told) == 1


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_training_that_diverged_is_stopped_with_a_score_of_nothing(trainer, epoch):
    trial = Trial()
    judge = live_search.Judge(trial, trainer.split.validation, PROBLEM)
    with pytest.raises(optuna.TrialPruned):
        judge.on_epoch_end(epoch, {"loss": math.nan})
    assert trial.told == [(epoch + 1, 0.0)]


# The report and the command.


def finished(value, dropout=0.1, state=State.COMPLETE, step=1):
    params = engine.params(space.Configuration(0.01, 8, None, dropout, 0.5, 2.0))
    return optuna.create_trial(
        params=params, distributions=engine.distributions(), state=state,
        value=value if state == State.COMPLETE else None, intermediate_values={step: 0.1},
    )  # fmt: skip


def test_the_report_says_what_was_found(tmp_path):
    study = search_storage.study(tmp_path, PROBLEM)
    assert search_report.report(study).endswith("no training has come to its end yet")
    for trial in (
        finished(0.2), finished(None, state=State.PRUNED), finished(0.5, 0.3), finished(0.4),
        finished(None, state=State.FAIL),
    ):  # fmt: skip
        study.add_trial(trial)
    assert search_report.anytime(study) == [(2, 0.2), (3, 0.2), (5, 0.5), (7, 0.5)]
    lines = search_report.report(study).splitlines()
    assert lines[0] == "3 finished, 1 stopped early, 1 failed, 0 running; 7 epochs trained"
    assert lines[1] == "best: trial 2, mean IoU 0.5000 on the validation images"
    assert lines[2] == "  Adam at rate 0.01, batch 8, dropout 0.3, α = 0.5, T = 2"
    assert "ask again after 10 finished trials" in lines[3]
    assert lines[-2:] == ["      2 epochs  0.2000", "      5 epochs  0.5000"]


def test_a_search_is_written_and_read_again(tmp_path, capsys):
    study = search_storage.study(tmp_path, PROBLEM)
    path = tmp_path / "search.jsonl"
    assert run("--out", tmp_path, "--record", path) == 1
    assert "nothing to write" in capsys.readouterr().err and not path.exists()
    for trial in (finished(0.2), finished(None, state=State.PRUNED), finished(0.5, 0.3)):
        study.add_trial(trial)
    assert run("--out", tmp_path, "--record", path) == 0
    assert search_report.report(recorded_search.read(path)) == search_report.report(study)
    head, *lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert head["problem"]["crops"] == 40 and head["versions"]["optuna"] == optuna.__version__
    assert [line["state"] for line in lines] == ["COMPLETE", "PRUNED", "COMPLETE"]


@pytest.mark.parametrize("text", ["", "no JSON", '{"a": 1}', '{"problem": {}}\n{"state": "GOOD"}'])
def test_a_file_that_is_no_written_search_is_an_error(tmp_path, text):
    (tmp_path / "x").write_text(text)
    with pytest.raises(ValueError, match="is no written search"):
        recorded_search.read(tmp_path / "x")


def test_what_decides_the_score_matters_most(tmp_path):
    study = search_storage.study(tmp_path, PROBLEM)
    for place in range(20):
        study.add_trial(finished(place / 40, dropout=place / 40))
    shares = search_report.importance(study)
    assert max(shares, key=shares.get) == "dropout"
    assert f"  dropout       {shares['dropout']:6.2f}" in search_report.report(study)


def run(*arguments):
    return command.main([*map(str, arguments)])


def test_the_command_searches_and_reports(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("kdbook.tune.live_search.Trainer", Idle)
    monkeypatch.setattr(live_search.work, "__defaults__", (False, Idle, None))
    tiny = ("--images", "small city", "--epochs", 2, "--crops", 40, "--crop", 16)
    assert run("--out", tmp_path, "--trials", 3, *tiny) == 0
    captured = capsys.readouterr()
    assert "best: trial" in captured.out and "3/3" in captured.err
    assert run("--out", tmp_path, "--report") == 0
    assert capsys.readouterr().out == captured.out
    problem = json.loads(search_storage.study(tmp_path).user_attrs["problem"])
    assert problem["epochs"] == 2 and problem["images"] == "small city"
    assert run("--out", tmp_path) == 1  # the defaults are another problem
    assert "holds the search of another problem" in capsys.readouterr().err


def test_the_command_hands_its_settings_to_workers(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr("kdbook.study.workers.run", lambda *given: started.extend(given) or 0)
    url = f"sqlite:///{tmp_path}/all.db"
    more = ("--trials", 7, "--seed", -0, "--quiet", "--storage", url)
    assert run("--out", tmp_path, "--workers", 2, *more) == 0
    command, options = started
    assert options.workers == 2 and options.quiet
    words = command[3:]
    assert words[words.index("--trials") + 1] == "7"
    assert words[words.index("--images") + 1] == "dubai"
    assert words[words.index("--out") + 1] == str(tmp_path)
    assert words[words.index("--storage") + 1] == url
    assert [path.name for path in tmp_path.iterdir()] == ["all.db"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--report"], "no search was begun in"),
        (["--report", "--storage", "nonsense"], "--storage 'nonsense' names no database"),
        (["--report", "--storage", "sqlite:///"], "has no search search-x"),
        (["--images", "mars"], "images are 'mars'"),
        (["--epochs", "1"], "expected 2 epochs or more"),
    ],
)
def test_mistakes_on_the_command_line_are_told(tmp_path, capsys, arguments, message):
    assert run("--out", tmp_path / "x", *arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and message in said
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trials", "0"], "'0' came; expected 1 or more"),
        (["--workers", "many"], "'many' came; expected 1 or more"),
        (["--crop", "-1"], "'-1' came; expected a multiple of 16"),
    ],
)
def test_numbers_that_are_none_are_told(capsys, arguments, message):
    with pytest.raises(SystemExit):
        run(*arguments)
    assert message in capsys.readouterr().err


def test_a_stopped_command_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("kdbook.tune.live_search.work", stop)
    assert run("--out", tmp_path, "--images", "city", "--quiet") == 130
    assert "The same command goes on" in capsys.readouterr().err


def test_without_optuna_the_message_names_it(monkeypatch):
    hide(monkeypatch, "optuna", "kdbook.database", "kdbook.tune.engine")
    with pytest.raises(ImportError, match="needs the package optuna.* pip install optuna$"):
        __import__("kdbook.tune.engine")
