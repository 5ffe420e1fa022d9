"""The command that writes masks: what is right is done, what is wrong is said."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

import kdlib
from kdlib import data, predict
from kdlib.__main__ import main as console
from kdlib.deploy import tiles


@pytest.fixture
def image(tmp_path):
    pixels = data.synthetic.city(n_images=1, size=64, seed=2).images[0][:50]
    Image.fromarray(pixels).save(tmp_path / "park.png")
    return pixels


def read(path):
    with Image.open(path) as file:
        return np.asarray(file)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["teacher", "student", "student-scratch", "coarse-student"])
def test_mask_and_overlay_are_those_of_the_network(name, image, tmp_path, capsys):
    arguments = [str(tmp_path / "park.png"), "--network", name, "--trained-on", "city"]
    assert predict.main(arguments) == 0
    labels = tiles.segment(kdlib.pretrained(name, "city"), image)
    np.testing.assert_array_equal(read(tmp_path / "park_mask.png"), data.decode(labels))
    np.testing.assert_array_equal(read(tmp_path / "park_overlay.png"), tiles.overlay(image, labels))
    said = capsys.readouterr()
    assert said.out.startswith("park.png, 64 × 50 pixels: ") and "park_mask.png" in said.out
    most = data.CLASS_NAMES[np.bincount(labels.ravel()).argmax()]
    assert said.out.split(": ")[1].startswith(most)


def test_bad_files_are_reported_and_the_rest_is_done(image, tmp_path, capsys):
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "cut.png").write_bytes((tmp_path / "park.png").read_bytes()[:2000])
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder").mkdir()
    Image.fromarray(np.zeros((20, 20), np.uint16)).save(tmp_path / "deep.png")
    Image.new("P", (20, 17)).save(tmp_path / "last.gif")
    given = ["missing.png", "text.jpg", "cut.png", "empty.png", "folder", "deep.png"]
    given = ["park.png", *given, "last.gif"]
    out = tmp_path / "new" / "masks"
    arguments = [str(tmp_path / name) for name in given]
    assert predict.main([*arguments, "--out", str(out), "--quiet"]) == 1
    errors = capsys.readouterr().err.splitlines()
    for line, words in zip(
        errors,
        [
            "missing.png is missing; expected the path of an image file",
            "text.jpg cannot be read as an image",
            "cut.png cannot be read as an image",
            "empty.png cannot be read as an image",
            "folder is a folder; expected the path of an image file",
            "deep.png has more than 8 bits a channel: 16-bit unsigned integers",
            "6 of 8 images failed.",
        ],
        strict=True,
    ):
        assert words in line
    assert names(out) == [
        *("last_mask.png", "last_overlay.png", "park_mask.png", "park_overlay.png"),
    ]
    assert read(out / "last_mask.png").shape == (17, 20, 3)


def test_a_photograph_that_lies_on_its_side_is_turned_first(image, tmp_path, capsys):
    """Orientation 6: stored lying, to be shown a quarter turn with the clock."""
    lying, exif = Image.fromarray(np.rot90(image).copy()), Image.Exif()
    exif[0x0112] = 6
    for suffix in ("png", "tiff"):
        folder = tmp_path / suffix
        folder.mkdir()
        lying.save(folder / f"side.{suffix}", exif=exif)
        command = [str(folder / f"side.{suffix}"), "--quiet", "--network", "student-scratch"]
        assert predict.main([*command, "--trained-on", "city"]) == 0
        labels = tiles.segment(kdlib.pretrained("student-scratch", "city"), image)
        np.testing.assert_array_equal(read(folder / "side_mask.png"), data.decode(labels))
        overlay = tiles.overlay(image, labels)
        np.testing.assert_array_equal(read(folder / "side_overlay.png"), overlay)
        assert f"side.{suffix}, 64 × 50 pixels: " in capsys.readouterr().out


def test_nothing_is_replaced_without_leave(image, tmp_path, capsys):
    arguments = [str(tmp_path / "park.png"), "--quiet"]
    (tmp_path / "park_overlay.png").write_text("dear to somebody")
    assert predict.main(arguments) == 1
    assert "park_overlay.png is there already. Move it" in capsys.readouterr().err
    assert (tmp_path / "park_overlay.png").read_text() == "dear to somebody"
    assert names(tmp_path) == ["park.png", "park_overlay.png"]
    assert predict.main([*arguments, "--force"]) == 0
    assert read(tmp_path / "park_overlay.png").shape == image.shape


def test_run_twice_over_a_folder_it_leaves_its_own_files_out(image, tmp_path, capsys):
    Image.fromarray(image[:20]).save(tmp_path / "roof_mask.png")  # a photograph for all that
    out = tmp_path / "out"
    for options in ([], ["--out", str(out)], ["--force"]):
        command = [*map(str, sorted(tmp_path.glob("*.png"))), "--quiet", *options]
        assert predict.main(command) == 0
    said = capsys.readouterr()
    assert said.out.count("park.png, 64 × 50") == said.out.count("roof_mask.png, 64 × 20") == 3
    assert said.err.count("4 files are left out, masks and overlays of an earlier run: ") == 2
    assert "park_mask.png" in said.err and "roof_mask_overlay.png" in said.err
    stems = [f"{stem}_{kind}.png" for stem in ("park", "roof_mask") for kind in ("mask", "overlay")]
    assert names(out) == sorted(stems)
    assert names(tmp_path) == sorted(["out", "park.png", "roof_mask.png", *stems])


def test_transparent_parts_become_white_and_that_is_said(image, tmp_path, capsys, recwarn):
    rgba = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    rgba[:, :20, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    assert predict.main([str(tmp_path / "clear.png"), "--quiet"]) == 0
    said = capsys.readouterr()
    assert "clear.png, 64 × 50 pixels (white is put behind transparent parts): " in said.out
    assert not said.err and not recwarn.list
    white = np.where(rgba[..., 3:] == 0, np.uint8(255), image)
    labels = tiles.segment(kdlib.pretrained("student"), white)
    np.testing.assert_array_equal(read(tmp_path / "clear_mask.png"), data.decode(labels))


def test_from_python_its_own_files_are_refused(image, tmp_path):
    network = kdlib.pretrained("student-scratch", "city")
    predict.predict(network, tmp_path / "park.png")
    for kind in ("mask", "overlay"):
        with pytest.raises(ValueError, match=f"park_{kind}.png is a mask or an overlay of an earl"):
            predict.predict(network, tmp_path / f"park_{kind}.png")


def test_two_images_of_one_name_do_not_replace_each_other(image, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    Image.new("RGB", (32, 32)).save(tmp_path / "other" / "park.jpg")
    both = [str(tmp_path / "park.png"), str(tmp_path / "other" / "park.jpg")]
    out = tmp_path / "out"
    assert predict.main([*both, "--out", str(out), "--quiet", "--force"]) == 1
    assert "was written for another image of this run" in capsys.readouterr().err
    assert read(out / "park_mask.png").shape == image.shape


def test_an_image_that_is_named_twice_is_done_once(image, tmp_path, capsys):
    path = str(tmp_path / "park.png")
    again = os.path.join(tmp_path, "..", tmp_path.name, "park.png")
    assert predict.main([path, again, "--quiet", "--network", "student-scratch", "--force"]) == 1
    said = capsys.readouterr()
    assert said.out.count("park.png, 64 × 50") == 1
    assert f"error: {again} was named twice; expected each image once." in said.err
    assert "1 of 2 images failed." in said.err


@pytest.mark.parametrize("out", ["file", "file/masks"])
def test_a_file_in_the_place_of_the_folder_is_found_before_the_work(
    out, image, tmp_path, monkeypatch, capsys
):
    (tmp_path / "file").touch()
    monkeypatch.setattr(tiles, "segment", lambda *given, **how: pytest.fail("segmented"))
    file = tmp_path / "file"
    assert predict.main([str(tmp_path / "park.png"), "--out", str(tmp_path / out)]) == 1
    said = capsys.readouterr().err
    assert said == (
        f"error: {file} is a file, expected a folder for the results. Name another with --out.\n"
    )
    with pytest.raises(NotADirectoryError, match="is a file, expected a folder"):
        predict.predict(None, tmp_path / "park.png", tmp_path / out)


def test_a_folder_that_cannot_be_written_to_is_found_before_the_work(
    image, tmp_path, monkeypatch, capsys
):
    def ready(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(predict, "ready", ready)
    monkeypatch.setattr(tiles, "segment", lambda *given, **how: pytest.fail("segmented"))
    assert predict.main([str(tmp_path / "park.png"), "--quiet"]) == 1
    assert f"park.png: Permission denied: {tmp_path}" in capsys.readouterr().err


def test_a_disk_that_is_full_leaves_nothing_behind(image, tmp_path, monkeypatch, capsys):
    def save(picture, path, **options):
        path.write_text("half")
        if "overlay" in path.name:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", save)
    assert predict.main([str(tmp_path / "park.png"), "--quiet"]) == 1
    assert "park.png: No space left on device" in capsys.readouterr().err
    assert names(tmp_path) == ["park.png"]


@pytest.mark.parametrize(
    "raised, status, words",
    [(MemoryError(), 1, "memory is not large enough"), (KeyboardInterrupt(), 130, "stopped; what")],
)
def test_memory_that_is_too_small_and_a_stop(
    raised, status, words, image, tmp_path, monkeypatch, capsys
):
    def segment(*args, **options):
        raise raised

    monkeypatch.setattr(tiles, "segment", segment)
    assert predict.main([str(tmp_path / "park.png")]) == status
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["a.png", "--network", "pupil"]])
def test_a_command_that_is_none(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        predict.main(arguments)
    assert stopped.value.code == 2
    assert "usage: python -m kdlib.predict" in capsys.readouterr().err


def test_the_command_itself(image, tmp_path):
    command = [sys.executable, "-m", "kdlib.predict", "park.png", "nowhere.png"]
    folder = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": folder},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "tiles: 100%" in done.stderr and "nowhere.png is missing" in done.stderr
    assert names(tmp_path) == ["park.png", "park_mask.png", "park_overlay.png"]


# A network of one's own.


def own_network(outputs, size=(None, None)):
    """Red pixels are of the last class, whatever is around them."""
    image = keras.Input((*size, 3))
    deep = keras.layers.UpSampling2D(32)(keras.layers.AveragePooling2D(32)(image))
    weights = np.zeros((1, 1, 6, outputs), "float32")
    weights[0, 0, 0, -1] = 40.0
    last = keras.layers.Conv2D(outputs, 1, activation="softmax" if outputs > 1 else "sigmoid")
    model = keras.Model(image, last(keras.layers.Concatenate()([image, deep])))
    last.set_weights([weights, np.float32([20.0] * (outputs - 1) + [0.0 if outputs > 1 else -20])])
    return model


@pytest.fixture
def red(tmp_path):
    pixels = np.zeros((50, 70, 3), np.uint8)
    pixels[10:30, 20:60, 0] = 255
    Image.fromarray(pixels).save(tmp_path / "red.png")
    return pixels[..., 0] > 0


@pytest.mark.parametrize(
    "outputs, size",
    [
        *((2, (None, None)), (1, (None, None)), (3, (64, 64))),
        *((2, (64, None)), (2, (None, 64)), (2, (96, 64)), (2, (32, 160))),
    ],
)
def test_a_network_of_ones_own_with_its_classes_and_colours(outputs, size, red, tmp_path, capsys):
    names = ["ground", "other", "roof"] if outputs == 3 else ["ground", "roof"]
    palette = data.Palette(dict(zip(names, ["#010203", "#555555", "#0000FF"], strict=False)))
    kdlib.save(own_network(outputs, size), tmp_path / "mine.keras", palette)
    command = ["predict", str(tmp_path / "red.png"), "--model", str(tmp_path / "mine.keras")]
    assert console([*command, "--quiet"]) == 0
    mask = read(tmp_path / "red_mask.png")
    np.testing.assert_array_equal(mask, palette.colours[np.where(red, len(palette) - 1, 0)])
    assert "red.png, 70 × 50 pixels: ground 77%, roof 23%;" in capsys.readouterr().out


def test_of_several_classes_the_largest_number_decides_whatever_it_is(red, tmp_path):
    last = keras.layers.Conv2D(2, 1)
    model = keras.Sequential(
        [keras.Input((None, None, 3)), last, keras.layers.BatchNormalization()]
    )
    last.set_weights([np.float32([[[[0, 1], [0, 0], [0, 0]]]]), np.float32([0.5, 0.0])])
    palette = data.Palette({"ground": "#010203", "roof": "#0000FF"})
    kdlib.save(model, tmp_path / "mine.keras", palette)
    command = ["predict", str(tmp_path / "red.png"), "--model", str(tmp_path / "mine.keras")]
    assert console([*command, "--quiet"]) == 0
    mask = read(tmp_path / "red_mask.png")
    np.testing.assert_array_equal(mask, palette.colours[red.astype(int)])


def test_what_is_wrong_with_ones_own_network_is_said(red, tmp_path, capsys):
    two = data.Palette({"ground": "black", "roof": "blue"})
    own_network(2).save(tmp_path / "bare.keras")
    kdlib.save(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), tmp_path / "4.keras")
    kdlib.save(own_network(2), tmp_path / "two.keras", two)
    three = data.Palette({"ground": "black", "roof": "blue", "road": "red"})
    (tmp_path / "three.json").write_text(three.to_json())
    (tmp_path / "text.keras").write_text("no network")
    own_network(2).save(tmp_path / "old.h5")
    (tmp_path / "old.json").write_bytes(two.to_json().encode("utf-16"))
    image = keras.Input((None, None, 3))
    heads = {name: keras.layers.Conv2D(2, 1)(image) for name in ("mask", "edge")}
    keras.Model(image, heads).save(tmp_path / "heads.keras")
    for arguments, words in {
        "bare.keras": "bare.keras says nothing of classes and colours",
        "text.keras": "text.keras cannot be read: it is no zip archive",
        "old.h5": "old.h5 says nothing of classes and colours: it was not written by kdlib.save",
        "bare.keras --palette old.json": "old.json is no text in UTF-8; expected a palette in JSON",
        "nowhere.keras": "nowhere.keras is missing",
        "4.keras --palette three.json": "takes inputs of shape (None, 4); expected images",
        "heads.keras --palette three.json": "returns 2 arrays; expected one. Make a keras.Model",
        "two.keras --palette three.json": "has 2 outputs a pixel, the palette 3 classes",
    }.items():
        model, *rest = arguments.split()
        rest = [str(tmp_path / word) if "." in word else word for word in rest]
        command = ["predict", str(tmp_path / "red.png"), "--model", str(tmp_path / model)]
        assert console([*command, *rest]) == 1
        assert words in capsys.readouterr().err
    kdlib.save(own_network(2, (32, 32)), tmp_path / "32.keras", two)
    command = ["predict", str(tmp_path / "red.png"), "--model", str(tmp_path / "32.keras")]
    assert console([*command, "--margin", "100"]) == 1
    said = capsys.readouterr().err
    assert "takes images of 32 pixels only; expected a margin of at most 15" in said
    assert "456" not in said
    for wrong in (["--network", "teacher"], ["--trained-on", "city"]):
        with pytest.raises(SystemExit):
            console(["predict", "a.png", "--model", "b.keras", *wrong])
    with pytest.raises(SystemExit):
        console(["predict", "a.png", "--margin", "32"])
