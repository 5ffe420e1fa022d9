"""The student in the page: what it computes, against Keras, and what it does with any file."""

import base64
import gzip
import io
import json
import os
import re

import figures
import keras
import networks_in_page
import numpy as np
import pytest
from browser import Visit
from PIL import Image
from scipy.signal import correlate

import kdlib
from kdlib import data, unet

PAGE = "book/try_it.html"
PHONE = {"width": 360, "height": 740}
LARGEST_DOWNLOAD = 4_000_000


@pytest.fixture(scope="module")
def images():
    """Return 20 test patches: photographs where they are at hand, else the procedural city."""
    if os.environ.get("KD_DUBAI_DIR"):
        found = data.load("dubai")
        patches = data.split(data.cut(found), found, by="image").test
    else:
        patches = data.cut(data.synthetic.city(n_images=5, size=512, seed=3))
    return patches.images[np.linspace(0, len(patches) - 1, 20).astype(int)]


def logits(name, image):
    """Return what a network says in Keras, shape (height, width, classes)."""
    network = unet.logits_model(kdlib.pretrained(name))
    answer = network(image[np.newaxis].astype(np.float32) / 255, training=False)
    return keras.ops.convert_to_numpy(answer)[0]


def png(pixels, **options):
    """Return pixels as a file for the chooser."""
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "PNG")
    return {"name": "mine.png", "mimeType": "image/png", "buffer": packed.getvalue()} | options


# What the site carries, in NumPy.


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write the networks as the book does; return the folder."""
    target = tmp_path_factory.mktemp("networks")
    networks_in_page.write(target)
    return target


def stored(folder, name):
    """Return {layer: (kernel, scale, shift)} of a network in the pages, with kernels flat."""
    manifest = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    packed = gzip.decompress((folder / manifest["weights"]).read_bytes())
    assert len(packed) == manifest["bytes"]
    floats = np.frombuffer(packed, "<f4", manifest["floats"])
    halves = np.frombuffer(packed, "<f2", offset=4 * manifest["floats"])
    found = {}
    for layer in manifest["layers"]:
        scale, shift = (floats[layer[part] :][: layer["outputs"]] for part in ("scale", "shift"))
        found[layer["name"]] = halves[slice(*layer["kernel"])].astype(float), scale, shift
    return found


def block(layers, name, x):
    """Return two convolutions with ReLU of a map, shape (channels, height, width)."""
    for part in (f"{name}_first", name):
        kernel, scale, shift = layers[part]
        kernel = kernel.reshape(len(scale), len(x), 3, 3)
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        x = np.stack([correlate(padded, one, "valid", "direct")[0] for one in kernel])
        x = np.maximum(0, x * scale[:, None, None] + shift[:, None, None])
    return x


def forward(layers, image):
    """Return the logits of a U-Net, shape (height, width, classes), in double precision."""
    x, skips = image.transpose(2, 0, 1) / 255, []
    for name in ("c1", "c2", "c3", "c4"):
        skips.append(block(layers, name, x))
        channels, height, width = skips[-1].shape
        x = skips[-1].reshape(channels, height // 2, 2, width // 2, 2).max(axis=(2, 4))
    x = block(layers, "c5", x)
    for name in ("u6", "u7", "u8", "u9"):
        kernel, _, shift = layers[f"{name}_up"]
        kernel = kernel.reshape(2, 2, len(shift), len(x))
        up = np.einsum("abci,iyx->cyaxb", kernel, x) + shift[:, None, None, None, None]
        skip = skips.pop()
        x = block(layers, name, np.concatenate([up.reshape(len(shift), *skip.shape[1:]), skip]))
    kernel, _, shift = layers["logits"]
    return np.einsum("ci,iyx->yxc", kernel.reshape(len(shift), -1), x) + shift


@pytest.mark.parametrize("name", networks_in_page.NETWORKS)
def test_the_stored_networks_answer_as_keras_does(folder, images, name):
    part = images[7][:64, :48]
    np.testing.assert_allclose(forward(stored(folder, name), part), logits(name, part), atol=1e-4)


def test_a_network_without_normalisation_is_stored_too():
    made = unet.unet((4, 4, 8, 8, 8), 6, 32, 32)
    layers = list(networks_in_page.layers(kdlib.models.half(made)))
    assert [name for name, *_ in layers][:3] == ["c1_first", "c1", "c2_first"]
    assert all((scale == 1).all() for _, _, scale, _ in layers)


def test_filters_that_the_script_cannot_take_are_refused():
    made = unet.unet((2, 4, 8, 8, 8), 6, 32, 32)
    with pytest.raises(ValueError, match="multiple of 4 filters"):
        networks_in_page.packed(kdlib.models.half(made))


def test_both_networks_together_are_a_small_download(site):
    weights = {p.name.split("-")[0]: p.stat().st_size for p in site.glob("_static/networks/*.bin")}
    scripts = [gzip.compress(p.read_bytes()) for p in site.glob("_static/figures/*.js")]
    assert set(weights) == set(networks_in_page.NETWORKS)
    assert sum(weights.values()) + sum(map(len, scripts)) < LARGEST_DOWNLOAD
    computing = (site / "_static" / "figures" / "unet.js").read_bytes()
    assert len(gzip.compress(computing)) < 4000  # as the page says
    script = (site / "_static" / "figures" / "try-it.js").read_text(encoding="utf-8")
    for name, size in weights.items():
        assert f'{name}: "{size / 1e6:.1f} MB"' in script


# In the browser.


@pytest.fixture
def tried(chrome, address):
    """Open the page; yield the visit and its figure, once it shows the first patch."""
    with Visit(chrome, address, PAGE) as visit:
        yield visit, ready(visit)
        assert visit.outside == [] and visit.complaints == []


def ready(visit):
    box = visit.page.locator(".interactive.try-it")
    box.locator(".views figure:visible").nth(3).wait_for()
    return box


def says(box, text):
    """Wait until the figure says a text, and return all that it says."""
    status = box.get_by_role("status").filter(has_text=text)
    status.wait_for(timeout=120_000)
    return status.inner_text()


COLORS_OF = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let text = "";
    for (let i = 0; i < data.length; i += 32768)
        text += String.fromCharCode(...data.subarray(i, i + 32768));
    return [btoa(text), canvas.height, canvas.width];
}"""


