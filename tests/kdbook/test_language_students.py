"""The transformer, its students, and what they are taught, on a language of four words."""

import argparse
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from kdbook import language
from kdbook.language import STOP, curriculum, lessons, pairs
from kdbook.language import transformer as make
from kdbook.language.students import NEVER, Batches
from kdbook.recorders import language_lessons as recorder
from kdbook.recorders.__main__ import main as command
from kdlib.distiller import Distiller
from kdlib.softening import log_softmax, softmax
from kdlib.unet import logits_model
from tests.kdlib.small import policy_set_to

WORDS, LENGTH = 7, 5


def sentences(count=12, seed=0):
    tokens = np.random.default_rng(seed).integers(1, WORDS, (count, LENGTH)).astype(np.int32)
    tokens[np.arange(LENGTH) > np.arange(count)[:, None] % 4 + 1] = STOP
    return tokens


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return make(WORDS, LENGTH, width=8)


@pytest.fixture(scope="module")
def teacher():
    keras.utils.set_random_seed(1)
    return make(WORDS, LENGTH, width=16, blocks=2)


def test_an_answer_depends_on_no_later_word(network):
    tokens = sentences()
    changed = tokens.copy()
    changed[:, 3:] = (changed[:, 3:] + 1) % WORDS
    first, second = (ops.convert_to_numpy(network(t)) for t in (tokens, changed))
    np.testing.assert_allclose(first[:, :3], second[:, :3], atol=1e-6)
    assert np.abs(first[:, 3:] - second[:, 3:]).max() > 1e-4


def test_an_answer_depends_on_the_words_before_and_on_their_order(network):
    answers = ops.convert_to_numpy(network(np.array([[1, 2, 3, 4, 5], [2, 1, 3, 4, 5]], np.int32)))
    assert np.abs(answers[0, 4] - answers[1, 4]).max() > 1e-6


def test_it_ends_in_logits_and_their_softmax(network):
    tokens = sentences()
    logits = ops.convert_to_numpy(logits_model(network)(tokens))
    np.testing.assert_allclose(ops.convert_to_numpy(network(tokens)), softmax(logits), atol=1e-6)


def test_it_can_be_saved(network, tmp_path):
    network.save(tmp_path / "it.keras")
    again = keras.models.load_model(tmp_path / "it.keras")
    np.testing.assert_allclose(again(sentences()), network(sentences()), atol=1e-6)


def test_heads_divide_the_width():
    with pytest.raises(ValueError, match="width is 9, heads is 2; expected a multiple"):
        make(WORDS, LENGTH, width=9)
    with pytest.raises(ValueError, match="width is 8, heads is 0; expected a multiple"):
        make(WORDS, LENGTH, width=8, heads=0)


def test_under_mixed_precision_it_answers_in_float32():
    with policy_set_to("mixed_bfloat16"):
        network = make(WORDS, LENGTH, width=8)
    q = network(sentences())
    assert keras.backend.standardize_dtype(q.dtype) == "float32"
    np.testing.assert_allclose(ops.convert_to_numpy(q).sum(-1), 1, atol=1e-6)
    assert language.write(logits_model(network), 3).shape == (3, LENGTH)


def test_its_file_can_be_read_at_a_glance():
    file = Path(language.__file__).with_name("transformer.py")
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 120


def loss_by_hand(distiller, teacher, student, batch):
    tokens, targets, weight = batch
    p, q = (softmax(ops.convert_to_numpy(logits_model(m)(tokens))) for m in (teacher, student))
    hard = -np.log(np.take_along_axis(q, targets[..., None].astype(int), -1)[..., 0])
    soft = np.sum(p * np.log(p / q), axis=-1)
    return np.mean(weight * (distiller.alpha * hard + (1 - distiller.alpha) * soft))


