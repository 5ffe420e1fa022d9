"""Checks that cannot pass by not running."""

import numpy as np
import pytest

from kdbook import checks


@pytest.fixture(autouse=True)
def fresh_count(monkeypatch):
    monkeypatch.setattr(checks, "_made", 0)


def test_a_claim_that_holds_is_printed_and_counted(capsys):
    checks.check("one is one", np.bool_(True))
    checks.finish(1)
    assert capsys.readouterr().out.splitlines() == [
        "✓ one is one",
        "1 of 1 checks of this chapter passed",
    ]


def test_a_claim_that_does_not_hold_stops():
    with pytest.raises(AssertionError, match="does not hold: one is two"):
        checks.check("one is two", False)


@pytest.mark.parametrize("passed", [np.array([True, True]), [True], None, 1, "yes", np.ones(0)])
def test_a_claim_needs_one_truth_value(passed):
    with pytest.raises(ValueError, match="one True or False"):
        checks.check("something", passed)


@pytest.mark.parametrize("expected", [0, 2])
def test_a_wrong_number_of_checks_fails(expected):
    checks.check("one", True)
    with pytest.raises(AssertionError, match="1 checks ran"):
        checks.finish(expected)


@pytest.mark.parametrize(
    ("answer", "expected", "says"),
    [
        (None, 1.0, "Not answered yet"),
        (1.0004, 1.0, "✓ Right."),
        (1.1, 1.0, "✗ Not yet. Compare"),
        (2.0, 1.0, "✗ Not yet. twice too much"),
        ("a", "a", "✓ Right."),
        ("b", "a", "✗ Not yet."),
        ([1, 2], np.array([1.0, 2.0]), "✓ Right."),
        ([1, 2, 3], np.array([1.0, 2.0]), "✗ Not yet."),
        (1, True, "✗ Not yet."),
        (True, True, "✓ Right."),
        (np.array([1, 2]).all(), True, "✓ Right."),
        (np.False_, True, "✗ Not yet."),
        ("one", 1.0, "✗ Not yet."),
        (object(), 1.0, "✗ Not yet."),
    ],
)
def test_self_check_answers_and_never_raises(capsys, answer, expected, says):
    checks.self_check(answer, expected, mistakes={2.0: "twice too much"})
    assert capsys.readouterr().out.startswith(says)


def test_self_check_takes_mistakes_that_are_arrays(capsys):
    wrong = np.array([2.0, 1.0])
    checks.self_check(wrong, np.array([1.0, 2.0]), mistakes=[(wrong, "the other way round")])
    assert "the other way round" in capsys.readouterr().out
