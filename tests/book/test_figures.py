"""The figures that move: what they show, against kdlib's own numbers."""

import base64
import gzip
import json
import re

import figures
import numpy as np
import pytest
from browser import Visit

from kdlib import softening

PAGE = "book/explorers.html"
TEMPERATURES = (0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 20, 50)


@pytest.fixture
def figure(chrome, address):
    """Open the page; yield the visit and its figure of the two objectives."""
    with Visit(chrome, address, PAGE) as visit:
        box = visit.page.locator(".interactive.two-objectives")
        box.locator(".live-figure table").wait_for()
        yield visit, box
        assert visit.outside == [] and visit.complaints == []


def shown(box):
    """Return the numbers of the table, shape (classes, 3)."""
    texts = box.locator("td .number").all_inner_texts()
    return np.array([float(text.replace("−", "-")) for text in texts]).reshape(-1, 3)


def expected(pixel, alpha, temperature, squared):
    """Return the same from kdlib: minus the gradient, label, teacher, and both."""
    hard, soft = figures.gradients(pixel, alpha, temperature)
    soft = soft if squared else soft / temperature**2
    return -np.stack([hard, soft, hard + soft], axis=1)


def press(visit, box, name, key, times=1):
    """Turn a knob by the keyboard."""
    box.get_by_label(name, exact=True).focus()
    for _ in range(times):
        visit.page.keyboard.press(key)


def test_at_first_it_shows_what_the_picture_shows(figure):
    _, box = figure
    wanted = expected(figures.PIXELS[0], **figures.START, squared=True)
    np.testing.assert_allclose(shown(box), wanted, atol=5.1e-4)


@pytest.mark.parametrize("pixel", range(3))
def test_knobs_turn_by_keyboard_and_numbers_are_kdlibs(figure, pixel):
    visit, box = figure
    press(visit, box, "pixel", "ArrowDown", pixel)
    press(visit, box, "α", "ArrowRight", 3)
    press(visit, box, "T", "ArrowRight", 2)
    press(visit, box, "times T²", "Space")
    wanted = expected(figures.PIXELS[pixel], 0.25, 8.0, squared=False)
    np.testing.assert_allclose(shown(box), wanted, atol=5.1e-4)


def test_the_extremes_of_all_knobs(figure):
    visit, box = figure
    for alpha_key, alpha in (("Home", 0.0), ("End", 1.0)):
        for temperature_key, temperature in (("Home", 0.25), ("End", 50.0)):
            press(visit, box, "α", alpha_key)
            press(visit, box, "T", temperature_key)
            wanted = expected(figures.PIXELS[0], alpha, temperature, squared=True)
            np.testing.assert_allclose(shown(box), wanted, atol=5.1e-4)
    assert "0 % comes from the teacher" in box.get_by_role("status").inner_text()


def test_the_sentence_says_who_pushes(figure):
    _, box = figure
    hard, soft = figures.gradients(figures.PIXELS[0], **figures.START)
    lengths = [np.linalg.norm(hard), np.linalg.norm(soft)]
    said = box.get_by_role("status").inner_text()
    assert f"{lengths[0]:.3f}" in said and f"{lengths[1]:.3f}" in said
    assert f"{round(100 * lengths[1] / sum(lengths))} % comes from the teacher" in said
    assert said.endswith("most towards Road.")


def test_a_touch_moves_a_slider(chrome, address):
    with Visit(chrome, address, PAGE, has_touch=True, viewport={"width": 360, "height": 740}) as v:
        box = v.page.locator(".interactive.two-objectives")
        knob = box.get_by_label("α", exact=True)
        knob.scroll_into_view_if_needed()
        place = knob.bounding_box()
        v.page.touchscreen.tap(place["x"] + place["width"] - 2, place["y"] + place["height"] / 2)
        wanted = expected(figures.PIXELS[0], 1.0, 4.0, squared=True)
        np.testing.assert_allclose(shown(box), wanted, atol=5.1e-4)


NETWORKS_PAGE = "book/explorers_networks.html"


@pytest.mark.parametrize("page", [PAGE, NETWORKS_PAGE])
def test_without_scripts_and_in_print_there_is_a_picture(chrome, address, page):
    with Visit(chrome, address, page, java_script_enabled=False) as visit:
        pictures = visit.page.locator(".interactive .static-figure img").all()
        assert len(pictures) == 2 and all(picture.is_visible() for picture in pictures)
    with Visit(chrome, address, page) as visit:
        pictures = visit.page.locator(".interactive .static-figure img").all()
        visit.page.locator(".live-figure table").nth(1).wait_for()
        assert not any(picture.is_visible() for picture in pictures)
        visit.page.emulate_media(media="print")
        for picture in pictures:  # each is fetched now, once the reader or the printer comes near
            picture.scroll_into_view_if_needed()
            assert picture.evaluate("part => part.decode().then(() => part.naturalWidth)") > 0
        assert not visit.page.locator(".interactive .live-figure").first.is_visible()