def test_the_distiller_trains_it_unchanged(teacher):
    """Over (batch, tokens, vocabulary) and with a weight a token, its loss is the one by hand."""
    keras.utils.set_random_seed(2)
    student, batch = make(WORDS, LENGTH, width=8), pairs(sentences())
    distiller = Distiller(student, teacher)
    distiller.compile(keras.optimizers.Adam(0.01), alpha=0.3, temperature=1.0)
    before, expected = teacher.get_weights(), loss_by_hand(distiller, teacher, student, batch)
    said = distiller.evaluate(
        batch[0], batch[1], sample_weight=batch[2], verbose=0, return_dict=True
    )
    assert said["loss"] == pytest.approx(expected, rel=1e-4)
    distiller.fit(batch[0], batch[1], sample_weight=batch[2], epochs=20, verbose=0)
    assert loss_by_hand(distiller, teacher, student, batch) < 0.8 * expected
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_what_fills_a_row_up_teaches_nothing(teacher):
    """Targets and the teacher's logits behind the full stop change no weight of the student."""
    tokens, targets, weight = pairs(sentences())
    logits = ops.convert_to_numpy(logits_model(teacher)(tokens))
    taught = []
    for filler in (0.0, 5.0):
        keras.utils.set_random_seed(3)
        student = make(WORDS, LENGTH, width=8)
        distiller = Distiller(student, teacher)
        distiller.compile(keras.optimizers.SGD(0.1), alpha=0.5, temperature=1.0)
        other = np.where(weight[..., None] > 0, logits, logits * filler).astype(np.float32)
        changed = np.where(weight > 0, targets, int(filler)).astype(np.int32)
        x = {"image": tokens, "teacher_logits": other}
        distiller.train_on_batch(x, changed, sample_weight=weight)
        taught.append(student.get_weights())
    for first, second in zip(*taught, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-7)


def test_batches_go_through_all_sentences_in_an_order_of_the_seed():
    tokens, said = sentences(8), np.zeros((8, LENGTH, WORDS), np.float32)
    batches = Batches(tokens, said, epochs=2, steps=4, batch=4, seed=1)
    rows = []
    for _ in range(2):
        rows += [batches[step][0]["image"] for step in range(len(batches))]
        batches.on_epoch_end()
    seen = np.concatenate(rows).reshape(4, 8, LENGTH)  # four passes over the eight sentences
    for a_pass in seen:
        assert sorted(map(tuple, a_pass)) == sorted(map(tuple, pairs(tokens)[0]))
    assert any((a_pass != seen[0]).any() for a_pass in seen[1:])


@pytest.fixture(scope="module")
def pupil(network):
    return language.Student(network)


def test_a_student_keeps_the_weights_that_were_best_on_validation(pupil):
    tokens, validation = sentences(4), sentences(10, seed=5)
    said = lessons.logarithms(np.eye(WORDS)[tokens])
    start = language.new_weights(pupil.network, 0)
    curve = pupil.train(tokens, said, validation, 200, 0, start)
    inputs, targets, weight = pairs(validation)
    q = softmax(pupil.answers.predict(inputs, verbose=0))
    surprise = -np.log(np.take_along_axis(q, targets[..., None].astype(int), -1)[..., 0])
    assert (surprise * weight).sum() / weight.sum() == pytest.approx(min(curve), rel=1e-3)
    assert len(curve) == 20
    assert min(curve) < curve[-1]  # four sentences are learned by heart
    again = pupil.train(tokens, said, validation, 200, 0, start)
    np.testing.assert_allclose(again, curve, rtol=1e-4)


def test_the_rate_rises_for_two_twentieths_and_falls_to_0(pupil):
    rates = [pupil._rate_of(epoch) / pupil.rate for epoch in range(20)]
    assert rates[0] == pytest.approx(0.25) and np.argmax(rates) == 2
    assert rates[1] == pytest.approx(0.75)
    assert rates[2:] == pytest.approx(
        [(1 + np.cos(np.pi * (e + 0.5) / 20)) / 2 for e in range(2, 20)]
    )


