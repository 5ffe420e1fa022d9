"""The confusion matrix and its scores: by hand, against scikit-learn, and on bad input."""

from fractions import Fraction

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kdlib import metrics

# Hand-drawn masks of 3 × 3 pixels: building, land, road, void.
B, L, R, V = 0, 1, 2, 3
LABELS = np.array(
    [
        [B, B, L],
        [B, L, L],
        [R, L, V],
    ]
)
PREDICTIONS = np.array(
    [
        [B, L, L],
        [B, L, B],
        [L, L, R],
    ]
)
MATRIX = [
    [2, 1, 0, 0],
    [1, 3, 0, 0],
    [0, 1, 0, 0],
    [0, 0, 1, 0],
]


def fractions(values):
    """Floats as the fractions that they stand for; None for NaN."""
    return [None if np.isnan(v) else Fraction(float(v)).limit_denominator(1000) for v in values]


def test_confusion_matrix_of_a_hand_drawn_mask():
    np.testing.assert_array_equal(metrics.confusion_matrix(LABELS, PREDICTIONS, 4), MATRIX)


def test_scores_of_a_hand_drawn_mask_with_void_left_out():
    matrix = metrics.confusion_matrix(LABELS, PREDICTIONS, 4, void_class=V)
    np.testing.assert_array_equal(matrix, [*MATRIX[:3], [0, 0, 0, 0]])
    found = metrics.scores(matrix, void_class=V)
    assert fractions([found.accuracy]) == [Fraction(5, 8)]
    assert fractions(found.precision) == [Fraction(2, 3), Fraction(3, 5), None, None]
    assert fractions(found.recall) == [Fraction(2, 3), Fraction(3, 4), 0, None]
    assert fractions(found.f1) == [Fraction(2, 3), Fraction(2, 3), 0, None]
    assert fractions(found.iou) == [Fraction(1, 2), Fraction(1, 2), 0, None]
    assert fractions([found.mean_precision]) == [Fraction(19, 30)]
    assert fractions([found.mean_recall]) == [Fraction(17, 36)]
    assert fractions([found.mean_f1]) == [Fraction(4, 9)]
    assert fractions([found.mean_iou]) == [Fraction(1, 3)]
    assert fractions(found.share) == [Fraction(3, 8), Fraction(1, 2), Fraction(1, 8), 0]
    assert fractions(found.predicted_share) == [Fraction(3, 8), Fraction(5, 8), 0, 0]


def test_scores_of_a_hand_drawn_mask_with_void_as_a_class():
    found = metrics.scores(MATRIX)
    assert fractions([found.accuracy]) == [Fraction(5, 9)]
    assert fractions(found.iou) == [Fraction(1, 2), Fraction(1, 2), 0, 0]
    assert fractions(found.precision) == [Fraction(2, 3), Fraction(3, 5), 0, None]
    assert fractions(found.share)[V] == Fraction(1, 9)


def test_a_class_pixel_predicted_as_void_is_a_miss():
    matrix = metrics.confusion_matrix([B, B, V], [B, V, B], 4, void_class=V)
    found = metrics.scores(matrix, void_class=V)
    assert found.accuracy == 0.5
    assert found.recall[B] == found.iou[B] == 0.5
    assert found.precision[B] == 1.0
    assert found.predicted_share.tolist() == [0.5, 0, 0, 0.5]
    assert np.isnan(found.precision[V])


def test_scores_leave_the_void_row_out_even_if_it_was_counted():
    counted_with_void = metrics.scores(MATRIX, void_class=V)
    matrix = metrics.confusion_matrix(LABELS, PREDICTIONS, 4, void_class=V)
    assert counted_with_void.accuracy == metrics.scores(matrix, void_class=V).accuracy
    assert counted_with_void.predicted_share[R] == 0


@pytest.mark.parametrize("void", [255, -1, 7])
def test_void_may_lie_outside_the_classes(void):
    matrix = metrics.confusion_matrix([0, 1, void], [0, 0, 1], 2, void_class=void)
    np.testing.assert_array_equal(matrix, [[1, 0], [1, 0]])


