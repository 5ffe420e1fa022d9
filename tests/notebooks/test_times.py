"""The times that the book states: one for one thing, and those of full mode as measured."""

import json
import re

import nbformat
import pytest
from gpu import not_used
from project import GPU_RECORD, RECORD, ROOT, chapters

WORDS = {"a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "half a": 0.5}
BOOK = ROOT / "book"
AS_MEASURED = 1.6  # how many times longer or shorter than stated the stored run may have been


def number(text):
    """Return a number that is written as a word or in digits."""
    return WORDS.get(text) or float(text)


def row(head, pattern):
    """Return what the table at the head of a chapter says in the row that the pattern finds."""
    return re.search(rf"^\| {pattern} \| (.+) \|$", head, re.MULTILINE)[1]


def longest(text):
    """Return the most minutes that a text such as "2 to 5 minutes, depending on ..." allows."""
    found = re.match(r"(?:under |about |(?:\w+) to )?(half a|\w+) minutes?\b", text)
    return number(found[1])


@pytest.fixture(scope="module")
def stated():
    """Return {chapter: minutes of reading, exercises, smoke and full mode} from their heads."""
    times = {}
    for path in chapters():
        head = nbformat.read(path, as_version=4).cells[0].source
        texts = (
            row(head, "reading"),
            row(head, "exercises"),
            row(head, "running [^|]*smoke[^|]*"),
            row(head, "(?:running|the same)[^|]*full mode[^|]*"),
        )
        times[path.stem] = tuple(longest(text) for text in texts)
    return times


def text_of(name):
    return (BOOK / name).read_text(encoding="utf-8")


def test_times_are_read_as_they_are_meant():
    texts = (
        "45 minutes",
        "under a minute",
        "half a minute",
        "2 to 5 minutes, depending on the processor",
    )
    assert [longest(text) for text in texts] == [45, 1, 0.5, 5]
    assert longest("about 15 minutes") == 15


def test_full_mode_takes_as_long_as_the_chapters_say(stated):
    record = json.loads((ROOT / RECORD).read_text(encoding="utf-8"))
    assert set(record) == set(stated)
    for name, run in record.items():
        said, measured = stated[name][3], run["seconds"] / 60
        assert run["mode"] == "full" and measured < said * AS_MEASURED, name
        # "Under a minute" is an upper bound only.
        assert said <= 1 or measured > said / AS_MEASURED, name


def test_what_is_recorded_on_a_gpu_was_run_there(stated):
    path = ROOT / GPU_RECORD
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    assert not_used(record) == []
    assert set(record) in (set(), set(stated))
    assert {run["mode"] for run in record.values()} <= {"full"}


def test_how_to_read_says_the_same(stated):
    text = text_of("how_to_read.md")
    said = re.search(r"a minute or two a chapter [^|]* up to (\d+) on slow", text)
    assert int(said[1]) == max(smoke for _, _, smoke, _ in stated.values())
    assert "under half an hour a chapter" in text
    assert max(full for *_, full in stated.values()) < 30


def test_the_landing_page_says_the_same(stated):
    text = text_of("index.md")
    rows = re.findall(r"notebooks/(\w+)\.ipynb\) \|[^|]*\| (\d+) \+ (\d+) \|", text)
    assert {name: (int(r), int(e)) for name, r, e in rows} == {
        name: times[:2] for name, times in stated.items()
    }
    said = re.search(r"about ([\d.]+) hours of reading and ([\d.]+) hours of exercises", text)
    for part in (0, 1):
        hours = sum(times[part] for times in stated.values()) / 60
        assert abs(hours - float(said[part + 1])) <= 0.25
    slowest = re.search(r"up to (\d+) on a slow processor", text)
    assert int(slowest[1]) == max(smoke for _, _, smoke, _ in stated.values())


@pytest.mark.parametrize(
    ("page", "sentence", "chapter", "part"),
    [
        ("instructor/index.md", r"in smoke mode, it takes one to (\w+) minutes", "02", 2),
        ("instructor/index.md", r"Chapter 07 in smoke mode takes two to (\w+) minutes", "07", 2),
        ("instructor/02.md", r"smoke mode takes one to (\w+) minutes", "02", 2),
        ("instructor/04.md", r"Full mode takes about (\w+) minutes", "04", 3),
    ],
)
def test_the_pages_for_teachers_say_the_same(stated, page, sentence, chapter, part):
    (times,) = (times for name, times in stated.items() if name.startswith(chapter))
    assert number(re.search(sentence, text_of(page))[1]) == times[part]


def test_the_checklist_has_as_many_cases_as_the_landing_page_says():
    said = re.search(r"(\d+) cases of the checklist", text_of("index.md"))
    listed = re.findall(r'data-name="case">(\d+)<', text_of("checklist.md"))
    assert int(said[1]) == len(set(listed))