@pytest.mark.tensorflow
def test_a_student_trains_in_float16_as_often_as_one_likes():
    with policy_set_to("mixed_float16"):
        pupil = language.Student(make(WORDS, LENGTH, width=8))
    tokens = sentences(8)
    said = lessons.logarithms(np.eye(WORDS)[tokens])
    start = pupil.network.get_weights()
    curves = [pupil.train(tokens, said, tokens, 20, 0, start) for _ in range(2)]
    assert np.isfinite(curves).all() and curves[0][-1] < curves[0][0]
    np.testing.assert_allclose(*curves, rtol=1e-3)


@pytest.mark.parametrize("steps", [0, 10, 30])
def test_steps_are_twentieths(pupil, steps):
    tokens = sentences(4)
    with pytest.raises(ValueError, match=f"steps is {steps}; expected a multiple of 20, above 0"):
        pupil.train(tokens, lessons.logarithms(np.eye(WORDS)[tokens]), tokens, steps, 0)
    with pytest.raises(ValueError, match="expected a multiple of 20"):
        pupil.follow(pupil.answers, tokens, steps, 0)


def test_on_its_own_text_a_student_learns_what_the_teacher_says_there(monkeypatch):
    """All of the text is the student's, new each time; all of the answers are the teacher's."""
    keras.utils.set_random_seed(4)
    pupil, teacher = language.Student(make(WORDS, LENGTH, width=8)), make(WORDS, LENGTH, width=8)
    answers, wrote, gave = logits_model(teacher), [], []
    write, batches = language.students.write, language.students.Batches

    def noted(asked, count, seed):
        wrote.append(write(asked, count, seed))
        assert asked is pupil.answers
        return wrote[-1]

    def given(tokens, said, **more):
        gave.append((tokens, said))
        return batches(tokens, said, **more)

    monkeypatch.setattr(language.students, "write", noted)
    monkeypatch.setattr(language.students, "Batches", given)
    inputs = pairs(sentences(40))[0]
    gap = [np.square(log_softmax(pupil.answers.predict(inputs, verbose=0))
                     - log_softmax(answers.predict(inputs, verbose=0))).mean()]  # fmt: skip
    assert len(pupil.follow(answers, sentences(4), 200, 0, count=50)) == 20
    for (tokens, said), own in zip(gave, wrote, strict=True):
        np.testing.assert_array_equal(tokens, own)
        np.testing.assert_allclose(said, language.ask(answers, own), atol=1e-5)
    assert len({own.tobytes() for own in wrote}) == 20
    gap.append(np.square(log_softmax(pupil.answers.predict(inputs, verbose=0))
                         - log_softmax(answers.predict(inputs, verbose=0))).mean())  # fmt: skip
    assert gap[1] < gap[0] / 2


def test_what_a_network_writes_is_drawn_from_what_it_says(pupil):
    written = language.write(pupil.answers, 4000, seed=1)
    first = softmax(pupil.answers.predict(np.zeros((1, LENGTH), np.int32), verbose=0))[0, 0]
    share = np.bincount(written[:, 0], minlength=WORDS) / len(written)
    np.testing.assert_allclose(share, first, atol=0.03)
    ended = np.cumsum(written == STOP, axis=1) > 0
    assert ended.any() and (written[ended] == STOP).all()
    assert (written == language.write(pupil.answers, 4000, seed=1)).all()


def test_each_word_that_is_written_follows_from_those_before_and_from_t():
    """A table in a network's place: after word w comes the next word, nearly always at T = 0.2."""

    class Table:
        input_shape = (None, LENGTH)

        def predict_on_batch(self, inputs):
            return np.roll(np.eye(WORDS), 1, axis=1)[inputs] * 2.0  # after w comes w + 1

    cold, warm = (language.write(Table(), 3000, seed=1, temperature=t) for t in (0.2, 2.0))
    for written, t in ((cold, 0.2), (warm, 2.0)):
        right = np.exp(2 / t) / (np.exp(2 / t) + WORDS - 1)
        before, after = written[:, :-1], written[:, 1:]
        going = before != STOP
        assert np.mean(after[going] == (before[going] + 1) % WORDS) == pytest.approx(
            right, abs=0.03
        )


