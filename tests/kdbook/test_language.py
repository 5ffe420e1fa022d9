"""The language whose truth is known, against sums over all ways to write a sentence."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbook.language import STOP, Language, pairs, small_english
from kdbook.language.english import BROKEN, SLIP
from kdbook.language.markov import draw


@pytest.fixture(scope="module")
def english():
    return small_english()


def any_language(seed, states=3, words=4):
    """A language without structure: the last state ends the sentence, and it alone does."""
    rng = np.random.default_rng(seed)
    initial, transition = rng.dirichlet(np.ones(states)), rng.dirichlet(np.ones(states), states)
    emission = np.zeros((states, words))
    emission[:-1, 1:] = rng.dirichlet(np.ones(words - 1), states - 1)
    transition[-1], emission[-1] = np.eye(states)[-1], np.eye(words)[STOP]
    return Language(tuple("abcd"[:words]), initial, transition, emission)


def probability(language, tokens):
    """The probability of a beginning, as the sum over all ways through the hidden states."""
    total = 0.0
    for path in itertools.product(range(len(language.initial)), repeat=len(tokens)):
        p = language.initial[path[0]]
        for before, after in itertools.pairwise(path):
            p *= language.transition[before, after]
        total += p * np.prod([language.emission[s, w] for s, w in zip(path, tokens, strict=True)])
    return total


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_next_words_are_those_of_a_sum_over_all_hidden_ways(seed):
    language = any_language(seed)
    tokens = language.sample(1, 4, seed)[0]
    found = language.next_probabilities(tokens)[0]
    for place in range(len(tokens)):
        before = list(tokens[:place])
        whole = probability(language, before) if before else 1.0
        by_hand = [probability(language, [*before, word]) / whole for word in range(4)]
        np.testing.assert_allclose(found[place], by_hand, atol=1e-12)


def test_the_second_word_of_the_small_english_by_brute_force(english):
    first = english.tokens("the")[0, 0]
    ways = english.initial * english.emission[:, first]
    after = sum(
        ways[s] * english.transition[s, t] * english.emission[t]
        for s in range(len(ways))
        for t in range(len(ways))
    )
    found = english.next_probabilities([[first, STOP]])[0, 1]
    np.testing.assert_allclose(found, after / ways.sum(), atol=1e-12)


def test_all_parts_are_distributions(english):
    for part in (english.initial[None], english.transition, english.emission):
        assert (part >= 0).all()
        np.testing.assert_allclose(part.sum(axis=1), 1, atol=1e-12)
    p = english.next_probabilities(english.sample(50, 12))
    np.testing.assert_allclose(p.sum(axis=-1), 1, atol=1e-12)


def test_the_words_that_come_are_as_likely_as_it_says(english):
    """The mean surprise of sampled words is the entropy, within four standard errors."""
    tokens = english.sample(4000, 12, seed=1)
    p, weight = english.next_probabilities(tokens), pairs(tokens)[2].astype(bool)
    surprise = -np.log(np.take_along_axis(p, tokens[..., None].astype(int), 2)[..., 0])
    entropy = -np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0), axis=-1)
    gap = (surprise - entropy)[weight]
    assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(gap.size)


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        ("the dog near two boats", "chases", "chase"),
        ("the dogs near a boat", "chase", "chases"),
        ("every sailor feeds the cows and", "pulls", "pull"),
    ],
)
def test_a_verb_agrees_with_its_subject_from_afar(english, text, right, wrong):
    p = english.next_probabilities(english.tokens(f"{text} ."))[0, -1]
    right, wrong = (p[english.words.index(word)] for word in (right, wrong))
    assert right > 0.01
    assert wrong < 2 * SLIP


def test_the_topic_is_told_by_the_words_before(english):
    def next_verb(text):
        p = english.next_probabilities(english.tokens(f"{text} ."))[0, -1]
        return {word: p[english.words.index(word)] for word in ("feeds", "pulls", "holds")}

    assert next_verb("the cow")["feeds"] > 3 * next_verb("the cow")["pulls"]
    assert next_verb("the gull")["pulls"] > 3 * next_verb("the gull")["holds"]
    afar = next_verb("the cow near the gull")
    assert afar["feeds"] == pytest.approx(afar["pulls"], rel=0.5)


def test_a_noun_has_the_number_of_its_own_determiner(english):
    """Of the subject and of every noun after it, whatever the subject was."""
    for beginning in ("a", "the sailor near two", "the sailors near every"):
        p = english.next_probabilities(english.tokens(f"{beginning} ."))[0, -1]
        said = ("dogs", "dog") if beginning.endswith("two") else ("dog", "dogs")
        right, wrong = (p[english.words.index(word)] for word in said)
        assert right > 100 * wrong


def test_a_word_is_a_slip_or_a_sentence_broken_off_as_often_as_it_says(english):
    after_the = english.next_probabilities(english.tokens("the the"))[0, 1]
    assert after_the[STOP] == pytest.approx(BROKEN)
    assert after_the[english.words.index("and")] == pytest.approx(
        (1 - BROKEN) * SLIP / (len(english.words) - 1)
    )


def test_no_row_of_words_is_impossible_before_its_stop(english):
    """So that what a bad student writes has a probability, too."""
    written = np.random.default_rng(0).integers(0, len(english.words), (200, 6))
    written[np.cumsum(written == STOP, axis=1) > 0] = STOP
    p = english.next_probabilities(written)
    said = np.take_along_axis(p, written[..., None], 2)[..., 0]
    assert said.min() > 1e-6
    assert english.next_probabilities([[STOP]])[0, 0, STOP] == pytest.approx(BROKEN)


def test_sentences_repeat_with_the_seed_and_end_for_good(english):
    first, again, other = (english.sample(200, 12, seed) for seed in (5, 5, 6))
    assert (first == again).all()
    assert (first != other).any()
    ended = np.cumsum(first == STOP, axis=1) > 0
    assert ended.any() and (first[ended] == STOP).all()


def test_a_text_and_its_tokens(english):
    tokens = english.tokens("the grey dogs chase two gulls .")
    assert english.text(tokens[0]) == "the grey dogs chase two gulls ."
    assert english.text([*tokens[0], STOP, STOP]) == "the grey dogs chase two gulls ."
    with pytest.raises(ValueError, match="no word cat, zebra"):
        english.tokens("a cat and a zebra")


def test_words_that_do_not_exist_or_cannot_come_are_refused(english):
    for wrong in (63, 99):
        with pytest.raises(ValueError, match=f"tokens run from 0 to {wrong}; expected 0 to 62"):
            english.next_probabilities([[0, wrong]])
    tokens = english.tokens("the dog chases .")
    with pytest.raises(ValueError, match="place 4 a word came that this language never says"):
        english.next_probabilities(np.append(tokens, [[5]], axis=1))


def test_pairs_are_one_place_apart_and_nothing_counts_after_the_stop():
    inputs, targets, weight = pairs([[3, 4, STOP, STOP], [5, 6, 7, 8], [STOP, STOP, STOP, STOP]])
    assert inputs.tolist() == [[0, 3, 4, 0], [0, 5, 6, 7], [0, 0, 0, 0]]
    assert targets.tolist() == [[3, 4, 0, 0], [5, 6, 7, 8], [0, 0, 0, 0]]
    assert weight.tolist() == [[1, 1, 1, 0], [1, 1, 1, 1], [1, 0, 0, 0]]


@pytest.mark.parametrize("row", [[np.nan, 0.5], [0.0, 0.0]])
def test_from_no_distribution_nothing_is_drawn(row):
    with pytest.raises(ValueError, match="sums to 0 or to no number"):
        draw(np.array([[0.5, 0.5], row]), np.random.default_rng(0))


def test_draws_are_as_frequent_as_they_are_likely():
    p = np.tile([0.0, 0.2, 0.5, 0.3, 0.0], (20_000, 1))
    share = np.bincount(draw(p, np.random.default_rng(0)), minlength=5) / len(p)
    np.testing.assert_allclose(share, p[0], atol=0.015)
    assert share[0] == share[4] == 0
