"""One's own images: from folders with any classes and sizes to a report, and what is refused."""

import dataclasses
import inspect
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import kdlib
from kdlib import data, experiment, recipes, saved
from kdlib.__main__ import _parser as command_line
from kdlib.__main__ import main as console
from kdlib.data._matching import in_order
from kdlib.recipes import Recipe
from kdlib.unet import multi_teacher_unet_model
from tests.kdlib.small import builder

from . import own_images

PAGE = Path(__file__).parents[2] / "book" / "own_data.md"
TINY = Recipe(1, 2, batch_size=2, crop=128, learning_rate=1e-2, warmup_steps=1)
SIZES = [(128 + 7 * i, 160 - 3 * i) for i in range(9)]


@pytest.fixture(autouse=True)
def tiny(monkeypatch, tmp_path):
    for role in ("teacher", "student"):
        monkeypatch.setitem(recipes.RECIPES, role, {"smoke": TINY, "full": TINY})
    monkeypatch.setattr(recipes.fitting, "BUILDERS", {"teacher": builder, "student": builder})
    monkeypatch.setenv("KD_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def eager():
    """Compute step by step: compiling a training takes longer than its two steps."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def read(folder, palette=own_images.MEADOW):
    return data.read_folder(folder, palette=palette)


@pytest.mark.parametrize("n_classes", [3, 9])
def test_labels_are_read_whatever_the_classes_sizes_and_kinds_of_file(tmp_path, n_classes):
    palette = own_images.palette(n_classes, void="kind 1")
    written = own_images.write(tmp_path / "mine", palette, SIZES, (".jpg", ".PNG", ".tif"))
    images = read(tmp_path / "mine", palette)
    assert images.name == "mine" and images.palette is palette
    assert [Path(title).stem for title in images.titles] == list(written)
    for image, labels, wanted in zip(images.images, images.labels, written.values(), strict=True):
        np.testing.assert_array_equal(labels, wanted)
        assert image.shape == (*wanted.shape, 3)
    patches = data.cut(images, size=64)
    x, y, weight = data.Batches(patches, batch_size=4)[0]
    np.testing.assert_array_equal(weight, y != 1)
    assert data.Batches(patches, 4, void_class=None)[0][2].all()


def test_ten_comes_after_nine_and_parts_count_to_nine(tmp_path):
    own_images.write(tmp_path, own_images.MEADOW, [(32, 32)] * 11)
    images = read(tmp_path)
    last = [title.split(".")[0] for title in images.titles[-3:]]
    assert last == ["north 9", "north 10", "north 11"]
    assert images.part.tolist() == [*range(1, 10), 1, 2] and set(images.tile.tolist()) == {1}
    split = data.split(data.cut(images, 32), images)
    assert split.test.image_index.tolist() == [2, 8]
    assert split.validation.image_index.tolist() == [5]


def test_subfolders_are_tiles_that_can_be_held_out(tmp_path):
    own_images.write(tmp_path, own_images.MEADOW, [(32, 32)] * 12, places=("b", "a"))
    images = read(tmp_path)
    assert images.titles[0] == "a/1.png" and images.titles[-1] == "b/12.jpg"
    assert images.tile.tolist() == [1] * 6 + [2] * 6
    split = data.split(data.cut(images, 32), images, by="tile", held_out_tile=2)
    assert split.test.image_index.tolist() == [6, 7, 8, 9, 10, 11]
    data.check_disjoint(split)


def test_grey_masks_may_hold_class_numbers(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8)).save(tmp_path / kind / "1.png")
    palette = data.Palette({"a": (0, 0, 0), "b": (1, 1, 1), "c": (2, 2, 2)})
    assert read(tmp_path, palette).labels[0].tolist() == [[0, 1], [2, 1]]


def test_the_table_of_the_page_is_what_the_split_does(tmp_path):
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", PAGE.read_text("utf-8"), re.M)
    assert len(rows) == 5
    for row in rows:
        n_images, *wanted = map(int, row)
        part = np.arange(n_images) % 9 + 1
        images = data.synthetic.city(n_images=n_images, size=32)
        np.testing.assert_array_equal(images.part, part)
        split = data.split(data.cut(images, 32), images)
        assert [len(split.train), len(split.validation), len(split.test)] == wanted


# What is refused.


@pytest.fixture
def folder(tmp_path):
    own_images.write(tmp_path, own_images.MEADOW, [(32, 48)] * 6)
    return tmp_path


def test_a_mask_that_is_missing_or_has_another_name(folder):
    (folder / "masks" / "north 2.png").rename(folder / "masks" / "north 2_mask.png")
    with pytest.raises(FileNotFoundError, match="need the same name") as error:
        read(folder)
    assert "1 images without a mask: images/north 2.jpg;" in str(error.value)
    assert "1 masks without an image: masks/north 2_mask.png." in str(error.value)


def test_missing_folders(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="two folders, 'images' and 'masks'"):
        read(tmp_path / "nowhere")
    for path in (folder / "masks").iterdir():
        path.rename(folder / path.name)
    with pytest.raises(FileNotFoundError, match="masks is empty: expected files that end in .jpg"):
        read(folder)
    (folder / "masks").rmdir()
    with pytest.raises(FileNotFoundError, match="has no folder 'masks'"):
        read(folder)


def test_two_files_of_one_name(folder):
    Image.new("RGB", (48, 32)).save(folder / "images" / "north 1.bmp")
    with pytest.raises(ValueError, match="north 1.bmp, images/north 1.png have the same name"):
        read(folder)


def test_a_mask_saved_as_jpeg(folder):
    path = folder / "masks" / "north 3.png"
    Image.open(path).convert("RGB").save(path.with_suffix(".jpg"))
    path.unlink()
    with pytest.raises(ValueError, match=r"masks/north 3.jpg: \d+ pixels in .*saved as JPEG"):
        read(folder)


def test_a_mask_of_another_size(folder):
    Image.new("RGB", (24, 16), "black").save(folder / "masks" / "north 3.png")
    with pytest.raises(ValueError, match="north 3.png has 32 × 48 pixels, its mask 16 × 24"):
        read(folder)


def test_more_than_eight_bits(folder):
    deep = np.full((32, 48), 1000, np.uint16)
    (folder / "images" / "north 3.png").unlink()
    Image.fromarray(deep).save(folder / "images" / "north 3.tif")
    with pytest.raises(ValueError, match="images/north 3.tif has more than 8 bits a channel"):
        read(folder)


def test_a_file_that_is_no_image(folder):
    (folder / "images" / "north 3.png").write_text("not an image")
    with pytest.raises(ValueError, match="images/north 3.png cannot be read as an image"):
        read(folder)


def test_too_small_an_image_is_called_by_its_name(folder):
    with pytest.raises(ValueError, match="north 1.png: 32 × 48 pixels hold no patch of 64 × 64"):
        data.cut(read(folder), size=64)


def test_too_few_images(tmp_path):
    own_images.write(tmp_path, own_images.MEADOW, [(32, 32)] * 5)
    images = read(tmp_path)
    with pytest.raises(ValueError, match="no patch is left for validation.*6 images.*5 came"):
        data.split(data.cut(images, 32), images)


def test_patches_that_the_networks_cannot_take(folder):
    images = read(folder)
    split = data.split(data.cut(images, size=30), images)
    with pytest.raises(ValueError, match="30 × 30 pixels; .*multiple of 16. Cut patches of 16"):
        recipes.trained_teacher(images, split)


def test_a_teacher_of_other_classes(folder):
    images = read(folder)
    split = data.split(data.cut(images, size=32), images)
    with pytest.raises(ValueError, match="6 outputs a pixel, and the palette 4 classes: field"):
        experiment.run(split, recipes.build("teacher"))
    with pytest.raises(ValueError, match="expected a trained keras.Model"):
        experiment.run(split, "teacher")
    image = keras.Input((32, 32, 3))
    heads = {name: keras.layers.Conv2D(4, 1)(image) for name in ("mask", "edge")}
    with pytest.raises(ValueError, match="the network returns 2 arrays; expected one"):
        experiment.run(split, keras.Model(image, heads))


@pytest.fixture
def never_trained(monkeypatch):
    """Fail if anything is trained."""
    monkeypatch.setattr(recipes, "fit", lambda *args, **options: pytest.fail("trained"))


def split_of(folder, size=32):
    images = read(folder)
    return data.split(data.cut(images, size), images)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"alpha": 1.5}, "alpha is 1.5"), ({"temperature": 0}, "temperature is 0")],
)
def test_settings_are_checked_before_the_first_training(folder, never_trained, options, message):
    teacher = recipes.build("teacher", n_classes=4)
    with pytest.raises(ValueError, match=message):
        experiment.run(split_of(folder), teacher, **options)


def test_the_pair_is_checked_before_the_first_training(folder, never_trained):
    split = split_of(folder)
    image = keras.Input((None, None, 3))
    four = keras.layers.Conv2D(4, 1, activation="softmax")(keras.layers.Conv2D(4, 1)(image))
    with pytest.raises(ValueError, match="logits"):
        experiment.run(split, keras.Model(image, keras.layers.Lambda(lambda x: 2 * x)(four)))
    coarse = keras.layers.Conv2D(4, 1, name="logits")(keras.layers.AveragePooling2D(2)(image))
    with pytest.raises(ValueError, match=r"with shape \(16, 16, 4\); expected an answer for each"):
        experiment.run(split, keras.Model(image, keras.layers.Softmax()(coarse)))
    fixed = multi_teacher_unet_model(4, 48, 48)
    with pytest.raises(
        ValueError, match=r"cannot take the crops of the training, of shape \(32, 32"
    ):
        experiment.run(split, fixed)


def test_a_teacher_that_returns_nan_is_refused_before_the_first_training(tmp_path, never_trained):
    own_images.write(tmp_path, own_images.MEADOW, [(32, 32)] * 9)
    split = split_of(tmp_path)
    image = keras.Input((None, None, 3))
    last = keras.layers.Conv2D(4, 1, activation="softmax")
    teacher = keras.Model(image, last(image), name="wise")
    last.set_weights([np.full((1, 1, 3, 4), np.nan), np.zeros(4)])
    with pytest.raises(ValueError, match="^the teacher returns NaN for the crops of the training"):
        experiment.run(split, teacher)
    # A logit of more than float32 holds, for one pixel of the last of two test patches.
    for part in (split.train, split.test):
        part.images[:] //= 2
    split.test.images[-1, 0, 0] = 255
    kernel = np.zeros((1, 1, 3, 4))
    kernel[..., 0] = 2e38
    last.set_weights([kernel, np.zeros(4)])
    with pytest.raises(ValueError, match="^teacher: the model 'wise' returns NaN"):
        experiment.run(split, teacher)


def test_a_student_that_returns_nan_is_named(folder, monkeypatch):
    def diverge(model, *given, **options):
        assert model.name == "unet"  # the student from scratch; the other is never trained
        model.set_weights([weight * np.nan for weight in model.get_weights()])

    monkeypatch.setattr(recipes, "fit", diverge)
    with pytest.raises(ValueError, match="^student from scratch: the model 'unet' returns NaN"):
        experiment.run(split_of(folder), recipes.build("teacher", n_classes=4))


def test_a_teacher_may_return_a_dictionary_of_one_array(folder, monkeypatch):
    monkeypatch.setattr(recipes, "fit", lambda *given, **options: None)
    split, image = split_of(folder), keras.Input((None, None, 3))
    four = keras.layers.Conv2D(4, 1, activation="softmax")(image)
    found = experiment.run(split, keras.Model(image, {"mask": four}), verbose=0)
    expected = experiment.run(split, keras.Model(image, four), verbose=0)
    np.testing.assert_array_equal(found.matrices["teacher"], expected.matrices["teacher"])


@pytest.mark.parametrize("verbose", ["auto", 3, None])
def test_another_verbose_is_refused(folder, never_trained, verbose):
    teacher = recipes.build("teacher", n_classes=4)
    with pytest.raises(ValueError, match=f"verbose is {verbose!r}; expected 0 for no progress, 1"):
        experiment.run(split_of(folder), teacher, verbose=verbose)


def test_no_network_is_saved_with_its_optimizer(folder, tmp_path):
    alone, distilled = (recipes.build("student", seed, n_classes=4) for seed in (1, 2))
    recipes.compile_alone(alone, TINY)
    counted = dict.fromkeys(("teacher", "student from scratch", "distilled student"), np.eye(4))
    models = {"student from scratch": alone, "distilled student": distilled}
    found = experiment.Experiment.of(split_of(folder), models, counted)
    found.save(tmp_path / "found")
    assert alone.compiled and alone.optimizer.built  # as before: it can be trained further
    one, other = (tmp_path / "found" / f"{name.replace(' ', '-')}.keras" for name in models)
    assert abs(one.stat().st_size - other.stat().st_size) < 100
    for path, model in ((one, alone), (other, distilled)):
        again = keras.models.load_model(path)
        assert not again.compiled
        for weight, wanted in zip(again.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, wanted)


def test_an_experiment_is_shown_in_a_line(tmp_path):
    own_images.write(tmp_path, own_images.MEADOW, [(32, 32)] * 9)
    counted = dict.fromkeys(("teacher", "distilled student"), np.eye(4))
    assert repr(experiment.Experiment.of(split_of(tmp_path), {}, counted, "smoke")) == (
        "Experiment(teacher, distilled student; patches: train 6, validation 1, test 2; 4 classes: "
        "field, forest, river, not labelled; mode: smoke)"
    )


@pytest.mark.parametrize("part", ["train", "test"])
def test_parts_without_labelled_pixels_are_refused_before_training(folder, never_trained, part):
    split = split_of(folder)
    getattr(split, part).labels[:] = own_images.MEADOW.void
    with pytest.raises(ValueError, match=f"no pixel of the . {part} patches is labelled: all are"):
        experiment.run(split, recipes.build("teacher", n_classes=4))


def test_scores_without_labelled_test_pixels_are_refused(folder):
    split = split_of(folder)
    split.test.labels[:] = own_images.MEADOW.void
    with pytest.raises(ValueError, match="no pixel of the 1 test patches is labelled"):
        experiment.Experiment.of(split, {}, {"teacher": np.zeros((4, 4))}).report()


# The whole way.


def test_nine_classes_and_no_void_from_folder_to_report(tmp_path, capsys):
    palette = own_images.palette(9)
    own_images.write(tmp_path, palette, [(70 + i, 90) for i in range(6)])
    images = read(tmp_path, palette)
    split = data.split(data.cut(images, size=64), images)
    teacher = recipes.trained_teacher(images, split)
    found = experiment.run(split, teacher)
    assert teacher.output_shape[-1] == 9 and teacher is found.models["teacher"]
    for name, model in found.models.items():
        # No void class: every pixel of the test patches counts.
        assert found.matrices[name].sum() == split.test.labels.size, name
        assert model.output_shape[-1] == 9
    report = found.report()
    assert "train: 4 patches of 4 images  validation: 1 patches of 1 images" in report
    assert all(f"kind {number}" in report for number in range(9))
    assert "Smoke mode was on" in report and found.mode == "smoke"
    assert "In Python, set KD_MODE=full before it starts, or give\nrecipes; on the comm" in report
    found.save(tmp_path / "found")
    again = experiment.load(tmp_path / "found")
    assert again.report() == report and again.palette.names == palette.names
    assert (tmp_path / "found" / "report.txt").read_text("utf-8") == report + "\n"
    for name, model in found.models.items():
        for one, other in zip(model.get_weights(), again.models[name].get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    carried = saved.palette(tmp_path / "found" / "distilled-student.keras")
    assert (carried.hex, carried.void) == (palette.hex, None)
    shown = capsys.readouterr().err
    for student in ("student from scratch", "distilled student"):
        assert f"{student}: 100%" in shown and "1/1" in shown


@pytest.mark.filterwarnings("ignore:Even though the")
@pytest.mark.tensorflow
def test_the_command_goes_from_a_folder_to_networks_and_report(
    tmp_path, monkeypatch, capsys, eager
):
    monkeypatch.setenv("KD_MODE", "smoke")
    mine, out = tmp_path / "mine", tmp_path / "out"
    own_images.write(mine, own_images.MEADOW, [(64, 64)] * 6, suffixes=(".png",))
    command = ["distil", str(mine), "--out", str(out), "--size", "64", "--quick"]
    nowhere = str(tmp_path / "nowhere")
    assert console(["distil", nowhere]) == 1
    assert f"error: {nowhere} is no folder; expected one that holds" in capsys.readouterr().err
    assert console(command) == 1
    assert "palette.json is missing. Name there the classes" in capsys.readouterr().err
    (mine / "palette.json").write_text(own_images.MEADOW.to_json())
    assert console(command) == 0
    said = capsys.readouterr().out
    assert "Smoke mode was on" in said and f"{out} holds the networks" in said
    assert (out / "report.txt").read_text("utf-8") in said
    student = str(out / "distilled-student.keras")
    again = [*command, "--teacher", str(out / "teacher.keras")]
    assert console(again) == 1 and "is there already" in capsys.readouterr().err
    again[3] = str(tmp_path / "again")
    swapped = str(tmp_path / "swapped.keras")
    names = own_images.MEADOW.names[::-1]
    palette = data.Palette(dict(zip(names, own_images.MEADOW.hex, strict=True)), names[0])
    kdlib.save(kdlib.load(out / "teacher.keras"), swapped, palette)
    assert console([*again[:-1], swapped]) == 1
    assert "was saved with the classes not labelled (void), river," in capsys.readouterr().err
    assert console(again) == 0
    image = str(mine / "images" / "north 1.png")
    assert console(["predict", image, "--model", student, "--out", str(tmp_path)]) == 0
    assert "field" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--alpha", "2"], "alpha is 2.0; expected a number from 0"),
        (["--alpha", "nan"], "alpha is nan"),
        (["--temperature", "0"], "temperature is 0.0; expected a positive number"),
        ([], "no pixel of the 1 test patches is labelled"),
    ],
)
def test_the_command_refuses_before_it_trains_a_teacher(tmp_path, monkeypatch, capsys, wrong, said):
    monkeypatch.setattr(recipes, "trained_teacher", lambda *given: pytest.fail("trained"))
    monkeypatch.setenv("KD_MODE", "smoke")
    own_images.write(tmp_path, own_images.MEADOW, [(32, 32)] * 6, suffixes=(".png",))
    (tmp_path / "palette.json").write_text(own_images.MEADOW.to_json())
    if not wrong:
        third = sorted((tmp_path / "masks").iterdir(), key=lambda path: in_order(path.name))[2]
        void = np.full((32, 32), own_images.MEADOW.void)
        Image.fromarray(own_images.MEADOW.decode(void)).save(third)
    out = ["--out", str(tmp_path / "out"), "--size", "32", "--quick"]
    assert console(["distil", str(tmp_path), *out, *wrong]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("out", ["file/results", "file"])
def test_a_place_for_results_that_cannot_be_is_found_out_before_the_training(
    tmp_path, monkeypatch, capsys, out
):
    monkeypatch.setattr(recipes, "trained_teacher", lambda *given: pytest.fail("trained"))
    monkeypatch.setenv("KD_MODE", "smoke")
    own_images.write(tmp_path, own_images.MEADOW, [(32, 32)] * 6, suffixes=(".png",))
    (tmp_path / "palette.json").write_text(own_images.MEADOW.to_json())
    (tmp_path / "file").write_text("mine")
    command = ["distil", str(tmp_path), "--size", "32", "--quick", "--out", str(tmp_path / out)]
    assert console(command) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_cache_that_cannot_be_written_is_found_out_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(recipes.trained_teachers, "fit", lambda *given: pytest.fail("trained"))
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("KD_CACHE_DIR", str(tmp_path / "file"))
    own_images.write(tmp_path, own_images.MEADOW, [(32, 32)] * 6)
    images = read(tmp_path, own_images.MEADOW)
    with pytest.raises(OSError, match="file"):
        recipes.trained_teacher(images, data.split(data.cut(images, 32), images))


def test_the_command_has_the_defaults_of_the_function():
    options = vars(command_line().parse_args(["distil", "images"]))
    defaults = inspect.signature(experiment.run).parameters
    for name in ("alpha", "temperature", "seed"):
        assert options[name] == defaults[name].default, name


@pytest.mark.parametrize("command", [[], ["distil"], ["export"], ["predict"], ["tune"]])
def test_every_command_has_a_version(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        console([*command, "--version"])
    assert stopped.value.code == 0 and capsys.readouterr().out == f"kdlib {kdlib.__version__}\n"


@pytest.mark.parametrize("wrong", [["--size", "100"], ["--seed", "-1"], ["--size", "big"]])
def test_the_command_says_which_numbers_it_takes(wrong, capsys):
    with pytest.raises(SystemExit):
        console(["distil", "images", *wrong])
    assert f"{wrong[1]!r} came; expected" in capsys.readouterr().err


def test_an_experiment_whose_file_is_damaged_is_refused_with_its_name(tmp_path):
    own_images.write(tmp_path, own_images.MEADOW, [(32, 32)] * 6)
    counted = dict.fromkeys(("teacher", "student from scratch", "distilled student"), np.eye(4))
    experiment.Experiment.of(split_of(tmp_path), {}, counted).save(tmp_path / "out")
    path = tmp_path / "out" / "experiment.json"
    whole = path.read_text("utf-8")
    for text, words in {
        whole[: len(whole) // 2]: "json is damaged, or not of Experiment.save: .*line",
        "": "json is damaged",
        "{}": "does not hold palette, models, matrices, parts. Restore it",
        "[1]": "does not hold palette, models, matrices, parts",
        whole.replace('"models": []', '"models": 7'): "does not hold models",
        whole.replace('"#', '"'): "is no colour of a mask",
    }.items():
        path.write_text(text, "utf-8")
        with pytest.raises(ValueError, match=words):
            experiment.load(tmp_path / "out")
    path.write_bytes(whole.encode("utf-16"))
    with pytest.raises(ValueError, match="experiment.json is damaged"):
        experiment.load(tmp_path / "out")
    path.write_text(whole, "utf-8")
    assert experiment.load(tmp_path / "out").parts["train"]["patches"] == 4


@pytest.mark.parametrize("palette", [{"field": "green"}, None, "palette.json"])
def test_what_is_no_palette_is_refused_before_an_image_is_read(tmp_path, palette):
    own_images.write(tmp_path, own_images.MEADOW, [(32, 32)] * 2)
    with pytest.raises(ValueError, match="palette is .*; expected a kdlib.data.Palette, such as"):
        data.read_folder(tmp_path, palette=palette)
    images = read(tmp_path)
    with pytest.raises(ValueError, match="expected a kdlib.data.Palette"):
        dataclasses.replace(images, palette=palette)


def test_full_mode_is_not_worth_a_line(tmp_path):
    own_images.write(tmp_path, own_images.MEADOW, [(32, 32)] * 6)
    counted = dict.fromkeys(("teacher", "student from scratch", "distilled student"), np.eye(4))
    found = experiment.Experiment.of(split_of(tmp_path), {}, counted)
    assert found.mode == "full" and "Smoke mode" not in found.report()


def test_the_report_gives_scores_per_class_beside_the_constant_predictor(tmp_path):
    palette = own_images.palette(3, void="kind 2")
    own_images.write(tmp_path, palette, [(64, 64)] * 6)
    images = read(tmp_path, palette)
    split = data.split(data.cut(images, size=64), images)
    counted = {
        "teacher": [[6, 2, 0], [1, 1, 0], [0, 0, 0]],
        "student from scratch": [[8, 0, 0], [2, 0, 0], [0, 0, 0]],
        "distilled student": [[8, 0, 0], [1, 1, 0], [0, 0, 0]],
    }
    models = dict.fromkeys(counted)
    report = experiment.Experiment.of(split, models, counted).report()
    overall = dict(re.findall(r"^(\w[\w ]+?) {2,}([\d. ]+)$", report, re.M))
    # By hand: IoU of the constant predictor 8/10 and 0, of the teacher 6/9 and 1/4.
    assert overall["constant predictor"].split() == ["0.800", "0.400"]
    assert overall["teacher"].split() == ["0.700", "0.458"]
    assert overall["distilled student"].split() == ["0.900", "0.694"]
    # IoU 8/9 and 1/2, precision 8/9 and 1, recall 1 and 1/2.
    rows = [line.split() for line in report.splitlines() if "distilled student  " in line]
    wanted = [["0.889", "1.000", "0.889"], ["1.000", "0.500", "0.500"]]
    assert [row[-3:] for row in rows[1:]] == wanted
    assert re.search(r"^kind 0 +80.0% +constant", report, re.M)
    assert "kind 2" not in report
    assert "The student from scratch has learned nothing" in report
    assert "The teacher has learned nothing" not in report
    assert "mean IoU: +0.294" in report


def test_the_report_says_which_class_is_missing(tmp_path):
    own_images.write(tmp_path, own_images.MEADOW, [(32, 32)] * 6)
    images = read(tmp_path)
    split = data.split(data.cut(images, size=32), images)
    split.test.labels[split.test.labels == 2] = 1
    counted = dict.fromkeys(("teacher", "student from scratch", "distilled student"), np.eye(4))
    report = experiment.Experiment.of(split, {}, counted).report()
    assert re.search(r"^No pixel of (field, )?(forest, )?river in test.$", report, re.M)


@pytest.mark.filterwarnings("ignore:Even though the")  # batches come from NumPy all the same
@pytest.mark.tensorflow
def test_both_students_start_alike_and_see_the_same(tmp_path, eager):
    own_images.write(tmp_path, own_images.MEADOW, [(32, 32)] * 6)
    images = read(tmp_path)
    split = data.split(data.cut(images, size=32), images)
    teacher = recipes.trained_teacher(images, split)
    # At alpha = 1 the teacher has no say: then both must come out the same.
    found = experiment.run(split, teacher, alpha=1.0)
    students = [found.models[name] for name in ("student from scratch", "distilled student")]
    for one, other in zip(*(model.get_weights() for model in students), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    assert found.scores()["teacher"].iou.shape == (4,)


def test_another_palette_is_another_set_of_images(tmp_path):
    own_images.write(tmp_path, own_images.MEADOW, [(32, 32)] * 2)
    colours = dict(zip(own_images.MEADOW.names, own_images.MEADOW.hex, strict=True))
    without_void = read(tmp_path, data.Palette(colours))
    assert read(tmp_path).fingerprint() != without_void.fingerprint()


@pytest.mark.filterwarnings("ignore:Even though the")
@pytest.mark.tensorflow
def test_the_page_runs_as_it_stands(tmp_path, monkeypatch, capsys, eager):
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    assert len(blocks) == 6
    monkeypatch.chdir(tmp_path)
    own_images.write(tmp_path / "my-images", own_images.MEADOW, SIZES[:7])  # one test patch
    names = {}
    for block in blocks:
        names.pop("metrics", None)  # of the block on seeds, which a reader may pass over
        exec(compile(block, str(PAGE), "exec"), names)
    assert (tmp_path / "found" / "distilled-student.keras").exists()
    stored = re.search(r"^```json\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S).group(1)
    assert repr(data.Palette.from_json(stored)) == repr(own_images.MEADOW)
    said = capsys.readouterr().out
    assert "on the test patches" in said and "PairedDifference(mean=" in said