def test_constant_predictor_says_the_most_frequent_class():
    found = metrics.constant_predictor(MATRIX, void_class=V)
    assert fractions([found.accuracy]) == [Fraction(1, 2)]
    assert fractions(found.iou) == [0, Fraction(1, 2), 0, None]
    assert fractions([found.mean_iou]) == [Fraction(1, 6)]
    assert found.predicted_share.tolist() == [0, 1, 0, 0]


def test_constant_predictor_equals_a_constant_prediction():
    constant = metrics.confusion_matrix(LABELS, np.full_like(LABELS, L), 4, void_class=V)
    expected = metrics.scores(constant, void_class=V)
    found = metrics.constant_predictor(MATRIX, void_class=V)
    np.testing.assert_array_equal(found.iou, expected.iou)
    assert found.mean_f1 == expected.mean_f1


def test_constant_predictor_never_says_void():
    assert metrics.constant_predictor([[1, 0], [0, 9]], void_class=1).accuracy == 1.0


ids = st.integers(0, 4)
two_masks = st.integers(1, 40).flatmap(
    lambda n: st.tuples(*[hnp.arrays(np.uint8, n, elements=ids) for _ in range(2)])
)


@given(two_masks, st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_equal_to_scikit_learn(masks, seed):
    labels, predictions = masks
    weight = np.random.default_rng(seed).uniform(0.1, 2, labels.shape)
    matrix = metrics.confusion_matrix(labels, predictions, 5, sample_weight=weight)
    options = {"labels": range(5), "sample_weight": weight}
    np.testing.assert_allclose(
        matrix, sklearn.metrics.confusion_matrix(labels, predictions, **options), rtol=1e-12
    )
    found = metrics.scores(matrix)
    *expected, _ = sklearn.metrics.precision_recall_fscore_support(
        labels, predictions, zero_division=np.nan, **options
    )
    for ours, theirs in zip((found.precision, found.recall, found.f1), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    present = np.isin(np.arange(5), np.concatenate(masks))
    jaccard = sklearn.metrics.jaccard_score(
        labels, predictions, average=None, zero_division=0, **options
    )
    np.testing.assert_allclose(found.iou, np.where(present, jaccard, np.nan), rtol=1e-9)
    assert found.mean_iou == pytest.approx(jaccard[present].mean())
    accuracy = sklearn.metrics.accuracy_score(labels, predictions, sample_weight=weight)
    assert found.accuracy == pytest.approx(accuracy)


@given(two_masks)
@settings(deadline=None)
def test_void_is_the_same_as_cutting_the_pixels_out(masks):
    labels, predictions = masks
    kept = labels != 4
    found = metrics.confusion_matrix(labels, predictions, 5, void_class=4)
    weighted = metrics.confusion_matrix(labels, predictions, 5, sample_weight=kept)
    np.testing.assert_array_equal(found, weighted)
    if kept.any():
        cut = metrics.confusion_matrix(labels[kept], predictions[kept], 5)
        np.testing.assert_array_equal(found, cut)
    assert found[4].sum() == 0


@given(two_masks)
@settings(deadline=None)
def test_scores_stay_in_range_and_keep_their_relations(masks):
    found = metrics.scores(metrics.confusion_matrix(*masks, 5))
    for values in (found.precision, found.recall, found.f1, found.iou):
        known = values[~np.isnan(values)]
        assert ((known >= 0) & (known <= 1)).all()
    np.testing.assert_allclose(found.f1, 2 * found.iou / (1 + found.iou), rtol=1e-12)
    assert found.share.sum() == pytest.approx(1)
    assert found.predicted_share.sum() == pytest.approx(1)


def test_shape_of_the_masks_does_not_matter():
    flat = metrics.confusion_matrix(LABELS.ravel(), PREDICTIONS.ravel(), 4)
    np.testing.assert_array_equal(
        metrics.confusion_matrix(LABELS[None], PREDICTIONS[None], 4), flat
    )


def test_small_types_do_not_overflow():
    labels = np.full(1000, 19, dtype=np.uint8)
    matrix = metrics.confusion_matrix(labels, labels, 20)
    assert matrix[19, 19] == 1000
    assert matrix.dtype == np.float64


def test_nothing_but_void_has_no_scores():
    only_void = np.zeros((4, 4))
    only_void[V] = 3
    for matrix in (only_void, metrics.confusion_matrix([V, V], [B, L], 4, void_class=V)):
        for function in (metrics.scores, metrics.constant_predictor):
            with pytest.raises(ValueError, match=f"of 4 classes counts no pixel .* class {V};"):
                function(matrix, void_class=V)
    assert metrics.scores(only_void).share[V] == 1


def test_scores_do_not_change_the_matrix():
    matrix = np.array(MATRIX, dtype=float)
    metrics.scores(matrix, void_class=V)
    metrics.constant_predictor(matrix, void_class=V)
    np.testing.assert_array_equal(matrix, MATRIX)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 4], [0, 1], 4), r"labels hold \[4\]; expected ids from 0 to 3"),
        (([0, 255], [0, 1], 4), r"labels hold \[255\].*Give void_class"),
        (([0, -1], [0, 1], 4), r"labels hold \[-1\]"),
        (([0, 1], [0, 4], 4), r"predictions hold \[4\]"),
        (([0, 1], [0, 1, 1], 4), r"shape \(2,\) and predictions \(3,\).*compare equal shapes"),
        ((np.zeros((2, 2), int), np.zeros((2, 2, 4), int), 4), "argmax"),
        (([], [], 4), r"labels are empty \(shape \(0,\)\)"),
        (([0.0, 1.0], [0, 1], 4), "labels are float64; expected integer class ids"),
        (([0, 1], [0.0, np.nan], 4), "predictions are float64.*argmax"),
        (([0, 1], [0, 1], 1), "n_classes is 1; expected an integer of 2 or more"),
        (([0, 1], [0, 1], 2.0), "n_classes is 2.0"),
        (([0, 1], [0, 1], True), "n_classes is True"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        metrics.confusion_matrix(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_weight": [1.0]}, r"sample_weight has shape \(1,\) and labels \(2,\)"),
        ({"sample_weight": [1.0] * 3}, r"sample_weight has shape \(3,\) and labels \(2,\)"),
        ({"sample_weight": [1, -1]}, "sample_weight has negative"),
        ({"sample_weight": [1, np.nan]}, "sample_weight has negative or non-finite"),
        ({"void_class": "void"}, "void_class is 'void'"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        metrics.confusion_matrix([0, 1], [0, 1], 2, **options)


@pytest.mark.parametrize("void", ["b", 1.0, True, [1]])
@pytest.mark.parametrize("function", [metrics.scores, metrics.constant_predictor])
def test_a_void_class_that_is_no_number_is_refused(function, void):
    with pytest.raises(ValueError, match="void_class is .*; expected a class id or None") as error:
        function([[3, 1], [2, 2]], void_class=void)
    assert ("palette.names.index(name)" in str(error.value)) == (void == "b")


@pytest.mark.parametrize("void", [255, -1, np.uint8(7)])
def test_a_void_class_outside_the_classes_changes_no_score(void):
    matrix = [[3, 1], [2, 2]]
    assert metrics.scores(matrix, void).iou.tolist() == metrics.scores(matrix).iou.tolist()
    assert metrics.constant_predictor(matrix, void).accuracy == 0.5


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1, 2, 3], [4, 5, 6]], r"shape \(2, 3\)"),
        ([1, 2], r"shape \(2,\)"),
        ([[1, -2], [3, 4]], "negative"),
        ([[1, np.nan], [3, 4]], "non-finite"),
        ([[0, 0], [0, 0]], "of 2 classes counts no pixel; expected at least one"),
    ],
)
@pytest.mark.parametrize("function", [metrics.scores, metrics.constant_predictor])
def test_a_matrix_that_is_none_is_refused(function, matrix, message):
    with pytest.raises(ValueError, match=message):
        function(matrix)
