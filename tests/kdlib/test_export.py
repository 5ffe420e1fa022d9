"""Exported files: they answer as Keras does, and a file that does not is not kept."""

import dataclasses
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

import kdlib
from kdlib import data, metrics
from kdlib.__main__ import main as console
from kdlib.deploy import _converting, export, inference
from tests.kdlib.small import network, policy_set_to

CITY = data.cut(data.synthetic.city(n_images=2, size=64, seed=3), size=32)
SMALL = data.cut(data.synthetic.city(n_images=1, size=32), size=16)
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


def unusual(make=None, channels=3):
    """Return a network of one convolution, with something of its own behind it."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, channels))
    scores = keras.layers.Conv2D(6, 3, padding="same")(image)
    return keras.Model(image, (make or keras.layers.Softmax())(scores))


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["litert-float32", "litert-int8", "onnx"])
def test_writing_says_nothing(name, tmp_path, capfd, recwarn):
    """Compiled code neither."""
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("tf2onnx")
    calibration = SMALL if name == "litert-int8" else None
    path = tmp_path / f"tiny{export.FORMATS[name]}"
    export.write(unusual(), path, name, SMALL, calibration)
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "policy, name",
    [
        ("mixed_float16", "litert-float32"),
        ("mixed_float16", "litert-int8"),
        ("mixed_bfloat16", "litert-float16"),
        ("mixed_bfloat16", "onnx"),
    ],
)
def test_mixed_precision_is_written_as_the_float32_that_its_weights_are(policy, name, tmp_path):
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("tf2onnx")
    with policy_set_to(policy):
        mixed = network(4, classes=6)
    path, calibration = tmp_path / f"a{export.FORMATS[name]}", None
    if name == "litert-int8":
        calibration = SMALL
    export.write(mixed, path, name, SMALL, calibration, least_agreement=0)
    plain = network(4, classes=6)
    plain.set_weights(mixed.get_weights())
    found = metrics.predict_probabilities(inference.load(path), SMALL)
    bound = {"litert-float16": 0.01, "litert-int8": 0.05}.get(name, 1e-5)
    np.testing.assert_allclose(found, metrics.predict_probabilities(plain, SMALL), atol=bound)
    assert mixed.get_layer("c1").compute_dtype == policy.removeprefix("mixed_")


class Dilate(keras.layers.Layer):
    """An operation that neither LiteRT nor ONNX has."""

    def call(self, inputs):
        import tensorflow as tf

        ones = (1, 1, 1, 1)
        kernel = tf.zeros((3, 3, inputs.shape[-1]))
        return tf.nn.dilation2d(inputs, kernel, ones, "SAME", "NHWC", ones)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["litert-float32", "litert-int8", "onnx"])
def test_a_network_that_the_format_cannot_hold_is_refused_in_a_sentence(name, tmp_path, capfd):
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("tf2onnx")
    calibration = SMALL if name == "litert-int8" else None
    with pytest.raises(ValueError) as raised:
        odd = unusual(lambda scores: keras.layers.Softmax()(Dilate()(scores)))
        export.write(odd, tmp_path / f"a{export.FORMATS[name]}", name, SMALL, calibration)
    assert str(raised.value) == (
        f"this network cannot be written as '{name}': nothing computes its Dilation2D there. "
        "Build it of other layers, or choose another format."
    )
    assert raised.value.__suppress_context__ and list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.tensorflow
def test_networks_that_are_none_of_images_and_classes_are_refused(tmp_path):
    path = tmp_path / "a.tflite"
    two = unusual(lambda scores: [scores, scores])
    with pytest.raises(ValueError, match=r"returns \(1, 16, 16, 6\), \(1, 16, 16, 6\) for a patch"):
        export.write(two, path, "litert-float32", SMALL)
    pooled = unusual(keras.layers.GlobalAveragePooling2D())
    with pytest.raises(ValueError, match=r"returns \(1, 6\) for a patch; expected one array of"):
        export.write(pooled, path, "litert-float32", SMALL)
    with pytest.raises(ValueError, match=r"takes \(None, 16, 16, 4\), and the patches are \(16"):
        export.write(unusual(channels=4), path, "litert-float32", SMALL)
    table = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    with pytest.raises(ValueError, match=r"takes \(None, 8\).* by Keras itself: model.export"):
        export.write(table, path, "litert-float32", SMALL)
    with pytest.raises(ValueError, match="the network is 'student.keras'; expected a keras.Model"):
        export.write("student.keras", path, "litert-float32", SMALL)
    diverged = unusual()
    diverged.set_weights([np.nan * weight for weight in diverged.get_weights()])
    with pytest.raises(ValueError, match="the network returns NaN: its training diverged"):
        export.write(diverged, path, "litert-int8", SMALL, SMALL)


@pytest.mark.tensorflow
@pytest.mark.parametrize("policy", ["float16", "float64"])
def test_weights_of_another_type_are_refused_with_what_to_do(policy, tmp_path):
    with policy_set_to(policy):
        other = unusual()
    with pytest.raises(ValueError, match=f"weights of {policy}; expected float32. Build it anew"):
        export.write(other, tmp_path / "a.onnx", "onnx", SMALL)


@pytest.mark.parametrize(
    "said, words",
    [
        (
            "failed to create XNNPACK runtimeNode number 34 (TfLiteXNNPackDelegate) failed to "
            "prepare.",
            "'litert-int8': the file does not start. Look for a layer whose output is the same",
        ),
        ("loc(fused[…])\n" * 50, "loc(fused[…]) …. Leave out the layer that is meant"),
    ],
)
def test_what_runtimes_and_converters_say_is_cut_down_to_a_sentence(said, words):
    """The first is of a network whose features are all 0, from one time to another."""
    text = _converting._why_not(RuntimeError(said), "litert-int8")
    assert words in text and len(text) < 450 and "\n" not in text


class Round(keras.layers.Layer):
    """An operation that LiteRT has for floats alone."""

    def call(self, inputs):
        return keras.ops.round(inputs)


@pytest.mark.tensorflow
@pytest.mark.parametrize("asked", [["optimizations"], ["optimizations", "representative_dataset"]])
def test_a_file_of_integers_that_holds_floats_is_not_kept(asked, tmp_path, monkeypatch):
    """What the converter makes of such a layer if it is asked for less, and does not say so."""
    pytest.importorskip("ai_edge_litert")
    right = _converting._converter_options
    monkeypatch.setattr(
        _converting, "_converter_options", lambda *given: {key: right(*given)[key] for key in asked}
    )
    rounded = unusual(lambda scores: keras.layers.Softmax()(Round()(scores)))
    with pytest.raises(ValueError, match="not kept: .* inside are of float32.*integers alone"):
        export.write(rounded, tmp_path / "a.tflite", "litert-int8", SMALL, SMALL)
    assert list(tmp_path.iterdir()) == []


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
    right = export.convert

    def wrong(model, *rest):
        other = keras.models.clone_model(model)
        other.set_weights(model.get_weights())
        other.get_layer("logits").bias.assign([9, 0, 0, 0, 0, 0])
        return right(other, *rest)

    monkeypatch.setattr(export, "convert", wrong)
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
@pytest.mark.parametrize("name", ["patches", "calibration"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (CITY.images, "is ndarray; expected kdlib.data.Patches"),
        (iter(CITY.images), "; expected kdlib.data.Patches with images of uint8"),
        (data.synthetic.city(n_images=1, size=32), "is ImageSet of other images"),
        (dataclasses.replace(CITY, images=np.float32(CITY.images / 255)), "is Patches of other im"),
    ],
    ids=["array", "generator", "images", "floats"],
)
def test_what_is_no_patches_is_not_shown_to_the_file(name, given, said, tmp_path):
    both = {"patches": CITY, "calibration": CITY} | {name: given}
    with pytest.raises(ValueError, match=f"^{name} is .*{said.removeprefix('is ')}"):
        export.write(network(), tmp_path / "a.tflite", "litert-int8", **both)


@pytest.mark.tensorflow
def test_patches_that_the_network_cannot_halve_or_of_two_sizes(tmp_path):
    odd = data.cut(data.synthetic.city(n_images=1, size=64), size=20)
    with pytest.raises(ValueError, match="patches of 20 × 20 pixels came; .* divisible by 16"):
        export.write(network(), tmp_path / "a.onnx", "onnx", odd)
    small = data.cut(data.synthetic.city(n_images=1, size=64), size=16)
    with pytest.raises(ValueError, match=r"calibration has images of shape \(16, 16, 3\)"):
        export.write(network(), tmp_path / "a.tflite", "litert-int8", CITY, small)
    with pytest.raises(ValueError, match="calibration has 0 patches; expected some dozens"):
        export.write(network(), tmp_path / "a.tflite", "litert-int8", CITY, CITY.take([]))


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
        export.write(network(), tmp_path / "a.onnx", "onnx", SMALL)


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


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 2), (2, 1)])
def test_a_file_of_several_arrays_is_refused_not_cut_down(inputs, outputs, tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    number, helper = onnx.TensorProto.FLOAT, onnx.helper
    ends = [
        [helper.make_tensor_value_info(f"{kind}{n}", number, [1, 4, 4, 3]) for n in range(count)]
        for kind, count in (("in", inputs), ("out", outputs))
    ]
    nodes = [helper.make_node("Identity", ["in0"], [f"out{n}"]) for n in range(outputs)]
    graph = helper.make_graph(nodes, "several", *ends)
    opset = [helper.make_opsetid("", 15)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "a.onnx")
    with pytest.raises(ValueError, match=f"takes {inputs} arrays and gives {outputs}; expected"):
        inference.load(tmp_path / "a.onnx")


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


@pytest.mark.tensorflow
def test_the_command_writes_a_file_of_ones_own_network(tmp_path, capsys):
    pytest.importorskip("ai_edge_litert")
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3))
    own = keras.Model(image, keras.layers.Conv2D(1, 3, padding="same")(image))
    kdlib.save(own, tmp_path / "own.keras")
    pixels = data.synthetic.city(n_images=1, size=64).images[0]
    Image.fromarray(pixels).save(tmp_path / "roof.png")
    model, file, image = (str(tmp_path / name) for name in ("own.keras", "own.tflite", "roof.png"))
    assert console(["export", model, file, image, "--size", "32"]) == 0
    said = capsys.readouterr().out
    assert "on 4 patches 100.00% of the pixels" in said and "the logits of no and yes" in said
    x = np.float32(pixels[None, :32, :32] / 255)
    z = keras.ops.convert_to_numpy(own(x))[..., 0]
    np.testing.assert_allclose(inference.load(file)(x)[..., 1], z, atol=1e-5)
    assert console(["export", model, str(tmp_path / "own.bin"), image]) == 1
    assert "another suffix than .onnx or .tflite" in capsys.readouterr().err
    with pytest.raises(ValueError, match="gives one number a pixel"):
        export.write(own, tmp_path / "own.onnx", "onnx", SMALL)


@keras.saving.register_keras_serializable("tests")
class ShapeUnknown(keras.Model):
    """A network whose output shape is not known from outside."""

    def __init__(self, **options):
        super().__init__(**options)
        self.last = keras.layers.Conv2D(3, 1, activation="softmax")

    def call(self, images):
        return self.last(images)


@pytest.fixture
def roof(tmp_path):
    """Return the path of an image that holds one patch of 64 × 64."""
    pixels = data.synthetic.city(n_images=1, size=64).images[0]
    Image.fromarray(pixels).save(tmp_path / "roof.png")
    return str(tmp_path / "roof.png")


@pytest.mark.tensorflow
def test_the_command_writes_a_file_of_a_subclassed_network(roof, tmp_path, capsys):
    pytest.importorskip("ai_edge_litert")
    own, file = ShapeUnknown(), str(tmp_path / "own.tflite")
    x = np.random.default_rng(0).random((1, 64, 64, 3), dtype="float32")
    expected = keras.ops.convert_to_numpy(own(x))
    own.save(tmp_path / "own.keras")
    assert console(["export", str(tmp_path / "own.keras"), file, roof, "--size", "64"]) == 0
    assert "on 1 patches 100.00% of the pixels" in capsys.readouterr().out
    np.testing.assert_allclose(inference.load(file)(x), expected, atol=1e-5)


def test_one_patch_is_not_enough_for_integers(roof, tmp_path, capsys):
    kdlib.save(network(2, size=64), tmp_path / "own.keras")
    files = [str(tmp_path / name) for name in ("own.keras", "own.tflite")]
    assert console(["export", *files, roof, "--format", "litert-int8", "--size", "64"]) == 1
    said = "litert-int8 needs two patches or more: half to calibrate on, half to compare on; one"
    assert f"error: {said} came." in capsys.readouterr().err


@pytest.mark.tensorflow
def test_of_a_network_of_two_outputs_the_command_says_what_to_do(roof, tmp_path, capsys):
    image = keras.Input((None, None, 3))
    heads = {name: keras.layers.Conv2D(3, 1)(image) for name in ("mask", "edge")}
    keras.Model(image, heads).save(tmp_path / "own.keras")
    files = [str(tmp_path / name) for name in ("own.keras", "own.tflite")]
    assert console(["export", *files, roof, "--size", "64"]) == 1
    assert "expected one array of shape" in capsys.readouterr().err