def shown(box, place):
    """Return the classes that a canvas shows, by its place in the figure."""
    text, *shape = box.locator(".views canvas").nth(place).evaluate(COLORS_OF)
    pixels = np.frombuffer(base64.b64decode(text), np.uint8).reshape(*shape, 4)[..., :3]
    colors = figures.explorers.class_colors()["colors"]
    known = np.array([list(bytes.fromhex(color[1:])) for color in colors])
    matches = (pixels[..., np.newaxis, :] == known).all(axis=-1)
    assert matches.any(axis=-1).all()
    return matches.argmax(axis=-1)


STUDENT, TEACHER = 2, 3


def test_nothing_of_the_networks_is_loaded_before_a_click(tried, site):
    visit, box = tried
    visit.scroll_through()
    box.get_by_label("image", exact=True).select_option("test patch 3")
    says(box, "Patch 3")
    asked = [name for name in visit.requests if not name.startswith(("data:", "blob:"))]
    assert not any("networks/" in name or "worker" in name for name in asked)
    files = {site / name.split("?")[0] for name in asked}
    assert sum(len(gzip.compress(file.read_bytes())) for file in files) < 500_000


def test_what_stands_there_first_is_what_keras_said(tried):
    _, box = tried
    record = json.loads((figures.FIGURES / "try-it.json").read_text(encoding="utf-8"))
    for place, name in ((1, "labels"), (STUDENT, "student"), (TEACHER, "teacher")):
        wanted = figures.explorers.unpack(record["patches"][0]["layers"][name], 256)
        assert (shown(box, place) == wanted).all()
    said = says(box, "Computed beforehand")
    labels, answer = (figures.explorers.unpack(record["patches"][0]["layers"][name], 256)
                      for name in ("labels", "student"))  # fmt: skip
    share = 100 * np.mean((answer == labels)[labels != data.VOID])
    assert f"The student gives {share:.1f}\u00a0% of the labelled pixels their label" in said


def test_the_stored_answers_are_those_of_the_networks_to_the_stored_photograph():
    patch = json.loads((figures.FIGURES / "try-it.json").read_text(encoding="utf-8"))["patches"][0]
    pixels = figures.stored_pixels(patch["photograph"])
    for name in ("student", "teacher"):
        answer = figures.explorers.unpack(patch["layers"][name], 256)
        assert np.mean(answer == logits(name, pixels).argmax(axis=-1)) > 0.9999


