"""Single image and mask files of every depth, layout and transparency: read right, or refused."""

import io
import struct
import warnings
import zlib

import numpy as np
import PIL
import pytest
from PIL import Image

from kdlib.data import Palette, read_image
from kdlib.data.image_file import mask

from . import odd_files

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (5, 7, 4), dtype=np.uint16)
NUMBERS = Palette({"a": (0, 0, 0), "b": (1, 1, 1), "c": (2, 2, 2)}, void="c")
SHADES = Palette({"a": "black", "b": (85, 85, 85), "c": "white"})
LABELS = RNG.integers(0, 3, (5, 7))
PLACES = RNG.integers(0, 2, (5, 7))


def refused(path, *words, read=read_image):
    """Check that a file is refused, for a cause that is the true one."""
    with pytest.raises(ValueError) as error:
        read(path)
    for word in (path.name, *words):
        assert word in str(error.value)
    assert "damaged" not in str(error.value)
    return str(error.value)


def read_mask(palette):
    return lambda path: mask(path, palette, path.name)


# Depth: the file's own, whatever the decoder makes of it.


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_16_bits_is_refused(tmp_path, channels):
    odd_files.png(tmp_path / "a.png", DEEP[..., :channels], 16)
    refused(tmp_path / "a.png", "more than 8 bits a channel: 16-bit unsigned integers")


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize(
    ("pixels", "extra", "said"),
    [
        (DEEP[..., 0], (), "16-bit unsigned"),
        (DEEP[..., :3], (), "16-bit unsigned"),
        (DEEP, (2,), "16-bit unsigned"),
        (DEEP, (1,), "16-bit unsigned"),
        (DEEP[..., 0].astype("i2"), (), "16-bit signed"),
        (DEEP[..., :3].astype("i2"), (), "16-bit signed"),
        (DEEP[..., :3].astype("f4"), (), "32-bit floating-point"),
        (DEEP[..., 0].astype("f8"), (), "64-bit floating-point"),
        (DEEP[..., 0].astype("u4"), (), "32-bit unsigned"),
    ],
)
def test_tiff_of_more_than_8_bits_is_refused(tmp_path, pixels, extra, said, planar, order):
    odd_files.tiff(tmp_path / "a.tif", pixels, extra=extra, planar=planar, order=order)
    refused(tmp_path / "a.tif", "more than 8 bits a channel", said, "convert it to 8 bits")


def test_signed_numbers_of_8_bits_are_no_colours(tmp_path):
    odd_files.tiff(tmp_path / "a.tif", COLOURS[..., 0].astype("i1"))
    refused(tmp_path / "a.tif", "8-bit signed integers; expected unsigned ones")


def test_a_jpeg_of_12_bits_is_refused_for_its_bits(tmp_path):
    written = io.BytesIO()
    Image.fromarray(COLOURS).save(written, "jpeg")
    data = bytearray(written.getvalue())
    data[data.index(b"\xff\xc0") + 4] = 12  # the precision in the frame header
    (tmp_path / "a.jpg").write_bytes(data)
    refused(tmp_path / "a.jpg", "cannot handle 12-bit layers", "8 bits a channel")


