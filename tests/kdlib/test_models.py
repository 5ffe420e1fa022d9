"""The shipped models: they score what their cards say, and a broken file is noticed."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import kdlib
from kdbook.study import ship
from kdbook.study.arm_table import read
from kdbook.study.plans import find
from kdbook.study.record import RESULTS, Record
from kdbook.study.ship import TOLERANCE
from kdbook.study.workbench import check_teacher
from kdlib import data, metrics, models, recipes
from kdlib.data import CLASS_NAMES, N_CLASSES, VOID

ALL = [(name, images) for images in models.IMAGES for name in models.NAMES]


@pytest.fixture(scope="module")
def test_patches():
    """Return a function that gives the test patches of a set of images, or skips."""
    kept = {}

    def give(images):
        if images == "dubai" and not os.environ.get("KD_DUBAI_DIR"):
            pytest.skip("the photographs of Dubai are not on this machine")
        if images not in kept:
            loaded = data.load(images)
            kept[images] = loaded.fingerprint(), data.split(data.cut(loaded), loaded).test
        return kept[images]

    return give


def with_the_smallest_elsewhere(models):
    """On other backends than TensorFlow the smallest network stands for all: it takes minutes."""
    for name, images in models:
        marks = () if name == "coarse-student" else pytest.mark.tensorflow
        yield pytest.param(name, images, marks=marks)


@pytest.mark.parametrize("name, images", with_the_smallest_elsewhere(ALL))
def test_a_model_scores_on_the_test_images_what_its_card_says(name, images, test_patches):
    card = models.card(name, images)
    fingerprint, patches = test_patches(images)
    assert card["data"]["hash"] == fingerprint and card["data"]["test"] == len(patches)
    predicted = metrics.predict_labels(kdlib.pretrained(name, images), patches)
    matrix = metrics.confusion_matrix(patches.labels, predicted, N_CLASSES, void_class=VOID)
    found, constant = metrics.scores(matrix, VOID), metrics.constant_predictor(matrix, VOID)
    assert found.mean_iou == pytest.approx(card["scores"]["mean_iou"], abs=TOLERANCE)
    assert found.accuracy == pytest.approx(card["scores"]["accuracy"], abs=TOLERANCE)
    assert constant.accuracy == pytest.approx(
        card["scores"]["constant_predictor"]["accuracy"], abs=1e-5
    )
    for number, title in enumerate(CLASS_NAMES):
        if number != VOID:
            of_class = card["scores"]["classes"][title]
            assert found.iou[number] == pytest.approx(of_class["iou"], abs=5 * TOLERANCE)


@pytest.mark.parametrize("name, images", ALL)
def test_a_card_says_all_that_one_must_know(name, images):
    card = models.card(name, images)
    assert set(card) == {
        *("run", "data", "recipe", "settings", "scores", "versions", "device", "code"),
        *("licence", "limits", "parameters", "weights"),
    }
    assert card["data"]["name"] == images and card["data"]["split"] == "image"
    assert card["parameters"] == kdlib.pretrained(name, images).count_params()
    taught = name in ("student", "coarse-student")
    assert card["settings"]["teacher"] == ("trained" if taught else None)
    assert card["settings"]["network"] == name.removesuffix("-scratch")


@pytest.mark.parametrize("name, images", ALL)
def test_a_model_is_the_network_of_a_recorded_run(name, images):
    run = ship.SHIPPED[name, images]
    card, line = models.card(name, images), Record(RESULTS, find(run.plan)).runs()[run]
    assert card["run"] == str(run)
    assert card["weights"] == line["weights"]
    assert card["weights"] == models.digest(models.read(models.weights_path(name, images)))


def test_the_study_can_be_gone_on_with_where_only_the_library_is():
    names = "main", "rates", "more", "city", "coarse", "coarse-long"
    for name in (*names, "patience", "patience-coarse"):
        plan = find(name)
        check_teacher(plan.teacher, plan, RESULTS)  # raises if its weights are not here


def test_the_coarse_student_was_chosen_on_validation_images():
    run, found = ship.SHIPPED["coarse-student", "dubai"], {}
    for plan in map(find, ("coarse", "coarse-long", "patience-coarse")):
        for one, line in read(plan, RESULTS).items():
            if one.arm.startswith("distilled"):
                score = metrics.scores(line["validation"]["confusion"], VOID).mean_iou
                found.setdefault((plan.name, one.arm), []).append(score)
    means = {arm: np.mean(values) for arm, values in found.items()}
    assert max(means, key=means.get) == (run.plan, run.arm) and len(means) == 3


def test_the_readme_and_the_page_say_how_many_there_are():
    root = Path(__file__).parents[2]
    for page in ("README.md", "book/models.md"):
        text = " ".join((root / page).read_text(encoding="utf-8").split())
        assert "Eight trained networks come with" in text and len(ALL) == 8, page


def test_the_student_and_the_one_from_scratch_had_the_same_budget():
    for images in models.IMAGES:
        budgets = [dict(models.card(n, images)["recipe"]) for n in ("student", "student-scratch")]
        for budget in budgets:
            del budget["learning_rate"]  # tuned for each
        assert budgets[0] == budgets[1]


def test_all_files_together_are_under_ten_megabytes():
    files = [path for path in models.FOLDER.iterdir() if path.suffix in (".npz", ".json")]
    assert len(files) == 2 * len(ALL)
    assert sum(path.stat().st_size for path in files) < 10e6


@pytest.mark.parametrize("name, images", [("pupil", "dubai"), ("teacher", "paris")])
def test_an_unknown_model(name, images):
    for give in (kdlib.pretrained, models.card, models.weights_path):
        with pytest.raises(ValueError, match=f"no model '{name}' for images '{images}'; the names"):
            give(name, images)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the folder that models are saved in for the time of a test."""
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    return tmp_path


