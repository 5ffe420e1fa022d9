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


def scores(images):
    """Return the table of sizes and scores."""
    cards = {name: models.card(name, images) for name in models.NAMES}
    classes = list(cards["teacher"]["scores"]["classes"])
    rows = [("model", "weights", "file", "accuracy", "mean IoU", *classes)]
    for name, card in cards.items():
        found = card["scores"]
        size = models.weights_path(name, images).stat().st_size
        rows.append(
            (
                code(name),
                f"{card['parameters']:,}",
                f"{size / 1e6:.2f} MB",
                *(f"{found[score]:.3f}" for score in ("accuracy", "mean_iou")),
                *(f"{found['classes'][title]['iou']:.2f}" for title in classes),
            )
        )
    constant = cards["teacher"]["scores"]["constant_predictor"]
    levels = (f"{constant[score]:.3f}" for score in ("accuracy", "mean_iou"))
    rows.append(("one class everywhere", "", "", *levels, *[""] * len(classes)))
    return [table(rows)]


def training(images):
    """Return the table of recipes."""
    rows = [("model", "run of the record", "steps", "crops a step", "learning rate", "taught with")]
    for name in models.NAMES:
        card = models.card(name, images)
        recipe, settings = card["recipe"], card["settings"]
        side = recipe["crop"]
        with_teacher = f"α = {settings['alpha']:g}, T = {settings['temperature']:g}"
        rows.append(
            (
                code(name),
                card["run"],
                f"{recipe['epochs'] * recipe['steps_per_epoch']:,}",
                f"{recipe['batch_size']} of {side} × {side}",
                f"{recipe['learning_rate']:g}",
                with_teacher if settings["teacher"] else "labels alone",
            )
        )
    return [table(rows)]


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
