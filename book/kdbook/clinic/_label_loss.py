"""Checks of the loss on the labels and of the weights of pixels."""

import math

import numpy as np

from kdbook.clinic._alpha import alpha_ends
from kdbook.clinic.findings import Finding


def label_loss(case):
    """Check that the loss on the labels is the cross-entropy of the logits."""
    name = "loss on the labels"
    if case.why_not:
        return Finding(name, "not applicable", case.why_not)
    if case.is_quiet(case.hard):
        text, share = "the labels change nothing", case.alpha.declared
        if share in (None, 0, 1):
            return Finding(name, "not applicable", text)
        remedy = "say from_logits=True if the student gives logits, and add the loss to the sum."
        text += f" in the gradient, though {case.alpha.name} is {share:g}"
        return Finding(name, "failed", text, remedy)
    kind, factor, residual = case.hard_kind
    measured = {"factor": factor, "residual": residual}
    if kind == "right":
        text = f"its gradient is that of the cross-entropy, to {residual:.1e} of its length"
        return Finding(name, "passed", text, "", measured)
    if kind is None:
        text = "its gradient is that of no cross-entropy: it cannot be judged here"
        return Finding(name, "not applicable", text, "", measured)
    if kind == "double softmax":
        classes = 2 if case.probe.apart else case.probe.classes
        floor = math.log(math.e + classes - 1) - 1
        return Finding(
            name,
            "failed",
            f"the softmax is taken twice: with {classes} classes the loss cannot fall below "
            f"{floor:.3f}, however sure and right the student is",
            "say from_logits=False for a student that ends in a softmax, or give the loss its "
            "logits.",
            measured | {"floor": floor},
        )
    remedy = "say from_logits=True, or let the student end in a softmax."
    return Finding(name, "failed", "logits are taken for probabilities", remedy, measured)


def sample_weights(case):
    """Check that a pixel of weight 0 adds nothing."""
    name = "sample weights"
    if case.weight_error:
        text = f"training with them raises {case.weight_error}"
        remedy = "unpack data with keras.utils.unpack_x_y_sample_weight."
        return Finding(name, "failed", text, remedy)
    if case.why_not or case.probe.weight is None:
        reason = case.why_not or "the batch has none; pass (x, y, sample_weight) to try them"
        return Finding(name, "not applicable", reason)
    parts = {"labels": _changed_labels(case), "soft targets": _changed_image(case)}
    judged = {part: found for part, found in parts.items() if found is not None}
    measured = {f"ignored by the {part}": found for part, found in judged.items()}
    ignored = [part for part, found in judged.items() if found > 0.01]
    if not judged:
        return Finding(name, "not applicable", "no image changes the gradient")
    if not ignored:
        text = f"an image of weight 0 adds nothing to the loss on the {' and the '.join(judged)}"
        return Finding(name, "passed", text, "", measured)
    text = f"an image of weight 0 counts in the loss on the {' and the '.join(ignored)}"
    remedy = "pass sample_weight to both losses: loss(y, logits, sample_weight=sample_weight)."
    return Finding(name, "failed", text, remedy, measured)


def labels_outside(case):
    """Check that a label that is no class is an error, and of no account at weight 0."""
    name, probe = "labels outside the classes", case.probe
    label, reason = _no_class(probe)
    if reason:
        return Finding(name, "not applicable", reason)
    y, weight = probe.y.copy(), None if probe.weight is None else np.ones_like(probe.weight)
    y.reshape(-1)[0] = label
    batches = [(probe.y, weight), (y, weight)]
    if weight is not None:
        left_out = weight.copy()
        left_out.reshape(-1)[0] = 0
        batches.append((y, left_out))
    usual, counted, *ignored = probe.compiled(*batches)
    if usual != "silence":
        text = f"as compiled, a step at rate 1 on the labels of the batch ends in {usual}"
        return Finding(name, "not applicable", text)
    wrong = []
    if counted != "error":
        how = "gives a student of NaN" if counted == "NaN" else "goes unnoticed"
        wrong.append(f"a label of {label} {how}")
    if ignored == ["NaN"]:
        wrong.append(f"a label of {label} gives a student of NaN even where its weight is 0")
    if not wrong:
        text = f"a label of {label} is an error"
        text += ", and of no account where its weight is 0" if ignored == ["silence"] else ""
        return Finding(name, "passed", text)
    if probe.apart:
        why, fill = "a binary cross-entropy takes any number for a label, compiled or not", "0 or 1"
    else:
        why, fill = "compilers drop the check that Keras makes", "a class"
    remedy = (
        f"{why}: put {fill} where the weight is 0, and look at the range of all other labels "
        "before the loss."
    )
    return Finding(name, "failed", "; ".join(wrong), remedy)


def _no_class(probe):
    """Return a label that is no class, and why there can be none, or an empty string."""
    label, dtype = max(255, probe.classes), probe.y.dtype
    if probe.one_hot or dtype.kind == "b":
        return label, "the labels are no class ids"
    if dtype.kind != "f" and np.iinfo(dtype).max < label:
        return label, f"{dtype} holds no {label}"
    return label, ""


def _weights(case):
    everywhere = np.ones_like(case.probe.weight)
    first = everywhere.copy()
    first[1:] = 0
    return everywhere, first


def _changed_labels(case):
    """Put other labels on the second image: their effect at weight 0, as a share of that at 1."""
    one, other = (case.probe.labels(label, len(case.probe.y)) for label in case.labels)
    other[0] = one[0]
    effects = []
    for weight in _weights(case):
        effects.append(
            case.gradient(y=other, weight=weight) - case.gradient(y=one, weight=weight)
        )  # fmt: skip
    return _share(case, *effects)


def _changed_image(case):
    """Show the teacher another second image: its effect at weight 0, as a share of that at 1."""
    probe, effects = case.probe, []
    labels = probe.labels(case.labels[0], len(probe.y))
    changed = probe.other_images()
    for weight in _weights(case):
        moved = []
        for x in (probe.x, changed):
            probe.set_logits("student", case.students[0])
            moved.append(probe.step(x=x, y=labels, weight=weight)[id(probe.heads["student"].bias)])
            probe.restore()
        effects.append(moved[1] - moved[0])
    return _share(case, *effects)


def _share(case, full, left):
    if case.is_quiet(full):
        return None
    return float(np.linalg.norm(left) / np.linalg.norm(full))


ALL = (label_loss, alpha_ends, sample_weights, labels_outside)
