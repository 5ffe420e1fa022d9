"""Where the dark knowledge lies, in drawn cases."""

import numpy as np
import pytest

from kdbook import dark_knowledge


def test_distances_from_a_boundary_in_a_drawn_case():
    labels = np.array([[0, 0, 0, 1, 5], [0, 0, 0, 1, 2]])
    expected = [[2, 1, 0, 0, 1], [2, 1, 0, 0, 0]]
    np.testing.assert_array_equal(dark_knowledge.boundary_distance(labels, void_class=5), expected)
    assert np.isinf(dark_knowledge.boundary_distance(np.zeros((2, 2)))).all()
    with pytest.raises(ValueError, match="expected .height, width"):
        dark_knowledge.boundary_distance(labels[None])


def test_confusion_pairs_leave_void_out_and_put_the_likeliest_first():
    p = np.array([[0.6, 0.3, 0.1], [0.2, 0.8, 0.0], [0.4, 0.5, 0.1], [0, 0, 1]])
    found = dark_knowledge.confusion_pairs(p, [0, 1, 0, 2], void_class=2)
    assert [pair[1:] for pair in found] == [(0, 1), (1, 0), (0, 2), (1, 2)]
    np.testing.assert_allclose([pair[0] for pair in found], [0.4, 0.2, 0.1, 0.0])
    with pytest.raises(ValueError, match="a label for each"):
        dark_knowledge.confusion_pairs(p, [0, 1])
