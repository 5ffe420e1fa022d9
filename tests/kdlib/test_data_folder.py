"""Reading a folder of images and masks, and every way in which the folder can be wrong."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from kdlib.data import PALETTE, ImageSet, read_folder, read_image, synthetic, write_folder
from kdlib.data._matching import list_pairs

from . import tiny_dubai


@pytest.fixture
def folder(tmp_path):
    tiny_dubai.write(tmp_path)
    return tmp_path


def test_masks_decode_by_colour_whatever_their_png_mode(tmp_path):
    labels = tiny_dubai.write(tmp_path)
    modes = {Image.open(tiny_dubai.paths(tmp_path, tile, 1)[1]).mode for tile in (1, 2)}
    assert modes == {"RGB", "P"}
    images = read_folder(tmp_path, name="tiny", credit="nobody")
    assert images.tile.tolist() == [1, 1, 2, 2] and images.part.tolist() == [1, 2, 1, 2]
    for tile, part, read in zip(images.tile, images.part, images.labels, strict=True):
        np.testing.assert_array_equal(read, labels[tile, part])


def test_tiles_and_parts_come_in_the_order_of_their_numbers(tmp_path):
    tiny_dubai.write(tmp_path, tiles=(10, 9, 2, 1))
    pairs = list_pairs(tmp_path)
    assert [pair[0] for pair in pairs] == [1, 1, 2, 2, 9, 9, 10, 10]
    for tile, part, image, mask in pairs:
        assert image.stem == mask.stem == f"image_part_{part:03d}"
        assert image.parent.parent == mask.parent.parent == tmp_path / f"Tile {tile}"


def test_what_is_written_is_read_again(tmp_path):
    city = synthetic.city(n_images=10, size=64)
    write_folder(city, tmp_path)
    again = read_folder(tmp_path, "city", city.credit)
    np.testing.assert_array_equal(again.tile, city.tile)
    np.testing.assert_array_equal(again.part, city.part)
    for one, other in zip(again.labels, city.labels, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(again.images, city.images, strict=True):
        assert np.abs(one.astype(int) - other).mean() < 5  # JPEG


def own_images(folder, names):
    """Write smooth images, each of a brightness of its own, and masks; read them."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(names):
        for kind in ("images", "masks"):
            (folder / kind / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 8), (20 * number, 255 - 20 * number, 9)).save(
            folder / "images" / name
        )
        labels = rng.integers(0, 6, (8, 12))
        Image.fromarray(PALETTE[labels]).save(folder / "masks" / name)
    return read_folder(folder, "x", "x")


