"""Make the data and the static pictures of the figures that move, into ``book/_figures``.

::

    make figures

Each figure has a function here, which returns its data and its picture. The scripts in
``book/_static/figures`` draw from the data; the picture stands in for them in print.
"""

import base64
import io
import json
from pathlib import Path

import numpy as np
from landing_picture import in_words, most_even_patch
from PIL import Image

import kdlib
from kdlib import data, softening, unet
from kdlib.plots import CLASS_COLORS, class_palette, style
from kdlib.plots.softening import gradient_bars

FIGURES = Path(__file__).resolve().parents[1] / "_figures"

# Made up for the figure, as in chapter 05: three things that can happen at a pixel.
PIXELS = [
    {
        "name": "the teacher agrees with the label",
        "story": "The label says Road, and so does the teacher, who finds Land and Building likely"
        " too. The student still thinks of Land.",
        "label": "Road",
        "teacher": [1.5, 2.5, 5.0, -1.0, -3.0, -4.0],
        "student": [0.5, 2.0, 1.0, 0.0, -1.0, -1.5],
    },
    {
        "name": "the teacher doubts",
        "story": "The label says Building. The teacher finds Building and Land about as likely."
        " The student leans to Road.",
        "label": "Building",
        "teacher": [3.0, 2.8, 1.0, -0.5, -3.0, -3.5],
        "student": [1.0, 1.0, 2.0, 0.0, -1.0, -1.5],
    },
    {
        "name": "the teacher contradicts the label",
        "story": "The label says Land, where people drew the outline of a tree too small. The"
        " teacher says Vegetation, and so does the student.",
        "label": "Land",
        "teacher": [-1.0, 1.5, -0.5, 5.0, 0.0, -4.0],
        "student": [-0.5, 1.0, 0.0, 2.0, 0.0, -1.5],
    },
]
START = {"alpha": 0.1, "temperature": 4.0}


def gradients(pixel, alpha, temperature):
    """Return the gradient of both parts of the loss in the student's logits, with T².

    The first is alpha (q - [i = y]), the second (1 - alpha) T (q(T) - p(T)).
    """
    student = np.asarray(pixel["student"], dtype=float)
    truth = np.eye(len(CLASS_COLORS))[list(CLASS_COLORS).index(pixel["label"])]
    hard = alpha * (softening.softmax(student) - truth)
    soft = (1 - alpha) * softening.kl_gradient(student, pixel["teacher"], temperature)
    return hard, soft


def two_objectives():
    """Return data and picture of the pushes of label and teacher at one pixel."""
    names = list(CLASS_COLORS)
    pixels = [{**pixel, "label": names.index(pixel["label"])} for pixel in PIXELS]
    record = {"classes": names, "colors": list(CLASS_COLORS.values()), "pixels": pixels}
    hard, soft = gradients(PIXELS[0], **START)
    without = soft / START["temperature"] ** 2
    panels = {
        "the label": hard,
        "the teacher, with T²": soft,
        "both, with T²": hard + soft,
        "both, without T²": hard + without,
    }
    title = "The push on each logit at α = 0.1, T = 4"
    return record, gradient_bars(panels, columns=2, title=title)


def temperature(teacher, patch):
    """Return data and picture of what a teacher says about each pixel of a patch.

    Parameters
    ----------
    teacher : keras.Model
        Any U-Net of kdlib for the six classes.
    patch : kdlib.data.Patches
        The first one is shown. Every second pixel of every second row is kept.
    """
    names = list(CLASS_COLORS)
    inputs = patch.images[:1].astype(np.float32) / 255
    logits = np.asarray(unet.logits_model(teacher)(inputs))[0, ::2, ::2].astype(float)
    labels = patch.labels[0, ::2, ::2]
    # Steps of 1/255 of the range, so that a logit is one byte.
    low, step = float(logits.min()), float(np.ptp(logits) / 255)
    stored = np.round((logits - low) / step).astype(np.uint8)
    start = np.unravel_index(softening.entropy(softening.softmax(logits)).argmax(), labels.shape)
    record = {
        "classes": names,
        "colors": list(CLASS_COLORS.values()),
        "side": len(labels),
        "low": low,
        "step": step,
        "start": [int(i) for i in start],
        "logits": base64.b64encode(stored.tobytes()).decode("ascii"),
        "labels": base64.b64encode(labels.astype(np.uint8).tobytes()).decode("ascii"),
        "photograph": photograph(patch.images[0]),
        "alt": f"A satellite photograph. As people labelled it: {in_words(patch.labels[0])}.",
    }
    return record, entropy_maps(patch.images[0], low + step * stored)


def photograph(pixels):
    """Return RGB pixels as the address of a small JPEG."""
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(packed.getvalue()).decode('ascii')}"


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


def shown_patch():
    """Return the test patch of the landing page: no network has a say in its choice."""
    images = data.load("dubai")
    test = data.split(data.cut(images), images, by="image").test
    return test.take([most_even_patch(test)])


def made():
    """Yield name, data and picture of every figure."""
    yield "two-objectives", *two_objectives()
    yield "temperature", *temperature(kdlib.pretrained("teacher"), shown_patch())


def main():
    """Write the data and the picture of every figure."""
    for name, record, figure in made():
        text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        (FIGURES / f"{name}.json").write_text(text, encoding="utf-8")
        (FIGURES / f"{name}.png").write_bytes(style.png(figure))


if __name__ == "__main__":
    main()
