"""Folders as people have them: hidden and system names, links, accents, and all that is wrong."""

import shutil
import unicodedata

import numpy as np
import pytest
from PIL import Image

from kdlib import data
from kdlib.data._integrity import root

from . import odd_files

PALETTE = data.Palette({"a": "red", "b": "blue"}, void="b")
RNG = np.random.default_rng(0)


def pair(folder, name, suffixes=(".png", ".png"), size=(8, 12)):
    """Write one image and its mask; return their paths."""
    labels = RNG.integers(0, 2, size)
    pictures = RNG.integers(0, 256, (*size, 3), dtype=np.uint8), PALETTE.decode(labels)
    paths = [
        folder / kind / f"{name}{end}"
        for kind, end in zip(("images", "masks"), suffixes, strict=True)
    ]
    for path, pixels in zip(paths, pictures, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return paths


def read(folder):
    return data.read_folder(folder, palette=PALETTE)


@pytest.fixture
def folder(tmp_path):
    for name in ("1", "2", "north/3"):
        pair(tmp_path / "mine", name)
    return tmp_path / "mine"


HIDDEN = [
    ".ipynb_checkpoints/1-checkpoint",
    "north/.ipynb_checkpoints/3-checkpoint",
    "@eaDir/1",
    "@SynoEAStream/1",
    "__pycache__/1",
    "north/@eaDir/deep/3",
    "__MACOSX/1",
    "__MACOSX/images/._1",
    "._1",
    "north/._3",
    ".trash/a/b/c",
    "#recycle/1",
    "RECYCLER/1",
    "Recycled/deep/1",
    "~snapshot/1",
    "FOUND.000/1",
    "found.012/1",
    "Network Trash Folder/1",
    "north/Temporary Items/1",
]


@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_and_system_names_are_passed_over_at_every_level(folder, name):
    pair(folder, name)
    with pytest.warns(UserWarning, match="Skipped 2 .hidden, or a system's own.: images/"):
        images = read(folder)
    assert images.titles == ("1.png", "2.png", "north/3.png")


@pytest.mark.parametrize("name", HIDDEN[:6])
def test_hidden_and_system_names_in_the_layout_of_dubai(tmp_path, name):
    data.write_folder(data.synthetic.city(n_images=2, size=32), tmp_path)
    pair(tmp_path / "Tile 1", name)
    with pytest.warns(UserWarning, match="Skipped 2"):
        assert data.read_folder(tmp_path).part.tolist() == [1, 2]


def test_a_folder_that_itself_lies_in_a_hidden_one_is_read(tmp_path):
    pair(tmp_path / ".cache" / "mine", "1")
    assert read(tmp_path / ".cache" / "mine").titles == ("1.png",)


def test_the_dubai_data_are_not_looked_for_in_hidden_folders(tmp_path):
    for name in ("__MACOSX", ".old", "published"):
        (tmp_path / name / "Tile 1").mkdir(parents=True)
    assert root(tmp_path).name == "published"


def test_what_is_skipped_is_counted_and_named(folder):
    pair(folder, "4", (".gif", ".gif"))
    (folder / "images" / "Thumbs.db").touch()
    (folder / "masks" / "notes.txt").touch()
    with pytest.warns(UserWarning) as caught:
        assert len(read(folder)) == 3
    (said,) = [str(warning.message) for warning in caught]
    assert "Skipped 3 (without a suffix of .jpg, .jpeg, .png" in said
    assert "images/4.gif, masks/4.gif, masks/notes.txt." in said
    assert "Skipped 1 (hidden, or a system's own): images/Thumbs.db." in said
    assert caught[0].filename == __file__


def test_nothing_is_said_where_nothing_is_skipped(folder, recwarn):
    read(folder)
    assert not recwarn.list


def test_a_skipped_mask_is_named_where_its_image_lacks_it(folder):
    pair(folder, "4", (".png", ".gif"))
    with pytest.raises(FileNotFoundError) as error:
        read(folder)
    assert "1 images without a mask: images/4.png." in str(error.value)
    assert "masks/4.gif" in str(error.value)


def test_names_of_other_kinds_in_the_layout_of_dubai_are_counted(tmp_path):
    data.write_folder(data.synthetic.city(n_images=2, size=32), tmp_path)
    for name in (
        "Tile 1/images/copy.jpg",
        "Tile A/images/image_part_001.jpg",
        "Tile 1/masks/a/b.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.warns(UserWarning, match="Skipped 3 .*Tile 1/images/copy.jpg, Tile 1/masks/a/b"):
        assert len(data.read_folder(tmp_path)) == 2


@pytest.mark.parametrize("name", ["Tile 2/Images", "Tile 2/more/images", "more/Tile 2/images"])
def test_a_tile_whose_folders_have_other_names_is_not_lost_without_a_word(tmp_path, name):
    data.write_folder(data.synthetic.city(n_images=2, size=32), tmp_path)
    shutil.copytree(tmp_path / "Tile 1/images", tmp_path / name)
    if (tmp_path / "Tile 2/images").exists():
        pytest.skip("this file system holds both names for one")
    place = name.partition("/")[0]
    with pytest.warns(UserWarning, match=f"Skipped 1 .a folder without 'images' and .*: {place}"):
        assert len(data.read_folder(tmp_path)) == 2


def test_folders_of_images_beside_images_and_masks_are_named(folder):
    pair(folder / "Tile 4", "image_part_001")
    (folder / "networks").mkdir()
    with pytest.warns(UserWarning, match="Skipped 1 .beside 'images' and 'masks'.: Tile 4"):
        assert len(read(folder)) == 3


def test_images_and_folders_with_some_beside_what_is_read_are_named(folder, tmp_path):
    (folder / "palette.json").touch()
    for name in ("2.png", "more/deep/3.png", ".ipynb_checkpoints/1.jpg", "texts/a.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    with pytest.warns(UserWarning, match=r"Skipped 3 .*: 2.png, .ipynb_checkpoints, more\.$"):
        assert len(read(folder)) == 3
    data.write_folder(data.synthetic.city(n_images=2, size=32), tmp_path / "city")
    for name in ("loose.jpg", ".ipynb_checkpoints/Tile 1/images/image_part_001.jpg"):
        (tmp_path / "city" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "city" / name).touch()
    with pytest.warns(UserWarning, match=r"Skipped 2 .beside the tiles.: .ipynb_ch.*, loose.jpg"):
        assert len(data.read_folder(tmp_path / "city")) == 2


@pytest.mark.parametrize(
    "twin", ["Tile 1/images/image_part_1.jpg", "Tile 01/images/image_part_001.jpg"]
)
def test_the_same_numbers_twice_are_refused(tmp_path, twin):
    data.write_folder(data.synthetic.city(n_images=1, size=32), tmp_path)
    (tmp_path / twin).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(tmp_path / "Tile 1/images/image_part_001.jpg", tmp_path / twin)
    with pytest.raises(ValueError, match="image_part_001.jpg.* have the same name"):
        data.read_folder(tmp_path)


@pytest.mark.parametrize("ends", [(".JPG", ".PNG"), (".Tiff", ".bmp"), (".jpeg", ".TIF")])
def test_suffixes_in_capitals(tmp_path, ends):
    pair(tmp_path, "1", ends)
    assert len(read(tmp_path)) == 1
    written = data.synthetic.city(n_images=1, size=32)
    data.write_folder(written, tmp_path / "as dubai")
    for path in (tmp_path / "as dubai").glob("Tile 1/*/*.*"):
        path.rename(path.with_suffix(path.suffix.upper()))
    assert len(data.read_folder(tmp_path / "as dubai")) == 1


# Links.


def test_links_are_followed(folder, tmp_path):
    for kind in ("images", "masks"):
        shutil.move(folder / kind / "north", tmp_path / f"elsewhere {kind}")
        (folder / kind / "north").symlink_to(tmp_path / f"elsewhere {kind}")
        (folder / kind / "4.png").symlink_to(tmp_path / f"elsewhere {kind}" / "3.png")
    assert read(folder).titles == ("1.png", "2.png", "4.png", "north/3.png")
    shutil.move(folder / "images", tmp_path / ".hidden")
    (folder / "images").symlink_to(tmp_path / ".hidden")
    assert len(read(folder)) == 4


def test_links_in_a_circle_end(folder):
    for kind in ("images", "masks"):
        (folder / kind / "north" / "back").symlink_to(folder / kind)
        (folder / kind / "self").symlink_to(folder / kind / "self")
    with pytest.warns(
        UserWarning, match="Skipped 2 .a link back to a folder that it lies in."
    ) as caught:
        assert len(read(folder)) == 3
    assert "images/self" in str(caught[0].message)


def test_a_link_to_nothing_is_named(folder):
    (folder / "masks" / "2.png").unlink()
    (folder / "masks" / "2.png").symlink_to(folder / "gone.png")
    with pytest.raises(FileNotFoundError, match="masks/2.png is a link to nothing"):
        read(folder)


# Accents.


def test_names_that_look_the_same_are_the_same(tmp_path):
    image, mask = pair(tmp_path, unicodedata.normalize("NFD", "Zürich/Höngg"))
    other = tmp_path / "masks" / unicodedata.normalize("NFC", "Zürich/Höngg.png")
    other.parent.mkdir(exist_ok=True)  # macOS holds both for one
    mask.rename(other)
    images = read(tmp_path)
    assert len(images) == 1 and images.tile.tolist() == [1]


def test_two_names_that_look_the_same_are_refused(tmp_path):
    for form in ("NFC", "NFD"):
        pair(tmp_path, unicodedata.normalize(form, "Zürich"))
    if len(list((tmp_path / "images").iterdir())) == 1:
        pytest.skip("this file system holds both names for one")
    with pytest.raises(ValueError, match="have the same name"):
        read(tmp_path)


# All that is wrong, at once.


def test_every_bad_file_and_every_unknown_colour_is_listed(folder):
    for name in ("4", "5", "6", "7"):
        pair(folder, name)
    Image.new("RGB", (12, 8)).save(folder / "images/alone.png")
    (folder / "images/1.png").write_text("no image")
    deep = np.full((8, 12), 700, np.uint16)
    Image.fromarray(deep).save(folder / "images/4.png")
    Image.fromarray(deep).save(folder / "masks/4.png")
    Image.new("RGB", (9, 8), "red").save(folder / "masks/5.png")
    strange = np.full((8, 12, 3), (255, 0, 0), np.uint8)
    strange[0] = (1, 2, 3)
    strange[1, :5] = (4, 5, 6)
    Image.fromarray(strange).save(folder / "masks/6.png")
    Image.new("RGB", (12, 8), (7, 8, 9)).save(folder / "masks/north/3.png")
    with pytest.raises(ValueError) as error:
        read(folder)
    lines = str(error.value).splitlines()
    wanted = [
        "mine: 7 things are wrong.",
        "mine: 1 images without a mask: images/alone.png. An image and its mask need the same name",
        "images/1.png cannot be read as an image",
        "images/4.png has more than 8 bits a channel",
        "masks/4.png holds 16-bit unsigned integers from 700 to 700",
        "images/5.png has 8 × 12 pixels, its mask 8 × 9",
        "masks/6.png: 17 pixels in 2 colours that are no class: #010203 (12 pixels), #040506 (5",
        "masks/north/3.png: 96 pixels in 1 colours that are no class: #070809 (96 pixels)",
        "Expected a #FF0000, b #0000FF.",
    ]
    for line, words in zip(lines, wanted, strict=True):
        assert words in line


def test_of_thousands_of_unknown_colours_the_most_frequent_are_listed():
    colours = np.stack(np.meshgrid(range(8), range(8), [9]), axis=-1).reshape(-1, 3)
    mask = np.concatenate([colours, [[3, 5, 9]] * 2]).astype(np.uint8)
    with pytest.raises(ValueError, match=r"66 pixels in 64 .*: #030509 \(3 .*, and 34 more\."):
        PALETTE.encode(mask)


# Images that EXIF turns.


def turned(path, orientation):
    """Note in a file how it is to be turned."""
    exif = Image.Exif()
    exif[274] = orientation
    with Image.open(path) as file:
        file.load()
    file.save(path, exif=exif)


@pytest.mark.parametrize(
    ("size", "orientation"), [((8, 8), 6), ((8, 8), 5), ((8, 12), 3), ((8, 12), 2)]
)
def test_a_turned_image_whose_mask_fits_both_ways_is_warned_of(tmp_path, size, orientation):
    pair(tmp_path, "straight", size=size)
    image, mask = pair(tmp_path, "turned", size=size)
    turned(image, orientation)
    with pytest.warns(UserWarning, match="1 images are turned by EXIF .*: images/turned.png"):
        read(tmp_path)
    turned(image, 1)
    turned(mask, orientation)
    with pytest.warns(UserWarning, match="1 images are turned by EXIF data otherwise than their"):
        read(tmp_path)


COLOUR_MAP = {320: RNG.integers(256, 65536, 768).tolist()}


@pytest.mark.parametrize("tags", [{262: [1]}, {262: [3], **COLOUR_MAP}], ids=["grey", "colour map"])
def test_a_tiff_is_turned_by_its_tag_and_its_mask_is_asked_about(tmp_path, tags):
    for size, fits in (((8, 8), True), ((8, 12), False)):
        image, _ = pair(tmp_path, "1", (".tif", ".png"), size)
        stored = RNG.integers(0, 200, size).astype(np.uint8)
        odd_files.tiff(image, stored, more={274: [6], **tags})
        if fits:
            with pytest.warns(UserWarning, match="1 images are turned by EXIF .*: images/1.tif"):
                found = read(tmp_path).images[0]
            shown = np.array(tags[320]).reshape(3, -1).T // 256 if 320 in tags else None
            expected = np.stack([stored] * 3, axis=-1) if shown is None else shown[stored]
            np.testing.assert_array_equal(found, np.rot90(expected, -1))
        else:
            with pytest.raises(ValueError, match="12 × 8 .*, its mask 8 × 12. The image is turned"):
                read(tmp_path)


def test_turned_images_that_leave_no_doubt_are_not_warned_of(tmp_path, recwarn):
    image, mask = pair(tmp_path, "both", size=(8, 8))
    turned(image, 6)
    turned(mask, 6)
    image, mask = pair(tmp_path, "upright", size=(8, 12))
    Image.open(image).transpose(Image.Transpose.ROTATE_90).save(image)
    turned(image, 6)
    read(tmp_path)
    assert not recwarn.list


def test_a_mask_that_fits_the_picture_as_it_is_stored_is_to_be_turned(tmp_path):
    image, _ = pair(tmp_path, "1", size=(8, 12))
    turned(image, 6)
    with pytest.raises(ValueError, match="12 × 8 pixels, its mask 8 × 12. The image is turned"):
        read(tmp_path)


def test_a_mask_that_is_turned_alone_is_not_blamed_on_the_image(tmp_path):
    _, mask = pair(tmp_path, "1", size=(8, 12))
    turned(mask, 6)
    with pytest.raises(ValueError, match="8 × 12 pixels, its mask 12 × 8. The mask is turned"):
        read(tmp_path)


def test_transparent_images_are_counted(tmp_path):
    for name in ("1", "2", "3"):
        image, _ = pair(tmp_path, name)
        clear = Image.open(image).convert("RGBA")
        clear.putpixel((0, 0), (1, 2, 3, 0 if name != "2" else 255))
        clear.save(image)
    with pytest.warns(
        UserWarning, match="2 images are transparent in places: white.*1.png, .*3.png"
    ):
        images = read(tmp_path)
    assert images.images[0][0, 0].tolist() == [255] * 3
    assert images.images[1][0, 0].tolist() == [1, 2, 3]
