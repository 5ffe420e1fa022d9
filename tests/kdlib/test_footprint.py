"""What a network costs: counted against closed forms, timed in another process."""

import time

import keras
import pytest

from kdlib import data, unet
from kdlib.coarse_unet import multi_coarse_student_unet_model
from kdlib.deploy import export, footprint, inference
from tests.kdlib.small import network


def by_hand(filters, classes, height, width):
    """Count the products of a U-Net block by block."""
    total, given, sizes = 0, 3, []
    for depth, count in enumerate(filters):
        pixels = (height >> depth) * (width >> depth)
        total += pixels * 9 * (given * count + count * count)
        given = count
        sizes.append(pixels)
    for depth in (3, 2, 1, 0):
        count = filters[depth]
        total += sizes[depth + 1] * 4 * given * count  # 2 × 2, transposed: at the size of its input
        total += sizes[depth] * 9 * (2 * count * count + count * count)
        given = count
    return total + height * width * given * classes


@pytest.mark.parametrize("filters", [unet.TEACHER_FILTERS, unet.STUDENT_FILTERS, (1, 2, 3, 4, 5)])
def test_products_are_those_counted_by_hand(filters):
    for normalization in (None, "batch"):
        model = unet.unet(filters, 6, None, None, normalization=normalization)
        assert footprint.multiply_adds(model, 64, 96) == by_hand(filters, 6, 64, 96)
    fixed = unet.unet(filters, 4, 32, 32)
    assert footprint.multiply_adds(fixed, 32, 32) == by_hand(filters, 4, 32, 32)


def test_a_network_without_convolutions():
    image = keras.Input((4, 4, 3))
    with pytest.raises(ValueError, match="has no convolution"):
        footprint.multiply_adds(keras.Model(image, keras.layers.ReLU()(image)))


def test_median_and_percentile_are_those_of_the_runs(tmp_path, monkeypatch):
    path = tmp_path / "student.onnx"
    path.write_bytes(b"x" * 123)
    asked = []

    def apart(function, *arguments, environment):
        asked.append((function, *arguments, environment["OMP_NUM_THREADS"]))
        assert environment["CUDA_VISIBLE_DEVICES"] == "-1" and environment["JAX_PLATFORMS"] == "cpu"
        return [*range(1, 101)], [1, 2, 9], 77.5

    monkeypatch.setattr(footprint, "apart", apart)
    found = footprint.measure(path, size=64, threads=2, repeats=100)
    assert found == footprint.Footprint(123, 2, 50.5, 95.05, 2.0, 77.5)
    assert found.images_per_second == pytest.approx(1000 / 50.5)
    assert asked == [("kdlib.deploy.footprint._run", str(path), 64, 2, 100, "2")]


@pytest.mark.tensorflow
def test_a_keras_file_and_an_exported_one_are_really_run(tmp_path):
    pytest.importorskip("ai_edge_litert")
    model = network(1, classes=6)
    patches = data.cut(data.synthetic.city(n_images=1, size=32), size=16)
    model.save(tmp_path / "tiny.keras")
    export.write(model, tmp_path / "tiny.tflite", "litert-float32", patches)
    keras_file, file = (
        footprint.measure(tmp_path / name, size=16, repeats=2)
        for name in ("tiny.keras", "tiny.tflite")
    )
    for one in (keras_file, file):
        assert 0 < one.median <= one.percentile_95
        assert one.processor > 0
    assert file.bytes == (tmp_path / "tiny.tflite").stat().st_size
    assert file.peak_memory < keras_file.peak_memory  # no TensorFlow in it


def test_a_keras_file_with_a_layer_of_the_library_is_run(tmp_path):
    model = multi_coarse_student_unet_model(image_height=16, image_width=16)
    model.save(tmp_path / "coarse.keras")
    assert footprint.measure(tmp_path / "coarse.keras", size=16, repeats=2).median > 0


def test_processor_time_leaves_waiting_out(monkeypatch):
    def sleepy(path, threads):
        return inference.ExportedModel(lambda image: time.sleep(0.05) or image, (1, 16, 16, 3))

    monkeypatch.setattr(footprint.inference, "load", sleepy)
    latency, processor, peak = footprint._run("a.onnx", 16, 1, 3)
    assert len(latency) == len(processor) == 3
    assert min(latency) >= 50 > 40 > max(processor) and peak > 0


def test_what_cannot_be_measured(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="no file; expected one of model.save or kdlib.deploy.exp"
    ):
        footprint.measure(tmp_path / "a.onnx")
    (tmp_path / "a.txt").touch()
    with pytest.raises(ValueError, match="cannot be measured: .*suffix '.txt'"):
        footprint.measure(tmp_path / "a.txt")
    for options in ({"size": 15}, {"threads": 0}, {"repeats": 1}, {"threads": True}):
        (name,) = options
        with pytest.raises(ValueError, match=f"{name} is .*; expected an integer of"):
            footprint.measure(tmp_path / "a.txt", **options)