def test_the_mathematics_of_the_scripts_is_that_of_kdlib(chrome, address):
    rng = np.random.default_rng(3)
    cases = [(rng.normal(0, 10, 6).tolist(), t) for t in (*TEMPERATURES, 1000.0)]
    cases.append(([700.0, -700.0, 0.0], 0.25))
    with Visit(chrome, address, PAGE) as visit:
        answers = visit.page.evaluate(
            """async (cases) => {
                const { softmax, entropy } = await import("/_static/figures/common.js");
                return cases.map(([z, t]) => [softmax(z, t), entropy(softmax(z, t))]);
            }""",
            cases,
        )
    for (logits, temperature), (probabilities, bits) in zip(cases, answers, strict=True):
        wanted = softening.softmax(logits, temperature)
        np.testing.assert_allclose(probabilities, wanted, rtol=1e-12, atol=1e-300)
        np.testing.assert_allclose(bits, softening.entropy(wanted), rtol=1e-12, atol=1e-12)


def test_the_stored_data_is_what_the_script_makes():
    data, _ = figures.two_objectives()
    text = (figures.FIGURES / "two-objectives.json").read_text(encoding="utf-8")
    assert json.loads(text) == data


@pytest.fixture(scope="module")
def patch():
    """Return the record of the temperature figure, and its logits, shape (side, side, classes)."""
    text = (figures.FIGURES / "temperature.json").read_text(encoding="utf-8")
    record = json.loads(text)
    stored = np.frombuffer(base64.b64decode(record["logits"]), dtype=np.uint8)
    stored = stored.reshape(record["side"], record["side"], len(record["classes"]))
    return record, record["low"] + record["step"] * stored.astype(float)


@pytest.fixture
def map_figure(chrome, address):
    """Open the page; yield the visit and its figure of the temperature."""
    with Visit(chrome, address, PAGE) as visit:
        box = visit.page.locator(".interactive.temperature")
        box.locator(".live-figure table").wait_for()
        yield visit, box
        assert visit.outside == [] and visit.complaints == []


def column(box, name):
    """Return one column of the table as numbers."""
    texts = box.locator(f"td.{name}, td .{name}").all_inner_texts()
    return np.array([float(text.replace("−", "-")) for text in texts])


def check_pixel(box, patch, row, col, temperature):
    """Compare all that the figure says with kdlib's numbers."""
    record, logits = patch
    wanted = softening.softmax(logits[row, col], temperature)
    np.testing.assert_allclose(column(box, "logit"), logits[row, col], atol=5.1e-3)
    np.testing.assert_allclose(column(box, "soft"), wanted, atol=5.1e-5)
    labels = np.frombuffer(base64.b64decode(record["labels"]), dtype=np.uint8)
    assert column(box, "hard").argmax() == labels[row * record["side"] + col]
    assert column(box, "hard").sum() == 1
    said = box.get_by_role("status").inner_text()
    here, mean = (float(text) for text in re.findall(r"\d\.\d{3}", said))
    assert here == pytest.approx(softening.entropy(wanted), abs=5.1e-4)
    everywhere = softening.entropy(softening.softmax(logits, temperature)).mean()
    assert mean == pytest.approx(everywhere, abs=5.1e-4)


def test_the_temperature_map_follows_the_keyboard(map_figure, patch):
    visit, box = map_figure
    row, col = patch[0]["start"]
    check_pixel(box, patch, row, col, 1)
    press(visit, box, "T", "ArrowRight", 3)
    press(visit, box, "row", "Home")
    press(visit, box, "column", "End")
    check_pixel(box, patch, 0, patch[0]["side"] - 1, 2)
    for key, temperature in (("Home", 0.25), ("End", 50)):
        press(visit, box, "T", key)
        check_pixel(box, patch, 0, patch[0]["side"] - 1, temperature)


def test_a_click_on_the_photograph_chooses_the_pixel(map_figure, patch):
    _, box = map_figure
    side = patch[0]["side"]
    photograph = box.locator(".view").first
    size = photograph.bounding_box()
    spot = {"x": size["width"] * 10.5 / side, "y": size["height"] * 20.5 / side}
    photograph.click(position=spot)
    assert box.get_by_label("row", exact=True).input_value() == "20"
    assert box.get_by_label("column", exact=True).input_value() == "10"
    check_pixel(box, patch, 20, 10, 1)


