"""Palettes: any classes, names and colours, and what is no palette."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdlib.data import DUBAI_PALETTE, Palette
from kdlib.data.palette import OF_THE_PALETTE

colours = st.tuples(*[st.integers(0, 255)] * 3)


@settings(deadline=None)
@given(st.lists(colours, min_size=2, max_size=255, unique=True), st.randoms())
def test_any_palette_encodes_what_it_decodes(chosen, random):
    palette = Palette({f"class {i}": colour for i, colour in enumerate(chosen)})
    labels = np.array(random.choices(range(len(chosen)), k=12), dtype=np.uint8).reshape(3, 4)
    mask = palette.decode(labels)
    assert [tuple(rgb) for rgb in mask.reshape(-1, 3)] == [chosen[i] for i in labels.ravel()]
    np.testing.assert_array_equal(palette.encode(mask), labels)


def test_colours_may_be_text_names_or_numbers():
    palette = Palette({"a": "#0102FF", "b": "navy", "c": (7, 8, 9)}, void="b", also_void=["white"])
    assert palette.colours.tolist() == [[1, 2, 255], [0, 0, 128], [7, 8, 9]]
    assert palette.names == ("a", "b", "c") and palette.hex == ("#0102FF", "#000080", "#070809")
    assert palette.void == 1 and palette.named == [0, 2] and len(palette) == 3
    assert palette.encode(np.full((1, 3), 255, np.uint8)).tolist() == [1]
    assert repr(palette) == "Palette({'a': '#0102FF', 'b': '#000080', 'c': '#070809'}, void='b')"


def test_without_a_void_class_all_classes_are_named():
    palette = Palette({"a": "red", "b": "blue"})
    assert palette.void is None and palette.named == [0, 1]
    assert DUBAI_PALETTE.named == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["red", "blue"],), "expected a dict with the names of 2 to 255"),
        (({"a": "red"},), "expected a dict with the names of 2 to 255"),
        (({"a": "red", "b": "no colour"},), "'no colour' is no colour of a mask"),
        (({"a": "red", "b": (1, 2)},), r"\(1, 2\) is no colour of a mask"),
        (({"a": "red", "b": (1, 2, 256)},), r"\(1, 2, 256\) is no colour of a mask"),
        (({"a": "red", "b": (0.5, 0, 0)},), r"\(0.5, 0, 0\) is no colour of a mask"),
        (({"a": "red", "b": 7},), "7 is no colour of a mask"),
        (({"a": "red", "b": "#FF0000"},), "#FF0000 stands for more than one class"),
        (({"a": "red", "b": "blue"}, "c"), r"void is 'c'; expected one of .* \['a', 'b'\]"),
        (({"a": "red", "b": "blue"}, None, ["black"]), "no class is void"),
        (({"a": "red", "b": "blue"}, "b", ["red"]), "#FF0000 stands for more than one class"),
        (({"a": "red", "b": "blue"}, ["a"]), r"void is \['a'\]; expected one of the classes"),
        (({1: "red", "1": "blue"},), r"names \[1, '1'\], of which two are the same as text"),
        (({"a": "red", "b": "blue"}, "b", "black"), "also_void is 'black'; expected a list"),
        (({"a": "red", "b": "blue"}, "b", 7), "also_void is 7; expected a list of colours"),
    ],
)
def test_what_is_no_palette_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Palette(*arguments)


def test_a_mask_with_an_unknown_colour_names_all_that_is_known():
    palette = Palette({"a": "red", "b": "#0000FF"}, void="b", also_void=["black"])
    mask = np.array([[[255, 0, 0], [254, 0, 0]]], dtype=np.uint8)
    with pytest.raises(ValueError, match=r"7.png: 1 pixels in 1 colours.*#FE0000 \(1 ") as e:
        palette.encode(mask, where="7.png")
    assert "Expected a #FF0000, b #0000FF, #000000 as b." in str(e.value)
    assert "If the palette lacks a class, add it" in str(e.value)


def test_the_void_class_is_a_number_and_a_message_tells_that_of_a_name():
    palette = Palette({"a": "red", "b": "blue", "c": "green"}, void="b")
    assert [palette.void_or(given) for given in (OF_THE_PALETTE, None, 2)] == [1, None, 2]
    assert type(palette.void_or(np.uint8(0))) is int
    with pytest.raises(ValueError, match="void_class is 'c'; .* None. 'c' is class 2"):
        palette.void_or("c")
    with pytest.raises(ValueError, match="None. 0 is 'a', 1 is 'b', 2 is 'c'"):
        palette.void_or(3)


def test_its_colours_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        Palette({"a": "red", "b": "blue"}).colours[0] = 0
