r"""A language whose truth is known: sentences from a hidden Markov model, and their probabilities.

A writer passes through hidden states and says a word in each. A reader sees the words alone. What
the next word is, given those that were read, follows exactly from the forward algorithm.
"""

from typing import NamedTuple

import numpy as np

STOP = 0
"""The token of the full stop. It ends a sentence, fills its row up, and stands before it."""


class Language(NamedTuple):
    """A hidden Markov model over words, each row of a matrix summing to 1.

    - ``words``: tuple of str. The vocabulary; its first entry ends a sentence.
    - ``initial``: array of float, shape (states,).
    - ``transition``: array of float, shape (states, states).
    - ``emission``: array of float, shape (states, words).

    >>> coin = Language((".", "a"), np.array([1.0]), np.eye(1), np.array([[0.25, 0.75]]))
    >>> coin.next_probabilities([[1, 1]]).tolist()
    [[[0.25, 0.75], [0.25, 0.75]]]
    """

    words: tuple
    initial: np.ndarray
    transition: np.ndarray
    emission: np.ndarray

    def sample(self, count, length, seed=0):
        """Return sentences: int32 of shape (count, length), filled up with :data:`STOP`.

        >>> from kdbook.language import small_english
        >>> language = small_english()
        >>> print(language.text(language.sample(1, 12, seed=2)[0]))
        the dogs feed the brown dog .
        """
        rng = np.random.default_rng(seed)
        states = draw(np.tile(self.initial, (count, 1)), rng)
        tokens = np.zeros((count, length), np.int32)
        for place in range(length):
            tokens[:, place] = draw(self.emission[states], rng)
            states = draw(self.transition[states], rng)
        return tokens

    def next_probabilities(self, tokens):
        r"""Return the probability of each word at each place, given the words before it.

        With :math:`a_t(s) = P(s_t = s \mid w_{<t})`,

        .. math:: P(w_t \mid w_{<t}) = \sum_s a_t(s)\, E_{s w_t}, \qquad
                  a_{t+1}(s') \propto \sum_s a_t(s)\, E_{s w_t}\, A_{s s'}

        - ``tokens``: array of int, shape (sentences, length).
        - Returns numpy.ndarray: float64, shape (sentences, length, words), each distribution
          summing to 1.
        - ``ValueError`` if a token is none of the words, or a sentence cannot occur.
        - After Rabiner (1989), A tutorial on hidden Markov models, section III A.

        >>> from kdbook.language import small_english
        >>> language = small_english()
        >>> p = language.next_probabilities(language.tokens("every dog near the boats ."))[0, -1]
        >>> print(f"chases {p[language.words.index('chases')]:.2f}")
        chases 0.21
        """
        tokens = np.atleast_2d(tokens)
        if tokens.size and not (tokens.min() >= 0 and tokens.max() < len(self.words)):
            raise ValueError(
                f"tokens run from {tokens.min()} to {tokens.max()}; expected 0 to "
                f"{len(self.words) - 1}, the places of the words."
            )
        belief = np.tile(self.initial, (len(tokens), 1))
        found = np.empty((*tokens.shape, len(self.words)))
        for place in range(tokens.shape[1]):
            found[:, place] = belief @ self.emission
            belief = belief * self.emission[:, tokens[:, place]].T
            total = belief.sum(axis=1, keepdims=True)
            if not total.all():
                raise ValueError(f"at place {place} a word came that this language never says.")
            belief = belief / total @ self.transition
        return found

    def text(self, tokens):
        """Return a sentence as text, up to its full stop."""
        end = np.flatnonzero(np.asarray(tokens) == STOP)
        return " ".join(self.words[t] for t in tokens[: end[0] + 1 if end.size else None])

    def tokens(self, text):
        """Return the words of a text as int32 of shape (1, words); ``ValueError`` if one is new."""
        if unknown := set(text.split()) - set(self.words):
            raise ValueError(f"the language has no word {', '.join(sorted(unknown))}.")
        return np.array([[self.words.index(word) for word in text.split()]], np.int32)


def draw(probabilities, rng):
    """Return one draw from each row of probabilities, shape (rows, outcomes), as int32.

    ``ValueError`` if there is nothing to draw from, as after a training that diverged.

    >>> draw(np.eye(3), np.random.default_rng(0)).tolist()
    [0, 1, 2]
    """
    edges = np.cumsum(probabilities, axis=1)
    if not (np.isfinite(edges[:, -1]).all() and (edges[:, -1] > 0).all()):
        raise ValueError("a row of probabilities sums to 0 or to no number; expected 1.")
    at = rng.random((len(edges), 1)) * edges[:, -1:]
    return (at >= edges).sum(axis=1).astype(np.int32)


def pairs(tokens):
    """Return what a language model trains on: inputs, targets, and the weight of each place.

    The inputs are the targets one place later, behind a full stop. What comes after the full stop
    of a sentence only fills the row up, and weighs nothing.

    - ``tokens``: array of int, shape (sentences, length).
    - Returns tuple of numpy.ndarray: int32, int32 and float32 (0 or 1), all of the shape of the
      tokens.

    >>> [part.tolist() for part in pairs([[5, 7, 0, 0]])]
    [[[0, 5, 7, 0]], [[5, 7, 0, 0]], [[1.0, 1.0, 1.0, 0.0]]]
    """
    targets = np.asarray(tokens, np.int32)
    inputs = np.concatenate([np.full_like(targets[:, :1], STOP), targets[:, :-1]], axis=1)
    ended = np.cumsum(targets == STOP, axis=1) - (targets == STOP)
    return inputs, targets, (ended == 0).astype(np.float32)
