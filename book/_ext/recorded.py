"""Sphinx extension: roles that put numbers of the record and of the shipped networks into pages.

``{recorded}`coarse-long, distilled-t0p5, mean IoU``` is the difference of an arm to its baseline
over the seeds of a plan, with its 95 % interval. What no plan has recorded yet is said to be not
yet measured. ``{card}`student weights``` and ``{card}`student file``` are a shipped network's
number of weights and the size of its file.

Numbers that a chapter computes are written into the pages themselves, by ``book/tools/prose.py``.
"""

from docutils import nodes

from kdbook.study import arm_table, plans
from kdlib import models

WAITING = "not yet measured"


def difference(text):
    """Return the recorded difference that a text, "plan, arm, score", asks for, in words.

    Raises
    ------
    ValueError
        If the plan has no such arm, or no such score, or if the arm is compared with no other.
    """
    name, arm, score = (part.strip() for part in text.split(","))
    if name not in plans.PLANS:
        return WAITING
    plan = plans.find(name)
    if not any(each.name == arm and each.baseline for each in plan.arms):
        raise ValueError(f"plan {name!r} has no arm {arm!r} that is compared with another.")
    runs = arm_table.read(plan)
    if not runs:
        return WAITING
    rows = [row for row in arm_table.table(plan, runs) if row.arm == arm]
    found = [row for row in rows if row.score == score]
    if rows and not found:
        raise ValueError(f"plan {name!r} records no {score!r}.")
    if not found or found[0].difference is None:
        return WAITING
    value = found[0].difference
    mean, low, high = (
        f"{part:+.3f}".replace("-", "−") for part in (value.mean, value.low, value.high)
    )
    return f"{mean} (95 % interval {low} to {high}, {len(found[0].seeds)} seeds)"


def on_card(text):
    """Return what a text such as "student weights" asks for."""
    name, what = text.split()
    if what == "weights":
        return f"{models.card(name)['parameters']:,}"
    if what == "file":
        return f"{models.weights_path(name).stat().st_size / 1e6:.2f} MB"
    raise ValueError(f"a card has no {what!r}: ask for weights or file.")


def role(answer):
    """Return a Sphinx role that stands for the answer to its text."""

    def written(name, rawtext, text, lineno, inliner, options=None, content=None):
        try:
            return [nodes.Text(answer(text))], []
        except ValueError as error:
            return [], [inliner.reporter.error(str(error), line=lineno)]

    return written


def setup(app):
    """Register with Sphinx."""
    app.add_role("recorded", role(difference))
    app.add_role("card", role(on_card))
    return {"parallel_read_safe": True}
