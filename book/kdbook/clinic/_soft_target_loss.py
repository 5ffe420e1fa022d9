"""Checks of the loss on the soft targets. Each takes a Case and returns a Finding."""

import numpy as np

from kdbook.clinic import _suspects
from kdbook.clinic.findings import Finding
from kdlib.softening import softmax

_ON_LOGITS = ("right", "reversed", "squared probabilities")


def _missing(case):
    """Say why the loss on the soft targets cannot be judged, or return an empty string."""
    if case.why_not:
        return case.why_not
    if case.is_quiet(case.soft):
        return "the teacher's logits, if the same everywhere, change nothing: see 'class axis'"
    return ""


def _unnamed(case):
    """As :func:`_missing`, for what needs to know which loss it is."""
    reason = _missing(case)
    if reason:
        return reason
    if case.temperature.value is None:
        return "no attribute temperature holds a number"
    if case.soft_kind[0] is None:
        return "the loss is none of those that these checks know"
    if case.soft_kind[0] == "squared logits":
        return "the loss compares the logits themselves, by their squared difference"
    return ""


def shift_of_logits(case):
    """Check that nothing changes when a constant is added to all of the teacher's logits."""
    name, reason = "shift of the logits", _missing(case)
    if reason or case.soft_kind[0] == "squared logits":
        return Finding(name, "not applicable", reason or _unnamed(case))
    if case.probe.apart:
        text = "a yes or no is a logit measured against 0: a constant added is another answer"
        return Finding(name, "not applicable", text)
    teachers, student = case.teachers, case.students[0]
    moved = case.probe.gradient(teachers[1] + 10, student, case.labels[0]) - case.base[1]
    share = float(np.linalg.norm(moved) / np.linalg.norm(case.soft))
    measured = {"change": share}
    if share < 0.01:
        text = "adding 10 to all of the teacher's logits changes nothing"
        return Finding(name, "passed", text, "", measured)
    text = (
        f"adding 10 to all of the teacher's logits, which leaves its probabilities as they are, "
        f"changes the gradient by {share:.0%} of what another teacher would"
    )
    remedy = "soft targets are softmax(logits / T): take the softmax before the divergence."
    if hasattr(case.probe.distiller, "distillation_losses"):
        remedy += " In keras.distillation: LogitsDistillation(loss=keras.losses.KLDivergence())."
    return Finding(name, "failed", text, remedy, measured)


def class_axis(case):
    """Check that the softmax is over the classes: one class's constant changes the gradient."""
    name = "class axis"
    if case.why_not:
        return Finding(name, "not applicable", case.why_not)
    size = float(np.linalg.norm(case.soft) / np.abs(case.base).max())
    if not case.is_quiet(case.soft):
        text = "what the teacher says of a class reaches the student's logit of that class"
        return Finding(name, "passed", text, "", {"effect": size})
    head, flipped = case.probe.heads["teacher"], []
    for sign in (1, -1):
        head.kernel.assign(sign * np.asarray(head.kernel))
        flipped.append(case.probe.step()[id(case.probe.heads["student"].kernel)])
        case.probe.restore()
    largest = np.abs(flipped).max()
    effect = float(np.linalg.norm(flipped[1] - flipped[0]) / largest) if largest else 0.0
    measured = {"effect": size, "effect_of_pixels": effect}
    if effect > 1e-4:
        text = (
            "which class the teacher prefers changes nothing, only how its logits differ from "
            "place to place does: the softmax is not over the classes"
        )
        remedy = "take every softmax over the last axis: softmax(logits / T, axis=-1)."
        return Finding(name, "failed", text, remedy, measured)
    text = "the teacher changes nothing: the loss on the soft targets does not reach the student"
    remedy = "add (1 - alpha) * T**2 * KL(teacher, student) to the loss that is minimised."
    return Finding(name, "failed", text, remedy, measured)


def temperature(case):
    """Check that the temperature divides the logits."""
    name, reason = "temperature", _unnamed(case)
    if reason:
        return Finding(name, "not applicable", reason)
    kind, _, residual = case.soft_kind
    measured, end = {"residual": residual}, "sigmoid" if case.probe.apart else "softmax"
    if kind in _ON_LOGITS:
        text = f"it divides the logits: {end}(z / T), to {residual:.1e} of the gradient"
        return Finding(name, "passed", text, "", measured)
    fault, remedy = {
        "ignored": ("it does not reach the loss, or cancels out of it", f"use {end}(logits / T)."),
        "logits times T": (
            f"it multiplies the logits, {end}(z * T), which makes the targets harder, not softer",
            f"divide: {end}(logits / T).",
        ),
        "raw logits": (
            f"logits / T are taken for probabilities: there is no {end}",
            f"use {end}(logits / T).",
        ),
    }.get(
        kind.removesuffix(", clipped"),
        (
            "it divides probabilities: softmax(p / T) is nearly uniform whatever p is",
            "divide the logits, before the softmax; if they are lost, p**(1/T) / sum(p**(1/T)).",
        ),
    )
    return Finding(name, "failed", fault, remedy, measured)


