"""Make the data and the static pictures of the figures that move, into ``book/_figures``.

::

    make figures

The data come from :mod:`kdbook.explorers`; each figure has a function here, which adds the picture
that stands in for it in print. The scripts in ``book/_static/figures`` draw from the data. Two
short trainings take a few minutes on one processor core.
"""

import base64
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

import kdlib
from kdbook import explorers
from kdbook.explorers import PIXELS, START, gradients
from kdbook.figures import class_palette, style
from kdbook.figures.dataset import pictures
from kdbook.figures.segmentation import gallery
from kdbook.figures.soft_targets import gradient_bars
from kdbook.recorders import collapse
from kdlib import data, metrics, softening

FIGURES = Path(__file__).resolve().parents[1] / "_figures"

PATCHES, SHOWN = 12, 2
TO_TRY = 5


def most_even_patch(patches):
    """Return the index of the patch without void whose named classes have the most even shares.

    The labels alone choose the patch, so that no network has a say in it.
    """
    shares = np.stack([data.class_shares(labels) for labels in patches.labels])
    named = np.clip(shares[:, : data.VOID], 1e-9, 1)
    evenness = -(named * np.log(named)).sum(axis=1)
    return int(np.argmax(np.where(shares[:, data.VOID] == 0, evenness, -1)))


def two_objectives():
    """Return data and picture of the pushes of label and teacher at one pixel."""
    hard, soft = gradients(PIXELS[0], **START)
    without = soft / START["temperature"] ** 2
    panels = {
        "the label": hard,
        "the teacher, with T²": soft,
        "both, with T²": hard + soft,
        "both, without T²": hard + without,
    }
    title = "The push on each logit at α = 0.1, T = 4"
    return explorers.two_objectives(), gradient_bars(panels, columns=2, title=title)


def temperature(split):
    """Return data and picture of what the teacher says about each pixel of a patch.

    No network has a say in its choice.
    """
    patch = split.test.take([most_even_patch(split.test)])
    record = explorers.temperature(kdlib.pretrained("teacher"), patch)
    stored = np.frombuffer(base64.b64decode(record["logits"]), np.uint8)
    stored = stored.reshape(record["side"], record["side"], -1)
    return record, entropy_maps(patch.images[0], record["low"] + record["step"] * stored)


def teacher_and_student(split):
    """Return data and picture of three networks on test patches, spread evenly over all."""
    patches = split.test.take(np.linspace(0, len(split.test) - 1, PATCHES).astype(int))
    networks = {name: kdlib.pretrained(role) for name, role in explorers.NETWORKS.items()}
    record = explorers.teacher_and_student(networks, patches)
    first = record["patches"][SHOWN]["layers"]
    answers = {name: explorers.unpack(first[name], record["side"])[np.newaxis] for name in networks}
    picture = gallery(
        patches.images[[SHOWN], ::2, ::2],
        patches.labels[[SHOWN], ::2, ::2],
        answers,
        compare=("teacher", "distilled student"),
        void_class=data.VOID,
    )
    return record, picture


def the_collapse(split):
    """Return data and picture of a training that collapses, and of one that does not."""
    record = explorers.the_collapse(split, collapse.some(split.validation))
    side, panels = record["side"], []
    for name, run in record["runs"].items():
        for look in (0, len(record["step"]) // 2, len(record["step"]) - 1):
            title = f"{name}, step {record['step'][look]}\nmean IoU {run['mean_iou'][look]:.2f}"
            answer = explorers.unpack(run["maps"][0][look], side)
            panels.append((title, class_palette()[answer]))
    return record, pictures(panels, columns=3, height=2.5)


def try_it(split):
    """Return data and picture of what student and teacher say about patches, before they run.

    The first patch is that of the landing page, the others are spread evenly over all. The answers
    are to the stored photograph, which a browser reads too, and not to the pixels before that.
    """
    first = most_even_patch(split.test)
    others = np.linspace(0, len(split.test) - 1, TO_TRY + 2).astype(int)[1:-1]
    patches = split.test.take([first, *others])
    described = [
        explorers.described(*both) for both in zip(patches.images, patches.labels, strict=True)
    ]
    seen = np.stack([stored_pixels(each["photograph"]) for each in described])
    patches = dataclasses.replace(patches, images=seen)
    answers = {
        name: metrics.predict_labels(kdlib.pretrained(name), patches, batch_size=1)
        for name in ("student", "teacher")
    }
    maps = {"labels": patches.labels} | answers
    record = {
        **explorers.class_colors(),
        "void": data.VOID,
        "patches": [
            each | {"layers": {name: explorers.pack(layer[i]) for name, layer in maps.items()}}
            for i, each in enumerate(described)
        ],
    }
    two = {"teacher": answers["teacher"][:1], "distilled student": answers["student"][:1]}
    picture = gallery(seen[:1], patches.labels[:1], two, compare=tuple(two), void_class=data.VOID)
    return record, picture


def stored_pixels(address):
    """Return the pixels of a photograph that is stored as an address, as a browser sees them."""
    packed = base64.b64decode(address.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(packed)).convert("RGB"))


@style.styled
def entropy_maps(pixels, logits):
    """Draw the photograph, what the teacher says, and what it leaves open at two temperatures."""
    figure, grid = style.new_figure(2, 2, height=6.3)
    grid[0, 0].imshow(pixels)
    grid[0, 0].set_title("photograph")
    grid[0, 1].imshow(class_palette()[logits.argmax(-1)])
    grid[0, 1].set_title("the teacher's first choice")
    most = np.log2(logits.shape[-1])
    for axes, at in zip(grid[1], (1.0, 4.0), strict=True):
        left = softening.entropy(softening.softmax(logits, at))
        shown = axes.imshow(left, vmin=0, vmax=most, cmap="cividis")
        axes.set_title(f"T = {at:g}: {left.mean():.2f} bits open")
    figure.colorbar(shown, ax=grid[1], orientation="horizontal", label="bits", shrink=0.6)
    for axes in grid.flat:
        axes.set_axis_off()
    return figure


def made():
    """Yield name, data and picture of every figure."""
    images = data.load("dubai")
    split = data.split(data.cut(images), images, by="image")
    yield "two-objectives", *two_objectives()
    for make in (temperature, teacher_and_student, try_it, the_collapse):
        yield make.__name__.replace("_", "-"), *make(split)


def main():
    """Write the data and the picture of every figure."""
    for name, record, figure in made():
        text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        (FIGURES / f"{name}.json").write_text(text, encoding="utf-8")
        (FIGURES / f"{name}.png").write_bytes(style.png(figure))


if __name__ == "__main__":
    main()