@pytest.mark.parametrize(
    "names",
    [[f"{n}.png" for n in range(1, 12)], ["1.png", "a/2.png", "z.png", "a/v1.5 b.png", "b/2.png"]],
)
def test_images_of_ones_own_are_written_under_their_names_and_none_is_lost(tmp_path, names):
    images = own_images(tmp_path / "mine", names)
    write_folder(images, tmp_path / "written")
    written = [path for path in (tmp_path / "written").rglob("*.*") if path.is_file()]
    assert len(written) == 2 * len(names)
    again = read_folder(tmp_path / "written", "x", "x")
    assert again.titles == tuple(title.replace(".png", ".jpg") for title in images.titles)
    np.testing.assert_array_equal(again.tile, images.tile)
    np.testing.assert_array_equal(again.part, images.part)
    for one, other in zip(again.labels, images.labels, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(again.images, images.images, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 3  # JPEG


@pytest.mark.parametrize("title", ["/a.png", "../a.png", "b/../../a.png", ".a/b.png", "", "0.png"])
def test_titles_that_can_be_no_names_are_not_written_to(tmp_path, title):
    city = synthetic.city(n_images=2, size=32)
    titled = dataclasses.replace(city, titles=("0.jpg", title))
    write_folder(titled, tmp_path / "written")
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    parts = ("images/image_part_001.jpg", "images/image_part_002.jpg")
    masks = ("masks/image_part_001.png", "masks/image_part_002.png")
    assert written == {f"written/Tile 1/{name}" for name in (*parts, *masks)}


def test_images_that_would_be_written_to_one_file_are_refused(tmp_path):
    city = synthetic.city(n_images=3, size=32)
    twice = dataclasses.replace(city, part=np.array([1, 2, 1]))
    with pytest.raises(ValueError, match="tile 1 part 1 stands for 2 images"):
        write_folder(twice, tmp_path)
    assert not list(tmp_path.iterdir())


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere is no folder. Expected 'Tile 1/images"):
        read_folder(tmp_path / "nowhere", "x", "x")


def test_empty_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no images. Expected 'Tile 1/images"):
        read_folder(tmp_path, "x", "x")


def test_image_without_mask(folder):
    tiny_dubai.paths(folder, 2, 1)[1].unlink()
    with pytest.raises(
        FileNotFoundError, match="1 images without a mask: Tile 2.*image_part_001.jpg"
    ):
        read_folder(folder, "x", "x")


def test_mask_without_image(folder):
    tiny_dubai.paths(folder, 1, 2)[0].unlink()
    with pytest.raises(FileNotFoundError, match="1 masks without an image: .*image_part_002.png"):
        read_folder(folder, "x", "x")


def test_sizes_that_differ(folder):
    mask = np.broadcast_to(PALETTE[1], (33, 47, 3))
    Image.fromarray(mask).save(tiny_dubai.paths(folder, 1, 1)[1])
    with pytest.raises(ValueError, match="image_part_001.jpg has 33 × 48 pixels, its mask 33 × 47"):
        read_folder(folder, "x", "x")


@pytest.mark.parametrize("kind", [0, 1], ids=["JPEG", "PNG"])
@pytest.mark.parametrize("kept", [0, 0.5, 0.95])
def test_truncated_image(folder, kind, kept):
    path = tiny_dubai.paths(folder, 1, 2)[kind]
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(
        ValueError, match=f"image_part_002{path.suffix} cannot be read.*fetch it again"
    ):
        read_folder(folder, "x", "x")


def test_an_image_with_more_pixels_than_pil_reads(tmp_path, monkeypatch):
    Image.new("RGB", (30, 20)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 299)
    with pytest.raises(ValueError, match="large.png is too large: .*600 pixels.* Cut it into"):
        read_image(tmp_path / "large.png")


# How the stored picture is turned for each EXIF orientation, by its definition: which side of the
# picture the first stored row is, and which the first stored column (Exif 2.3, tag 274).
UPRIGHT = {
    1: lambda a: a,  # top, left
    2: lambda a: a[:, ::-1],  # top, right
    3: lambda a: a[::-1, ::-1],  # bottom, right
    4: lambda a: a[::-1],  # bottom, left
    5: lambda a: a.swapaxes(0, 1),  # left, top
    6: lambda a: a[::-1].swapaxes(0, 1),  # right, top
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: lambda a: a[:, ::-1].swapaxes(0, 1),  # left, bottom
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_picture_is_turned_as_its_exif_orientation_says(orientation, tmp_path):
    stored = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype="uint8")
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), UPRIGHT[orientation](stored))


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "CMYK"])
def test_a_tiff_is_turned_too_whatever_its_mode(mode, orientation, tmp_path):
    """Mapped into memory, as Pillow likes to read a file of one strip, it would be scrambled."""
    stored = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype="uint8")
    file = Image.fromarray(stored).convert(mode)
    file.save(tmp_path / "a.tif", tiffinfo={274: orientation})
    expected = UPRIGHT[orientation](np.asarray(file.convert("RGB")))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), expected)


def test_exif_that_cannot_be_read_says_nothing(tmp_path):
    Image.new("RGB", (6, 4)).save(tmp_path / "a.png", exif=b"no such thing")
    assert read_image(tmp_path / "a.png").shape == (4, 6, 3)


def test_unknown_colour_names_the_file(folder):
    mask = np.broadcast_to(PALETTE[1], (33, 48, 3)).copy()
    mask[3, 4:6] = (245, 166, 35)
    Image.fromarray(mask).save(tiny_dubai.paths(folder, 1, 1)[1])
    with pytest.raises(ValueError, match=r"image_part_001.png: 2 pixels.*#F5A623 \(2 pixels\)"):
        read_folder(folder, "x", "x")


def test_an_image_set_refuses_what_does_not_belong_together():
    image, labels = np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), np.uint8)
    with pytest.raises(ValueError, match="2 images, 1 labels, 1 tiles, 1 parts"):
        ImageSet("x", (image, image), (labels,), np.array([1]), np.array([1]), "")
    with pytest.raises(ValueError, match="tile 7 part 3: .*do not fit"):
        ImageSet("x", (image,), (labels.T,), np.array([7]), np.array([3]), "")


def test_the_fingerprint_notices_every_change(folder):
    first, second = read_folder(folder, "x", "x"), read_folder(folder, "y", "z")
    assert first.fingerprint() == second.fingerprint()
    assert len(first.fingerprint()) == 12
    seen = {first.fingerprint()}
    image = first.images[0].copy()
    image[0, 0, 0] ^= 1
    labels = first.labels[-1].copy()
    labels[-1, -1] = (labels[-1, -1] + 1) % 6
    for changed in (
        {"images": (image, *first.images[1:])},
        {"labels": (*first.labels[:-1], labels)},
        {"tile": first.tile + 1},
        {"part": first.part[::-1]},
    ):
        parts = {name: getattr(first, name) for name in ("images", "labels", "tile", "part")}
        seen.add(ImageSet("x", credit="x", **(parts | changed)).fingerprint())
    assert len(seen) == 5
