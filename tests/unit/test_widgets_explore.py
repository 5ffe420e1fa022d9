"""The figures that move as widgets: the same record as on the page, and kdlib's numbers."""

import base64
import json
import re

import numpy as np
import pytest
from project import ROOT

from kdlib import explorers, softening, widgets


def record(name):
    """Return what the page draws from."""
    path = ROOT / "book" / "_figures" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def knob(box, name):
    return next(each for each in box.children if each.description == name)


def cells(box):
    texts = re.findall(r"<td>([^<]+)</td>", box.children[-1].value)
    return np.array([float(text) for text in texts])


@pytest.mark.parametrize("squared", [True, False])
def test_two_objectives_shows_minus_the_gradient(squared):
    box = widgets.two_objectives(record("two-objectives"))
    knob(box, "pixel").index = 2
    knob(box, "α").value = 0.5
    knob(box, "T").value = 8
    knob(box, "times T²").value = squared
    pixel = explorers.PIXELS[2]
    q, truth = softening.softmax(pixel["student"]), np.eye(6)[1]
    softened = [softening.softmax(pixel[who], 8) for who in ("student", "teacher")]
    label = -0.5 * (q - truth)
    teacher = -0.5 * (8 if squared else 1 / 8) * (softened[0] - softened[1])
    wanted = np.stack([label, teacher, label + teacher], axis=1)
    np.testing.assert_allclose(cells(box).reshape(6, 3), wanted, atol=5.1e-4)


def test_temperature_shows_the_pixel_that_is_chosen():
    data = record("temperature")
    box = widgets.temperature(data)
    knob(box, "T").value = 4
    knob(box, "row").value = 20
    knob(box, "column").value = 10
    place = (20 * data["side"] + 10) * 6
    stored = base64.b64decode(data["logits"])[place : place + 6]
    logits = np.array([data["low"] + data["step"] * each for each in stored])
    shown = cells(box).reshape(6, 3)
    wanted = softening.softmax(logits, 4)
    np.testing.assert_allclose(shown[:, 0], logits, atol=5.1e-5)
    np.testing.assert_allclose(shown[:, 2], wanted, atol=5.1e-5)
    label = base64.b64decode(data["labels"])[20 * data["side"] + 10]
    assert shown[:, 1].tolist() == np.eye(6)[label].tolist()
    assert f"leaves {softening.entropy(wanted):.3f} of 2.58" in box.children[-1].value


def test_the_collapse_follows_its_knobs():
    data = record("the-collapse")
    box = widgets.the_collapse(data)
    first = box.children[-1].value
    knob(box, "step").value = data["step"][-1]
    assert box.children[-1].value != first
    for run in data["runs"].values():
        assert f"mean IoU {run['mean_iou'][-1]:.3f}" in box.children[-1].value


@pytest.mark.parametrize("name", ["temperature", "the_collapse", "two_objectives"])
def test_another_record_is_refused(name):
    with pytest.raises(ValueError, match=f"expected what kdlib.explorers.{name}"):
        getattr(widgets, name)({"classes": []})


@pytest.mark.parametrize("side", [1, 2, 33, 64])
def test_packed_labels_come_back(side):
    labels = np.random.default_rng(side).integers(0, 8, (side, side)) // (1 + side % 2)
    assert explorers.unpack(explorers.pack(labels), side).tolist() == labels.tolist()
    same = np.full((side, side), 5)
    assert explorers.unpack(explorers.pack(same), side).tolist() == same.tolist()


@pytest.mark.parametrize("labels", [[8], [-1], []])
def test_labels_that_cannot_be_packed(labels):
    with pytest.raises(ValueError, match="expected class ids from 0 to 7"):
        explorers.pack(np.array(labels, dtype=int))


def test_count_right_by_hand():
    labels = np.array([0, 1, 2, 3, 5, 4])
    teacher = np.array([0, 1, 0, 0, 5, 4])
    student = np.array([0, 0, 2, 1, 0, 4])
    assert explorers.count_right(labels, teacher, student) == [2, 1, 1, 1]


def test_the_stored_collapse_is_one_and_the_other_run_is_none():
    runs = record("the-collapse")["runs"]
    constant = record("the-collapse")["constant"]
    assert abs(runs["collapsing"]["accuracy"][-1] - constant["accuracy"]) < 0.01
    assert runs["collapsing"]["largest"][-1] > 0.95
    assert runs["healthy"]["mean_iou"][-1] > 2 * constant["mean_iou"]
    assert {runs[name]["rate"] for name in runs} == set(explorers.RUNS.values())
