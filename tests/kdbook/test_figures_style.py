"""The look of the figures, and the picture with its description that `show` puts on a page."""

import base64
import io

import matplotlib
import numpy as np
import pytest
from bs4 import BeautifulSoup
from matplotlib.colors import to_rgb
from PIL import Image

from kdbook import figures
from kdbook.figures import style

# Machado, Oliveira and Fernandes 2009: how colours look to people without red, green or blue
# cones. Applied here to linear RGB, as the paper says.
WITHOUT_CONES = {
    "red": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "green": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "blue": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear_rgb(colors):
    rgb = np.array([to_rgb(color) for color in colors])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(linear):
    """CIE L*a*b*: a distance of 1 is about what an eye can just tell apart."""
    xyz = np.clip(linear, 0, 1) @ TO_XYZ.T / (TO_XYZ @ np.ones(3))
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


def smallest_distance(points):
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    return apart[~np.eye(len(points), dtype=bool)].min()


@figures.styled
def drawing(values=(0, 1)):
    figure, axes = figures.new_figure(height=2.0)
    axes.plot(values)
    return figure


def shown(figure, alt, monkeypatch):
    """What `show` hands to Jupyter."""
    handed = []
    monkeypatch.setattr("IPython.display.display", handed.append)
    assert figures.show(figure, alt) is None
    return handed


def test_class_colors_follow_the_class_ids():
    from kdlib import data

    assert tuple(figures.CLASS_COLORS) == data.CLASS_NAMES
    assert figures.class_palette().shape == (6, 3)
    assert figures.class_palette(["Water"]).tolist() == [[0, 0x72, 0xB2]]


@pytest.mark.parametrize("colors", [figures.CLASS_COLORS, figures.MODEL_COLORS])
@pytest.mark.parametrize("cones", [None, *WITHOUT_CONES])
def test_colors_stay_apart_without_full_colour_vision(colors, cones):
    linear = linear_rgb(colors.values())
    if cones:
        linear = linear @ np.array(WITHOUT_CONES[cones]).T
    assert smallest_distance(lab(linear)) > 10


def test_show_puts_out_one_picture_with_its_description(monkeypatch):
    alt = 'Loss & "accuracy" at T < 4,\n    two lines'
    (picture,) = shown(drawing(), alt, monkeypatch)
    image = BeautifulSoup(picture._repr_html_(), "html.parser").find_all()
    assert [element.name for element in image] == ["img"]
    assert image[0]["alt"] == 'Loss & "accuracy" at T < 4, two lines'
    assert repr(picture) == '[figure] Loss & "accuracy" at T < 4, two lines'
    source = image[0]["src"].removeprefix("data:image/png;base64,")
    decoded = Image.open(io.BytesIO(base64.b64decode(source, validate=True)))
    assert decoded.format == "PNG"
    assert decoded.width == 2 * int(image[0]["width"])  # for screens that can show it
    assert 600 <= int(image[0]["width"]) <= 700


def test_a_photograph_has_the_pixels_that_the_page_shows(monkeypatch):
    figure, axes = figures.new_figure()
    axes.imshow(np.zeros((64, 64, 3)))
    (picture,) = shown(figure, "a black square, nothing else", monkeypatch)
    width = int(BeautifulSoup(picture._repr_html_(), "html.parser").img["width"])
    assert Image.open(io.BytesIO(picture.data)).width == width


@pytest.mark.parametrize("alt", ["", "  \n", None, 3])
def test_a_figure_without_description_is_refused(alt):
    with pytest.raises(ValueError, match="needs a description"):
        figures.show(drawing(), alt)


def test_a_figure_without_description_is_refused_even_when_left_out():
    with pytest.raises(TypeError, match="alt"):
        figures.show(drawing())


def test_pyplot_forgets_the_figure(monkeypatch):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    axes.plot([0, 1])
    other = plt.figure()
    shown(figure, "a line", monkeypatch)
    assert plt.get_fignums() == [other.number]
    plt.close(other)


def test_png_keeps_flat_colours_and_shrinks_photographs():
    flat, axes = figures.new_figure()
    axes.imshow(figures.class_palette()[np.arange(6)[None]], interpolation="nearest")
    axes.set_axis_off()
    pixels = np.asarray(Image.open(io.BytesIO(style.png(flat))).convert("RGB")).reshape(-1, 3)
    found = {tuple(color) for color in pixels.tolist()}
    assert {tuple(color) for color in figures.class_palette().tolist()} <= found

    photograph, axes = figures.new_figure()
    axes.imshow(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    small = style.png(photograph)
    assert Image.open(io.BytesIO(small)).mode == "P"
    plain = io.BytesIO()
    photograph.savefig(plain, format="png", dpi=style.DPI)
    assert len(small) < 0.7 * len(plain.getvalue())


def test_the_readers_own_settings_are_left_alone():
    before = dict(matplotlib.rcParams)
    style.png(drawing())
    assert dict(matplotlib.rcParams) == before
    assert drawing.__name__ == "drawing"
