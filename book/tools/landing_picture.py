"""Draw the picture of the landing page: the idea of the book, with an answer of the real teacher.

::

    python book/tools/landing_picture.py

The photograph and the teacher's answer are those of the figure of the temperature, the pixel is
the one that `a_telling_pixel` finds. Writes ``book/_figures/idea.svg``, which stands in the page
itself and so follows its theme, and, with Chromium, ``book/_static/preview.png``, which previews of
links show.
"""

import base64
import html
import io
import json
from pathlib import Path

import numpy as np
from browser import browser
from PIL import Image

from kdlib import models, softening

BOOK = Path(__file__).resolve().parents[1]
RECORD = BOOK / "_figures" / "temperature.json"
ALT = (
    "An image goes into the teacher, a large network, and into the student, a small one. The "
    "teacher's answer at one pixel is the soft target: {soft}. The label says {label} alone. The "
    "student learns from both."
)
PREVIEW = (1200, 630)
PAGE = """<body style="margin: 0; background: white; color: #222; font-family: sans-serif;
  display: flex; align-items: center; height: 630px">
  <div style="padding: 0 0 0 60px; width: 460px">
    <div style="font-size: 66px; font-weight: bold">Soft Targets</div>
    <div style="font-size: 38px; margin-top: 24px">Knowledge distillation, run and checked</div>
  </div><div style="width: 640px">{svg}</div></body>"""


def a_telling_pixel(probabilities, labels):
    """Return row and column of a pixel at which a soft target says more than a label.

    Of the pixels at which the teacher's first choice is the label, the one whose entropy is nearest
    to that which three quarters of them stay below: the teacher is right there, and not sure.

    >>> a_telling_pixel(np.array([[[0.9, 0.1], [0.6, 0.4], [0.5, 0.5]]]), np.array([[0, 0, 1]]))
    (0, 1)
    """
    right = probabilities.argmax(axis=-1) == labels
    entropy = softening.entropy(probabilities)
    distance = np.abs(entropy - np.quantile(entropy[right], 0.75))
    row, column = np.unravel_index(np.where(right, distance, np.inf).argmin(), labels.shape)
    return int(row), int(column)


def answer(record):
    """Return (row, column), the teacher's probabilities and the label there, void left out."""
    shape = record["side"], record["side"], len(record["classes"])
    stored = np.frombuffer(base64.b64decode(record["logits"]), np.uint8).reshape(shape)
    probabilities = softening.softmax(record["low"] + record["step"] * stored.astype(float), 1)
    labels = np.frombuffer(base64.b64decode(record["labels"]), np.uint8).reshape(shape[:2])
    at = a_telling_pixel(probabilities, labels)
    return at, probabilities[at][:-1], int(labels[at])


def bars(record, shares, title, x, y):
    """Return a small chart of bars: one row a class, with its share in words too."""
    parts = [f'<text class="idea-head" x="{x}" y="{y}">{title}</text>']
    rows = zip(record["classes"], record["colors"], shares, strict=False)
    for place, (name, color, share) in enumerate(rows, start=1):
        line, width = y + 15 * place, 36 * share
        parts.append(
            f'<text x="{x}" y="{line}">{html.escape(name)}</text>'
            f'<rect x="{x + 58}" y="{line - 9}" width="{width:.1f}" height="10" fill="{color}" '
            'stroke="#767676" stroke-width="0.7"/>'
            f'<text x="{x + 62 + width:.1f}" y="{line}">{100 * share:.0f} %</text>'
        )
    return parts


def network(name, x, y, width, height, color):
    """Return a box for a network, with the number of its weights below its name."""
    middle = x + width / 2
    weights = models.card(name)["parameters"] / 1e6
    return [
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{color}"/>',
        f'<text class="idea-net" x="{middle}" y="{y + height / 2 + 4}">{name}</text>',
        f'<text class="idea-mid" x="{middle}" y="{y + height + 14}">{weights:.2f} M weights</text>',
    ]


def drawing(record):
    """Return the picture as SVG, whose letters keep to the colours of the page around it."""
    (row, column), soft, label = answer(record)
    hard = np.eye(len(soft))[label]
    names = record["classes"]
    said = ", ".join(f"{name} {100 * p:.0f} %" for name, p in zip(names, soft, strict=False))
    side = 76 / record["side"]
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" class="idea" viewBox="0 0 360 292" role="img" '
        'aria-labelledby="idea-alt">',
        f'<title id="idea-alt">{html.escape(ALT.format(soft=said, label=names[label]))}</title>',
        STYLE,
        f'<image x="2" y="112" width="76" height="76" href="{small(record["photograph"])}"/>',
        f'<circle cx="{2 + side * (column + 0.5):.1f}" cy="{112 + side * (row + 0.5):.1f}" r="5" '
        'fill="none" stroke="white" stroke-width="1.5"/>',
        '<text class="idea-head idea-mid" x="40" y="203">image</text>',
        *network("teacher", 112, 16, 88, 86, "#00598c"),
        *network("student", 118, 222, 76, 44, "#a63f00"),
        *bars(record, soft, "soft target", 224, 18),
        *bars(record, hard, "label", 224, 214),
        *(
            f'<path class="idea-arrow{kind}" d="{path}" marker-end="url(#idea-tip)"/>'
            for path, kind in (
                ("M80 138 C 96 138, 92 80, 108 72", ""),
                ("M80 162 C 98 162, 94 236, 114 240", ""),
                ("M202 58 H 219", ""),
                ("M254 98 C 254 168, 164 150, 157 218", " idea-learns"),
                ("M220 244 H 198", " idea-learns"),
            )
        ),
        '<text x="234" y="160">learns from both</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


STYLE = """<style>
.idea { --idea-ink: var(--pst-color-text-base, #222); display: block; max-width: 36rem; }
.idea text { font: 10px sans-serif; fill: var(--idea-ink); }
.idea .idea-head, .idea .idea-net { font-size: 12px; font-weight: bold; }
.idea .idea-mid, .idea .idea-net { text-anchor: middle; }
.idea .idea-net { fill: white; }
.idea .idea-arrow { fill: none; stroke: var(--idea-ink); stroke-width: 1.5; }
.idea .idea-learns { stroke-dasharray: 4 3; }
.idea marker path { fill: var(--idea-ink); }
@media (prefers-color-scheme: dark) { .idea { --idea-ink: var(--pst-color-text-base, #ddd); } }
</style>
<defs><marker id="idea-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"
orient="auto"><path d="M0 0 L8 4 L0 8 z"/></marker></defs>"""


def small(photograph):
    """Return a photograph at twice the size that it has here, so that the page stays light."""
    picture = Image.open(io.BytesIO(base64.b64decode(photograph.split(",")[1])))
    packed = io.BytesIO()
    picture.convert("RGB").resize((152, 152)).save(packed, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(packed.getvalue()).decode()}"


def main():
    """Write both pictures."""
    svg = drawing(json.loads(RECORD.read_text(encoding="utf-8")))
    (BOOK / "_figures" / "idea.svg").write_text(svg, encoding="utf-8")
    width, height = PREVIEW
    with browser() as chrome:
        page = chrome.new_page(viewport={"width": width, "height": height})
        page.set_content(PAGE.format(svg=svg))
        page.screenshot(path=BOOK / "_static" / "preview.png")


if __name__ == "__main__":
    main()
