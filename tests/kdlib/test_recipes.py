"""Shared trainings: schedule, seeds, the teacher on disk, and a run that survives a kill."""

import dataclasses
import subprocess
import sys
import textwrap
import time

import keras
import numpy as np
import pytest

from kdlib import data, recipes, runtime
from kdlib.distiller import Distiller
from kdlib.recipes import Recipe
from tests.kdlib.small import network, values

TINY = Recipe(2, 2, batch_size=2, crop=16, learning_rate=1e-2, warmup_steps=1)


@pytest.fixture(scope="module")
def city():
    images = data.load("city")
    return images, data.split(data.cut(images), images)


def few(split, count=4):
    return split.train.take(np.arange(count))


@pytest.fixture
def tiny_recipe(monkeypatch, tmp_path):
    for role in ("teacher", "student"):
        monkeypatch.setitem(recipes.RECIPES, role, {"smoke": TINY, "full": TINY})
    small = {"teacher": small_builder, "student": small_builder}
    monkeypatch.setattr(recipes.fitting, "BUILDERS", small)
    monkeypatch.setenv("KD_CACHE_DIR", str(tmp_path))


def small_builder(image_height, image_width, dropout, normalization, n_classes=6):
    from kdlib.unet import unet

    return unet(
        (2, 2, 2, 2, 2),
        n_classes,
        image_height,
        image_width,
        dropout=dropout,
        normalization=normalization,
    )


def test_the_rate_warms_up_to_its_peak_and_decays_to_zero():
    recipe = Recipe(4, 25, batch_size=1, crop=16, learning_rate=0.01, warmup_steps=20)
    rate = recipe.optimizer()._learning_rate
    steps = np.arange(101)
    rates = np.array([float(rate(int(step))) for step in steps])
    expected = np.where(
        steps < 20, 0.01 * steps / 20, 0.005 * (1 + np.cos(np.pi * (steps - 20) / 80))
    )
    np.testing.assert_allclose(rates, expected, atol=1e-8)


