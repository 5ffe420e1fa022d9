"""What the checks of one Distiller measure together: each gradient once."""

import functools

import numpy as np

from kdbook.clinic import _alpha, _suspects
from kdbook.clinic._probe import setting

_QUIET = 1e-4  # a share of the gradient below which float32 cannot tell an effect from none


class Case:
    """The measurements behind the checks.

    - ``probe``: Probe. Entered.
    - ``temperature``, ``alpha``: Option. Where T and alpha are kept, at a value that tells faults
      apart.
    - ``why_not``: why the logits cannot be set; empty if they can.
    - ``weight_error``: why a step with sample weights is impossible; empty if it is possible.
    """

    def __init__(self, probe, temperature, alpha, why_not, weight_error=""):
        self.probe, self.temperature, self.alpha = probe, temperature, alpha
        self.why_not, self.weight_error = why_not, weight_error
        self.natural = probe.step()
        probe.restore()
        if not why_not:
            self._draw()
            self.why_not = self._unusable()

    def _unusable(self):
        """Say why no gradient can be read off the student's last bias, or return "" if it can."""
        if not np.isfinite(self.base).all():
            return "the loss or its gradient is NaN or infinite for logits of usual size"
        if not np.any(self.base):
            return "training steps do not move the student's last bias"
        return ""

    def _draw(self):
        rng = np.random.default_rng(3)
        draw = rng.normal(0, 2, (7, self.probe.classes)).astype(np.float32).astype(np.float64)
        self.students, self.teachers = draw[:2] / 2, draw[2:]
        # Classes that the batch has: a loss may leave others out. One logit is a yes or no.
        y, classes = self.probe.y, max(self.probe.classes, 2)
        ids = y.argmax(-1) if self.probe.one_hot else y
        kept = (ids >= 0) & (ids < classes)
        counts = np.bincount(ids[kept].astype(int).ravel(), minlength=classes)
        self.labels = np.argsort(-counts, kind="stable")[:2]

    def gradient(self, teacher=0, student=0, label=0, **data):
        """Return the gradient for one of the drawn logits of teacher and student."""
        logits = self.teachers[teacher], self.students[student]
        return self.probe.gradient(*logits, self.labels[label], **data)

    @functools.cached_property
    def base(self):
        """The gradients for each teacher, with the first student and label."""
        return np.stack([self.gradient(teacher) for teacher in range(len(self.teachers))])

    @property
    def soft(self):
        """What the teacher changes in the gradient: free of the loss on the labels."""
        return self.base[1:] - self.base[0]

    def is_quiet(self, difference):
        """Whether an effect is too small to be one."""
        return np.linalg.norm(difference) <= _QUIET * np.abs(self.base).max()

    def rows(self, logits):
        """Return the logits of each distribution of a pixel: of all classes, or of no and yes."""
        if self.probe.apart:
            return np.stack([np.zeros_like(logits), logits], axis=-1)
        return logits[np.newaxis]

    def _soft_gradient(self, loss, teacher, student, temperature):
        """Return the gradient of a known loss on soft targets, in the mean over distributions."""

        def mean(z):
            pairs = zip(self.rows(teacher), self.rows(z), strict=True)
            return np.mean([loss(*pair, temperature) for pair in pairs])

        return _suspects.gradient(mean, student)

    def _hard_gradient(self, loss, student, label):
        """Return the gradient of a known loss on labels, in the mean over distributions."""
        several = self.probe.apart and self.probe.classes > 1
        labels = np.eye(self.probe.classes, dtype=int)[label] if several else [label]

        def mean(z):
            return np.mean([loss(*pair) for pair in zip(self.rows(z), labels, strict=True)])

        return _suspects.gradient(mean, student)

    def candidates(self, temperature):
        """Return what :attr:`soft` would be for each known loss on soft targets, at weight one."""
        student, found = self.students[0], {}
        for name, loss in _suspects.SOFT.items():
            each = [self._soft_gradient(loss, t, student, temperature) for t in self.teachers]
            found[name] = np.stack(each[1:]) - each[0]
        return found

    @functools.cached_property
    def soft_kind(self):
        """(name, factor, residual) of the loss on the soft targets."""
        if self.temperature.value is None or self.is_quiet(self.soft):
            return None, 0.0, 1.0
        return _suspects.identify(self.soft, self.candidates(self.temperature.value))

    @functools.cached_property
    def hard(self):
        """What the label changes in the gradient, for two students: free of the soft targets."""
        first = self.gradient(0, 0, 1) - self.base[0]
        return np.stack([first, self.gradient(0, 1, 1) - self.gradient(0, 1, 0)])

    @functools.cached_property
    def hard_kind(self):
        """(name, factor, residual) of the loss on the labels."""
        if self.is_quiet(self.hard):
            return None, 0.0, 1.0
        candidates = {}
        for name, loss in _suspects.HARD.items():
            one, other = (
                np.stack([self._hard_gradient(loss, student, label) for student in self.students])
                for label in self.labels
            )
            candidates[name] = other - one
        return _suspects.identify(self.hard, candidates)

    @functools.cached_property
    def ends(self):
        """What (label, teacher) change in the gradient at alpha 0, and at alpha 1."""
        found = []
        for value in (0.0, 1.0):
            with setting(self.alpha.owner, self.alpha.name, value):
                first = self.gradient()
                found.append((self.gradient(label=1) - first, self.gradient(1) - first))
        return found

    @functools.cached_property
    def role(self):
        """What alpha weighs, or None if that is unknown."""
        return _alpha.role_of(self)

    def soft_alone(self, teacher_logits):
        """Return the gradient of the soft targets alone, which needs the role of alpha."""
        total, label = 0.0, self.labels[0]
        for value, sign in self.role.alone:
            with setting(self.alpha.owner, self.alpha.name, value):
                found = self.probe.gradient(teacher_logits, self.students[0], label)
            total = total + sign * found
        return total

    def hard_part(self):
        """Return the share of the labels in :attr:`base`, or None if their loss is unknown."""
        name, factor, _ = self.hard_kind
        if name is None:
            return None
        loss, label = _suspects.HARD[name], self.labels[0]
        return factor * self._hard_gradient(loss, self.students[0], label)

    @functools.cached_property
    def growth(self):
        """How much the weight of the soft targets grows from T to 2T, or None if T stays."""
        option, (kind, before, _) = self.temperature, self.soft_kind
        with setting(option.owner, option.name, 2 * option.value):
            base = np.stack([self.gradient(teacher) for teacher in range(len(self.teachers))])
        expected = self.candidates(2 * option.value)[kind]
        after, residual = _suspects.fit(base[1:] - base[0], expected)
        return after / before if residual < 0.05 else None

    def scales(self):
        """How many times each loss is larger than a mean over pixels, where that is known."""
        if self.role is None:
            return {}
        found, (labels, soft) = {}, self.role.weights(self.alpha.value)
        if self.hard_kind[0] is not None and labels > 0:
            found["loss on the labels"] = self.hard_kind[1] / labels
        if self.soft_kind[0] not in (None, "squared logits") and soft > 0 and self.growth:
            # The power of T in front is checked elsewhere: here it is taken as it is.
            power = np.log2(self.growth)
            weight = soft * self.temperature.value**power
            found["loss on the soft targets"] = self.soft_kind[1] / weight
        if self.probe.apart:  # their sum is as good as their mean
            classes = self.probe.classes
            found = {
                part: scale / classes if abs(scale / classes - 1) < 0.02 else scale
                for part, scale in found.items()
            }
        return found


class Option:
    """A number that a Distiller keeps as an attribute: T or alpha.

    ``declared`` is what the Distiller says, or None; ``value`` what the checks set it to.
    """

    def __init__(self, distiller, names):
        inner = getattr(distiller, "distillation_losses", None) or []
        places = [(owner, name) for owner in (distiller, *inner[:1]) for name in names]
        fit = (p for p in places if _is_number(getattr(*p, None)) and _can_be_set(*p))
        self.owner, self.name = next(fit, (None, ""))
        self.declared = None if self.owner is None else getattr(self.owner, self.name)
        self.value = self.declared

    def set(self, value):
        """Give the option a value, if there is such an option."""
        if self.owner is not None:
            self.value = value
            setattr(self.owner, self.name, value)

    def restore(self):
        """Give the option its declared value."""
        if self.owner is not None:
            self.set(self.declared)


def _can_be_set(owner, name):
    try:
        setattr(owner, name, getattr(owner, name))
    except AttributeError:  # a property that can only be read
        return False
    return True


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)