def test_the_excess_is_the_mean_divergence_over_the_words_that_count(pupil):
    english = tiny()
    tokens = english.sample(50, LENGTH, seed=3)
    p, weight = english.next_probabilities(tokens), pairs(tokens)[2]
    q = softmax(language.ask(pupil.answers, tokens))
    gap = np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / q), 0), axis=-1)
    expected = (gap * weight).sum() / weight.sum()
    assert language.excess(pupil.answers, english, tokens) == pytest.approx(expected, rel=1e-4)
    by_place = language.excess(pupil.answers, english, tokens, by_place=True)
    reverse = np.sum(q * (np.log(q) - np.log(np.maximum(p, np.exp(NEVER)))), axis=-1)
    assert language.excess(pupil.answers, english, tokens, reverse=True) == pytest.approx(
        (reverse * weight).sum() / weight.sum(), rel=1e-4
    )
    counts = weight.sum(axis=0)
    assert (by_place * counts).sum() / counts.sum() == pytest.approx(expected, rel=1e-4)


def tiny():
    """A language of seven words in which each is followed by the next or by the stop."""
    initial, transition = np.eye(WORDS)[1], np.zeros((WORDS, WORDS))
    for word in range(1, WORDS):
        transition[word, word % (WORDS - 1) + 1], transition[word, STOP] = 0.7, 0.3
    transition[STOP, STOP] = 1.0
    emission = 0.9 * np.eye(WORDS) + 0.1 / (WORDS - 1)
    emission[:, STOP] = emission[STOP] = np.eye(WORDS)[STOP]
    emission /= emission.sum(axis=1, keepdims=True)
    return language.Language(tuple(".abcdef"), initial, transition, emission)


class Class:
    """A school whose teacher is a table."""

    def __init__(self, tokens):
        self.language = tiny()
        self.logits = np.random.default_rng(0).normal(size=(*tokens.shape, WORDS)) * 2

    def teacher(self, name):
        return self

    def predict(self, inputs, **options):
        return self.logits.astype(np.float32)


@pytest.fixture(scope="module")
def taught():
    tokens = sentences(8)
    school = Class(tokens)
    p = softmax(school.logits)
    return tokens, p, lambda name, **more: lessons.TARGETS[name](school, tokens, **more)


def test_labels_and_truth_are_what_came_and_what_could(taught):
    tokens, _, target = taught
    np.testing.assert_allclose(softmax(target("labels")[0]), np.eye(WORDS)[tokens], atol=1e-12)
    english = tiny()
    own = english.sample(20, LENGTH, seed=1)
    said = lessons.TARGETS["truth"](Class(own), own)[0]
    np.testing.assert_allclose(softmax(said), english.next_probabilities(own), atol=1e-6)


def test_the_shuffled_teacher_keeps_winner_confidence_and_entropy(taught):
    _, p, target = taught
    dealt = softmax(target("shuffled", seed=1)[0])
    np.testing.assert_array_equal(dealt.argmax(-1), p.argmax(-1))
    np.testing.assert_allclose(np.sort(dealt), np.sort(p), atol=1e-6)
    assert (np.abs(dealt - p).max(-1) > 0.01).mean() > 0.5


def test_smoothed_labels_have_the_entropy_of_the_teacher(taught):
    tokens, p, target = taught
    weight = pairs(tokens)[2]
    q = softmax(target("smoothed")[0])
    entropies = [-(d * np.log(d)).sum(-1) for d in (p, q)]
    means = [(e * weight).sum() / weight.sum() for e in entropies]
    assert means[0] == pytest.approx(means[1], rel=1e-4)
    np.testing.assert_array_equal(q.argmax(-1), tokens)


def test_kept_words_are_the_likeliest_k(taught):
    _, p, target = taught
    for k in (1, 3):
        kept, weight = target("ignored", k=k)
        largest = np.argsort(-p, axis=-1)[..., :k]
        mass = np.take_along_axis(p, largest, -1)
        found = np.take_along_axis(softmax(kept), largest, -1)
        np.testing.assert_allclose(found, mass / mass.sum(-1, keepdims=True), rtol=1e-5)
        np.testing.assert_allclose(weight, mass.sum(-1), rtol=1e-5)
        np.testing.assert_array_equal(kept, target("renormalised", k=k)[0])
        even = softmax(target("even", k=k)[0])
        np.testing.assert_allclose(np.take_along_axis(even, largest, -1), mass, rtol=1e-4)
        assert np.ptp(np.sort(even, axis=-1)[..., : WORDS - k], axis=-1).max() < 1e-6