@pytest.mark.parametrize("suffix", ["ppm", "jp2", "tga"])
def test_kinds_of_file_that_hide_their_depth_are_refused(tmp_path, suffix):
    Image.fromarray(COLOURS).save(tmp_path / f"a.{suffix}")
    refused(tmp_path / f"a.{suffix}", "cannot be told from 8", "Save it as PNG")


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("deflate", [False, True])
def test_tiff_of_8_bits_is_read_chunky_and_planar(tmp_path, planar, order, deflate):
    odd_files.tiff(tmp_path / "a.tif", COLOURS, planar=planar, order=order, deflate=deflate)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), COLOURS)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_are_spread_over_0_to_255(tmp_path, bits):
    levels = RNG.integers(0, 2**bits, (5, 7))
    odd_files.png(tmp_path / "a.png", levels, bits)
    expected = np.repeat((levels * (255 // (2**bits - 1)))[..., np.newaxis], 3, axis=-1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)
    colour_map = RNG.integers(0, 256, (2**bits, 3))
    odd_files.png(tmp_path / "b.png", levels, bits, palette=colour_map.ravel().tolist())
    np.testing.assert_array_equal(read_image(tmp_path / "b.png"), colour_map[levels])


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_bmp_with_a_colour_map_of_black_and_white_is_read_right_or_refused(tmp_path, bits):
    # Pillow takes the map for grey, and then the pixels, whatever their bits, for bits.
    odd_files.bmp(tmp_path / "a.bmp", PLACES, bits, [(0, 0, 0), (255, 255, 255)])
    if bits == 1:
        found = read_image(tmp_path / "a.bmp")
        np.testing.assert_array_equal(found, np.repeat(255 * PLACES[..., np.newaxis], 3, axis=-1))
    else:
        refused(tmp_path / "a.bmp", f"BMP of {bits} bits", "Save it as PNG")
    red = [(0, 0, 0), (255, 0, 0)]
    odd_files.bmp(tmp_path / "b.bmp", PLACES, bits, red)
    np.testing.assert_array_equal(read_image(tmp_path / "b.bmp"), np.array(red)[PLACES])


@pytest.mark.parametrize("bits", [4, 8])
def test_bmp_with_a_colour_map_of_greys(tmp_path, bits):
    levels = RNG.integers(0, 2**bits, (5, 7))
    odd_files.bmp(tmp_path / "a.bmp", levels, bits, [(n, n, n) for n in range(2**bits)])
    if bits == 4:
        refused(tmp_path / "a.bmp", "BMP of 4 bits")
    else:
        np.testing.assert_array_equal(read_image(tmp_path / "a.bmp")[..., 1], levels)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_is_read(tmp_path, suffix):
    flat = np.full((8, 8, 4), (0, 255, 255, 0), np.uint8)  # no cyan, all magenta and yellow: red
    Image.frombytes("CMYK", (8, 8), flat.tobytes()).save(tmp_path / f"a.{suffix}")
    found = read_image(tmp_path / f"a.{suffix}").astype(int)
    assert np.abs(found - (255, 0, 0)).max() <= 3


# Bands, pages, and what is no image.


@pytest.mark.parametrize(
    ("bands", "photometric", "extra"),
    [
        (4, 1, (0, 0, 0)),  # as GDAL writes four bands
        (3, 1, (0, 0)),
        (2, 1, (0,)),
        (4, 2, (0,)),  # red, green, blue, infrared
        (4, 2, ()),
        (5, 2, (0, 0)),
        (5, 2, (2, 0)),
        (8, 1, ()),
    ],
)
@pytest.mark.parametrize("planar", [1, 2])
def test_bands_that_are_neither_colours_nor_alpha_are_refused(
    tmp_path, bands, photometric, extra, planar
):
    pixels = RNG.integers(0, 256, (5, 7, bands), dtype=np.uint8)
    odd_files.tiff(tmp_path / "a.tif", pixels, photometric, extra, planar)
    refused(tmp_path / "a.tif", f"{bands} bands of 8-bit unsigned", "only you can say")


def test_other_kinds_of_colour_are_refused(tmp_path):
    odd_files.tiff(tmp_path / "a.tif", COLOURS, photometric=8)  # CIELAB
    refused(tmp_path / "a.tif", "photometric interpretation 8", "in red, green and blue")
    odd_files.tiff(tmp_path / "a.tif", COLOURS, more={259: [34887]})  # LERC
    refused(tmp_path / "a.tif", "compressed in a way", "34887")
    for pixels, kind, extra in ((DEEP[..., :2], 1, (2,)), (DEEP, 5, ())):
        odd_files.tiff(tmp_path / "a.tif", pixels.astype("u1"), kind, extra, planar=2)
        refused(tmp_path / "a.tif", "bands one after the other")
    map_of_8_bits = {258: [8], 320: list(range(256)) * 3}
    odd_files.tiff(tmp_path / "a.tif", COLOURS[..., 0], photometric=3, more=map_of_8_bits)
    refused(tmp_path / "a.tif", "colour map of 8 bits")


@pytest.mark.parametrize("suffix", ["tif", "gif", "webp", "png"])
def test_several_pages_or_frames_are_refused(tmp_path, suffix):
    frames = [Image.fromarray(np.roll(COLOURS, n)) for n in range(3)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    refused(tmp_path / f"a.{suffix}", "holds 3 pictures (pages or frames); expected one")
    frames[0].save(tmp_path / f"a.{suffix}")
    assert read_image(tmp_path / f"a.{suffix}").shape == COLOURS.shape


def test_previews_beside_a_picture_are_no_pages(tmp_path):
    odd_files.tiff(tmp_path / "two.tif", COLOURS, pages=2)
    refused(tmp_path / "two.tif", "holds 2 pictures")
    odd_files.tiff(tmp_path / "a.tif", COLOURS, pages=3, more={254: [1]})  # each is marked so
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), COLOURS)
    frames = [Image.fromarray(COLOURS), Image.new("RGB", (3, 2))]
    frames[0].save(tmp_path / "a.jpg", "mpo", save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / "a.jpg").shape == COLOURS.shape


def test_pages_that_go_round_in_a_circle_end(tmp_path):
    odd_files.tiff(tmp_path / "a.tif", COLOURS)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    (start,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[start : start + 2])
    data[start + 2 + 12 * count :][:4] = data[4:8]
    end = start + 2 + 12 * count
    data[end : end + 4] = struct.pack("<I", start)
    (tmp_path / "a.tif").write_bytes(data)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), COLOURS)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("tags", [{254: [1], 330: [0]}, {50706: [1]}, {254: [1], 50706: [1]}])
