"""What a student of the language can be taught, as logits in a teacher's place.

Each function of :data:`TARGETS` takes the school, sentences, a seed and a number k, and returns
float32 logits of shape (sentences, length, words) and the weight of each place, or None for 1.
"""

import numpy as np
from scipy.optimize import brentq

from kdbook.language.markov import draw, pairs
from kdbook.language.students import NEVER, ask, truth
from kdlib._arguments import checked_whole
from kdlib.softening import log_softmax, softmax


def logarithms(probabilities):
    """Return logits whose softmax is a distribution; what has probability 0 gets none.

    >>> logarithms([1.0, 0.0]).tolist()
    [0.0, -60.0]
    """
    return np.log(np.maximum(probabilities, np.exp(NEVER))).astype(np.float32)


def _labels(school, tokens, seed=0, k=None):
    """Return the words that came, each with probability 1."""
    return logarithms(np.eye(len(school.language.words))[tokens]), None


def _true(school, tokens, seed=0, k=None):
    """Return the true probabilities."""
    return truth(school.language, tokens), None


def _teacher(school, tokens, seed=0, k=None):
    """Return what the teacher says."""
    return ask(school.teacher("teacher"), tokens), None


def _poor_teacher(school, tokens, seed=0, k=None):
    """Return what the teacher says that learned from too few sentences."""
    return ask(school.teacher("poor teacher"), tokens), None


def _shuffled(school, tokens, seed=0, k=None):
    """Return what the teacher says, with all words but its first choice dealt out at random.

    The control of chapter 02: winner, confidence and entropy stay at each place; which of the other
    words are likely is lost.
    """
    said = np.sort(_teacher(school, tokens)[0], axis=-1)[..., ::-1]
    first = _teacher(school, tokens)[0].argmax(axis=-1)
    order = np.random.default_rng(seed).random(said.shape)
    np.put_along_axis(order, first[..., None], -1.0, axis=-1)  # the winner comes first
    dealt = np.empty_like(said)
    np.put_along_axis(dealt, order.argsort(axis=-1), said, axis=-1)
    return dealt, None


def _smoothed(school, tokens, seed=0, k=None):
    """Return the words that came, smoothed evenly until their entropy is the teacher's mean."""
    weight, words = pairs(tokens)[2], len(school.language.words)
    log_p = log_softmax(_teacher(school, tokens)[0])
    mean = -((np.exp(log_p) * log_p).sum(axis=-1) * weight).sum() / weight.sum()
    share = smoothing_of(mean, words)
    return logarithms((1 - share) * np.eye(words)[tokens] + share / words), None


def smoothing_of(entropy, words):
    """Return how much of a label must be spread evenly over all words to have an entropy in nats.

    >>> round(smoothing_of(np.log(4), 4), 3)
    1.0
    """

    def gap(share):
        p = np.append(np.full(words - 1, share / words), 1 - share + share / words)
        return -(p * np.log(p)).sum() - entropy

    return float(brentq(gap, 1e-9, 1.0)) if gap(1.0) > 0 else 1.0


def _renormalised(school, tokens, seed=0, k=5):
    """Return the teacher's k likeliest words, renormalised; the others can never come."""
    p = _kept(school, tokens, k)
    return logarithms(p / p.sum(axis=-1, keepdims=True)), None


def _ignored(school, tokens, seed=0, k=5):
    """Return the same, where a place counts as much as the mass that was kept.

    It has the gradient of a cross-entropy over the k words as they are, not renormalised.
    """
    return _renormalised(school, tokens, k=k)[0], _kept(school, tokens, k).sum(axis=-1)


def _even(school, tokens, seed=0, k=5):
    """Return the teacher's k likeliest words; all others share evenly what is left."""
    p = _kept(school, tokens, k)
    left = (1 - p.sum(axis=-1, keepdims=True)) / (p.shape[-1] - k)
    return logarithms(np.where(p > 0, p, left)), None


def _drawn(school, tokens, seed=0, k=5):
    """Return how often each word came in k draws from the teacher: right on average."""
    rng, p = np.random.default_rng(seed), softmax(_teacher(school, tokens)[0])
    rows = p.reshape(-1, p.shape[-1])
    counts = sum(np.eye(rows.shape[1])[draw(rows, rng)] for _ in range(k))
    return logarithms((counts / k).reshape(p.shape)), None


def _kept(school, tokens, k):
    """Return the teacher's probabilities, 0 for all but the k likeliest words."""
    p = softmax(_teacher(school, tokens)[0])
    others = np.argsort(-p, axis=-1, kind="stable")[..., checked_whole(k, "k") :]
    np.put_along_axis(p, others, 0.0, axis=-1)
    return p


TARGETS = {
    "labels": _labels,
    "teacher": _teacher,
    "truth": _true,
    "poor-teacher": _poor_teacher,
    "shuffled": _shuffled,
    "smoothed": _smoothed,
    "renormalised": _renormalised,
    "ignored": _ignored,
    "even": _even,
    "drawn": _drawn,
}
"""What each is called in the record."""
