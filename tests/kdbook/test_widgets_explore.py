"""The figures that move as widgets: the same record as on the page, and kdlib's numbers."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdbook import explorers, widgets
from kdbook.figures.style import class_palette
from kdlib import softening

ROOT = Path(__file__).parents[2]


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


def shown_pixels(box):
    packed = re.search(r'src="data:image/png;base64,([^"]+)"', box.children[-1].value)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(packed))))


def test_the_swipe_shows_left_and_right_of_it_what_was_chosen():
    data = record("teacher-and-student")
    box, side = widgets.teacher_and_student(data), data["side"]
    for name, value in {"patch": 2, "left": "labels", "right": "teacher", "swipe": 25}.items():
        knob(box, name).value = value
    layers = data["patches"][2]["layers"]
    labels, teacher = (explorers.unpack(layers[name], side) for name in ("labels", "teacher"))
    wanted = np.where(np.arange(side) < side // 4, labels, teacher)
    np.testing.assert_array_equal(shown_pixels(box), class_palette()[wanted])
    for swipe, layer in {0: teacher, 100: labels}.items():
        knob(box, "swipe").value = swipe
        np.testing.assert_array_equal(shown_pixels(box), class_palette()[layer])
    knob(box, "left").value = "photograph"
    assert shown_pixels(box).shape == (side, side, 3)


@pytest.mark.parametrize("student", ["student from scratch", "distilled student"])
def test_the_swipe_says_and_shows_who_is_right(student):
    data = record("teacher-and-student")
    box, side = widgets.teacher_and_student(data), data["side"]
    for name, value in {"student": student, "left": "who is right", "swipe": 100}.items():
        knob(box, name).value = value
    found = []
    for patch in data["patches"]:
        names = ("labels", "teacher", student)
        layers = [explorers.unpack(patch["layers"][name], side) for name in names]
        found.append(explorers.count_right(*layers))
    counts = re.findall(r"<td>(\d+) \(([\d.]+) %\)</td>", box.children[-1].value)
    shown = np.array(counts, dtype=float).reshape(4, 2, 2)
    np.testing.assert_array_equal(shown[:, :, 0], np.transpose([found[0], np.sum(found, axis=0)]))
    shares = 100 * shown[:, :, 0] / shown[:, :, 0].sum(axis=0)
    np.testing.assert_allclose(shown[:, :, 1], shares, atol=0.051)
    white = (shown_pixels(box) == 255).all(axis=-1)
    assert white.sum() == found[0][0]


def test_the_swipe_needs_a_student():
    data = record("teacher-and-student")
    alone = {**data, "networks": {"teacher": data["networks"]["teacher"]}}
    with pytest.raises(ValueError, match=r"the networks are \['teacher'\]; expected a teacher and"):
        widgets.teacher_and_student(alone)


@pytest.mark.parametrize("names", [[], ["distilled student"], ["teacher", "pupil"]])
def test_networks_of_other_names_are_refused(names):
    with pytest.raises(ValueError, match="expected 'teacher' first, and after it names among"):
        explorers.teacher_and_student(dict.fromkeys(names), None)


def test_a_patch_without_labels_is_counted_as_nothing():
    data = record("teacher-and-student")
    side = data["side"]
    patch = data["patches"][0]
    layers = {**patch["layers"], "labels": explorers.pack(np.full((side, side), data["void"]))}
    box = widgets.teacher_and_student({**data, "patches": [{**patch, "layers": layers}]})
    assert box.children[-1].value.count("<td>0</td>") == 8


@pytest.mark.parametrize(
    "name", ["teacher_and_student", "temperature", "the_collapse", "two_objectives"]
)
def test_another_record_is_refused(name):
    with pytest.raises(ValueError, match=f"expected what kdbook.explorers.{name}"):
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
