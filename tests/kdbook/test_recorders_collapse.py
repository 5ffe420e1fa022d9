import dataclasses
import json

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from kdbook.recorders import collapse, collapse_callbacks
from kdbook.recorders.__main__ import main
from kdbook.recorders.collapse import PLAN, RENUMBERED, SETTINGS, Setting
from kdbook.study.record import queue_file
from kdlib import data

# The trainings of chapter 07 are those of TensorFlow.
pytestmark = pytest.mark.tensorflow

TINY = Setting("tiny", network="student", rate=0.01, batch=2, crop=16, steps=4)
ONE_CLASS = [[0, 4, 0], [0, 5, 0], [0, 1, 0]]


@pytest.fixture(scope="module")
def patches():
    return data.cut(data.synthetic.city(n_images=6, size=64), 64)


def test_one_class_everywhere_counts_as_collapsed():
    assert collapse_callbacks.looks_collapsed(ONE_CLASS)
    # 96 % of all answers are class 1, but five points more are right than by constant answers.
    assert not collapse_callbacks.looks_collapsed([[4, 36, 0], [0, 50, 0], [0, 10, 0]])
    # Right as often as a constant answer, but with two classes.
    assert not collapse_callbacks.looks_collapsed([[20, 20], [20, 40]])


def test_the_rate_rises_in_a_straight_line_and_stays():
    setting = Setting("slow", rate=0.3, warmup=0.5, steps=6)
    assert [round(setting.rate_at(step), 6) for step in range(6)] == [0.1, 0.2, 0.3, 0.3, 0.3, 0.3]
    assert [Setting("source").rate_at(step) for step in (0, 99)] == [0.0047, 0.0047]


def test_each_setting_changes_one_choice():
    source = dataclasses.asdict(PLAN.arm("source"))
    for setting in SETTINGS:
        base = source if setting.network == "teacher" else dataclasses.asdict(PLAN.arm("student"))
        changed = {k for k, v in dataclasses.asdict(setting).items() if v != base[k]} - {"name"}
        assert len(changed) == (setting.name not in ("source", "student")), setting.name


def test_what_reaches_the_loss(patches):
    x = patches.images[:2] / np.float32(255)
    built = {}
    for output in ("probabilities", "twice", "logits"):
        keras.utils.set_random_seed(3)
        model = dataclasses.replace(TINY, output=output).build()
        built[output] = convert_to_numpy(model(x)).astype(float)
    exponentials = np.exp(built["logits"])
    probabilities = exponentials / exponentials.sum(-1, keepdims=True)
    np.testing.assert_allclose(built["probabilities"], probabilities, atol=1e-6)
    again = np.exp(probabilities)
    np.testing.assert_allclose(built["twice"], again / again.sum(-1, keepdims=True), atol=1e-6)


def test_labels_are_renumbered_and_shuffled_without_touching_the_others(patches):
    before = patches.labels.copy()
    renumbered = dataclasses.replace(TINY, labels="renumbered").patches(patches, 0)
    assert sorted(RENUMBERED.tolist()) == list(range(6)) and RENUMBERED[data.VOID] == data.VOID
    for number in range(6):
        assert (renumbered.labels[before == number] == RENUMBERED[number]).all()
    shuffled = dataclasses.replace(TINY, labels="shuffled").patches(patches, 0)
    assert not np.array_equal(shuffled.labels, before)
    assert sorted(map(bytes, shuffled.labels)) == sorted(map(bytes, before))
    for changed in (renumbered, shuffled):
        np.testing.assert_array_equal(changed.images, patches.images)
    np.testing.assert_array_equal(patches.labels, before)


def test_the_gradient_is_the_change_of_the_loss(patches):
    """Along the gradient, the loss must change by its length: central differences, by hand."""
    setting = dataclasses.replace(TINY, dropout=0.0)
    keras.utils.set_random_seed(5)
    model = setting.build()
    bias = model.get_layer("logits").trainable_variables[1]
    x, y, weight = data.Batches(patches, 2, crop=16)[0]
    counted = (weight / weight.size)[..., None]
    q = convert_to_numpy(model(x)).astype(float)
    by_hand = ((q - np.eye(6)[y]) * counted).sum((0, 1, 2))
    frozen = [layer for layer in model.layers if layer.name != "logits"]
    before = [convert_to_numpy(v) for v in model.trainable_variables]
    total = collapse_callbacks.gradient_norm(setting, model, (x, y, weight))
    assert total >= np.linalg.norm(by_hand) - 1e-6
    after = [convert_to_numpy(v) for v in model.trainable_variables]
    assert all(map(np.array_equal, before, after)), "it moved the network itself"
    # With features of zero before the last layer, its bias has all of the gradient but that of
    # the kernel, whose inputs are 0, and of the layers before, whose outputs do not count.
    for layer in frozen:
        layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
    bias.assign(np.arange(6.0) / 6)
    q = np.exp(np.arange(6.0) / 6) / np.exp(np.arange(6.0) / 6).sum()
    by_hand = ((q - np.eye(6)[y]) * counted).sum((0, 1, 2))
    assert collapse_callbacks.gradient_norm(setting, model, (x, y, weight)) == pytest.approx(
        np.linalg.norm(by_hand), rel=1e-4
    )


