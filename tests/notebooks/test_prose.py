"""Numbers in prose are those that the cells computed; a typed one is found."""

import nbformat
import prose
import pytest
from execute import ChapterFailed, execute
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from project import ROOT, chapters, kernel_environment

CODE = "share = 837 / 1000\nprint(f'{share:.1%} of the threes')"
CHECKED = {"tags": ["nbval-check-output"]}


def chapter_of(*texts):
    """Return a chapter that prints 83.7 %, and then says the texts."""
    shown = [new_output("stream", name="stdout", text="83.7% of the threes\n")]
    cells = [new_markdown_cell("# Threes"), new_code_cell(CODE, outputs=shown)]
    return new_notebook(cells=[*cells, *map(new_markdown_cell, texts)])


@pytest.mark.parametrize(
    ("value", "like", "text"),
    [
        (0.8371, "50 %", "84 %"),
        (0.8371, "1.0%", "83.7%"),
        (0.575, "50 %", "58 %"),
        (-0.2615, "+00 %", "−26 %"),
        (0.3349, "+.00", "+.33"),
        (-0.0001, "+0.00", "0.00"),
        (1797, "0", "1797"),
        (1797, "1,000", "1,797"),
        (26122.0, "0", "26,122"),
        (33.4, "+1", "+33"),
        (4.118, "3.14", "4.12"),
    ],
)
def test_a_number_is_written_in_the_shape_of_the_one_before_it(value, like, text):
    assert prose.written(value, like) == text


def test_a_mark_is_filled_in_and_leaves_the_rest_alone():
    text = "**10 %<!--= found := share -->** of 52, +0.1<!--= a - b --> and 7<!--= 02.n -->."
    values = {"found := share": 0.837, "a - b": -0.25}
    expected = "**84 %<!--= found := share -->** of 52, −0.2<!--= a - b --> and 7<!--= 02.n -->."
    assert prose.filled(text, values) == expected
    with pytest.raises(prose.WrongMark, match="no number stands before"):
        prose.filled("many <!--= n -->", {"n": 3})


def test_storing_writes_the_number_as_it_is_after_the_cells_below_the_prose(tmp_path):
    notebook = chapter_of("Found: 0 %<!--= n := share -->, later 0<!--= later -->.", "Now:")
    notebook.cells += [new_code_cell("share = 0.5"), new_markdown_cell("Then 0 %<!--= share -->.")]
    notebook.cells += [new_code_cell("share, later = 0.25, 12"), new_markdown_cell("The end.")]
    cells = run(notebook, "full", tmp_path)
    assert cells[5].source == "Then 25 %<!--= share -->."
    assert cells[2].source == "Found: 25 %<!--= n := share -->, later 12<!--= later -->."
    assert cells[2].metadata["values"] == {"n := share": 0.25, "later": 12.0}


def test_prose_is_asked_before_a_later_cell_changes_what_it_is_about(tmp_path):
    notebook = chapter_of("Found: 0 %<!--= share -->.", "Now another.")
    notebook.cells.append(new_code_cell("share = 0.5"))
    assert run(notebook, "full", tmp_path)[2].source == "Found: 84 %<!--= share -->."


def test_a_smoke_run_leaves_the_prose_and_still_notices_a_mark_that_fails(tmp_path):
    text = "Found: 0 %<!--= share -->."
    assert run(chapter_of(text), "smoke", tmp_path)[2].source == text
    for what, said in (("shares", "NameError"), ("share / 0", "ZeroDivision"), ("1e999", "inf")):
        with pytest.raises(ChapterFailed, match=said):
            run(chapter_of(text.replace("share", what)), "smoke", tmp_path)


