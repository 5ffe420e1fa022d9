"""Sphinx extension: the directive ``model-cards``, tables made of the cards of the shipped models.

``{model-cards} scores`` shows what the models score, ``{model-cards} training`` how they were
trained, ``{model-cards} limits`` what they cannot do. Each takes the name of the images.
"""

from docutils import nodes
from run_record import table
from sphinx.util.docutils import SphinxDirective

from kdlib import models


def code(text):
    """Return text set as code."""
    return nodes.literal("", text)


def across(columns):
    """Return a table whose columns are models: it fits a page however many classes there are.

    Parameters
    ----------
    columns : dict of str to dict of str to str
        For each model what its rows say, by the name of the row.
    """
    rows = list(next(iter(columns.values())))
    cells = [(row, *(column[row] for column in columns.values())) for row in rows]
    made = table([("", *map(code, columns)), *cells])
    made["classes"].append("cards")
    return [made]


def scores(images):
    """Return the table of sizes and scores."""
    columns = {}
    for name in models.NAMES:
        card = models.card(name, images)
        found, size = card["scores"], models.weights_path(name, images).stat().st_size
        columns[name] = {
            "weights": f"{card['parameters']:,}",
            "file": f"{size / 1e6:.2f} MB",
            "accuracy": f"{found['accuracy']:.3f}",
            "mean IoU": f"{found['mean_iou']:.3f}",
        } | {f"IoU of {title}": f"{one['iou']:.2f}" for title, one in found["classes"].items()}
    constant = models.card("teacher", images)["scores"]["constant_predictor"]
    said = (
        f"One class everywhere would get an accuracy of {constant['accuracy']:.3f} and a mean IoU "
        f"of {constant['mean_iou']:.3f}."
    )
    return [*across(columns), nodes.paragraph("", said)]


def training(images):
    """Return the table of recipes."""
    columns = {}
    for name in models.NAMES:
        card = models.card(name, images)
        recipe, settings = card["recipe"], card["settings"]
        side = recipe["crop"]
        with_teacher = f"α = {settings['alpha']:g}, T = {settings['temperature']:g}"
        columns[name] = {
            "run of the record": card["run"],
            "steps": f"{recipe['epochs'] * recipe['steps_per_epoch']:,}",
            "crops a step": f"{recipe['batch_size']} of {side} × {side}",
            "learning rate": f"{recipe['learning_rate']:g}",
            "taught with": with_teacher if settings["teacher"] else "labels alone",
        }
    return across(columns)


def limits(images):
    """Return the list of what the models cannot do."""
    items = [
        nodes.list_item("", nodes.paragraph("", "", nodes.Text(text)))
        for text in models.card("teacher", images)["limits"]
    ]
    return [nodes.bullet_list("", *items)]


class ModelCards(SphinxDirective):
    """One part of the cards, for one set of images."""

    required_arguments = 2

    def run(self):
        """Return the nodes of the part."""
        part, images = self.arguments
        for name in models.NAMES:
            path = models.weights_path(name, images).with_suffix(".json")
            self.env.note_dependency(str(path))
        return {"scores": scores, "training": training, "limits": limits}[part](images)


def setup(app):
    """Register with Sphinx."""
    app.add_directive("model-cards", ModelCards)
    return {"parallel_read_safe": True}