def record_of(name):
    return json.loads((figures.FIGURES / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def look(chrome, address):
    """Open the page of the networks; return a function that gives the visit and a figure."""
    with Visit(chrome, address, NETWORKS_PAGE) as visit:

        def figure_of(name):
            box = visit.page.locator(f".interactive.{name}")
            box.locator(".live-figure table").wait_for()
            return visit, box

        yield figure_of
        assert visit.outside == [] and visit.complaints == []


def counts(box, column):
    """Return the four counts of a column of the table of the swipe."""
    return [int(text.split()[0]) for text in box.locator(f"td.{column}").all_inner_texts()]


def expected_counts(record, patch, student):
    layers = record["patches"][patch]["layers"]
    maps = {name: figures.explorers.unpack(text, record["side"]) for name, text in layers.items()}
    return figures.explorers.count_right(maps["labels"], maps["teacher"], maps[student])


def test_the_swipe_counts_who_is_right_on_every_patch(look):
    visit, box = look("teacher-and-student")
    record = record_of("teacher-and-student")
    assert len(record["patches"]) >= 12
    for key, student in (("End", "distilled student"), ("Home", "student from scratch")):
        press(visit, box, "student", key)
        press(visit, box, "patch", "Home")
        wanted = [expected_counts(record, i, student) for i in range(len(record["patches"]))]
        for each in wanted:
            assert counts(box, "here") == each
            press(visit, box, "patch", "ArrowRight")
        assert counts(box, "all") == np.sum(wanted, axis=0).tolist()


@pytest.mark.parametrize("student", ["distilled student", "student from scratch"])
def test_what_the_page_says_of_the_swipe_holds(student):
    record = record_of("teacher-and-student")
    each = [expected_counts(record, i, student) for i in range(len(record["patches"]))]
    _, teacher_alone, student_alone, both_wrong = np.sum(each, axis=0)
    assert student_alone > 0
    assert both_wrong > teacher_alone + student_alone


def test_the_swipe_moves_by_keyboard_and_by_touch(chrome, address):
    with Visit(chrome, address, NETWORKS_PAGE, has_touch=True) as visit:
        box = visit.page.locator(".interactive.teacher-and-student")
        above = box.locator(".layer.above")
        for key, inset in (("Home", "0%"), ("End", "100%")):
            press(visit, box, "swipe", key)
            assert f" {inset})" in above.evaluate("part => part.style.clipPath")
        view = box.locator(".view")
        view.scroll_into_view_if_needed()
        place = view.bounding_box()
        visit.page.touchscreen.tap(place["x"] + place["width"] / 4, place["y"] + 20)
        assert box.get_by_label("swipe", exact=True).input_value() == "25"


def pixel_of(box, selector, at):
    """Return the colour of one pixel of a canvas, as "#RRGGBB"."""
    script = "(part, at) => [...part.getContext('2d').getImageData(...at, 1, 1).data]"
    return "#" + bytes(box.locator(selector).evaluate(script, at)[:3]).hex().upper()


def test_the_swipe_shows_each_picture_in_the_colours_of_the_book(look):
    visit, box = look("teacher-and-student")
    record = record_of("teacher-and-student")
    press(visit, box, "left", "Home")
    assert box.locator(".layer img").first.is_visible()
    for name in ("labels", *record["networks"]):
        press(visit, box, "left", "ArrowDown")
        layer = figures.explorers.unpack(record["patches"][0]["layers"][name], record["side"])
        shown = pixel_of(box, ".layer:not(.above) canvas", [30, 50])
        assert shown == record["colors"][layer[50, 30]]


def test_the_collapse_follows_the_scrubber(look):
    visit, box = look("the-collapse")
    record = record_of("the-collapse")
    for key, epoch in (("Home", 0), ("ArrowRight", 1), ("End", len(record["step"]) - 1)):
        press(visit, box, "epoch", key)
        for number, (name, run) in enumerate(record["runs"].items()):
            for part in ("accuracy", "mean_iou"):
                shown = float(box.locator(f"tr.{name} .{part}").inner_text())
                assert shown == pytest.approx(run[part][epoch], abs=5.1e-4)
            layer = figures.explorers.unpack(run["maps"][0][epoch], record["side"])
            canvas = f"figure:nth-child({number + 3}) canvas"
            assert pixel_of(box, canvas, [30, 50]) == record["colors"][layer[50, 30]]


def test_the_page_of_the_networks_is_light(chrome, address, site):
    with Visit(chrome, address, NETWORKS_PAGE) as visit:
        visit.settle()
        files = {site / request.split("?")[0] for request in visit.requests
                 if not request.startswith("data:")}  # fmt: skip
        assert sum(len(gzip.compress(file.read_bytes())) for file in files) < 500_000
