"""What soft targets of a known language are worth, recorded: the experiments of chapter 12.

``python -m kdbook.recorders language_lessons`` does what is left, seed by seed, and writes a line
of JSON a run to ``results/language.jsonl``; it can be stopped at any time. A record is made on one
backend; with ``KERAS_BACKEND=jax`` it takes a quarter of the time.

All students of a seed start from the same weights and meet their sentences in the same order. Each
lesson is trained anew for each of its lengths, and of all weights that were passed those count that
have the best cross-entropy on the words of 300 validation sentences: the same for every lesson. The
truth is asked only for the score.
"""

import dataclasses
import functools

import keras
import numpy as np

from kdbook.language.curriculum import (
    LENGTH,
    PLAN,
    SMALL,
    STUDENT,
    TEACHER,
    TEACHERS,
    Road,
    recorded,
    runs,
)
from kdbook.language.english import small_english
from kdbook.language.lessons import TARGETS
from kdbook.language.markov import pairs
from kdbook.language.students import Student, excess, new_weights
from kdbook.language.transformer import transformer, write
from kdbook.recorders import program
from kdlib.beyond import Term, reverse_kl


class School:
    """The language, its teachers, the sentences of each seed, and students compiled once."""

    def __init__(self):
        self.language = small_english()
        self.test = self.sentences(1000, 90_000)

    def sentences(self, count, seed):
        """Return sentences of the language."""
        return self.language.sample(count, LENGTH, seed)

    def network(self, shape):
        """Return a transformer for the language, untrained."""
        return transformer(len(self.language.words), LENGTH, **shape)

    @functools.cache  # noqa: B019  one school lives as long as the program
    def student(self, temperature):
        """Return the student, compiled for a temperature."""
        return Student(self.network(STUDENT), temperature=temperature)

    @functools.cache  # noqa: B019
    def small_student(self, reverse):
        """Return the student that is too small, compiled for a divergence."""
        loss = Term(reverse_kl) if reverse else None
        return Student(self.network(SMALL), loss=loss)

    @functools.cache  # noqa: B019
    def start(self, seed):
        """Return the weights that all students of a seed start from."""
        return new_weights(self.student(1.0).network, seed)

    @functools.cache  # noqa: B019
    def teacher(self, name):
        """Return the network of "teacher" or "poor teacher", from tokens to logits."""
        count, lengths = TEACHERS[name]
        tokens, validation = self.sentences(count, 100_000), self.sentences(300, 200_000)
        pupil, kept = Student(self.network(TEACHER), rate=3e-3), []
        for steps in lengths:
            start = new_weights(pupil.network, 100)
            said = TARGETS["labels"](self, tokens)[0]
            curve = pupil.train(tokens, said, validation, steps, 100, start)
            kept.append((min(curve), pupil.network.get_weights()))
        pupil.network.set_weights(min(kept, key=lambda pair: pair[0])[1])
        return pupil.answers

    @functools.cache  # noqa: B019
    def errors(self, name):
        """Return the excess of a teacher."""
        return excess(self.teacher(name), self.language, self.test)


def learn(school, lesson, seed):
    """Teach a student one lesson; return what its line says."""
    tokens = school.sentences(lesson.sentences, 1000 + seed)
    validation = school.sentences(300, 2000 + seed)
    said, weight = TARGETS[lesson.targets](school, tokens, seed=seed, k=lesson.k)
    student, found = school.student(lesson.temperature), []
    for steps in lesson.steps:
        curve = student.train(
            tokens, said, validation, steps, seed, school.start(seed), weight=weight
        )
        score = excess(student.answers, school.language, school.test)
        found.append({"steps": steps, "curve": _rounded(curve), "excess": float(score)})
    best = min(found, key=lambda one: min(one["curve"]))
    kept = {} if weight is None else {"mass": float(np.average(weight, weights=pairs(tokens)[2]))}
    return {"excess": best["excess"], "steps": best["steps"], **kept, "trainings": found}


def walk(school, road, seed):
    """Let a small student go on along a road; return what its line says."""
    validation = school.sentences(300, 2000 + seed)
    student = school.small_student(road.reverse)
    student.network.set_weights(_schooled(school, seed))
    teacher, curve = school.teacher("teacher"), []
    tokens = school.sentences(road.sentences, 3000 + seed)
    if road.text == "teacher":
        tokens = write(teacher, road.sentences, 3000 + seed)
    if road.text != "own":
        said = TARGETS[road.targets](school, tokens, seed=seed)[0]
        curve = student.train(tokens, said, validation, road.steps, seed, keep="last")
    else:
        curve = student.follow(teacher, validation, road.steps, seed, road.sentences)
    return {"curve": _rounded(curve), **along(school, student.answers, seed)}


def along(school, answers, seed):
    """Return the errors on sentences of the language and on those of the network, by place too."""
    own = write(answers, 800, 4000 + seed)
    found = {}
    for name, tokens, reverse in (
        ("excess", school.test, False),
        ("reverse_excess", school.test, True),  # as in its own text, but after true words
        ("own_excess", own, True),
    ):
        how = {"language": school.language, "tokens": tokens, "reverse": reverse}
        found[name] = float(excess(answers, **how))
        found[f"{name}_by_place"] = _rounded(excess(answers, **how, by_place=True))
    return {**found, "own_words": float(pairs(own)[2].sum(axis=1).mean())}


@functools.cache
def _schooled(school, seed):
    """Return weights of the small student where all roads begin: taught by 200 sentences."""
    tokens, validation = school.sentences(200, 1000 + seed), school.sentences(300, 2000 + seed)
    student, said = school.small_student(False), TARGETS["labels"](school, tokens)[0]
    student.train(tokens, said, validation, 400, seed, new_weights(student.network, seed))
    return student.network.get_weights()


def found(school, run):
    """Do a run; return what its line says."""
    arm = PLAN.arm(run.arm)
    return {
        "settings": dataclasses.asdict(arm),
        **(walk if isinstance(arm, Road) else learn)(school, arm, run.seed),
        "teachers": {name: _rounded(school.errors(name)) for name in TEACHERS},
    }


def _rounded(values):
    return np.round(np.asarray(values, float), 5).tolist()


def main(options):
    """Do what is left of the record.

    - ``ValueError`` if it was begun on another backend.
    """
    begun = [line for lines in recorded(options.out).values() for line in lines.values()]
    if begun and not begun[0]["versions"]["backend"].startswith(keras.backend.backend()):
        raise ValueError(
            f"this record was begun on {begun[0]['versions']['backend']}, and this is "
            f"{keras.backend.backend()}: the teachers would be others. Set KERAS_BACKEND."
        )
    wanted, school = [run for run in runs() if run.arm.startswith(options.only or "")], School()
    program.do_what_is_left(PLAN, wanted, lambda run: found(school, run), options)
