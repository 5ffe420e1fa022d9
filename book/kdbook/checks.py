"""Checks that a chapter makes of its own claims, and self-checks for exercises.

Every claim of a chapter that a cell can decide is a :func:`check`. The last cell calls
:func:`finish` with the number of checks that the chapter must have made, so that a check that
silently did not run fails the chapter as surely as one that came out false.
"""

import numpy as np

_made = 0


def check(claim, passed):
    """Print the claim with a tick if it holds; stop the chapter if it does not.

    - ``claim``: what is claimed, as a plain sentence.
    - ``passed``: whether it holds. A NumPy boolean will do; an array will not.
    - ``AssertionError`` if the claim does not hold.
    - ``ValueError`` if ``passed`` is not one true or false value.

    >>> check("two and two make four", 2 + 2 == 4)
    ✓ two and two make four
    """
    global _made
    if np.ndim(passed) or np.asarray(passed).dtype != bool:
        raise ValueError(
            f"check needs one True or False, got {passed!r}. Use .all(), .any() or a comparison."
        )
    if not passed:
        raise AssertionError(f"this claim does not hold: {claim}")
    _made += 1
    print(f"✓ {claim}")


def finish(expected):
    """Print how many checks passed; raise if it is not the number expected.

    Starts the count anew, for the next chapter in the same kernel.

    - ``expected``: the number of :func:`check` calls that the chapter makes from top to bottom.
    - ``AssertionError`` if another number of checks ran, for example because cells were skipped.

    >>> from kdbook import checks
    >>> checks._made = 0  # as in a fresh kernel
    >>> check("one claim", True)
    ✓ one claim
    >>> finish(1)
    1 of 1 checks of this chapter passed
    """
    global _made
    made, _made = _made, 0
    if made != expected:
        raise AssertionError(
            f"{made} checks ran, {expected} were expected. Run the chapter from top to bottom, "
            "in a fresh kernel; a cell that was skipped, or run twice, changes the count."
        )
    print(f"{made} of {expected} checks of this chapter passed")


def self_check(answer, expected, *, rtol=1e-3, mistakes=None):
    """Compare a reader's answer with the solution, and name the likely mistake.

    Never raises for a wrong answer: an exercise must not stop the chapter.

    - ``answer``: number, array, str, bool or None. None means "not answered yet".
    - ``expected``: number, array, str or bool. The right answer. Numbers are compared within
      ``rtol``.
    - ``rtol``: relative tolerance for numbers.
    - ``mistakes``: list of (wrong, str) pairs or dict. Wrong answers that one is likely to give,
      with what went wrong in each.

    >>> self_check(None, 0.5)
    Not answered yet: replace None by your answer and run the cell again.
    >>> self_check(0.5, 0.5)
    ✓ Right.
    >>> self_check(2.0, 0.5, mistakes={2.0: "Divide by T, do not multiply."})
    ✗ Not yet. Divide by T, do not multiply.
    """
    if answer is None:
        print("Not answered yet: replace None by your answer and run the cell again.")
        return
    if _same(answer, expected, rtol):
        print("✓ Right.")
        return
    pairs = mistakes.items() if isinstance(mistakes, dict) else mistakes or []
    hints = [hint for wrong, hint in pairs if _same(answer, wrong, rtol)]
    print("✗ Not yet. " + (hints[0] if hints else "Compare with the question once more."))


def _same(answer, expected, rtol):
    if isinstance(answer, np.bool_):  # what a comparison of arrays gives
        answer = bool(answer)
    if isinstance(expected, (str, bool)) or isinstance(answer, (str, bool)):
        return type(answer) is type(expected) and answer == expected
    try:
        answer, expected = np.asarray(answer, float), np.asarray(expected, float)
    except (TypeError, ValueError):
        return False
    return answer.shape == expected.shape and np.allclose(answer, expected, rtol=rtol, atol=1e-9)
