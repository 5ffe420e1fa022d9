"""Make the picture of the landing page: one test patch, as people and networks label it.

Writes the panels and the text beside them into ``book/_figures``. Run it again after the teacher
or the student has been trained anew; it takes both from the cache.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from kdlib import data
from kdlib.plots import CLASS_COLORS, class_palette

FIGURES = Path(__file__).resolve().parents[1] / "_figures"


def most_even_patch(patches):
    """Return the index of the patch whose named classes have the most even shares, without void.

    The patch is chosen by its labels alone, so that no network has a say in it.
    """
    shares = np.stack([data.class_shares(labels[None]) for labels in patches.labels])
    named = np.clip(shares[:, : data.VOID], 1e-9, 1)
    evenness = -(named * np.log(named)).sum(axis=1)
    return int(np.argmax(np.where(shares[:, data.VOID] == 0, evenness, -1)))


def panels():
    """Yield file name, caption, description and pixels of each panel."""
    images = data.load("dubai")
    test = data.split(data.cut(images), images, by="image").test
    patch = test.take([most_even_patch(test)])
    place = images.title(patch.image_index[0])
    yield ("photograph.jpg", f"The photograph ({place})", "Satellite photograph of houses, roads, trees and a pond.", patch.images[0])
    yield ("people.png", "As people labelled it", "The same patch, coloured by class as people labelled it.", class_palette()[patch.labels[0]])


def write(name, pixels):
    """Write one panel: a photograph as JPEG, a map of classes with few colours as PNG."""
    picture = Image.fromarray(pixels)
    if name.endswith(".jpg"):
        picture.save(FIGURES / f"landing_{name}", quality=88)
    else:
        picture.quantize(len(CLASS_COLORS)).save(FIGURES / f"landing_{name}", optimize=True)


def main():
    """Write all panels, and the MyST text that shows them."""
    made = list(panels())
    lines = [f"::::{{grid}} 2 2 {len(made)} {len(made)}", ":gutter: 2", ""]
    for name, caption, description, pixels in made:
        write(name, pixels)
        lines += [":::{grid-item}", f"```{{image}} /book/_figures/landing_{name}"]
        lines += [f":alt: {description}", ":width: 100%", "```", f"{caption}", ":::", ""]
    (FIGURES / "landing.txt").write_text("\n".join([*lines, "::::", ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
