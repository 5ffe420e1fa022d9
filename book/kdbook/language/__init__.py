"""One token at a time: a language whose truth is known, and networks that learn it."""

from kdbook.language.curriculum import LENGTH, STUDENT, TEACHER, recorded
from kdbook.language.english import small_english
from kdbook.language.markov import STOP, Language, draw, pairs
from kdbook.language.students import Student, ask, excess, new_weights, truth
from kdbook.language.transformer import transformer, write

__all__ = [
    "LENGTH",
    "STOP",
    "STUDENT",
    "TEACHER",
    "Language",
    "Student",
    "ask",
    "draw",
    "excess",
    "new_weights",
    "pairs",
    "recorded",
    "small_english",
    "transformer",
    "truth",
    "write",
]
