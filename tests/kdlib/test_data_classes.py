import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from kdlib.data import CLASS_NAMES, DUBAI_PALETTE, N_CLASSES, PALETTE, VOID, decode, encode

from . import tiny_dubai

labels_of_any_shape = arrays(
    np.uint8, array_shapes(max_dims=3, max_side=9), elements=st.integers(0, 5)
)


@pytest.mark.parametrize(
    ("name", "colour", "number"),
    [
        ("Building", "3C1098", 0),
        ("Land", "8429F6", 1),
        ("Road", "6EC1E4", 2),
        ("Vegetation", "FEDD3A", 3),
        ("Water", "E2A929", 4),
        ("Unlabeled", "9B9B9B", 5),
    ],
)
def test_the_colours_are_those_of_the_masks(name, colour, number):
    mask = np.array([[list(bytes.fromhex(colour))]], dtype=np.uint8)
    assert encode(mask) == number
    assert CLASS_NAMES[number] == name
    assert DUBAI_PALETTE.hex[number] == f"#{colour}"


@given(labels_of_any_shape)
def test_encode_undoes_decode(labels):
    assert decode(labels).shape == (*labels.shape, 3)
    np.testing.assert_array_equal(encode(decode(labels)), labels)


@given(labels_of_any_shape)
def test_decode_undoes_encode(labels):
    colours = PALETTE[labels]
    np.testing.assert_array_equal(decode(encode(colours)), colours)


def test_black_is_void():
    assert encode(np.zeros((2, 2, 3), dtype=np.uint8)).tolist() == [[VOID] * 2] * 2


def test_an_unknown_colour_is_an_error_that_names_file_colour_and_count():
    mask = np.broadcast_to(PALETTE[1], (10, 10, 3)).copy()
    mask[0, :7] = (80, 227, 194)  # Water in classes.json, and in no mask
    mask[1, 0] = (1, 2, 3)
    with pytest.raises(ValueError, match="Tile 3/masks/image_part_004.png: 8 pixels in 2 colours"):
        encode(mask, where="Tile 3/masks/image_part_004.png")
    with pytest.raises(ValueError, match=r"#50E3C2 \(7 pixels\), #010203 \(1 pixels\)"):
        encode(mask)


def test_no_colour_one_step_beside_a_class_is_taken_for_it():
    for channel in range(3):
        near = PALETTE.copy()
        near[:, channel] -= 1
        for colour in near:
            with pytest.raises(ValueError, match="no class"):
                encode(colour[None])


@pytest.mark.parametrize(
    "mask",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)],
    ids=["palette indices", "RGBA", "floats"],
)
def test_what_is_not_rgb_bytes_is_refused(mask):
    with pytest.raises(ValueError, match=r"RGB in uint8.*got.*kdlib\.data\.read_folder"):
        encode(mask)


@pytest.mark.parametrize("labels", [[6], [-1]])
def test_a_number_that_is_no_class_is_refused(labels):
    with pytest.raises(ValueError, match="0 to 5"):
        decode(labels)


def test_labels_must_be_whole_numbers():
    with pytest.raises(ValueError, match="integers; got float64"):
        decode([0.0, 1.0])


def test_the_palette_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        PALETTE[0] = 0
    assert PALETTE.shape == (N_CLASSES, 3)


def test_classes_json_names_other_colours():
    listed = json.loads((tiny_dubai.real_folder() / "classes.json").read_text())["classes"]
    listed = {f"{each['title'].split(' ')[0]} {each['color'].upper()}" for each in listed}
    own = {" ".join(pair) for pair in zip(CLASS_NAMES, DUBAI_PALETTE.hex, strict=True)}
    assert listed & own == {"Unlabeled #9B9B9B"}
