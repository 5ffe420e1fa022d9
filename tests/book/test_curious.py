"""The examples of the page for the curious run, and print what the page says."""

import doctest

from project import ROOT


def test_examples_of_the_page_for_the_curious():
    results = doctest.testfile(str(ROOT / "book" / "curious.md"), module_relative=False)
    assert results.attempted > 20 and results.failed == 0
