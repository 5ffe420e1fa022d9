"""The swipe as a Jupyter widget: two answers to one patch side by side, and who is right."""

import base64
import html
import io

import ipywidgets
import numpy as np
from PIL import Image

from kdbook import explorers
from kdbook.figures.segmentation import BOTH_RIGHT, BOTH_WRONG, who_is_right
from kdbook.figures.style import class_palette
from kdbook.widgets import _parts as parts

CASES = ("both are right", "only the teacher", "only the student", "both are wrong")
"""What can be at a pixel that is labelled; the order of :func:`kdbook.explorers.count_right`."""


def teacher_and_student(record):
    """Return a widget that swipes between photograph, labels and the answers of networks.

    - ``record``: as :func:`kdbook.explorers.teacher_and_student` returns it, of a teacher and at
      least one student.
    - Returns ipywidgets.VBox: the knobs, named ``patch``, ``student``, ``left``, ``right`` and
      ``swipe``, above the picture and the numbers. Left of the swipe, in percent, is the one
      answer, right of it the other.
    - ``ValueError`` if the record is another one, or has no student.

    >>> from kdlib import data, recipes
    >>> patches = data.cut(data.synthetic.city(n_images=1, size=64), size=32)
    >>> networks = {"teacher": recipes.build("teacher")}
    >>> networks["distilled student"] = recipes.build("student")
    >>> box = teacher_and_student(explorers.teacher_and_student(networks, patches))
    >>> [knob.description for knob in box.children[:-1]]
    ['patch', 'student', 'left', 'right', 'swipe']
    """
    record = parts.checked(record, "networks", "teacher_and_student")
    networks = list(record["networks"])
    if len(networks) < 2:
        raise ValueError(f"the networks are {networks}; expected a teacher and a student.")
    names = ["photograph", "labels", *networks, "who is right"]
    patches = [_layers(patch, record["side"]) for patch in record["patches"]]
    knobs = [
        parts.slider("patch", range(len(patches)), 0),
        ipywidgets.Dropdown(options=networks[1:], value=networks[-1], description="student"),
        ipywidgets.Dropdown(options=names, value="photograph", description="left"),
        ipywidgets.Dropdown(options=names, value=networks[-1], description="right"),
        ipywidgets.IntSlider(50, 0, 100, description="swipe"),
    ]

    def draw(patch, student, left, right, swipe):
        """Return the picture and the numbers as HTML."""
        layers, alt = patches[patch], record["patches"][patch]["alt"]
        shown = [_pixels(name, layers, student, record) for name in (left, right)]
        cut = round(record["side"] * swipe / 100)
        joined = np.concatenate([shown[0][:, :cut], shown[1][:, cut:]], axis=1)
        picture = parts.picture(parts.address(joined), f"Left {left}, right {right}. {alt}")
        counts = [_count(layers, student, record)]
        counts.append(np.sum([_count(each, student, record) for each in patches], axis=0))
        return picture + _table(counts, student, record)

    return parts.joined(knobs, draw)


def _layers(patch, side):
    """Return the photograph as pixels, and every layer as classes."""
    packed = base64.b64decode(patch["photograph"].partition(",")[2])
    photograph = Image.open(io.BytesIO(packed)).convert("RGB").resize((side, side))
    layers = {name: explorers.unpack(text, side) for name, text in patch["layers"].items()}
    return {"photograph": np.asarray(photograph), **layers}


def _pixels(name, layers, student, record):
    """Return one layer as pixels in colour."""
    if name == "photograph":
        return layers[name]
    if name == "who is right":
        labels, names = layers["labels"], ("teacher", student)
        answers = (layers[each] for each in names)
        return who_is_right(labels, *answers, names, labels != record["void"])
    return class_palette()[layers[name]]


def _count(layers, student, record):
    answers = layers["labels"], layers["teacher"], layers[student]
    return explorers.count_right(*answers, void=record["void"])


def _table(counts, student, record):
    """Return the HTML of how often each case is there, in one patch and in all."""
    colors, rows = record["networks"], ""
    shades = BOTH_RIGHT, colors["teacher"], colors[student], BOTH_WRONG
    for case, shade, *both in zip(CASES, shades, *counts, strict=True):
        cells = ""
        for count, of in zip(both, counts, strict=True):
            share = f" ({100 * count / sum(of):.1f} %)" if sum(of) else ""
            cells += f"<td>{count}{share}</td>"
        swatch = f'<span style="background: {shade}; border: 1px solid">&emsp;</span>'
        rows += f"<tr><th>{swatch} {html.escape(case)}</th>{cells}</tr>"
    head = "<tr><th>pixels</th><th>this patch</th><th>all patches</th></tr>"
    return f"<table>{head}{rows}</table>"
