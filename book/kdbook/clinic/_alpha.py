"""What alpha weighs in the loss of a Distiller, and the check of it."""

import dataclasses
from collections.abc import Callable

import numpy as np

from kdbook.clinic.findings import Finding


@dataclasses.dataclass(frozen=True)
class Role:
    """A way to weigh the two losses by a number a, which is alpha.

    - ``weights``: a function of a. Of the loss on the labels, and of that on the soft targets.
    - ``alone``: pairs of a and sign. The sum of these gradients is that of the soft targets alone.
    - ``text``: the sum, with a place for the name of alpha.
    """

    weights: Callable
    alone: tuple
    text: str


BOOK = Role(lambda a: (a, 1 - a), ((0.0, 1),), "{0} * labels + (1 - {0}) * soft targets")
TURNED = Role(lambda a: (1 - a, a), ((1.0, 1),), "(1 - {0}) * labels + {0} * soft targets")
SOFT_ADDED = Role(lambda a: (1, a), ((1.0, 1), (0.0, -1)), "labels + {0} * soft targets")
LABELS_ADDED = Role(lambda a: (a, 1), ((0.0, 1),), "{0} * labels + soft targets")


def role_of(case):
    """Return the Role that the effects of label and teacher show at alpha 0 and 1, or None."""
    if case.why_not or case.alpha.value is None:
        return None
    (hard_at_zero, _), (_, soft_at_one) = case.ends
    if case.is_quiet(hard_at_zero) and case.is_quiet(soft_at_one):
        return BOOK
    if case.is_quiet(case.hard) or case.is_quiet(case.soft):
        return None  # one loss alone does not tell these apart
    return next((role for role in (TURNED, SOFT_ADDED, LABELS_ADDED) if _fits(role, case)), None)


def _fits(role, case):
    """Whether label and teacher weigh at alpha 0 and 1 what the role says."""
    usual = role.weights(case.alpha.value)
    if min(usual) <= 0:
        return False
    for value, effects in zip((0.0, 1.0), case.ends, strict=True):
        references = case.hard[0], case.soft[0]
        for now, at_end, before, effect in zip(
            usual, role.weights(value), references, effects, strict=True
        ):
            growth = at_end / now
            error = np.linalg.norm(effect - growth * before)
            if error > 0.01 * max(growth, 1) * np.linalg.norm(before):
                return False
    return True


def alpha_ends(case):
    """Check that alpha 1 leaves the labels alone, and alpha 0 the teacher."""
    name, alpha = "alpha", case.alpha
    if case.why_not or alpha.declared is None:
        reason = case.why_not or "no attribute alpha holds a number"
        return Finding(name, "not applicable", reason)
    size = np.abs(case.base).max()
    (at_zero, _), (_, at_one) = case.ends
    teacher, labels = (float(np.linalg.norm(each) / size) for each in (at_one, at_zero))
    measured = {"teacher_at_one": teacher, "labels_at_zero": labels}
    if case.role is BOOK:
        text = f"at {alpha.name} = 1 the teacher has no effect, at 0 the labels have none"
        return Finding(name, "passed", text, "", measured)
    same = np.allclose(at_one, case.soft[0], rtol=0.01) and np.allclose(
        at_zero, case.hard[0], rtol=0.01
    )
    if same:
        text = f"changing {alpha.name} after compile has no effect, so it cannot be tried"
        return Finding(name, "not applicable", text, "", measured)
    book = BOOK.text.format(alpha.name)
    if case.role in (SOFT_ADDED, LABELS_ADDED):
        text = f"the loss is {case.role.text.format(alpha.name)}, a convention of its own: no fault"
        text += f", but the values of {alpha.name} in this book are for {book}"
        return Finding(name, "not applicable", text, "", measured)
    text = (
        f"at {alpha.name} = 1 the teacher still has {teacher:.2g} of the gradient, at 0 the "
        f"labels have {labels:.2g}"
    )
    remedy = "alpha * loss on the labels + (1 - alpha) * T**2 * loss on the soft targets."
    if case.role is TURNED:
        text += f": the loss is {TURNED.text.format(alpha.name)}, and here it is {book}"
        remedy += (
            f" If the other convention is meant, take 1 - {alpha.name} for each {alpha.name} of "
            "this book."
        )
    return Finding(name, "failed", text, remedy, measured)
