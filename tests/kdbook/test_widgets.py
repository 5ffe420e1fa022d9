"""The temperature slider: what it shows at each position, and that no kernel is needed for it."""

import base64
import html
import io
import json
import re

import ipywidgets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ipywidgets.embed import dependency_state
from PIL import Image

from kdbook import widgets

LOGITS = [1.0, 5.0, 6.0, 0.0, -4.0, -3.0]
NAMES = ["Building", "Land", "Road", "Vegetation", "Water", "Unlabeled"]


def reference(logits, temperature):
    """The softmax in plain Python, without kdlib."""
    largest = max(logits)
    powers = [np.exp((z - largest) / temperature) for z in logits]
    return [power / sum(powers) for power in powers]


def alt(picture):
    return html.unescape(re.search(r'alt="([^"]+)"', picture.value).group(1))


@pytest.fixture(scope="module", params=["Stack", "Tab"])
def container(request):
    """ipywidgets as it is, and without Stack, as version 7 in Colab."""
    if not hasattr(ipywidgets, request.param):
        pytest.skip("this ipywidgets has no Stack")
    return getattr(ipywidgets, request.param)


@pytest.fixture(scope="module")
def box(container):
    with pytest.MonkeyPatch.context() as patch:
        if container is ipywidgets.Tab:
            patch.delattr(ipywidgets, "Stack", raising=False)
        return widgets.temperature_slider(LOGITS)


def test_slider_and_pictures_have_one_position_each_per_temperature(box, container):
    slider, pictures = box.children
    assert isinstance(slider, ipywidgets.SelectionSlider)
    assert isinstance(pictures, container)
    assert len(slider.options) == len(pictures.children) == len(widgets.TEMPERATURES) == 12


def test_both_start_at_the_usual_softmax(box):
    slider, pictures = box.children
    assert slider.value == 1
    assert pictures.selected_index == slider.index == widgets.TEMPERATURES.index(1)


def test_the_browser_joins_them_without_a_kernel(box):
    slider, pictures = box.children
    state = dependency_state([box], drop_defaults=False)
    links = [m["state"] for m in state.values() if m["model_name"] == "LinkModel"]
    ends = [
        {(link[end][0].removeprefix("IPY_MODEL_"), link[end][1]) for end in ("source", "target")}
        for link in links
    ]
    assert ends == [{(slider.model_id, "index"), (pictures.model_id, "selected_index")}]


def test_every_picture_shows_its_own_temperature_in_words_and_as_png(box):
    for temperature, picture in zip(widgets.TEMPERATURES, box.children[1].children, strict=True):
        assert alt(picture) == widgets.describe(LOGITS, temperature)
        source = re.search(r'src="data:image/png;base64,([^"]+)"', picture.value).group(1)
        image = Image.open(io.BytesIO(base64.b64decode(source)))
        assert image.format == "PNG"
        shown = int(re.search(r'width="(\d+)"', picture.value)[1])
        assert 400 < shown <= 680 and image.width == 2 * shown and 150 < image.height / 2 < 400


def test_pictures_differ_from_one_another(box):
    assert len({picture.value for picture in box.children[1].children}) == 12


def test_the_whole_widget_is_small(box):
    assert len(json.dumps(dependency_state([box]))) < 300_000


def test_extremes(box):
    pictures = box.children[1].children
    assert widgets.TEMPERATURES[0] == 0.25 and widgets.TEMPERATURES[-1] == 50
    assert alt(pictures[0]).startswith("T = 0.25: Road 98 %, Land 1.8 %, ")
    assert alt(pictures[-1]).endswith("2.58 of 2.58 bits left open.")


def test_tabs_bear_the_temperatures_as_titles(box, container):
    if container is ipywidgets.Tab:
        tab = box.children[1]
        assert [tab.get_title(i) for i in range(3)] == ["0.25", "0.5", "1"]


@pytest.mark.parametrize("logits", [[1.0, 2.0], np.zeros((2, 6)), [[1.0] * 6]])
def test_logits_that_do_not_match_the_names(logits):
    with pytest.raises(ValueError, match="one for each of"):
        widgets.temperature_slider(logits)


def test_logits_that_are_not_finite():
    with pytest.raises(ValueError, match="finite"):
        widgets.temperature_slider([np.nan] * 6)


@given(
    st.lists(st.floats(-50, 50), min_size=6, max_size=6),
    st.floats(0.25, 50),
)
def test_description_ranks_the_classes_and_gives_the_entropy(logits, temperature):
    text = widgets.describe(logits, temperature)
    ranked = re.findall("|".join(NAMES), text)
    p = dict(zip(NAMES, reference(logits, temperature), strict=True))
    assert sorted(ranked) == sorted(NAMES)
    assert all(p[a] >= p[b] - 1e-12 for a, b in zip(ranked, ranked[1:], strict=False))
    bits = -sum(x * np.log2(x) for x in p.values() if x > 0)
    assert float(re.search(r"; ([\d.]+) of 2.58 bits", text).group(1)) == pytest.approx(
        bits, abs=0.0051
    )