def run(notebook, mode, folder):
    """Run a chapter and its last cell, which counts the checks; this one makes none."""
    count = "def finish(checks):\n    print(f'{checks} of {checks} checks of this chapter passed')"
    first, last = new_code_cell(count), new_code_cell("finish(1)", metadata=CHECKED)
    whole = new_notebook(cells=[first, *notebook.cells, last])
    execute(whole, "99.ipynb", limit=120, environment=kernel_environment(mode), folder=folder)
    return whole.cells[1:-1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It finds 83.7 % of the threes.", ["83.7 %"]),
        ("It finds 84 % of them.", ["84 %"]),
        ("A share of .84, not of 0.85.", [".84"]),
        ("It finds 84 %<!--= share --> of them.", []),
        ("Hinton found 84 %<!--typed: their report -->.", []),
        ("See [this](https://example.org/84.7), `83.7`, $0.84$, <a title='84 %'>it</a>.", []),
        ("Version 0.84.1, and 837 of 1000, which the code sets.", []),
    ],
)  # fmt: skip
def test_typed_numbers_are_found_and_others_are_not(text, found):
    problems = prose.types_nothing_that_was_computed(chapter_of(text), "99")
    assert [problem.partition(" types ")[2].partition(",")[0] for problem in problems] == found


def test_a_number_that_was_changed_by_hand_or_never_stored_is_found():
    notebook = chapter_of("It finds 84 %<!--= share -->.")
    assert "run make store" in prose.says_what_was_stored(notebook, "99")[0]
    notebook.cells[2].metadata["values"] = {"share": 0.837}
    assert prose.says_what_was_stored(notebook, "99") == []
    notebook.cells[2].source = "It finds 85 %<!--= share -->."
    assert "not the stored one" in prose.says_what_was_stored(notebook, "99")[0]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("share", ""),
        ("half := share / 2", ""),
        ("sum(x > share for x in (1, 2))", ""),
        ("shares", "unknown here"),
        ("share +", "not an expression"),
    ],
)
def test_marks_are_python_with_names_of_the_chapter(what, said):
    problems = prose.has_marks_that_can_be_evaluated(chapter_of(f"0<!--= {what} -->"), "99")
    assert (said in problems[0]) if said else problems == []


def test_pages_repeat_named_values_in_their_own_shape(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "book").mkdir()
    notebook = chapter_of("It finds 84 %<!--= found := share -->.")
    notebook.cells[2].metadata["values"] = {"found := share": 0.837}
    nbformat.write(notebook, tmp_path / "notebooks" / "02_threes.ipynb")
    page = tmp_path / "book" / "index.md"
    page.write_text("Of all, 0.0 %<!--= 02.found -->.", encoding="utf-8")
    assert prose.fill_pages(tmp_path, check=True) == ["index.md"]
    assert prose.fill_pages(tmp_path) == ["index.md"]
    assert page.read_text(encoding="utf-8") == "Of all, 83.7 %<!--= 02.found -->."
    assert prose.fill_pages(tmp_path) == []
    page.write_text("Of all, 0.0 %<!--= 02.lost -->.", encoding="utf-8")
    with pytest.raises(prose.WrongMark, match=r"index\.md: no chapter has 02\.lost"):
        prose.fill_pages(tmp_path)


def test_a_page_may_not_type_what_the_chapter_that_it_links_to_prints():
    printed = {"02": prose.printed(chapter_of())}
    linked = "It finds 84 %: [the digit](../notebooks/02_threes.ipynb)."
    assert prose.typed_on_page(linked, printed) == ["84 %"]
    assert prose.typed_on_page(linked.replace("84 %", "84 %<!--= 02.found -->"), printed) == []
    assert prose.typed_on_page("It finds 84 %.\n\n" + linked[14:], printed) == []


@pytest.mark.parametrize("rule", prose.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_rule(path, rule):
    assert rule(nbformat.read(path, as_version=4), path.name) == [], rule.__doc__


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_a_chapter_types_no_result_and_says_once_what_smoke_mode_shows_instead(path):
    notebook = nbformat.read(path, as_version=4)
    problems = prose.types_nothing_that_was_computed(notebook, path.name)
    boxes = sum(cell.source.count(prose.SMOKE_BOX) for cell in notebook.cells)
    problems += [f"{boxes} boxes start with {prose.SMOKE_BOX!r}"] * (boxes != 1)
    assert problems == []


@pytest.mark.parametrize("path", prose.pages(), ids=lambda path: path.stem)
def test_page(path):
    printed = {one.name[:2]: prose.printed(nbformat.read(one, as_version=4)) for one in chapters()}
    found = prose.typed_on_page(path.read_text(encoding="utf-8"), printed)
    assert found == []


def test_pages_and_chapters_repeat_the_stored_numbers():
    assert prose.fill_pages(ROOT, check=True) == []
