"""Networks in files: all of kdlib's classes come back after ``import kdlib``, and the palette."""

import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from keras import layers

import kdlib
from kdlib import metrics, saved
from kdlib.__main__ import main as console
from kdlib.beyond import METHODS, BeyondDistiller, Term, ensemble, hint
from kdlib.coarse_unet import multi_coarse_student_unet_model
from kdlib.data import Palette
from kdlib.distiller import Distiller
from kdlib.unet import unet

PALETTE = Palette({"field": "#00A000", "río": "blue", "none": "black"}, "none", ["white"])
FRESH = """
import sys, kdlib
assert not {"keras", "tensorflow", "jax", "numpy"} & set(sys.modules), "slow to import"
assert {"beyond", "data", "export", "load", "pretrained", "unet"} < set(dir(kdlib))
assert not {"importlib", "pkgutil", "ROOMS", "_ends"} & set(dir(kdlib)), "not for the Tab key"
for path in sys.argv[1:]:
    model = kdlib.load(path)
    import keras, numpy as np
    x = np.load(path + ".npz")["x"]
    found = {"answer": keras.ops.convert_to_numpy(model(x))}
    if model.compiled:
        y = np.arange(len(x)) % 3
        found |= model.evaluate(x, y, verbose=0, return_dict=True)
        model.fit(x, y, verbose=0)
    np.savez(path + ".again.npz", **found)
"""


def dense(width, seed, *last):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((4,)), layers.Dense(width, "relu"), *last])


class Own(keras.Model):
    """Subclassed: Keras does not know its output shape."""


def distilled(kind, *term):
    student, teacher = dense(4, 1, layers.Dense(3, "softmax")), dense(6, 2, layers.Dense(3))
    names = teacher.layers[0].name, student.layers[0].name
    term = [Term(hint, [names], adapter=True)] if term == ("hint",) else term
    model = kind(student, teacher, *term)
    model.compile("adam", [metrics.Accuracy(3)], alpha=0.3, run_eagerly=True)
    return model


def test_what_was_saved_comes_back_in_a_process_that_imports_nothing_but_kdlib(tmp_path):
    unets = [unet((1,) * 5, 3, 16, 16), unet((2,) * 5, 3, 16, 16)]
    made = {
        "coarse": multi_coarse_student_unet_model(3, 32, 32),
        "ensemble": ensemble(unets, 2.0),
        "distiller": distilled(Distiller),
        "hint": distilled(BeyondDistiller, "hint"),
        "standardised": distilled(BeyondDistiller, METHODS["standardised"]()),
    }
    wanted, rng = {}, np.random.default_rng(0)
    for name, model in made.items():
        path = tmp_path / f"{name}.keras"
        shape = made[name].student.input_shape if "input_shape" not in dir(model) else None
        shape = shape or model.input_shape
        x = rng.random((6, *shape[1:]), dtype="float32")
        saved.save(model, path)
        np.savez(f"{path}.npz", x=x)
        found = {"answer": keras.ops.convert_to_numpy(model(x))}
        if model.compiled:
            y = np.arange(len(x)) % 3
            found |= model.evaluate(x, y, verbose=0, return_dict=True)
        wanted[path] = found
    root = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", FRESH, *map(str, wanted)],
        env=os.environ | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for path, found in wanted.items():
        with np.load(f"{path}.again.npz") as again:
            assert set(again) == set(found)
            for key, value in found.items():
                np.testing.assert_allclose(again[key], value, rtol=1e-5, atol=1e-6)