def test_the_student_in_the_page_agrees_with_keras_on_twenty_patches(tried, images):
    visit, box = tried
    network = unet.logits_model(kdlib.pretrained("student"))
    same = []
    for n, image in enumerate(images):
        box.locator("input[type=file]").set_input_files(png(image, name=f"{n}.png"))
        assert " ms here" in says(box, f"{n}.png, 256 × 256 pixels. The student took")
        answer = network(image[np.newaxis].astype(np.float32) / 255, training=False)
        wanted = keras.ops.convert_to_numpy(answer)[0].argmax(axis=-1)
        same.append(np.mean(shown(box, STUDENT) == wanted))
    assert np.mean(same) >= 0.999
    weights = [name for name in visit.requests if name.endswith(".bin")]
    assert len(weights) == 1 and "student" in weights[0]


@pytest.mark.parametrize("name", networks_in_page.NETWORKS)
def test_the_logits_of_the_script_are_those_of_keras(tried, folder, images, name):
    visit, _ = tried
    part = images[7][:64, :48]
    manifest = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    weights = gzip.decompress((folder / manifest["weights"]).read_bytes())
    pixels = np.dstack([part, np.full(part.shape[:2], 255, np.uint8)])
    answer = visit.page.evaluate(
        """async ([manifest, ...texts]) => {
            const { forward, image, network } = await import("/_static/figures/unet.js");
            const { bytes } = await import("/_static/figures/common.js");
            const [weights, pixels] = texts.map(bytes);
            return [...forward(network(manifest, weights.buffer), image(pixels, 64, 48))];
        }""",
        [manifest, *(base64.b64encode(each).decode() for each in (weights, pixels.tobytes()))],
    )
    answer = np.reshape(answer, (6, 64, 48)).transpose(1, 2, 0)
    np.testing.assert_allclose(answer, logits(name, part), atol=1e-4)


def test_halves_are_read_as_numpy_reads_them(tried):
    visit, _ = tried
    bits = np.r_[np.arange(0, 2**16, 7), 0, 1, 1023, 1024, 31743, 32768].astype(np.uint16)
    bits = bits[np.isfinite(bits.view(np.float16))]
    script = """async bits => {
        const { half } = await import("/_static/figures/unet.js"); return bits.map(half); }"""
    answer = visit.page.evaluate(script, bits.tolist())
    assert (np.array(answer, float) == bits.view(np.float16).astype(float)).all()


def test_the_teacher_comes_by_keyboard_and_agrees_with_keras(tried):
    visit, box = tried
    box.get_by_label("your own").focus()
    for name in ("student", "teacher"):
        visit.page.keyboard.press("Tab")
        visit.page.keyboard.press("Enter")
        said = says(box, f"The {name} took")
    # Another decoder may read a photograph a little otherwise: then this is not quite all.
    found = re.findall(r"It gives ([\d.]+)\s% of the pixels the class that they get in Keras", said)
    found = [float(share) for share in found]
    assert len(found) == 2 and min(found) >= 99.9
    assert "Computed beforehand" not in said


def test_a_patch_is_chosen_by_keyboard_and_a_loaded_student_runs_at_once(tried):
    visit, box = tried
    box.get_by_role("button", name="Run the student").click()
    says(box, "The student took")
    box.get_by_label("image", exact=True).focus()
    visit.page.keyboard.press("ArrowDown")
    assert "The student took" in says(box, "Patch 2, 256 × 256 pixels. The student")


def test_a_tap_runs_the_student_on_a_small_phone(chrome, address):
    with Visit(chrome, address, PAGE, has_touch=True, viewport=PHONE) as visit:
        box = ready(visit)
        box.get_by_role("button", name="Run the student").tap()
        says(box, "The student took")
        assert visit.page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]


def drop(visit, name, content):
    """Drop a file on the page."""
    visit.page.evaluate(
        """([name, content]) => {
            const moved = new DataTransfer();
            const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
            moved.items.add(new File([bytes], name));
            for (const kind of ["dragover", "drop"]) {
                const options = { dataTransfer: moved, bubbles: true, cancelable: true };
                const taken = !document.querySelector("h1")
                    .dispatchEvent(new DragEvent(kind, options));
                if (!taken) throw new Error(`the browser would have opened the file: ${kind}`);
            }
        }""",
        [name, base64.b64encode(content).decode("ascii")],
    )


def test_an_image_that_is_dropped_is_segmented(tried, images):
    visit, box = tried
    drop(visit, "roofs.png", png(images[3])["buffer"])
    says(box, "roofs.png, 256 × 256 pixels. The student took")
    assert box.get_by_label("image", exact=True).locator("option:checked").inner_text() == (
        "your image"
    )
    # There are no labels, and the teacher has not been asked.
    assert box.locator(".views figure:visible").count() == 2
    assert np.mean(shown(box, STUDENT) == logits("student", images[3]).argmax(-1)) >= 0.999


