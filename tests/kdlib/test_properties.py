"""Properties that hold whatever the numbers: of losses, scores, patches and masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import ops

from kdlib import data, losses, metrics, softening
from tests.kdlib.test_losses import gradient

logits = arrays(np.float64, (2, 3, 5), elements=st.floats(-8, 8))
temperatures = st.floats(0.5, 20)
counts = arrays(np.float64, (4, 4), elements=st.integers(0, 50)).filter(np.any)
masks = arrays(np.uint8, (2, 6, 6), elements=st.integers(0, 5))


def loss(teacher, student, temperature):
    return ops.convert_to_numpy(losses.kl_divergence(teacher, student, temperature))


@pytest.mark.tensorflow  # in double precision, which JAX leaves out by default
@given(logits, temperatures)
@settings(deadline=None, max_examples=40)
def test_the_divergence_is_positive_and_zero_only_for_equal_distributions(pair, temperature):
    teacher, student = pair
    found = loss(teacher, student, temperature)
    assert (found > -1e-12).all()
    p, q = (softening.softmax(z, temperature) for z in pair)
    # Pinsker: KL is at least half the square of the summed difference.
    assert (found >= np.abs(p - q).sum(-1) ** 2 / 2 - 1e-12).all()
    np.testing.assert_allclose(loss(teacher, teacher + 3.25, temperature), 0, atol=1e-12)


@pytest.mark.tensorflow  # in double precision, which JAX leaves out by default
@given(logits, temperatures)
@settings(deadline=None, max_examples=15)
def test_the_gradient_of_the_loss_equals_finite_differences_and_the_closed_form(pair, temperature):
    teacher, student = pair
    found = gradient(lambda z: ops.sum(losses.kl_divergence(teacher, z, temperature)), student)
    closed = softening.kl_gradient(student, teacher, temperature) / temperature**2
    np.testing.assert_allclose(found, closed, rtol=1e-6, atol=1e-9)
    step, numeric = 1e-5, np.zeros_like(student)
    for i in range(student.shape[-1]):
        moved = step * np.eye(student.shape[-1])[i]
        up, down = (loss(teacher, student + sign * moved, temperature) for sign in (1, -1))
        numeric[:, i] = (up - down) / (2 * step)
    np.testing.assert_allclose(found, numeric, rtol=1e-4, atol=1e-8)


@given(arrays(np.float64, (3, 5), elements=st.floats(-8, 8)), temperatures)
@settings(deadline=None)
def test_cross_entropy_is_divergence_plus_entropy(z, temperature):
    p, q = softening.softmax(z, temperature), softening.softmax(z[::-1], temperature)
    cross = -(p * softening.log_softmax(z[::-1], temperature)).sum(-1)
    entropy = softening.entropy(p) * np.log(2)
    np.testing.assert_allclose(softening.kl_divergence(p, q), cross - entropy, atol=1e-9)


@given(logits, temperatures, temperatures)
@settings(deadline=None)
def test_softening_twice_is_softening_by_the_product(pair, first, second):
    p = softening.softmax(pair[0] / 8, first)
    twice = softening.soften_probabilities(p, second)
    np.testing.assert_allclose(twice, softening.softmax(pair[0] / 8, first * second), rtol=1e-8)


@given(counts, st.permutations(range(4)))
@settings(deadline=None)
def test_scores_follow_their_classes_and_precision_is_recall_turned_round(matrix, order):
    found, turned = metrics.scores(matrix), metrics.scores(matrix.T)
    permuted = metrics.scores(matrix[np.ix_(order, order)])
    for name in ("precision", "recall", "f1", "iou", "share", "predicted_share"):
        np.testing.assert_array_equal(getattr(permuted, name), getattr(found, name)[order])
    np.testing.assert_array_equal(found.precision, turned.recall)
    np.testing.assert_array_equal(found.iou, turned.iou)
    assert permuted.mean_iou == pytest.approx(found.mean_iou)


@given(counts, st.integers(2, 9))
@settings(deadline=None)
def test_scores_do_not_depend_on_how_much_a_pixel_counts(matrix, factor):
    found, scaled = metrics.scores(matrix), metrics.scores(factor * matrix)
    np.testing.assert_allclose(scaled.iou, found.iou, rtol=1e-12)
    assert scaled.accuracy == pytest.approx(found.accuracy)


@given(masks, st.integers(1, 6))
@settings(deadline=None, max_examples=40)
def test_image_and_mask_are_cut_alike_and_no_pixel_is_changed(labels, size):
    images = tuple(data.decode(mask) for mask in labels)
    numbers = np.array([1, 2])
    patches = data.cut(data.ImageSet("x", images, tuple(labels), numbers, numbers, ""), size)
    np.testing.assert_array_equal(data.encode(patches.images), patches.labels)
    assert len(patches) == 2 * (6 // size) ** 2
    if 6 % size == 0:
        np.testing.assert_allclose(data.class_shares(patches.labels), data.class_shares(labels))


@given(masks, st.integers(0, 5), st.integers(1, 255))
@settings(deadline=None)
def test_one_pixel_of_another_colour_is_always_noticed(labels, column, change):
    colours = data.decode(labels).copy()
    colours[1, 2, column, 1] ^= change
    known = {*map(tuple, data.PALETTE.tolist()), (0, 0, 0)}
    if tuple(colours[1, 2, column].tolist()) in known:
        return
    with pytest.raises(ValueError, match="1 pixels in 1 colours"):
        data.encode(colours)