def test_the_preview_of_a_raw_photograph_is_not_the_photograph(tmp_path, tags, order):
    odd_files.tiff(tmp_path / "a.dng", COLOURS, more=tags, order=order)
    refused(tmp_path / "a.dng", "raw photograph", "export it as TIFF, PNG or JPEG")
    odd_files.tiff(tmp_path / "a.nef", COLOURS, more=tags, order=order, pages=2)
    refused(tmp_path / "a.nef", "raw photograph")
    refused(tmp_path / "a.nef", "raw photograph", read=read_mask(SHADES))


def test_smaller_copies_behind_a_picture_do_not_make_it_raw(tmp_path):
    odd_files.tiff(tmp_path / "a.tif", COLOURS, more={254: [0], 330: [0]})
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), COLOURS)


def big_tiff(path, order):
    """Write COLOURS as a BigTIFF."""
    data = COLOURS.tobytes()
    tags = {256: [7], 257: [5], 258: [8] * 3, 259: [1], 262: [2], 273: [16], 277: [3], 278: [5]}
    tags[279] = [len(data)]
    entries = b"".join(
        struct.pack(f"{order}HHQ", number, 3, len(values))
        + struct.pack(f"{order}{len(values)}H", *values).ljust(8, b"\0")
        for number, values in tags.items()
    )
    head = (b"II" if order == "<" else b"MM") + struct.pack(
        f"{order}HHHQ", 43, 8, 0, 16 + len(data)
    )
    count = struct.pack(f"{order}Q", len(tags))
    path.write_bytes(head + data + count + entries + bytes(8))


def test_a_big_tiff_is_read_or_not_called_damaged(tmp_path):
    big_tiff(tmp_path / "a.tif", "<")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), COLOURS)
    big_tiff(tmp_path / "a.tif", ">")
    refused(tmp_path / "a.tif", "a BigTIFF", "Save it as PNG, or as a plain TIFF")


@pytest.mark.parametrize("number", [34925, 50000, 50001])
def test_a_compression_that_this_pillow_lacks_is_named(tmp_path, monkeypatch, number):
    save = Image.Image.save
    name = PIL.TiffImagePlugin.COMPRESSION_INFO[number]

    def lacking(self, *arguments, **options):
        if options.get("compression") == name:
            raise OSError("encoder error -2")
        save(self, *arguments, **options)

    monkeypatch.setattr(Image.Image, "save", lacking)
    odd_files.tiff(tmp_path / "a.tif", COLOURS, more={259: [number]})
    refused(tmp_path / "a.tif", "compressed in a way", str(number), "or as PNG")


@pytest.mark.parametrize("name", ["lzma", "zstd", "webp"])
def test_a_compression_that_this_pillow_has_is_undone(tmp_path, name):
    try:
        Image.fromarray(COLOURS).save(tmp_path / "a.tif", compression=name)
    except OSError:
        pytest.skip(f"this Pillow lacks {name}")
    if name == "webp":
        assert read_image(tmp_path / "a.tif").shape == COLOURS.shape
    else:
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), COLOURS)