def factor(case):
    """Check that the loss on the soft targets carries the factor T squared."""
    name, reason = "factor T squared", _unnamed(case)
    if reason:
        return Finding(name, "not applicable", reason)
    growth, low, high = case.growth, case.temperature.value, 2 * case.temperature.value
    if growth is None:
        text = "changing the temperature after compile has no effect, so it cannot be tried"
        return Finding(name, "not applicable", text)
    text = f"from T = {low:g} to {high:g} the weight of the soft targets grows {growth:.2f} times"
    if abs(growth / 4 - 1) < 0.05:
        return Finding(name, "passed", f"{text}: by T², as it must", "", {"growth": growth})
    left_out = abs(growth - 1) < 0.05
    text += f"; T² would be 4{': it is left out' if left_out else ''}"
    remedy = "multiply the loss on the soft targets by T**2, else it fades as 1 / T**2."
    return Finding(name, "failed", text, remedy, {"growth": growth})


def direction(case):
    """Check that the divergence is KL(teacher || student)."""
    name, reason = "direction of the divergence", _unnamed(case)
    kind = case.soft_kind[0] if not reason else None
    if reason or kind in ("raw logits", "squared probabilities"):
        return Finding(name, "not applicable", reason or "the loss is no divergence of both")
    if "reversed" not in kind:
        text = "KL(teacher ‖ student): the teacher's classes weigh"
        return Finding(name, "passed", text, "", {"residual": case.soft_kind[2]})
    text = (
        "KL(student ‖ teacher): the student is not punished for classes that it leaves out, though "
        "the teacher holds them possible"
    )
    remedy = "give the teacher first: kl_divergence(teacher, student)."
    return Finding(name, "failed", text, remedy, {"residual": case.soft_kind[2]})


def least_at_teacher(case):
    """Check that a student that equals the teacher is not pushed away from it."""
    name, reason = "least loss at the teacher", _missing(case)
    left, usual, reason = (None, None, reason) if reason else _pull(case)
    if reason:
        return Finding(name, "not applicable", reason)
    share = float(np.linalg.norm(left) / usual)
    measured = {"share": share}
    if share < 0.01:
        text = "if both say the same, the soft targets pull nowhere"
        return Finding(name, "passed", text, "", measured)
    text = (
        f"a student that says what the teacher says is still pulled, with {share:.0%} of the "
        "usual strength"
    )
    remedy = "treat both alike: the same T, the same softmax, the same axis."
    return Finding(name, "failed", text, remedy, measured)


def _pull(case):
    """Return how a teacher like the student pulls, how strongly others do, and why none can say."""
    student = case.students[0]
    if case.role is not None:
        usual = np.mean([np.linalg.norm(case.soft_alone(teacher)) for teacher in case.teachers[:2]])
        return case.soft_alone(student), usual, ""
    hard = case.hard_part()
    if hard is None:
        return None, None, "the loss on the labels is unknown"
    left = case.probe.gradient(student, student, case.labels[0]) - hard
    usual = np.linalg.norm(case.base - hard, axis=1).mean()
    rows = case.rows(student)  # smoothing pulls from them towards equal shares
    smoothing = (softmax(rows) - 1 / rows.shape[-1]).reshape(-1)
    smoothing = smoothing[1::2] if case.probe.apart else smoothing
    strength, rest = _suspects.fit(left, smoothing)
    if strength > 0 and rest < 0.02:
        return None, None, "the labels may be smoothed, and no alpha leaves them out"
    return left, usual, ""


def pixel_mean(case):
    """Check that both losses are means over images and pixels."""
    name = "mean over the pixels"
    if case.why_not:
        return Finding(name, "not applicable", case.why_not)
    probe, pair = case.probe, case.base[0]
    one = case.gradient(x=probe.first(), y=probe.labels(case.labels[0], 1))
    growth = float(np.linalg.norm(pair) / np.linalg.norm(one))
    scales = {"growth": growth} | case.scales()
    wrong = {part: _counted(scale, probe) for part, scale in scales.items() if part != "growth"}
    wrong = {part: found for part, found in wrong.items() if found}
    if abs(growth - 1) > 0.02 and not wrong:
        wrong["sum"] = f"twice the images give {growth:.2f} times the gradient"
    if wrong:
        text = "; ".join(f"{part}: {found}" for part, found in wrong.items())
        remedy = (
            "average over every pixel (reduction 'sum_over_batch_size'): then rate, alpha and T "
            "hold for any size of image and batch."
        )
        return Finding(name, "failed", text, remedy, scales)
    if len(scales) == 1:
        text = "twice the images give the same gradient; the size of an image could not be tried"
        return Finding(name, "passed", text, "", scales)
    text = "neither the number of images nor of pixels changes the size of the gradient"
    return Finding(name, "passed", text, "", scales)


def _counted(scale, probe):
    """Say over what a loss is summed that is ``scale`` times too large, if that can be told."""
    images, pixels = len(probe.y), probe.pixels
    known = {
        images * pixels: f"summed over images and pixels, {scale:,.0f} times too large",
        pixels: f"summed over the {pixels:,} pixels of an image, and so {scale:,.0f} times larger",
        images: f"summed over the images, {scale:,.0f} times too large",
        1 / probe.classes: f"divided by the {probe.classes} classes too, {1 / scale:.0f} times "
        "too small",
    }
    return next((text for n, text in known.items() if n != 1 and abs(scale / n - 1) < 0.02), "")


ALL = (
    class_axis,
    shift_of_logits,
    temperature,
    factor,
    direction,
    least_at_teacher,
    pixel_mean,
)
