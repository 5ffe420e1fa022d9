"""Exported files: they answer as Keras does, and a file that does not is not kept."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import kdlib
from kdlib import data, metrics
from kdlib.deploy import export, inference
from tests.kdlib.small import network

CITY = data.cut(data.synthetic.city(n_images=2, size=64, seed=3), size=32)
TENSORFLOW = keras.backend.backend() == "tensorflow"


@pytest.fixture(scope="module")
def student():
    return kdlib.pretrained("student", "city")


@pytest.fixture(scope="module")
def files(student, tmp_path_factory):
    """Return {format: what was said of the file} for files of all formats."""
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    folder, made = tmp_path_factory.mktemp("files"), {}
    for name, suffix in export.FORMATS.items():
        calibration = CITY.take(range(4)) if name == "litert-int8" else None
        path = folder / f"{name}{suffix}"
        made[name] = export.write(student, path, name, CITY, calibration, least_agreement=0.9)
    return made


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", export.FORMATS)
def test_a_file_answers_as_keras_does(name, files, student):
    checked = files[name]
    expected = metrics.predict_probabilities(student, CITY)
    found = metrics.predict_probabilities(inference.load(checked.path), CITY)
    same = np.mean(expected.argmax(axis=-1) == found.argmax(axis=-1))
    assert checked.agreement == pytest.approx(same, abs=1e-12)
    assert checked.mean_difference == pytest.approx(
        np.abs(expected - found).mean(), rel=1e-3, abs=1e-8
    )
    bound = {"litert-float16": 0.02, "litert-int8": 0.2}.get(name, 1e-4)
    np.testing.assert_allclose(found, expected, atol=bound)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["litert-float32", "onnx"])
def test_writing_says_nothing(name, tmp_path, capsys, recwarn):
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("tf2onnx")
    small = data.cut(data.synthetic.city(n_images=1, size=32), size=16)
    path = tmp_path / f"tiny{export.FORMATS[name]}"
    export.write(network(1, classes=6), path, name, small)
    assert capsys.readouterr() == ("", "")
    assert not recwarn.list


@pytest.mark.tensorflow
def test_sizes_fall_with_the_bits_of_a_weight(files, student):
    assert all(checked.size == checked.path.stat().st_size for checked in files.values())
    weights = student.count_params()
    sizes = {name: checked.size for name, checked in files.items()}
    assert 4 * weights < sizes["litert-float32"] < 4.5 * weights
    assert 2 * weights < sizes["litert-float16"] < 2.5 * weights
    assert weights < sizes["litert-int8"] < 160_000


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["litert-int8", "onnx"])
def test_threads_do_not_change_the_answer(name, files):
    images = CITY.images[:2] / np.float32(255)
    one, two = (inference.load(files[name].path, threads)(images) for threads in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.tensorflow
def test_a_file_that_disagrees_is_not_kept(student, tmp_path, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    right = export._export

    def wrong(model, *rest):
        other = keras.models.clone_model(model)
        other.set_weights(model.get_weights())
        other.get_layer("logits").bias.assign([9, 0, 0, 0, 0, 0])
        right(other, *rest)

    monkeypatch.setattr(export, "_export", wrong)
    path = tmp_path / "student.tflite"
    path.write_text("the older file")
    with pytest.raises(export.DisagreementError) as raised:
        export.write(student, path, "litert-float32", CITY)
    assert "was not kept: on 8 patches" in str(raised.value)
    assert "expected at least 99.9900%" in str(raised.value)
    assert [file.name for file in tmp_path.iterdir()] == ["student.tflite"]
    assert path.read_text() == "the older file"


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "change, message",
    [
        ({"format": "coreml"}, "format is 'coreml'; expected one of litert-float32"),
        ({"path": "student.h5"}, "suffix '.h5'; a file of format 'onnx' has '.onnx'"),
        ({"path": "nowhere/student.onnx"}, "nowhere is no folder; make it first"),
        ({"patches": CITY.take([])}, "0 patches of 32 × 32 pixels came"),
        ({"calibration": CITY}, "'onnx' with calibration given; 'litert-int8' needs"),
        ({"path": "a.tflite", "format": "litert-int8"}, "with calibration not given"),
        ({"least_agreement": 99}, "least_agreement is 99; expected a share"),
    ],
)
def test_arguments_that_do_not_fit(change, message, tmp_path):
    given = {"path": "student.onnx", "format": "onnx", "patches": CITY} | change
    given["path"] = tmp_path / given["path"]
    with pytest.raises(ValueError, match=message):
        export.write(network(), **given)


@pytest.mark.tensorflow
def test_patches_that_the_network_cannot_halve_or_of_two_sizes(tmp_path):
    odd = data.cut(data.synthetic.city(n_images=1, size=64), size=20)
    with pytest.raises(ValueError, match="patches of 20 × 20 pixels came; .* divisible by 16"):
        export.write(network(), tmp_path / "a.onnx", "onnx", odd)
    small = data.cut(data.synthetic.city(n_images=1, size=64), size=16)
    with pytest.raises(ValueError, match=r"calibration has images of shape \(16, 16, 3\)"):
        export.write(network(), tmp_path / "a.tflite", "litert-int8", CITY, small)


@pytest.mark.skipif(TENSORFLOW, reason="on TensorFlow it works")
def test_another_backend_is_named(tmp_path):
    with pytest.raises(ValueError, match="files are written on TensorFlow. Set KERAS_BACKEND"):
        export.write(network(), tmp_path / "a.onnx", "onnx", CITY)


@pytest.mark.parametrize(
    "suffix, module, package",
    [
        (".tflite", "ai_edge_litert", "ai-edge-litert"),
        (".onnx", "onnxruntime", "onnxruntime"),
    ],
)
def test_a_missing_runtime_is_named_with_the_line_that_installs_it(
    suffix, module, package, tmp_path, monkeypatch
):
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Without(module), *sys.meta_path])
    path = tmp_path / f"student{suffix}"
    path.touch()
    with pytest.raises(ImportError, match=f"not installed. .*python -m pip install {package}$"):
        inference.load(path)


@pytest.mark.tensorflow
def test_a_missing_writer_is_named_with_the_version_beside_it(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "tf2onnx"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Without("tf2onnx"), *sys.meta_path])
    with pytest.raises(ImportError, match='writing an ONNX file .*tf2onnx "onnx<1.23"$'):
        export.write(network(), tmp_path / "a.onnx", "onnx", CITY)


class _Without:
    """Hides a package from the import system."""

    def __init__(self, module):
        self.module = module

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == self.module:
            raise ModuleNotFoundError(f"No module named {name!r}", name=self.module)


def test_files_that_cannot_be_loaded(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="a.onnx is no file. kdlib.deploy.export.write makes one"
    ):
        inference.load(tmp_path / "a.onnx")
    with pytest.raises(ValueError, match="suffix '.pb'; expected '.tflite' or '.onnx'"):
        inference.load(tmp_path / "a.pb")
    for threads in (0, 1.5, True):
        with pytest.raises(ValueError, match="threads is .*; expected an integer of 1 or more"):
            inference.load(tmp_path / "a.onnx", threads)


@pytest.mark.parametrize("suffix, module", [(".tflite", "ai_edge_litert"), (".onnx", "onnx")])
def test_a_damaged_file(suffix, module, tmp_path):
    pytest.importorskip(module)
    path = tmp_path / f"student{suffix}"
    path.write_bytes(b"not a network at all")
    with pytest.raises(ValueError, match="cannot be run: .* Export the network again"):
        inference.load(path)


def test_what_an_exported_model_refuses():
    model = inference.ExportedModel(lambda image: image, (1, 16, 16, 3))
    with pytest.raises(ValueError, match=r"shape \(1, 32, 32, 3\) came; .*\(16, 16, 3\)"):
        model(np.zeros((1, 32, 32, 3)))
    with pytest.raises(ValueError, match="cannot be trained"):
        model(np.zeros((1, 16, 16, 3)), training=True)


def test_running_a_file_imports_neither_keras_nor_tensorflow():
    program = (
        "import sys, kdlib.deploy.inference; print({'keras', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