def test_dead_features_are_not_counted(patches):
    model = TINY.build()
    alive = collapse_callbacks.live_features(model, patches)
    filters = [4, 8, 16, 32, 64, 32, 16, 8, 4]
    assert all(0 < count <= most for count, most in zip(alive, filters, strict=True))
    layer = model.get_layer("u9")
    kernel, bias = layer.get_weights()
    bias[[0, 2]] = -1e3
    layer.set_weights([kernel, bias])
    now = collapse_callbacks.live_features(model, patches)
    assert now[:-1] == alive[:-1] and now[-1] <= 2


def test_a_training_can_be_repeated_after_another_one(patches):
    """Networks of one build are one object: nothing of an earlier training may be left."""
    first, curve = collapse.train(TINY, 0, patches, patches)
    weights = [w.copy() for w in first.get_weights()]
    collapse.train(dataclasses.replace(TINY, rate=0.1, warmup=0.5, batch=3), 1, patches, patches)
    second, again = collapse.train(TINY, 0, patches, patches)
    assert curve["step"] == [4] and len(curve["loss"]) == 1
    assert curve == again
    for a, b in zip(weights, second.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_renumbered_labels_change_nothing_but_names(patches):
    _, curve = collapse.train(dataclasses.replace(TINY, labels="renumbered"), 0, patches, patches)
    counted = np.array(curve["confusion"][-1]).sum(axis=1)
    labels = np.bincount(patches.labels.ravel(), minlength=6)
    assert counted[RENUMBERED[:5]].tolist() == labels[:5].tolist()


def test_looks_at_the_middle_of_patches_that_are_spread_evenly(patches):
    chosen = collapse.some(patches, count=2, side=16)
    np.testing.assert_array_equal(chosen.labels, patches.labels[[0, 5], 24:40, 24:40])
    np.testing.assert_array_equal(chosen.images, patches.images[[0, 5], 24:40, 24:40])
    assert collapse.some(patches, count=2, side=128).labels.shape == (2, 64, 64)


@pytest.fixture
def tiny_record(monkeypatch):
    """Make the command run two tiny settings on a small city."""
    plan = dataclasses.replace(PLAN, arms=(TINY, dataclasses.replace(TINY, name="other")),
                               seeds=(0, 1))  # fmt: skip
    city = data.synthetic.city(n_images=18, size=64)
    monkeypatch.setattr(collapse, "PLAN", plan)
    monkeypatch.setattr(collapse, "SETTINGS", plan.arms)
    monkeypatch.setattr(collapse.data, "load", lambda source: city)
    monkeypatch.setattr(collapse.data, "cut", lambda images: data.patches.cut(images, 64))


def test_the_command_records_what_is_left_and_only_that(tiny_record, tmp_path):
    assert main(["collapse", "--out", str(tmp_path)]) == 0
    path = tmp_path / "collapse.jsonl"
    lines = path.read_text().splitlines()
    assert len(lines) == 4
    path.write_text("\n".join(lines[1:]) + "\n")
    for file in (tmp_path / "work" / "lines").glob("*"):
        file.unlink()
    queue_file(tmp_path).unlink()  # else the run was done a moment ago, and its line is on its way
    assert main(["collapse", "--out", str(tmp_path)]) == 0
    again = path.read_text().splitlines()
    assert again[1:] == lines[1:] and len(again) == 4
    assert json.loads(again[0])["curve"] == json.loads(lines[0])["curve"]
    runs = collapse.runs(tmp_path)
    assert {name: list(seeds) for name, seeds in runs.items()} == {"tiny": [0, 1], "other": [0, 1]}


def test_a_record_of_another_setting_is_refused(tiny_record, tmp_path):
    line = {"plan": "collapse", "arm": "tiny", "seed": 0, "started": "2026",
            "settings": dataclasses.asdict(TINY) | {"rate": 0.5}}  # fmt: skip
    (tmp_path / "collapse.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(ValueError, match="collapse-tiny-0 was recorded with .*other settings now"):
        collapse.runs(tmp_path)


def test_the_record_that_comes_with_the_library_is_whole():
    recorded = collapse.runs()
    assert list(recorded) == [setting.name for setting in SETTINGS]
    hashes = set()
    for name, lines in recorded.items():
        assert list(lines) == list(PLAN.seeds), name
        for line in lines.values():
            steps = line["curve"]["step"]
            assert steps[-1] == line["settings"]["steps"]
            assert {len(line["curve"][key]) for key in line["curve"]} == {len(steps)}
            hashes.add(line["data"]["hash"])
    assert len(hashes) == 1


def test_a_used_optimiser_takes_a_larger_first_step(patches):
    """By Adam's formula: both averages hold one gradient, and nothing is corrected any more."""
    moved = []
    for steps_before in (0, 11_600):
        setting = dataclasses.replace(TINY, steps=1, dropout=0.0, steps_before=steps_before)
        model, _ = collapse.train(setting, 0, patches, collapse.some(patches, 2))
        keras.utils.set_random_seed(0)
        before = setting.build().get_weights()
        moved.append(
            max(np.abs(a - b).max() for a, b in zip(model.get_weights(), before, strict=True))
        )
    kept = 1 - 0.999**11_601  # of the average of squares
    assert moved[1] / moved[0] == pytest.approx(0.1 / np.sqrt(0.001 / kept) / 1, rel=0.02)
