"""Make the picture of the landing page: one test patch, as people and as two networks label it.

::

    python book/tools/landing_picture.py

Takes the teacher and the distilled student that come with kdlib, and writes the panels, their
legend and what stands below them into ``book/_figures``.
"""

import argparse
import html
from pathlib import Path

import numpy as np
from PIL import Image

import kdlib
from kdbook.explorers import in_words
from kdbook.figures import CLASS_COLORS, class_palette
from kdlib import data, metrics

CAPTION = (
    "Neither network was trained on this ground. Of all such patches this one has the most even "
    "mix of classes."
)
FIGURES = Path(__file__).resolve().parents[1] / "_figures"


def most_even_patch(patches):
    """Return the index of the patch without void whose named classes have the most even shares.

    The labels alone choose the patch, so that no network has a say in it.
    """
    shares = np.stack([data.class_shares(labels) for labels in patches.labels])
    named = np.clip(shares[:, : data.VOID], 1e-9, 1)
    evenness = -(named * np.log(named)).sum(axis=1)
    return int(np.argmax(np.where(shares[:, data.VOID] == 0, evenness, -1)))


def baseline(labels, training):
    """Return what the constant predictor gets on these labels, as a sentence.

    >>> baseline(np.array([[1, 1], [1, 2]]), training=np.array([1, 1, 0]))
    'A constant predictor, which says Land everywhere, would be 75 % right.'
    """
    said = int(np.argmax(data.class_shares(training)[: data.VOID]))
    right = 100 * np.mean(labels == said)
    return (
        f"A constant predictor, which says {data.CLASS_NAMES[said]} everywhere, "
        f"would be {right:.0f} % right."
    )


def panels(patch):
    """Yield name, caption, description and RGB pixels of each panel."""
    labels, colors = patch.labels[0], class_palette()
    yield "photograph", "photograph", "A satellite photograph.", patch.images[0]
    people = f"The same patch as people labelled it: {in_words(labels)}."
    yield "people", "labelled by people", people, colors[labels]
    for name in ("teacher", "student"):
        predicted = metrics.predict_labels(kdlib.pretrained(name), patch)[0]
        right = f"{100 * np.mean(predicted == labels):.0f} % right"
        description = f"The same patch as the {name} labels it, {right}: {in_words(predicted)}."
        yield name, f"{name}: {right}", description, colors[predicted]


def write(folder, made, sentence):
    """Write the panels, and the MyST text that shows them and names their colours."""
    lines = ["::::{grid} 2 2 4 4", ":gutter: 2", ":class-container: landing-picture", ""]
    for name, caption, description, pixels in made:
        picture, file = Image.fromarray(pixels), f"landing_{name}.png"
        if name == "photograph":
            file = f"landing_{name}.jpg"
            picture.save(folder / file, quality=88)
        else:
            picture.quantize(len(CLASS_COLORS)).save(folder / file, optimize=True)
        lines += [":::{grid-item}", f"```{{image}} /book/_figures/{file}"]
        lines += [f":alt: {description}", ":width: 100%", "```", caption, ":::", ""]
    lines += ["::::", "", legend(), "", f"{sentence} {CAPTION}", ""]
    (folder / "landing.txt").write_text("\n".join(lines), encoding="utf-8")


def legend():
    """Return the colours of the named classes as one line of HTML."""
    box = "display:inline-block;width:0.9em;height:0.9em;border:1px solid #888;background:"
    swatches = [
        f'<span style="white-space:nowrap"><span style="{box}{CLASS_COLORS[name]}"></span> '
        f"{html.escape(name)}</span>"
        for name in data.CLASS_NAMES[: data.VOID]
    ]
    return "<p>" + " &emsp; ".join(swatches) + "</p>"


def main():
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FIGURES, help="where to write")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    images = data.load("dubai")
    split = data.split(data.cut(images), images, by="image")
    patch = split.test.take([most_even_patch(split.test)])
    sentence = baseline(patch.labels[0], split.train.labels)
    write(folder, list(panels(patch)), sentence)


if __name__ == "__main__":
    main()