def test_the_palette_is_in_the_file_and_keras_reads_it_all_the_same(tmp_path):
    model, path = unet((1,) * 5, 3, 16, 16), tmp_path / "mine.keras"
    for _ in range(2):  # the second replaces the first
        kdlib.save(model, path, PALETTE)
    again = saved.palette(path)
    assert (again.names, again.hex, again.void) == (PALETTE.names, PALETTE.hex, 2)
    np.testing.assert_array_equal(again.encode(np.full((1, 3), 255, np.uint8)), [2])
    for load in (kdlib.load, keras.models.load_model):
        for one, other in zip(load(path).get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.keras"]
    assert zipfile.ZipFile(path).testzip() is None
    model.save(path)
    assert saved.palette(path) is None


COLOURS = dict(zip(PALETTE.names, PALETTE.hex, strict=True))


@pytest.mark.parametrize(
    ("classes", "void", "listed"),
    [
        (dict(reversed(COLOURS.items())), "none", "the images have none (void), río, field. Exp"),
        ({"x": "red", "y": "blue", "none": "black"}, "none", "the images have x, y, none (void)"),
        (COLOURS, None, "the images have field, río, none. Expected"),
    ],
)
def test_a_network_of_other_classes_than_the_images_is_refused(tmp_path, classes, void, listed):
    model, path = unet((1,) * 5, 3, 16, 16), tmp_path / "mine.keras"
    kdlib.save(model, path, PALETTE)
    repainted = Palette({"field": "red", "río": "green", "none": "white"}, "none")
    assert saved.load_network(path, repainted).count_params() == model.count_params()
    with pytest.raises(ValueError) as error:
        saved.load_network(path, Palette(classes, void))
    assert "was saved with the classes field, río, none (void), and" in str(error.value)
    assert listed in str(error.value)
    model.save(path)  # without a palette
    assert saved.load_network(path, Palette(classes, void)).count_params() == model.count_params()


def test_a_palette_of_json(tmp_path):
    path = tmp_path / "palette.json"
    path.write_text(PALETTE.to_json(), encoding="utf-8")
    assert repr(saved.palette(path)) == repr(PALETTE)
    for text, words in {
        "{": "palette.json: no JSON",
        "[]": 'Expected names and colours, such as {"classes"',
        '{"classes": {"a": "red", "b": "blue"}, "vide": "a"}': "Expected names and colours",
        '{"classes": {"a": "red", "b": "blue"}, "void": "c"}': "palette.json: void is 'c'",
        '{"classes": {"a": "red", "a": "blue"}}': "the name 'a' stands there twice",
    }.items():
        path.write_text(text)
        with pytest.raises(ValueError, match=words):
            saved.palette(path)
    with pytest.raises(FileNotFoundError, match="none.json is missing"):
        saved.palette(tmp_path / "none.json")


def test_a_palette_with_a_byte_order_mark_is_read_and_another_coding_named(tmp_path):
    path = tmp_path / "palette.json"
    path.write_text(PALETTE.to_json(), encoding="utf-8-sig")
    assert repr(saved.palette(path)) == repr(PALETTE)
    for coding in ("utf-16", "latin-1"):
        path.write_text(PALETTE.to_json(), encoding=coding)
        with pytest.raises(ValueError, match="palette.json is no text in UTF-8; .* saved as UTF-8"):
            saved.palette(path)


def damaged_files(folder):
    """Write a network's file whole, and what may become of it; return the paths of the latter."""
    kdlib.save(dense(3, 0), folder / "whole.keras", Palette({"a": "red", "b": "blue", "c": "lime"}))
    whole = (folder / "whole.keras").read_bytes()
    parts = {"cut": whole[:500], "text": b"hello", "empty": b""}
    parts["middle"] = whole.replace(b'"classes"', b'"CLASSES"').replace(b'"module"', b'"MODULE"')
    for name, content in parts.items():
        (folder / f"{name}.keras").write_bytes(content)
    archive = zipfile.ZipFile(folder / "whole.keras")
    kept = {name: archive.read(name) for name in archive.namelist()}
    others = {
        "other": {"a.txt": b"hello"},
        "json": kept | {"config.json": kept["config.json"][:50]},
        "weights": kept | {"model.weights.h5": kept["model.weights.h5"][:300]},
    }
    for name, members in others.items():
        with zipfile.ZipFile(folder / f"{name}.keras", "w") as archive:
            for member, content in members.items():
                archive.writestr(member, content)
    return [folder / f"{name}.keras" for name in [*parts, *others]]


def test_a_damaged_file_is_called_that_and_not_missing(tmp_path):
    for path in damaged_files(tmp_path):
        for load in (kdlib.load, saved.load_network):
            with pytest.raises(ValueError, match=rf"{path.name} cannot be read: .*cut short or d"):
                load(path)
    with pytest.raises(ValueError, match="cut.keras is no text in UTF-8; .*undamaged .keras file"):
        saved.palette(tmp_path / "cut.keras")
    with pytest.raises(ValueError, match="middle.keras cannot be read: Bad CRC"):
        saved.palette(tmp_path / "middle.keras")
    (tmp_path / "cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    with pytest.raises(ValueError, match="cut.h5 cannot be read: .*cut short or damaged"):
        kdlib.load(tmp_path / "cut.h5")


def test_an_hdf5_file_is_loaded_and_holds_no_palette(tmp_path):
    path, x = tmp_path / "both.h5", np.random.default_rng(0).random((6, 4), dtype="float32")
    for model in (distilled(Distiller), distilled(BeyondDistiller, METHODS["standardised"]())):
        model.fit(x, np.arange(6) % 3, verbose=0)
        model.save(path)
        again = kdlib.load(path, compile=False)
        assert type(again) is type(model)
        np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0))
        assert saved.load_network(path).count_params() == model.student.count_params()
        with pytest.raises(ValueError, match="holds a Distiller, .* compile=False and compile it"):
            kdlib.load(path)
    assert saved.palette(path) is None
    alone = model.student
    alone.compile("sgd", "sparse_categorical_crossentropy", metrics=[metrics.Accuracy(3)])
    alone.evaluate(x, np.arange(6) % 3, verbose=0)
    alone.save(path)
    again = kdlib.load(path)
    assert again.evaluate(x, np.arange(6) % 3, verbose=0) == pytest.approx(
        alone.evaluate(x, np.arange(6) % 3, verbose=0)
    )


