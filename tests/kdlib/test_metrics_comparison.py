"""Agreement, paired differences and calibration, against closed forms and scipy."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kdlib import metrics, softening

MASK_A = np.array([[0, 0, 1], [2, 1, 1], [2, 2, 0]])
MASK_B = np.array([[0, 1, 1], [2, 1, 0], [2, 0, 1]])


def test_agreement_of_hand_drawn_masks():
    assert metrics.agreement(MASK_A, MASK_B) == 5 / 9
    assert metrics.agreement(MASK_A, MASK_B, mask=MASK_A != 0) == 4 / 6
    assert metrics.agreement(MASK_A, MASK_A) == 1.0
    assert metrics.agreement(MASK_A, MASK_A + 1) == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [0, 1, 2]), r"shapes \(2,\) and \(3,\)"),
        (([0, 1, 2], [0, 1], [True] * 2), r"shapes \(3,\) and \(2,\), the mask \(2,\)"),
        (([0, 1], [0, 1], [True]), r"the mask \(1,\)"),
        (([0, 1], [0, 1], [1, 0]), "mask is int64; expected booleans"),
        (([0, 1], [0, 1], [False, False]), "no pixel is left"),
        (([], []), "no pixel is left"),
    ],
)
def test_agreement_refuses_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        metrics.agreement(*arguments)


def test_paired_difference_by_hand():
    # Differences 1, 2, 3: mean 2, s = 1. With 2 degrees of freedom, t reaches c of the
    # probability within c · sqrt(2 / (1 - c²)) of 0: 4.3027 for c = 0.95.
    found = metrics.paired_difference([2, 4, 6], [1, 2, 3])
    reach = 0.95 * np.sqrt(2 / (1 - 0.95**2)) / np.sqrt(3)
    assert found == pytest.approx((2, 2 - reach, 2 + reach), rel=1e-8)
    assert found.mean == 2.0


@given(
    hnp.arrays(float, st.integers(2, 12).map(lambda n: (2, n)), elements=st.floats(-10, 10)),
    st.floats(0.5, 0.999),
)
@settings(deadline=None)
def test_paired_difference_equals_scipy(pair, confidence):
    found = metrics.paired_difference(*pair, confidence=confidence)
    differences = pair[0] - pair[1]
    if differences.std() < 1e-6:
        assert found.low == pytest.approx(found.high, abs=1e-3)
        return
    expected = scipy.stats.ttest_rel(*pair).confidence_interval(confidence)
    assert found.low == pytest.approx(expected.low, rel=1e-6, abs=1e-9)
    assert found.high == pytest.approx(expected.high, rel=1e-6, abs=1e-9)
    swapped = metrics.paired_difference(*pair[::-1], confidence=confidence)
    assert swapped == pytest.approx((-found.mean, -found.high, -found.low))


def test_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    pairs = rng.normal(0.3, 1, (4000, 5)), rng.normal(0, 1, (4000, 5))
    found = [metrics.paired_difference(a, b, 0.9) for a, b in zip(*pairs, strict=True)]
    covered = np.mean([low <= 0.3 <= high for _, low, high in found])
    assert covered == pytest.approx(0.9, abs=4 * np.sqrt(0.9 * 0.1 / 4000))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5], [0.4]), "at least 2"),
        (([], []), "at least 2"),
        (([0.5, 0.6], [0.4, 0.5, 0.6]), r"shapes \(2,\) and \(3,\)"),
        (([0.5, np.nan], [0.4, 0.5]), "NaN"),
        (([0.5, 0.6], [0.4, 0.5], 95), "between 0 and 1"),
        (([0.5, 0.6], [0.4, 0.5], 1.0), "between 0 and 1"),
    ],
)
def test_paired_difference_refuses_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        metrics.paired_difference(*arguments)


def two_classes(confidence, right):
    """Labels and probabilities of pixels with these confidences, right or wrong."""
    confidence = np.asarray(confidence, dtype=float)
    labels = np.where(right, 0, 1)
    return labels, np.stack([confidence, 1 - confidence], axis=-1)


def test_calibration_error_of_a_perfect_and_of_a_boastful_model():
    assert metrics.expected_calibration_error(*two_classes([1, 1], [True, True])) == 0
    assert metrics.expected_calibration_error(*two_classes([1, 1], [False, False])) == 1
    # Right in 3 of 4 cases, and always 0.75 sure: calibrated. Always 0.95 sure: 0.2 too much.
    right = [True, True, True, False]
    assert metrics.expected_calibration_error(*two_classes([0.75] * 4, right)) == 0
    boastful = metrics.expected_calibration_error(*two_classes([0.95] * 4, right))
    assert boastful == pytest.approx(0.2)


def test_calibration_error_by_hand_over_two_bins():
    # Bin (0.5, 0.75]: confidence 0.6 and 0.7, one right: gap 0.15. Bin (0.75, 1]: 0.9, 1.0 and
    # 0.8, all right: gap 0.1.
    labels, probabilities = two_classes([0.6, 0.7, 0.9, 1.0, 0.8], [True, False, True, True, True])
    curve = metrics.reliability_curve(labels, probabilities, bins=4)
    np.testing.assert_array_equal(curve.edges, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_array_equal(curve.count, [0, 0, 2, 3])
    np.testing.assert_allclose(curve.confidence, [np.nan, np.nan, 0.65, 0.9])
    np.testing.assert_allclose(curve.accuracy, [np.nan, np.nan, 0.5, 1.0])
    expected = 2 / 5 * 0.15 + 3 / 5 * 0.1
    assert curve.error == pytest.approx(expected)
    found = metrics.expected_calibration_error(labels, probabilities, bins=4)
    assert found == pytest.approx(expected)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    labels, probabilities = two_classes([0.5, 0.75, 1.0], [True] * 3)
    curve = metrics.reliability_curve(labels, probabilities, bins=4)
    np.testing.assert_array_equal(curve.count, [0, 1, 1, 1])


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(1, 20))
@settings(deadline=None, max_examples=50)
def test_calibration_error_equals_the_definition_written_as_a_loop(seed, n_classes, bins):
    rng = np.random.default_rng(seed)
    probabilities = softening.softmax(rng.normal(0, 2, (60, n_classes)))
    labels = rng.integers(0, n_classes, 60)
    expected = 0.0
    for b in range(bins):
        inside = [
            (p.max(), p.argmax() == y)
            for p, y in zip(probabilities, labels, strict=True)
            if b / bins < p.max() <= (b + 1) / bins
        ]
        if inside:
            confidence, right = np.mean(inside, axis=0)
            expected += len(inside) / 60 * abs(right - confidence)
    found = metrics.expected_calibration_error(labels, probabilities, bins=bins)
    assert found == pytest.approx(expected, abs=1e-12)


def test_one_bin_compares_mean_confidence_with_accuracy():
    labels, probabilities = two_classes([0.6, 0.8, 0.7], [True, False, True])
    found = metrics.expected_calibration_error(labels, probabilities, bins=1)
    assert found == pytest.approx(abs(2 / 3 - 0.7))


def test_labels_drawn_from_the_probabilities_are_calibrated():
    rng = np.random.default_rng(1)
    probabilities = softening.softmax(rng.normal(0, 2, (50_000, 4)))
    labels = (probabilities.cumsum(axis=-1) < rng.random((50_000, 1))).sum(axis=-1)
    assert metrics.expected_calibration_error(labels, probabilities) < 0.01
    # A temperature below 1 makes the same model too sure of itself.
    sharper = softening.soften_probabilities(probabilities, 0.5)
    assert metrics.expected_calibration_error(labels, sharper) > 0.05


def test_void_pixels_do_not_count_in_calibration():
    labels, probabilities = two_classes([0.75] * 4, [True, True, True, False])
    labels = np.append(labels, 255).reshape(1, 5)
    probabilities = np.append(probabilities, [[0.0, 1.0]], axis=0).reshape(1, 5, 2)
    assert metrics.expected_calibration_error(labels, probabilities, void_class=255) == 0
    assert metrics.reliability_curve(labels, probabilities, void_class=255).count.sum() == 4


def test_confidences_rounded_above_one_stay_in_the_last_bin():
    probabilities = np.array([[1.0000002, 0.0]], dtype=np.float32)
    assert metrics.reliability_curve([0], probabilities, bins=3).count.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0], [[0.5, np.nan]]), "NaN"),
        (([0], [[2.0, -1.0]]), "expected sums of 1.*softmax"),
        (([0], [[3.0, 1.0]]), "Pass logits through"),
        (([0, 1], [[0.5, 0.5]]), r"shape \(2,\) and probabilities \(1, 2\)"),
        ((0, 0.5), "one axis of classes"),
        (([0.0], [[0.5, 0.5]]), "labels are float64"),
        (([2], [[0.5, 0.5]]), r"labels hold \[2\]"),
        (([], np.zeros((0, 2))), "labels are empty"),
        (([1], [[0.5, 0.5]], 15, 1), "no pixel is left"),
        (([1], [[0.5, 0.5]], 15, "b"), "void_class is 'b'; expected a class id or None"),
        (([1], [[0.5, 0.5]], 0), "bins is 0"),
        (([1], [[0.5, 0.5]], 2.5), "bins is 2.5"),
    ],
)
def test_calibration_refuses_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        metrics.reliability_curve(*arguments)
