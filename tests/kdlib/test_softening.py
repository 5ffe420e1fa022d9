"""The softmax at temperature T, entropy and divergence against closed forms and properties."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kdlib import softening

logits = arrays(
    np.float64, st.tuples(st.integers(1, 4), st.integers(2, 7)), elements=st.floats(-50, 50)
)
temperatures = st.floats(0.25, 50)


def test_softmax_at_four_equals_the_hand_calculation():
    e = [np.exp(1.5), np.exp(0.5), np.exp(-0.25)]
    expected = np.array(e) / sum(e)
    np.testing.assert_allclose(softening.softmax([6, 2, -1], 4), expected, rtol=1e-14)


@given(logits, temperatures)
def test_softmax_is_a_distribution_in_the_order_of_the_logits(z, temperature):
    p = softening.softmax(z, temperature)
    np.testing.assert_allclose(p.sum(-1), 1, rtol=1e-12)
    for row, chances in zip(z, p, strict=True):
        assert (np.diff(chances[np.argsort(row)]) >= -1e-15).all()


@given(logits, temperatures, st.floats(-100, 100))
def test_softmax_does_not_change_when_all_logits_are_shifted(z, temperature, shift):
    shifted = softening.softmax(z + shift, temperature)
    np.testing.assert_allclose(shifted, softening.softmax(z, temperature), rtol=1e-9, atol=1e-12)


@given(logits, temperatures)
def test_entropy_grows_with_temperature_and_stays_below_log2_of_classes(z, temperature):
    colder = softening.entropy(softening.softmax(z, temperature))
    warmer = softening.entropy(softening.softmax(z, 2 * temperature))
    assert (colder <= warmer + 1e-9).all()
    assert (warmer <= np.log2(z.shape[-1]) + 1e-9).all()


def test_the_entropy_of_a_certain_answer_is_zero_and_prints_without_a_minus():
    assert f"{softening.entropy([1.0, 0.0]):.1f}" == "0.0"


@given(arrays(np.float64, (3, 4), elements=st.floats(-8, 8)), temperatures)
def test_softened_probabilities_equal_softened_logits(z, temperature):
    p = softening.soften_probabilities(softening.softmax(z), temperature)
    np.testing.assert_allclose(p, softening.softmax(z, temperature), rtol=1e-9)


def test_softmax_of_probabilities_over_t_is_the_source_projects_mistake():
    p = softening.softmax([6, 2, -1])
    wrong = softening.softmax(p, 4)
    np.testing.assert_allclose(wrong, [0.389, 0.306, 0.305], atol=5e-4)


def test_log_softmax_survives_huge_logits():
    z = [1e4, -1e4, 0.0]
    np.testing.assert_allclose(softening.log_softmax(z), [0, -2e4, -1e4], atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_axis_names_the_classes(axis):
    z = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_allclose(softening.softmax(z, 2, axis).sum(axis), 1)
    assert softening.entropy(softening.softmax(z, 2, axis), axis).shape == z.sum(axis).shape


def test_limits_of_temperature():
    z = [2.0, 1.0, 0.0]
    np.testing.assert_allclose(softening.softmax(z, 1e-3), [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(softening.softmax(z, 1e9), [1 / 3] * 3, rtol=1e-8)


def test_kl_divergence_closed_forms():
    assert softening.kl_divergence([0.2, 0.8], [0.2, 0.8]) == 0
    two_coins = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert softening.kl_divergence([0.75, 0.25], [0.5, 0.5]) == pytest.approx(two_coins)
    assert softening.kl_divergence([0.5, 0.5], [1.0, 0.0]) == np.inf
    assert softening.kl_divergence([1.0, 0.0], [0.5, 0.5]) == pytest.approx(np.log(2))


def test_a_class_that_neither_finds_possible_adds_nothing_and_warns_of_nothing():
    with warnings.catch_warnings(action="error"):
        assert softening.kl_divergence([0.0, 1.0], [0.0, 1.0]) == 0
        assert softening.kl_divergence([0.0, 0.5, 0.5], [0.0, 0.5, 0.5]) == 0


@given(
    arrays(np.float64, 4, elements=st.floats(-5, 5)),
    arrays(np.float64, 4, elements=st.floats(-5, 5)),
    st.floats(0.5, 20),
)
def test_kl_gradient_equals_finite_differences(student, teacher, temperature):
    def loss(z):
        p, q = softening.softmax(teacher, temperature), softening.softmax(z, temperature)
        return temperature**2 * softening.kl_divergence(p, q)

    step = 1e-5
    numeric = [
        (loss(student + step * unit) - loss(student - step * unit)) / (2 * step)
        for unit in np.eye(4)
    ]
    gradient = softening.kl_gradient(student, teacher, temperature)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("temperature", [0, -1, np.nan, np.inf, "4", None, True])
@pytest.mark.parametrize("function", [softening.softmax, softening.log_softmax])
def test_temperature_must_be_a_positive_number(function, temperature):
    with pytest.raises(ValueError, match="expected a positive number"):
        function([1.0, 2.0], temperature)
    with pytest.raises(ValueError, match="expected a positive number"):
        softening.soften_probabilities([0.5, 0.5], temperature)


@pytest.mark.parametrize("bad", [[1.0, np.nan], [np.inf, 0.0], [], 3.0])
def test_logits_must_be_finite_and_have_classes(bad):
    with pytest.raises(ValueError, match="logits"):
        softening.softmax(bad)


@pytest.mark.parametrize("bad", [[0.5, 0.6], [-0.1, 1.1], [6.0, 2.0], [np.nan, 1.0], []])
def test_probabilities_must_be_a_distribution(bad):
    for call in (softening.entropy, lambda p: softening.soften_probabilities(p, 2)):
        with pytest.raises(ValueError, match="probabilities"):
            call(bad)


@pytest.mark.parametrize("bad", [1.0, [], np.empty((0, 3))])
def test_probabilities_have_a_class_at_least(bad):
    for call in (softening.entropy, lambda p: softening.soften_probabilities(p, 2)):
        with pytest.raises(ValueError, match="probabilities has shape .*at least one class"):
            call(bad)


@pytest.mark.parametrize("axis", [2, -3, 0.0, "a", None, (0, 1), True])
def test_an_axis_that_is_none_is_refused(axis):
    z, p = np.zeros((2, 2)), np.full((2, 2), 0.5)
    for call in (
        lambda: softening.softmax(z, axis=axis),
        lambda: softening.log_softmax(z, axis=axis),
        lambda: softening.soften_probabilities(p, 2.0, axis=axis),
        lambda: softening.entropy(p, axis=axis),
        lambda: softening.kl_divergence(p, p, axis=axis),
        lambda: softening.kl_gradient(z, z, 2.0, axis=axis),
    ):
        with pytest.raises(ValueError, match=r"axis is .* has shape \(2, 2\); .* from -2 to 1"):
            call()


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="same shape"):
        softening.kl_divergence([0.5, 0.5], [0.2, 0.3, 0.5])
    with pytest.raises(ValueError, match="same shape"):
        softening.kl_divergence([0.2, 0.3, 0.5], [0.5, 0.5])
    for pair in (([0.0, 0.0], [0.0, 0.0, 1.0]), ([0.0, 0.0, 1.0], [0.0, 0.0])):
        with pytest.raises(ValueError, match="same shape"):
            softening.kl_gradient(*pair, 2)