def test_a_momentum_means_sgd_at_the_same_rates():
    recipe = Recipe(4, 25, batch_size=1, crop=16, learning_rate=0.01, momentum=0.9)
    sgd, adam = recipe.optimizer(), dataclasses.replace(recipe, momentum=None).optimizer()
    assert isinstance(sgd, keras.optimizers.SGD) and (sgd.momentum, sgd.nesterov) == (0.9, True)
    assert isinstance(adam, keras.optimizers.Adam)  # on PyTorch a class of its own
    assert float(sgd._learning_rate(30)) == float(adam._learning_rate(30)) > 0


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_a_seed_decides_the_weights(role):
    first, same, other = (recipes.build(role, seed).get_weights()[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def test_building_leaves_the_precision_as_it_was(monkeypatch):
    monkeypatch.setattr(runtime, "faster_precision", lambda: "mixed_bfloat16")
    full = recipes.RECIPES["teacher"]["full"]
    monkeypatch.setitem(recipes.RECIPES, "teacher", {"smoke": full, "full": full})
    assert recipes.build("teacher").get_layer("c1").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"


def test_an_unknown_role_is_an_error():
    with pytest.raises(ValueError, match="role is 'assistant'"):
        recipes.recipe("assistant")


def test_the_same_seed_gives_the_same_training(city):
    _, split = city
    results = []
    for _ in range(2):
        model = network(2, seed=1, classes=6, size=16, dropout=0.5)
        recipes.compile_alone(model, TINY)
        recipes.fit(model, few(split), TINY, seed=3)
        results.append(values(model.variables))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


def test_how_batches_are_read_changes_nothing(city):
    results = []
    for by_recipe in (True, False):
        model = network(2, seed=1, classes=6, size=16, dropout=0.5)
        recipes.compile_alone(model, TINY)
        batches = TINY.batches(few(city[1]), 3)
        if by_recipe:
            recipes.fit(model, few(city[1]), TINY, 3, batches=batches)
        else:
            seeds = recipes.EpochSeeds(batches, 3)
            model.fit(batches, epochs=TINY.epochs, callbacks=[seeds], shuffle=False, verbose=0)
        results.append(values(model.variables))
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_networks_without_dropout_are_trained_too(city):
    model = network(2, seed=1, classes=6, size=16, dropout=0.0)
    recipes.compile_alone(model, TINY)
    assert len(recipes.fit(model, few(city[1]), TINY).history["loss"]) == TINY.epochs


def test_training_alone_is_what_the_distiller_does_at_alpha_one(city):
    _, split = city
    alone = network(2, seed=1, classes=6, size=16)
    student = network(2, seed=1, classes=6, size=16)
    recipes.compile_alone(alone, TINY)
    distiller = Distiller(student, network(3, seed=2, classes=6, size=16))
    distiller.compile(TINY.optimizer(), alpha=1.0)
    for model in (alone, distiller):
        recipes.fit(model, few(split), TINY, seed=3)
    for a, b in zip(
        values(alone.trainable_variables), values(student.trainable_variables), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_the_teacher_is_trained_once_and_then_read(city, tiny_recipe, capsys):
    images, split = city
    split = data.Split(train=few(split), validation=split.validation, test=split.test, by=split.by)
    first = recipes.trained_teacher(images, split)
    assert "Training the teacher: 4 steps" in capsys.readouterr().out
    second = recipes.trained_teacher(images, split)
    assert "from the cache" in capsys.readouterr().out
    for a, b in zip(
        values(first.trainable_variables), values(second.trainable_variables), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    recipes.trained_teacher(images, split, seed=1)
    assert "Training" in capsys.readouterr().out


def test_a_teacher_of_another_split_is_not_taken_for_this_ones(tiny_recipe):
    images = data.synthetic.city(n_images=21, size=32)
    images = dataclasses.replace(images, tile=np.arange(21) // 7 + 1, part=np.arange(21) % 7 + 1)
    patches = data.cut(images, 16)
    splits = [
        *(data.split(patches, images, by="tile", held_out_tile=tile) for tile in (1, 2)),
        *(data.split(patches, images, by="patch", seed=seed) for seed in (0, 1)),
    ]
    assert len(splits[0].train) == len(splits[1].train)
    assert len(splits[2].train) == len(splits[3].train)
    model = recipes.build("teacher")
    paths = [recipes.save_teacher(model, images, split) for split in [*splits, *splits]]
    assert paths[:4] == paths[4:] and len(set(paths)) == 4


def test_a_damaged_teacher_is_named(city, tiny_recipe):
    images, split = city
    path = recipes.save_teacher(recipes.build("teacher"), images, split)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="Delete the file"):
        recipes.trained_teacher(images, split)


def test_fair_curves_evaluate_every_set_alike(city):
    _, split = city
    patches = few(split, 2)
    model = network(2, seed=1, classes=6, size=None)
    recipes.compile_alone(model, TINY)
    curves = recipes.FairCurves({"training": patches, "again": patches})
    recipes.fit(model, patches, TINY, callbacks=[curves])
    assert len(curves.curves["training"]) == TINY.epochs
    assert curves.curves["training"] == curves.curves["again"]
    x, y, weight = data.Batches(patches, 2)[0]
    q = np.take_along_axis(model.predict(x, verbose=0), y[..., None], -1)[..., 0].astype(float)
    expected = -(np.log(q) * weight).mean()
    assert curves.curves["training"][-1]["loss"] == pytest.approx(expected, rel=1e-4)


RESUMABLE = """
    import sys
    import keras
    from kdlib import data, recipes
    from kdlib.distiller import Distiller
    from tests.kdlib.small import network

    backup, kill_after = sys.argv[1], int(sys.argv[2])
    images = data.load("city")
    patches = data.cut(images)
    recipe = recipes.Recipe(4, 5, batch_size=2, crop=32, learning_rate=1e-2, warmup_steps=2)
    distiller = Distiller(network(2, 1, 6, 32, dropout=0.3, normalization="batch"),
                          network(3, 2, 6, 32, dropout=0.3))
    distiller.compile(recipe.optimizer(), temperature=2.0)

    class Report(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.steps_before = epoch * recipe.steps_per_epoch

        def on_train_batch_end(self, batch, logs=None):
            step = self.steps_before + batch + 1
            print("step", step, flush=True)
            if step == kill_after:
                import time
                time.sleep(600)

    callbacks = [keras.callbacks.BackupAndRestore(backup), Report()]
    recipes.fit(distiller, patches.take(range(8)), recipe, seed=7, callbacks=callbacks)
    distiller.student.save_weights(sys.argv[3])
"""


def run_to_the_end(backup, weights):
    command = [sys.executable, "-c", textwrap.dedent(RESUMABLE), str(backup), "-1", str(weights)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("step")]


def test_a_killed_run_resumes_to_the_weights_of_an_unbroken_one(tmp_path):
    assert run_to_the_end(tmp_path / "whole", tmp_path / "whole.weights.h5") == list(range(1, 21))
    # Killed in the middle of the third epoch; its backup stands at the end of the second.
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(RESUMABLE),
        str(tmp_path / "cut"),
        "12",
        str(tmp_path / "never.weights.h5"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout:
            if line.strip() == "step 12":
                break
        time.sleep(0.2)
        run.kill()
    assert not (tmp_path / "never.weights.h5").exists()
    steps = run_to_the_end(tmp_path / "cut", tmp_path / "cut.weights.h5")
    assert steps == list(range(11, 21))
    resumed, whole = (network(2, 5, 6, 32, normalization="batch") for _ in range(2))
    resumed.load_weights(tmp_path / "cut.weights.h5")
    whole.load_weights(tmp_path / "whole.weights.h5")
    for a, b in zip(values(resumed.variables), values(whole.variables), strict=True):
        if a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
