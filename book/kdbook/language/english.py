"""The small English of chapter 12, as a hidden Markov model.

Its hidden state holds what a writer has in mind: the topic, which makes some words likelier than
others in the whole sentence; whether the subject is singular or plural, with which the verb must
agree, however many words stand between; and the place in the sentence.
"""

import numpy as np

from kdbook.language.markov import STOP, Language

TOPICS = {
    "farm": (("dog", "cow", "horse", "farmer"), ("chase", "follow", "feed"), ("grey", "brown")),
    "harbour": (("sailor", "boat", "gull", "fish"), ("watch", "carry", "pull"), ("wet", "small")),
    "kitchen": (("cook", "child", "guest", "spoon"), ("call", "like", "hold"), ("hot", "young")),
}
"""Nouns, verbs and adjectives at home in each topic, the most frequent first."""

_THIRD_PERSON = {"carry": "carries", "watch": "watches"}
_PLURAL = {"fish": "fishes", "child": "children"}
_DETERMINERS = (
    {"the": 0.5, "a": 0.4, "every": 0.1},
    {"the": 0.55, "some": 0.3, "two": 0.15},
)
_PREPOSITIONS = {"near": 0.4, "behind": 0.3, "with": 0.2, "above": 0.1}
_ADVERBS = {"often": 0.4, "again": 0.3, "slowly": 0.2, "today": 0.1}

AWAY = 0.2
"""How much of its words a topic takes from the other two."""

SLIP = 0.002
"""How often a word is a slip of the pen: any word but the full stop, each as likely."""

BROKEN = 0.001
"""How often a sentence breaks off before a word."""

# From a place in the sentence to the next. What holds a number of its own is written twice.
_NEXT = {
    "determiner": {"adjective": 0.3, "subject": 0.7},
    "adjective": {"subject": 1.0},
    "subject": {"preposition": 0.4, "verb": 0.6},
    "preposition": {"determiner 2": 1.0},
    "determiner 2": {"noun 2": 1.0},
    "noun 2": {"preposition": 0.12, "verb": 0.88},
    "verb": {"determiner 3": 0.6, "adverb": 0.15, "end": 0.25},
    "determiner 3": {"adjective 3": 0.3, "noun 3": 0.7},
    "adjective 3": {"noun 3": 1.0},
    "noun 3": {"end": 0.6, "and": 0.2, "adverb": 0.1, "preposition 3": 0.1},
    "preposition 3": {"determiner 3": 1.0},
    "adverb": {"end": 0.7, "and": 0.3},
    "and": {"verb": 1.0},
}
_OTHER_NUMBER = ("determiner 2", "noun 2", "determiner 3", "adjective 3", "noun 3")
_SINGULAR = 0.55


def small_english():
    """Return the language of chapter 12: 63 words and 109 hidden states.

    >>> language = small_english()
    >>> len(language.words), len(language.initial)
    (63, 109)
    """
    words = (".", *_words())
    states = [
        (topic, number, *place) for topic in TOPICS for number in (0, 1) for place in _places()
    ]
    order = {state: row for row, state in enumerate(states)}
    initial, end = np.zeros(len(states) + 1), len(states)
    transition, emission = np.zeros((end + 1, end + 1)), np.zeros((end + 1, len(words)))
    transition[end, end] = emission[end, STOP] = 1.0
    initial[end] = BROKEN
    for (topic, number, place, other), row in order.items():
        if place == "determiner":
            initial[row] = (1 - BROKEN) * (_SINGULAR, 1 - _SINGULAR)[number] / len(TOPICS)
        for (following, theirs), share in _following(place, other).items():
            column = order.get((topic, number, following, theirs), end)
            transition[row, column] += (1 - BROKEN) * share
        transition[row, end] += BROKEN
        emission[row, 1:] = SLIP / (len(words) - 1)
        for word, share in _said(topic, place, number if other is None else other).items():
            emission[row, words.index(word)] += (1 - SLIP) * share
    return Language(words, initial, transition, emission)


def _words():
    """Return all words but the full stop, each once."""
    said = {}
    for topic in TOPICS:
        for number in (0, 1):
            for place in _NEXT:
                said |= _said(topic, place, number)
    return tuple(said)


def _places():
    """Return the places of a sentence, with the number of a noun that is not the subject."""
    return [(p, m) for p in _NEXT for m in ((0, 1) if p in _OTHER_NUMBER else (None,))]


def _following(place, other):
    """Return the next places, each with its number, and their probabilities."""
    found = {}
    for following, share in _NEXT[place].items():
        if following not in _OTHER_NUMBER:
            found[following, None] = share
        elif place in _OTHER_NUMBER:  # from its determiner on, a noun keeps its number
            found[following, other] = share
        else:
            found[following, 0] = share * _SINGULAR
            found[following, 1] = share * (1 - _SINGULAR)
    return found


def _said(topic, place, number):
    """Return the words that are said at a place, and their probabilities."""
    kind = place.split()[0]
    fixed = {"determiner": _DETERMINERS[number], "preposition": _PREPOSITIONS,
             "adverb": _ADVERBS, "and": {"and": 1.0}}  # fmt: skip
    if kind in fixed:
        return fixed[kind]
    column = {"subject": 0, "noun": 0, "verb": 1, "adjective": 2}[kind]
    found = {}
    for name, lists in TOPICS.items():
        share = 1 - AWAY if name == topic else AWAY / (len(TOPICS) - 1)
        ranks = 1 / np.arange(1, len(lists[column]) + 1)
        for word, rank in zip(lists[column], ranks / ranks.sum(), strict=True):
            if kind != "adjective":
                word = forms(word, "verb" if kind == "verb" else "noun")[number]
            found[word] = share * rank
    return found


def forms(word, kind):
    """Return a noun or verb for a singular and for a plural subject.

    >>> forms("dog", "noun"), forms("carry", "verb")
    (('dog', 'dogs'), ('carries', 'carry'))
    """
    if kind == "noun":
        return word, _PLURAL.get(word, f"{word}s")
    return _THIRD_PERSON.get(word, f"{word}s"), word