def save_small():
    facts = {"settings": {"network": "student"}, "recipe": {"normalization": "batch", "new": 1}}
    facts["recipe"] |= {"epochs": 1, "steps_per_epoch": 1, "batch_size": 1, "crop": 16}
    facts["recipe"] |= {"learning_rate": 0.1, "fastest_precision": True}
    recipe = recipes.Recipe(1, 1, 1, 16, 0.1, normalization="batch")
    network = recipes.build("student", seed=4, chosen=recipe)
    ship.save(models.half(network), "student", "city", facts)
    return network


def test_what_was_saved_comes_back_in_float16(folder):
    network = save_small()
    again = models.pretrained("student", "city")
    assert again.get_layer("c1").compute_dtype == "float32"
    for saved, loaded in zip(network.weights, again.weights, strict=True):
        rounded = np.asarray(saved).astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(np.asarray(loaded), rounded)


def test_a_file_that_changed_is_refused(folder):
    save_small()
    path = folder / "city-student.npz"
    weights = models.read(path)
    weights["logits/bias"] += 1
    models.write(path, weights)
    with pytest.raises(ValueError, match="city-student.npz is not the file .* Install kdlib again"):
        models.pretrained("student", "city")


@pytest.mark.parametrize("end", [-1, -1000, 1000, 0])
def test_a_file_that_was_cut_is_refused(folder, end):
    save_small()
    path = folder / "city-student.npz"
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(ValueError, match="city-student.npz is damaged"):
        models.pretrained("student", "city")


def test_the_card_knows_the_weights(folder):
    network = save_small()
    card = json.loads((folder / "city-student.json").read_text())
    assert card["parameters"] == network.count_params()
    assert card["weights"] == models.digest(models.half(network))


def test_the_digest_is_that_of_names_shapes_and_values():
    one = {"a": np.array([1, 2], np.float16), "b": np.zeros((2, 1), np.float16)}
    assert models.digest(one) == models.digest(dict(reversed(one.items())))
    others = [
        {**one, "a": np.array([1, 3], np.float16)},
        {**one, "b": np.zeros((1, 2), np.float16)},
        {"a": one["b"], "b": one["a"]},
        {"a": one["a"]},
    ]
    assert models.digest(one) not in {models.digest(other) for other in others}


def test_weights_of_another_network_are_refused():
    network = recipes.build("student")
    weights = models.half(network)
    weights["logits/bias"] = weights["logits/bias"][:5]
    with pytest.raises(ValueError, match="weights of another network; they differ in .*logits/bia"):
        models.assign(network, weights)


def test_a_weight_too_large_for_float16_stays_in_float32(folder):
    network = recipes.build("student")
    network.get_layer("logits").bias.assign([0, 0, 1e5, 0, 0, 0])
    weights = models.half(network)
    assert {path for path, array in weights.items() if array.dtype == np.float32} == {"logits/bias"}
    path = folder / "large.npz"
    models.write(path, weights)
    assert models.read(path)["logits/bias"][2] == 1e5
    assert models.digest(models.read(path)) == models.digest(weights)


def test_a_weight_that_is_not_finite():
    network = recipes.build("student")
    network.get_layer("logits").bias.assign([0, 0, np.nan, 0, 0, 0])
    with pytest.raises(ValueError, match="logits/bias holds numbers that are not finite: the trai"):
        models.half(network)


def test_the_package_gives_models_and_nothing_unknown():
    assert kdlib.pretrained is models.pretrained
    assert kdlib.deploy.MODULES == ("export", "footprint", "inference", "tiles")
    assert kdlib.deploy.tiles.MARGIN > 0
    with pytest.raises(AttributeError, match="module 'kdlib' has no attribute 'pretraind'"):
        _ = kdlib.pretraind
    with pytest.raises(AttributeError, match="module 'kdlib.deploy' has no attribute 'tile'"):
        _ = kdlib.deploy.tile
