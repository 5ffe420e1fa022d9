"""Where the dark knowledge lies, in drawn cases."""

import numpy as np
import pytest

from kdbook import dark_knowledge


def test_distances_and_shares_near_a_boundary_in_a_drawn_case():
    labels = np.array([[0, 0, 0, 1, 5], [0, 0, 0, 1, 2]])
    expected = [[2, 1, 0, 0, 1], [2, 1, 0, 0, 0]]
    np.testing.assert_array_equal(dark_knowledge.boundary_distance(labels, void_class=5), expected)
    assert np.isinf(dark_knowledge.boundary_distance(np.zeros((2, 2)))).all()
    values = np.array([[[1, 1, 1, 1, 9], [0, 0, 2, 2, 0]]])
    share, of_pixels = dark_knowledge.share_near_boundary(values, labels[None], 0, void_class=5)
    assert (share, of_pixels) == (pytest.approx(6 / 8), pytest.approx(5 / 9))
    for bad, message in (
        ((values, labels, 0), "expected the same"),
        ((-values, labels[None], 0), "negative"),
        ((values, labels[None], -1), "within is -1"),
    ):
        with pytest.raises(ValueError, match=message):
            dark_knowledge.share_near_boundary(*bad)
    with pytest.raises(ValueError, match="expected .height, width"):
        dark_knowledge.boundary_distance(labels[None])


def test_confusion_pairs_leave_void_out_and_put_the_likeliest_first():
    p = np.array([[0.6, 0.3, 0.1], [0.2, 0.8, 0.0], [0.4, 0.5, 0.1], [0, 0, 1]])
    found = dark_knowledge.confusion_pairs(p, [0, 1, 0, 2], void_class=2)
    assert [pair[1:] for pair in found] == [(0, 1), (1, 0), (0, 2), (1, 2)]
    np.testing.assert_allclose([pair[0] for pair in found], [0.4, 0.2, 0.1, 0.0])
    with pytest.raises(ValueError, match="a label for each"):
        dark_knowledge.confusion_pairs(p, [0, 1])