@pytest.mark.parametrize("content", [b"Dear reader,", b"", b"\x89PNG\r\n\x1a\n and no more"])
def test_a_file_that_is_no_image_is_refused_and_the_patch_stays(tried, content):
    visit, box = tried
    before = shown(box, STUDENT)
    drop(visit, "letter.png", content)
    # Not the name: the line that the file is being read has it too.
    said = says(box, "cannot be used")
    assert "letter.png" in said and "Take a JPEG, PNG or WebP file" in said
    assert (shown(box, STUDENT) == before).all()
    assert not any("networks/" in name for name in visit.requests)


def test_sizes_that_do_not_divide_by_16_are_padded_and_that_is_said(tried, images):
    _, box = tried
    for height, width, padded in ((1, 1, "16 × 16"), (50, 100, "112 × 64"), (16, 257, "272 × 16")):
        image = np.resize(images[0], (256, 300, 3))[:height, :width]
        name = f"{width}.png"
        box.locator("input[type=file]").set_input_files(png(image, name=name))
        said = says(box, f"{width} × {height} pixels are padded to {padded}")
        assert said.startswith(name) and "The student took" in said
        more = ((0, -height % 16), (0, -width % 16), (0, 0))
        wanted = logits("student", np.pad(image, more, "edge")).argmax(-1)[:height, :width]
        assert np.mean(shown(box, STUDENT) == wanted) >= 0.999


def test_sixteen_bits_a_channel_are_refused_as_the_library_does(tried):
    visit, box = tried
    drop(visit, "deep.png", png(np.full((32, 32), 1000, np.uint16))["buffer"])
    assert "it has 16 bits a channel" in says(box, "cannot be used")


def test_of_a_huge_image_the_middle_is_used_and_that_is_said(tried, images):
    _, box = tried
    image = np.tile(images[0], (1, 20, 1))
    box.locator("input[type=file]").set_input_files(png(image))
    said = says(box, "The student took")
    assert "It has 5120 × 256 pixels: only the middle 1024 × 256 are used." in said
    wanted = logits("student", image[:, 2048:3072]).argmax(-1)
    assert np.mean(shown(box, STUDENT) == wanted) >= 0.999


def test_transparent_parts_become_white_and_that_is_said(tried, images):
    _, box = tried
    image = np.dstack([images[0], np.full((256, 256), 255, np.uint8)])
    image[:, :128, 3] = 0
    box.locator("input[type=file]").set_input_files(png(image))
    assert "white is put behind" in says(box, "The student took")
    white = images[0].copy()
    white[:, :128] = 255
    assert np.mean(shown(box, STUDENT) == logits("student", white).argmax(-1)) >= 0.999


def test_a_run_can_be_stopped_and_begun_again(tried):
    visit, box = tried
    box.get_by_role("button", name="Run the teacher").click()
    box.get_by_role("button", name="Stop").click()
    says(box, "The teacher was stopped.")
    assert not box.get_by_role("progressbar").is_visible()
    box.get_by_role("button", name="Run the student").click()
    says(box, "The student took")


def test_weights_that_do_not_come_are_said_to_be_missing(chrome, address):
    with Visit(chrome, address, PAGE) as visit:
        box = ready(visit)
        visit.context.route("**/networks/*.bin", lambda route: route.abort())
        before = shown(box, STUDENT)
        box.get_by_role("button", name="Run the student").click()
        assert "Are you online?" in says(box, "could not be run")
        assert (shown(box, STUDENT) == before).all()
        visit.context.unroute("**/networks/*.bin")
        box.get_by_role("button", name="Run the student").click()
        says(box, "The student took")


def test_without_scripts_and_in_print_there_is_a_picture(chrome, address):
    with Visit(chrome, address, PAGE, java_script_enabled=False) as visit:
        assert visit.page.locator(".interactive .static-figure img").is_visible()
    with Visit(chrome, address, PAGE) as visit:
        box = ready(visit)
        picture = box.locator(".static-figure img")
        assert not picture.is_visible()
        visit.page.emulate_media(media="print")
        picture.scroll_into_view_if_needed()
        assert picture.evaluate("part => part.decode().then(() => part.naturalWidth)") > 0
        assert not box.locator(".live-figure").is_visible()
