"""Losses that distillers are known to use, right and wrong, to be told apart by their gradients.

In float64 NumPy, of one distribution: ``z_t`` and ``z_s`` are the logits of teacher and student,
of which a class that is a yes or no of its own has two, 0 for no and its own for yes. Two
losses are taken for the same if one gradient is a multiple of the other, so weights and reductions
do not matter here.
"""

import numpy as np

from kdlib.softening import softmax

_SMALL = 1e-7  # what Keras clips probabilities at


def _kl(p, q):
    p, q = np.clip(p, _SMALL, 1), np.clip(q, _SMALL, 1)
    return (p * np.log(p / q)).sum()


def _kl_unclipped(t, s):
    log_p, log_q = (z - np.logaddexp.reduce(z) for z in (t, s))
    return (np.exp(log_p) * (log_p - log_q)).sum()


SOFT = {
    "right": lambda t, s, T: _kl(softmax(t, T), softmax(s, T)),
    "reversed": lambda t, s, T: _kl(softmax(s, T), softmax(t, T)),
    "probabilities": lambda t, s, T: _kl(softmax(softmax(t), T), softmax(softmax(s), T)),
    "probabilities, reversed": lambda t, s, T: _kl(softmax(softmax(s), T), softmax(softmax(t), T)),
    "ignored": lambda t, s, T: _kl(softmax(t), softmax(s)),
    "logits times T": lambda t, s, T: _kl_unclipped(t * T, s * T),
    "logits times T, clipped": lambda t, s, T: _kl(softmax(t * T), softmax(s * T)),
    "raw logits": lambda t, s, T: _kl(t / T, s / T),
    "squared logits": lambda t, s, T: ((t - s) ** 2).sum(),
    "squared probabilities": lambda t, s, T: ((softmax(t, T) - softmax(s, T)) ** 2).sum(),
}
"""Losses on the soft targets, by name: functions of teacher's and student's logits and T."""


def _clipped(values):
    return np.clip(values, _SMALL, 1 - _SMALL)


def _sparse_taken_for_probabilities(z, label):
    # What Keras does on TensorFlow: clip, then divide by the sum.
    return -np.log(_clipped(z) / _clipped(z).sum())[label]


HARD = {
    "right": lambda z, label: -np.log(softmax(z))[label],
    "double softmax": lambda z, label: -np.log(softmax(softmax(z)))[label],
    "logits as probabilities": _sparse_taken_for_probabilities,
    "logits as probabilities, divided": lambda z, label: -np.log(_clipped(z / z.sum()))[label],
}
"""Losses on the labels, by name: functions of the student's logits and the class of the label."""


def gradient(function, z, step=1e-5):
    """Return the gradient of a function of one vector, by central differences."""
    units = np.eye(len(z)) * step
    return np.array([(function(z + unit) - function(z - unit)) / (2 * step) for unit in units])


def fit(measured, expected):
    """Return the factor k that brings k · expected closest to measured, and what is left over.

    What is left over is a share of the length of ``measured``: 0 for a perfect fit, 1 for none.
    """
    measured, expected = np.ravel(measured), np.ravel(expected)
    length = np.linalg.norm(expected)
    factor = float(measured @ expected / length**2) if length > 0 else 0.0
    return factor, float(np.linalg.norm(measured - factor * expected) / np.linalg.norm(measured))


def identify(measured, candidates, tolerance=0.02):
    """Return (name, factor, residual) of the candidate that fits best, with None for no name.

    ``candidates`` is a dict of name to expected gradient. A negative factor does not fit: it would
    be a loss that drives student and target apart.
    """
    fits = {name: fit(measured, expected) for name, expected in candidates.items()}
    found = {name: pair for name, pair in fits.items() if pair[0] > 0 and np.isfinite(pair[1])}
    if not found:
        return None, 0.0, 1.0
    best = min(found, key=lambda name: found[name][1])
    name = best if found[best][1] <= tolerance else None
    return name, *found[best]