def test_of_words_that_are_alike_exactly_k_are_kept():
    tokens = sentences(2)
    school = Class(tokens)
    school.logits = np.zeros_like(school.logits)
    for k in (1, 3):
        q = softmax(lessons.TARGETS["renormalised"](school, tokens, k=k)[0])
        np.testing.assert_allclose(np.sort(q)[..., -k:], 1 / k, rtol=1e-6)
    for wrong in (0, None, 1.5):
        with pytest.raises(ValueError, match="k is"):
            lessons.TARGETS["even"](school, tokens, k=wrong)


def test_drawn_words_are_right_on_average(taught):
    _, p, target = taught
    few = softmax(target("drawn", k=2)[0])
    assert set(np.unique(few.round(6))) <= {0.0, 0.5, 1.0}
    many = softmax(target("drawn", k=4000)[0])
    np.testing.assert_allclose(many, p, atol=0.05)


def test_a_probability_of_zero_has_a_finite_logarithm():
    assert lessons.logarithms([0.0, 1.0]).tolist() == [NEVER, 0.0]


def test_the_record_has_each_arm_and_nothing_that_is_not_planned():
    """Each run is there once, and what counts is the training that was best on validation."""
    found = language.recorded()
    every = [line for lines in found.values() for line in lines.values()]
    assert len({str(line["teachers"]) for line in every}) == 1  # all had the same ones
    there = {(name, seed) for name, lines in found.items() for seed in lines}
    assert there <= {(run.arm, run.seed) for run in curriculum.runs()}
    assert {arm.name for arm in curriculum.PLAN.arms} == {name for name, _ in there}
    for lines in found.values():
        for line in lines.values():
            assert line["excess"] > 0
            for training in line.get("trainings", ()):
                assert len(training["curve"]) == 20
            if line.get("trainings"):
                best = min(line["trainings"], key=lambda one: min(one["curve"]))
                assert (best["excess"], best["steps"]) == (line["excess"], line["steps"])


def test_a_line_of_another_setting_is_refused(tmp_path):
    text = (Path(language.__file__).parents[1] / "results" / "language.jsonl").read_text()
    line = text.splitlines()[0].replace('"sentences": ', '"sentences": 9')
    (tmp_path / "language.jsonl").write_text(line + "\n")
    with pytest.raises(ValueError, match="was recorded with"):
        language.recorded(tmp_path)


def test_a_record_is_of_one_backend(tmp_path):
    text = (Path(language.__file__).parents[1] / "results" / "language.jsonl").read_text()
    first, second = text.splitlines()[:2]
    other = second.replace('"backend": "jax', '"backend": "cuneiform')
    (tmp_path / "language.jsonl").write_text(f"{first}\n{other}\n")
    with pytest.raises(ValueError, match="was made on cuneiform .* and jax"):
        language.recorded(tmp_path)
    (tmp_path / "language.jsonl").write_text(f"{other}\n")
    with pytest.raises(ValueError, match="was begun on cuneiform"):
        recorder.main(argparse.Namespace(out=tmp_path, only=None, storage=None))


def test_the_recorder_does_what_is_left_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    done = []

    def found(school, run):
        done.append(run.arm)
        settings = recorder.dataclasses.asdict(curriculum.PLAN.arm(run.arm))
        return {"settings": settings, "excess": 1.0}

    monkeypatch.setattr(recorder, "found", found)
    arguments = ["language_lessons", "--out", str(tmp_path), "--only", "own-text"]
    assert command(arguments) == command(arguments) == 0
    assert done == ["own-text", "own-text-reverse"] * len(curriculum.PLAN.seeds)
    assert list(language.recorded(tmp_path)) == ["own-text", "own-text-reverse"]