REVERSED = np.array([int(f"{value:08b}"[::-1], 2) for value in range(256)], np.uint8)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", [0, 1, 3])
def test_bits_in_the_reverse_order_are_read_right_or_not_called_damaged(tmp_path, kind, bits):
    levels = RNG.integers(0, 2**bits, (5, 8))
    rows = np.unpackbits(levels.astype(np.uint8)[..., np.newaxis], axis=-1)[..., -bits:]
    rows = REVERSED[np.packbits(rows.reshape(5, -1), axis=-1)]
    colour_map = RNG.integers(256, 65536, (3, 2**bits))
    more = {256: [8], 258: [bits], 266: [2]}
    more |= {320: colour_map.ravel().tolist()} if kind == 3 else {}
    odd_files.tiff(tmp_path / "a.tif", rows, photometric=kind, more=more)
    if (kind, bits) in ((0, 8), (3, 1), (3, 2), (3, 4)):
        refused(tmp_path / "a.tif", "Pillow: unknown raw mode", "Save it as PNG")
        return
    greys = levels * (255 // (2**bits - 1))
    greys = 255 - greys if kind == 0 else greys
    expected = colour_map.T[levels] // 256 if kind == 3 else np.stack([greys] * 3, axis=-1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), expected)


def test_what_is_no_image_is_not_called_damaged(tmp_path):
    (tmp_path / "a.png").write_bytes(b"<html>not found</html>")
    refused(tmp_path / "a.png", "cannot be read as an image", "begins with b'<html>not found<")
    (tmp_path / "a.png").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    refused(tmp_path / "a.png", "as no JPEG, PNG, TIFF", "an image of another kind")
    (tmp_path / "empty.png").touch()
    refused(tmp_path / "empty.png", "it is empty", "fetch it again")
    try:
        (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    except OSError:
        pytest.skip("this user of Windows may not make links")
    with pytest.raises(FileNotFoundError, match="link.png is a link to nothing"):
        read_image(tmp_path / "link.png")


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp", "gif", "bmp"])
def test_damaged_files_are_called_damaged_wherever_they_are_cut(tmp_path, suffix):
    noise = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.png")
    Image.fromarray(noise).save(tmp_path / f"a.{suffix}")
    data = (tmp_path / f"a.{suffix}").read_bytes()
    for kept in (16, 30, 60, len(data) // 2, len(data) * 9 // 10):
        (tmp_path / f"a.{suffix}").write_bytes(data[:kept])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own, of tags that are cut off
            with pytest.raises(ValueError, match="cannot be read as an image .* damaged or cut"):
                read_image(tmp_path / f"a.{suffix}")


def cut_anywhere(path, pixels, depth, **options):
    """Write a PNG with all rows, then others that end too early, with right checksums."""
    whole = odd_files.png(path, pixels, depth, **options)
    yield None
    for kept in (whole - 1, whole // 2, 1, 0):
        odd_files.png(path, pixels, depth, kept=kept, **options)
        yield kept


DAMAGED = "cannot be read as an image .* damaged or cut off: fetch it again"


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("size", [(5, 7), (1, 1), (9, 3), (16, 8)])
@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_png_whose_rows_end_too_early_is_damaged_whatever_its_checksums(
    tmp_path, depth, size, interlaced
):
    numbers, path = RNG.integers(0, 2, size), tmp_path / "a.png"
    for kept in cut_anywhere(path, numbers, depth, interlaced=interlaced):
        if kept is None:
            np.testing.assert_array_equal(mask(path, NUMBERS, "a.png").pixels, numbers)
            continue
        with pytest.raises(ValueError, match=DAMAGED):
            mask(path, NUMBERS, "a.png")


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_so_is_one_with_several_channels(tmp_path, channels, interlaced):
    pixels = RNG.integers(0, 256, (9, 6, channels), dtype=np.uint8)
    pixels[..., 3:] = 255
    if channels == 2:
        pixels[..., 1] = 255
    pixels[-1, :, : channels - (channels % 2 == 0)] = 0  # black, as rows are that are missing
    for kept in cut_anywhere(tmp_path / "a.png", pixels, 8, interlaced=interlaced):
        if kept is None:
            colours = pixels[..., [0, 0, 0]] if channels == 2 else pixels[..., :3]
            np.testing.assert_array_equal(read_image(tmp_path / "a.png"), colours)
            continue
        with pytest.raises(ValueError, match=DAMAGED):
            read_image(tmp_path / "a.png")


def test_a_png_that_is_damaged_inside_is_refused_wherever_that_is(tmp_path):
    labels = np.repeat(np.arange(60) % 3, 80).reshape(60, 80)
    path = tmp_path / "a.png"
    odd_files.png(path, labels)
    data = path.read_bytes()
    start, end = data.index(b"IDAT") + 4, data.index(b"IEND") - 8
    for place in range(start, end, 7):
        for damage in (bytes([data[place] ^ 1]) + data[place + 1 :], bytes(len(data) - place)):
            path.write_bytes(data[:place] + damage)
            with pytest.raises(ValueError, match=DAMAGED):
                mask(path, NUMBERS, "a.png")
    path.write_bytes(data[: data.index(b"IEND") - 4])  # all pixels are there
    np.testing.assert_array_equal(mask(path, NUMBERS, "a.png").pixels, labels)


def in_chunks(path, change=list):
    """Put the pixels of a PNG into nine chunks, with right checksums, as ``change`` makes them."""
    data = path.read_bytes()
    start, end = data.index(b"IDAT") - 4, data.index(b"IEND") - 4
    stream = data[start + 8 : end - 4]
    size = -(-len(stream) // 9)
    parts = change([stream[n : n + size] for n in range(0, len(stream), size)])
    chunks = b"".join(
        struct.pack(">I", len(named) - 4) + named + struct.pack(">I", zlib.crc32(named))
        for named in (b"IDAT" + part for part in parts)
    )
    path.write_bytes(data[:start] + chunks + data[end:])


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("labels", "depth"), [(PLACES, 1), (LABELS, 2), (LABELS, 8)])
def test_pixels_of_a_png_in_many_chunks_are_put_together(tmp_path, labels, depth, interlaced):
    path = tmp_path / "a.png"
    for change in (list, lambda parts: [b"", *parts], lambda parts: [*parts, b"what follows"]):
        odd_files.png(path, labels, depth, interlaced=interlaced)
        in_chunks(path, change)
        np.testing.assert_array_equal(mask(path, NUMBERS, "a.png").pixels, labels)


def test_more_rows_than_the_png_says_are_none_of_its_pixels(tmp_path):
    odd_files.png(tmp_path / "a.png", LABELS)
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[20:24] = struct.pack(">I", 3)  # its height
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "a.png").write_bytes(data)
    np.testing.assert_array_equal(mask(tmp_path / "a.png", NUMBERS, "a.png").pixels, LABELS[:3])


def one_byte(parts):
    """Change one byte of the middle chunk."""
    middle = bytearray(parts[4])
    middle[len(middle) // 2] ^= 1
    return [*parts[:4], bytes(middle), *parts[5:]]


WRITTEN_ANEW = {
    "swapped": lambda parts: [*parts[:3], parts[4], parts[3], *parts[5:]],
    "doubled": lambda parts: [*parts[:4], parts[3], *parts[4:]],
    "left out": lambda parts: [*parts[:3], *parts[4:]],
    "one byte": one_byte,
    "without the last": lambda parts: parts[:-1],
    "another checksum": lambda parts: [*parts[:-1], parts[-1][:-4] + b"abcd"],
    "no checksum": lambda parts: [*parts[:-1], parts[-1][:-4]],
}


@pytest.mark.parametrize("change", WRITTEN_ANEW.values(), ids=WRITTEN_ANEW)
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("how", [{"level": 0}, {"strategy": zlib.Z_HUFFMAN_ONLY}, {}], ids=repr)
def test_a_png_whose_chunks_were_changed_and_written_anew_is_damaged(
    tmp_path, how, interlaced, change
):
    """Pillow takes chunks in any order that gives rows enough, and says nothing."""
    path = tmp_path / "a.png"
    pixels = np.random.default_rng(1).binomial(3, 0.3, (150, 200, 3)).astype(np.uint8) + 1
    odd_files.png(path, pixels, interlaced=interlaced, **how)
    np.testing.assert_array_equal(read_image(path), pixels)
    in_chunks(path, change)
    with pytest.raises(ValueError, match=DAMAGED):
        read_image(path)


# Transparency.


def on_white(rgba):
    """Put white behind, in double precision."""
    alpha = rgba[..., 3:].astype(float) / 255
    return np.rint(rgba[..., :3] * alpha + 255 * (1 - alpha))


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_white_is_put_behind_what_is_transparent_and_that_is_said(tmp_path, suffix):
    rgba = RNG.integers(0, 256, (16, 16, 4), dtype=np.uint8)
    rgba[0, :2] = (9, 9, 9, 0), (9, 9, 9, 255)
    options = {"lossless": True, "exact": True} if suffix == "webp" else {}
    Image.fromarray(rgba).save(tmp_path / f"a.{suffix}", **options)
    with pytest.warns(UserWarning, match=f"a.{suffix} is transparent in places: white is put"):
        found = read_image(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(found, on_white(rgba))
    assert found[0, :2].tolist() == [[255, 255, 255], [9, 9, 9]]


def test_an_opaque_alpha_channel_is_not_worth_a_word(tmp_path):
    Image.fromarray(COLOURS).convert("RGBA").save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), COLOURS)


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize(("bands", "planar"), [(1, 1), (3, 1), (3, 2)])
def test_alpha_in_tiff(tmp_path, bands, planar, deflate):
    pixels = RNG.integers(0, 256, (5, 7, bands + 1), dtype=np.uint8)
    odd_files.tiff(tmp_path / "a.tif", pixels, extra=(2,), planar=planar, deflate=deflate)
    with pytest.warns(UserWarning, match="white is put behind"):
        found = read_image(tmp_path / "a.tif")
    rgba = pixels if bands == 3 else pixels[..., [0, 0, 0, 1]]
    np.testing.assert_array_equal(found, on_white(rgba))


@pytest.mark.parametrize("bands", [1, 3])
def test_associated_alpha_is_divided_out(tmp_path, bands):
    alpha = RNG.integers(1, 256, (5, 7, 1))
    colours = RNG.integers(0, 256, (5, 7, bands))
    pixels = np.concatenate([np.rint(colours * alpha / 255), alpha], axis=-1).astype(np.uint8)
    odd_files.tiff(tmp_path / "planar.tif", pixels, extra=(1,), planar=2)
    refused(tmp_path / "planar.tif", "bands one after the other", "with the bands together")
    odd_files.tiff(tmp_path / "a.tif", pixels, extra=(1,))
    if bands == 1 and int(PIL.__version__.split(".")[0]) < 12:  # they know it in colour only
        refused(tmp_path / "a.tif", "Pillow: unknown pixel mode", "Save it as PNG")
        return
    with pytest.warns(UserWarning, match="white is put behind"):
        found = read_image(tmp_path / "a.tif").astype(int)
    # Premultiplied colours need only what is missing to 255: c · alpha + 255 − alpha.
    expected = np.broadcast_to(pixels[..., :bands].astype(int) + 255 - alpha, (5, 7, 3))
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_grey_level_that_png_calls_transparent(tmp_path, depth):
    odd_files.png(tmp_path / "a.png", PLACES, depth, transparent=[0, 1])
    with pytest.warns(UserWarning, match="white is put behind"):
        found = read_image(tmp_path / "a.png")
    assert (found[PLACES == 1] == 255).all() and (found[PLACES == 0] == 0).all()


def masks_with_holes(folder):
    """Write masks of red with black places, transparent in the black ones, in every way."""
    red = np.where(PLACES[..., np.newaxis] == 1, (0, 0, 0), (255, 0, 0)).astype(np.uint8)
    for alpha in (0, 128, 254):
        rgba = np.dstack([np.full_like(red, (255, 0, 0)), np.where(PLACES == 1, alpha, 255)])
        Image.fromarray(rgba.astype(np.uint8)).save(folder / f"rgba {alpha}.png")
        odd_files.tiff(folder / f"rgba {alpha}.tif", rgba.astype(np.uint8), extra=(2,))
        odd_files.png(
            folder / f"palette {alpha}.png", PLACES, 2,
            palette=[255, 0, 0, 255, 0, 0], transparent=[255, alpha],
        )  # fmt: skip
    odd_files.png(folder / "colour.png", red, transparent=[0, 0, 0, 0, 0, 0])
    Image.frombytes("P", (7, 5), PLACES.astype(np.uint8).tobytes()).save(
        folder / "a.gif", transparency=1, palette=[255, 0, 0, 255, 0, 1]
    )
    return sorted(folder.iterdir())


def test_transparent_pixels_of_a_mask_are_void_whatever_their_colour(tmp_path):
    palette = Palette({"nothing": "black", "roof": "red"}, void="nothing")
    paths = masks_with_holes(tmp_path)
    assert len(paths) == 11
    for path in paths:
        found = mask(path, palette, path.name).pixels
        np.testing.assert_array_equal(found, 1 - PLACES, err_msg=path.name)


def test_without_a_void_class_a_transparent_mask_is_refused(tmp_path):
    palette = Palette({"nothing": "black", "roof": "red"})
    for path in masks_with_holes(tmp_path):
        said = refused(path, "transparent", "no void class", read=read_mask(palette))
        assert f"{PLACES.sum()} pixels" in said


# Masks of class numbers.


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4"])
@pytest.mark.parametrize("order", "<>")
def test_class_numbers_are_read_whatever_their_depth(tmp_path, dtype, order):
    odd_files.tiff(tmp_path / "a.tif", LABELS.astype(dtype), order=order)
    if (dtype, order) == ("u4", ">"):
        refused(tmp_path / "a.tif", "Pillow: unknown pixel mode", read=read_mask(NUMBERS))
        return
    np.testing.assert_array_equal(mask(tmp_path / "a.tif", NUMBERS, "a").pixels, LABELS)


@pytest.mark.parametrize("dtype", ["f2", "f8", "u8"])
def test_no_advice_for_class_numbers_of_a_depth_that_is_not_read_destroys_them(tmp_path, dtype):
    odd_files.tiff(tmp_path / "a.tif", LABELS.astype(dtype))
    refused(tmp_path / "a.tif", "unknown pixel mode", "as they are", read=read_mask(NUMBERS))


@pytest.mark.parametrize("depth", [2, 4, 8, 16])
def test_class_numbers_are_read_from_png_of_any_depth(tmp_path, depth):
    odd_files.png(tmp_path / "a.png", LABELS, depth)
    np.testing.assert_array_equal(mask(tmp_path / "a.png", NUMBERS, "a").pixels, LABELS)
    odd_files.png(tmp_path / "b.png", LABELS, depth, transparent=[0, 1])
    expected = np.where(LABELS == 1, NUMBERS.void, LABELS)
    np.testing.assert_array_equal(mask(tmp_path / "b.png", NUMBERS, "b").pixels, expected)
    if depth < 16:  # a colour map that shows the numbers in colours
        shown = [255, 0, 0, 0, 255, 0, 0, 0, 255]
        odd_files.png(tmp_path / "c.png", LABELS, depth, palette=shown)
        np.testing.assert_array_equal(mask(tmp_path / "c.png", NUMBERS, "c").pixels, LABELS)
        colours = Palette({"a": "red", "b": "lime", "c": "blue"})
        np.testing.assert_array_equal(mask(tmp_path / "c.png", colours, "c").pixels, LABELS)


def test_one_bit_is_black_and_white_or_0_and_1(tmp_path):
    odd_files.png(tmp_path / "a.png", PLACES, 1)
    for colours in ({"a": "black", "b": "white"}, {"a": (0, 0, 0), "b": (1, 1, 1)}):
        found = mask(tmp_path / "a.png", Palette(colours), "a").pixels
        np.testing.assert_array_equal(found, PLACES)


def test_where_0_is_white_numbers_are_those_that_are_stored(tmp_path):
    odd_files.tiff(tmp_path / "a.tif", LABELS.astype(np.uint8), photometric=0)
    np.testing.assert_array_equal(mask(tmp_path / "a.tif", NUMBERS, "a").pixels, LABELS)


def test_shades_and_numbers_that_are_both_classes_are_refused(tmp_path):
    both = Palette({"a": "black", "b": (1, 1, 1), "c": (85, 85, 85)})
    odd_files.png(tmp_path / "a.png", PLACES, 2)
    refused(tmp_path / "a.png", "read in two ways", read=read_mask(both))
    np.testing.assert_array_equal(mask(tmp_path / "a.png", SHADES, "a").pixels, PLACES)


@pytest.mark.parametrize(
    ("odd", "dtype", "said"),
    [(-1, "i2", "from -1 to 2"), (65535, "u2", "to 65535"), (0.5, "f4", "to 2"),
     (np.nan, "f4", "1 of them NaN"), (-3, "i1", "from -3"), (2**31 + 1, "u4", "2.14748e+09")],
)  # fmt: skip
def test_numbers_that_are_no_classes_are_refused_without_advice_to_scale(
    tmp_path, odd, dtype, said
):
    labels = LABELS.astype(dtype)
    labels.flat[:3] = 2, 0, odd
    odd_files.tiff(tmp_path / "a.tif", labels)
    text = refused(tmp_path / "a.tif", said, "class numbers", read=read_mask(NUMBERS))
    assert "destroys its numbers" in text and "convert it to 8" not in text


def test_unknown_numbers_are_named_as_they_are_stored(tmp_path):
    odd_files.png(tmp_path / "a.png", LABELS + 1, 4)
    said = refused(tmp_path / "a.png", "no class: #030303", read=read_mask(NUMBERS))
    assert f"({(LABELS == 2).sum()} pixels)" in said


def test_deep_masks_of_colours_are_to_be_saved_in_colours(tmp_path):
    odd_files.png(tmp_path / "a.png", DEEP[..., :3], 16)
    said = refused(tmp_path / "a.png", "16-bit", read=read_mask(SHADES))
    assert "in the colours of the palette" in said


def rings():
    """Draw rings of the classes 1 to 3, the edges of which a lossy compression smears."""
    y, x = np.mgrid[:60, :80]
    return 1 + (np.hypot(x - 40, y - 30) // 12).astype(np.uint8) % 3


FEW = Palette({name: (number,) * 3 for number, name in enumerate("abcdef")})
LOSSY = {
    "a.jpg": {"quality": 95},
    "mpo.jpg": {"format": "MPO", "save_all": True, "append_images": [Image.new("L", (3, 2))]},
    "a.webp": {"quality": 95},
    "clear.webp": {"quality": 95},
    "profile.webp": {"quality": 95, "icc_profile": b"x" * 99},
    "film.webp": {"quality": 95},
    "a.tif": {"compression": "jpeg", "quality": 95},
}


def lossy(folder, name, pixels):
    """Write a mask with loss."""
    file = Image.fromarray(pixels)
    if name == "clear.webp":
        file = file.convert("RGBA")
        file.putpixel((0, 0), (1, 1, 1, 0))
    file.convert(file.mode if name != "a.webp" else "RGB").save(folder / name, **LOSSY[name])
    if name == "film.webp":
        as_film(folder / name, file.size)
    return folder / name


def as_film(path, size):
    """Make a WebP file one of a single frame."""
    size = b"".join((side - 1).to_bytes(3, "little") for side in size)
    frame = bytes(6) + size + bytes(4) + path.read_bytes()[12:]
    body = b"WEBPVP8X\x0a\0\0\0\x02\0\0\0" + size + b"ANIM\x06\0\0\0" + bytes(6)
    body += b"ANMF" + struct.pack("<I", len(frame)) + frame
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


@pytest.mark.parametrize("name", LOSSY)
def test_class_numbers_that_are_compressed_with_loss_are_refused(tmp_path, name):
    said = refused(lossy(tmp_path, name, rings()), "with loss", "as PNG", read=read_mask(FEW))
    assert ("(WebP)" if name.endswith("webp") else "(JPEG)") in said


@pytest.mark.parametrize("name", LOSSY)
def test_colours_that_are_compressed_with_loss_are_read_where_they_are_classes(tmp_path, name):
    palette = Palette({"a": "black", "b": "white"}, void="b")
    path = lossy(tmp_path, name, np.zeros((16, 16), np.uint8))
    expected = np.zeros((16, 16))
    expected[0, 0] = name == "clear.webp"
    np.testing.assert_array_equal(mask(path, palette, name).pixels, expected)
    with pytest.raises(ValueError, match="no class: .*A mask saved as JPEG"):
        mask(lossy(tmp_path, name, 60 * rings()), palette, name)


def test_class_numbers_in_webp_and_tiff_without_loss_are_read(tmp_path):
    file = Image.fromarray(rings()).convert("RGB")
    file.save(tmp_path / "a.webp", lossless=True)
    file.save(tmp_path / "b.webp", lossless=True, icc_profile=b"x" * 99)
    file.save(tmp_path / "c.tif", compression="tiff_lzw")
    file.save(tmp_path / "d.webp", lossless=True)
    as_film(tmp_path / "d.webp", file.size)
    for path in sorted(tmp_path.iterdir()):
        np.testing.assert_array_equal(mask(path, FEW, path.name).pixels, rings())


# What a file lacks, or says of itself.


@pytest.mark.parametrize(
    "more",
    [
        {278: [3], 273: [8, 0], 279: [63, 0]},  # rows a strip, places, bytes
        {278: [3], 273: [8, 50], 279: [63, 0]},
        {278: [3], 273: [8], 279: [63]},
        {322: [4], 323: [5], 324: [8], 325: [60]},  # width and height of a tile, places, bytes
    ],
)
def test_a_tiff_without_some_of_its_pixels_is_refused(tmp_path, more):
    odd_files.tiff(tmp_path / "a.tif", COLOURS, more=more)
    refused(tmp_path / "a.tif", "lacks 1 of the 2 pieces of its picture")
    odd_files.tiff(tmp_path / "a.tif", np.zeros((5, 7), np.uint8), more=more)
    refused(tmp_path / "a.tif", "lacks 1 of the 2 pieces", read=read_mask(NUMBERS))


def test_a_tiff_of_many_strips_is_read(tmp_path):
    rows = {278: [2], 273: [8, 50, 92], 279: [42, 42, 21]}
    odd_files.tiff(tmp_path / "a.tif", COLOURS, more=rows)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), COLOURS)


def test_colours_stored_more_coarsely_than_light_are_not_called_damaged(tmp_path):
    odd_files.tiff(tmp_path / "a.tif", COLOURS, photometric=6, more={530: [2, 2]})
    refused(tmp_path / "a.tif", "more coarsely than its light")


def test_numbers_beyond_the_colour_table_are_no_black(tmp_path):
    numbers = np.array([[0, 1, 2]])
    odd_files.png(tmp_path / "a.png", numbers, palette=[0, 0, 0, 255, 0, 0])
    refused(tmp_path / "a.png", "pixels of the number 2, for which its colour table has no colour")
    red = Palette({"ground": "black", "roof": "red"})
    refused(tmp_path / "a.png", "pixels of the number 2", read=read_mask(red))
    found = mask(tmp_path / "a.png", NUMBERS, "a.png").pixels
    np.testing.assert_array_equal(found, numbers)


def test_masks_of_signed_colours_and_of_no_numbers_say_what_they_are(tmp_path):
    odd_files.tiff(tmp_path / "a.tif", COLOURS.astype("i1"))
    refused(tmp_path / "a.tif", "8-bit signed integers in each channel", read=read_mask(NUMBERS))
    odd_files.tiff(tmp_path / "a.tif", np.where(LABELS == 2, np.nan, LABELS).astype("f4"))
    said = refused(tmp_path / "a.tif", "numbers, ", "of them NaN", read=read_mask(NUMBERS))
    assert f" {(LABELS == 2).sum()} of them" in said


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_xmp_does_not_turn_a_picture_for_browsers_do_not(tmp_path, suffix):
    xmp = b'<rdf:Description tiff:Orientation="6"/>'
    packet = PIL.PngImagePlugin.PngInfo()
    packet.add_itxt("XML:com.adobe.xmp", xmp.decode())
    options = {"pnginfo": packet} if suffix == "png" else {"xmp": xmp}
    Image.fromarray(COLOURS).save(tmp_path / f"a.{suffix}", **options)
    assert Image.open(tmp_path / f"a.{suffix}").getexif()[274] == 6
    assert read_image(tmp_path / f"a.{suffix}").shape == COLOURS.shape