def test_a_place_that_cannot_be_written_to_is_named_as_it_was_given(tmp_path):
    model = dense(3, 0)
    with pytest.raises(FileNotFoundError, match="no is no folder; expected one for x.keras. Make"):
        kdlib.save(model, tmp_path / "no" / "x.keras")
    (tmp_path / "x.keras").mkdir()
    with pytest.raises(OSError, match=r"^[^']*'[^']*/x\.keras'$") as error:
        kdlib.save(model, tmp_path / "x.keras")
    assert error.value.filename == str(tmp_path / "x.keras") and "partial" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["x.keras"]


def test_what_cannot_be_saved_so(tmp_path):
    for wrong in ("pal", {"a": "red", "b": "blue", "c": "lime"}):
        with pytest.raises(ValueError, match="palette is .*; expected a kdlib.data.Palette"):
            kdlib.save(dense(3, 0, layers.Dense(3)), tmp_path / "mine.keras", wrong)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="expected '.keras'"):
        kdlib.save(unet((1,) * 5, 3), tmp_path / "mine.h5")
    with pytest.raises(ValueError, match="has 4 outputs a pixel, the palette 3 classes"):
        kdlib.save(unet((1,) * 5, 4), tmp_path / "mine.keras", PALETTE)
    two = Palette({"field": "#00A000", "river": "blue"})
    kdlib.save(dense(4, 1, layers.Dense(1)), tmp_path / "one.keras", two)
    both = Distiller(dense(4, 1, layers.Dense(1)), dense(5, 2, layers.Dense(1)))
    kdlib.save(both, tmp_path / "both.keras", two)
    assert saved.load_network(tmp_path / "both.keras").count_params() == 25
    with pytest.raises(
        ValueError, match="1 outputs a pixel, the palette 3 .* Give the two classes"
    ):
        kdlib.save(dense(4, 1, layers.Dense(1)), tmp_path / "one.keras", PALETTE)
    with pytest.raises(ValueError, match="no single output that could be seen"):
        kdlib.save(Own(), tmp_path / "own.keras", two)


def test_a_class_that_keras_does_not_know_is_an_error_that_commands_can_say(tmp_path, capsys):
    class Stranger(layers.Layer):
        def call(self, x):
            return x

    path = tmp_path / "strange.keras"
    dense(3, 0, Stranger()).save(path)
    for load in (saved.load_network, kdlib.load):
        with pytest.raises(ValueError, match="does not find the class 'Stranger'. Load it in Pyth"):
            load(path)
    assert kdlib.load(path, custom_objects={"Stranger": Stranger}).count_params() > 0
    assert console(["export", str(path), str(tmp_path / "x.onnx"), "a.png"]) == 1
    said = capsys.readouterr().err
    assert "register_keras_serializable" in said and len(said) < 400


def test_a_function_of_keras_that_has_no_public_name_is_given_again(tmp_path):
    seen = keras.applications.imagenet_utils.preprocess_input
    model = Distiller(
        dense(3, 1, layers.Dense(2)), dense(3, 2, layers.Dense(2)), teacher_input=seen
    )
    kdlib.save(model, tmp_path / "both.keras")
    with pytest.raises(ValueError, match="the function 'preprocess_input'. .* custom_objects={'"):
        kdlib.load(tmp_path / "both.keras")
    again = kdlib.load(tmp_path / "both.keras", custom_objects={"preprocess_input": seen})
    assert again.teacher_input is seen


def test_a_loss_without_a_name_cannot_be_saved(tmp_path):
    import functools

    loss = functools.partial(keras.losses.sparse_categorical_crossentropy, from_logits=True)
    model = Distiller(dense(3, 1, layers.Dense(2)), dense(3, 2, layers.Dense(2)))
    model.compile("sgd", student_loss_fn=loss)
    with pytest.raises(ValueError, match="student_loss_fn is .*partial.*, which cannot be saved"):
        kdlib.save(model, tmp_path / "both.keras")


def test_a_class_of_ones_own_is_asked_for_by_the_name_that_keras_takes(tmp_path):
    class Known(layers.Layer):
        def call(self, x):
            return 2 * x

    keras.saving.register_keras_serializable("mine")(Known)
    path = tmp_path / "known.keras"
    kdlib.save(dense(3, 0, Known()), path)
    keras.saving.get_custom_objects().pop("mine>Known")
    with pytest.raises(ValueError, match="custom_objects={'mine>Known': Known}"):
        kdlib.load(path)
    assert kdlib.load(path, custom_objects={"mine>Known": Known}).layers[-1].call(1) == 2
