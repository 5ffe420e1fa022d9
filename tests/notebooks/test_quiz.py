"""Quizzes and concept inventory: sound questions, and pages that are as their files say."""

import re

import nbformat
import pytest
import quiz
from bs4 import BeautifulSoup
from project import ROOT, chapters

PATHS = chapters()
FILES = [quiz.file_of(path.name) for path in PATHS]
ASKED = pytest.mark.parametrize("path", [*FILES, quiz.INVENTORY], ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_chapter_has_the_quiz_of_its_file(path):
    assert quiz.has_its_quiz(read(path), path.name) == []


def test_a_missing_a_changed_and_a_misplaced_quiz_are_noticed():
    def problems(change):
        notebook = read(PATHS[0])
        held = ["quiz" in cell.metadata.get("tags", []) for cell in notebook.cells]
        change(notebook, held.index(True))
        return " ".join(quiz.has_its_quiz(notebook, PATHS[0].name))

    def edit(notebook, place):
        notebook.cells[place].source += "!"

    assert "0 cells" in problems(lambda notebook, place: notebook.cells.pop(place))
    assert "not that of its file" in problems(edit)
    late = problems(lambda notebook, place: notebook.cells.append(notebook.cells.pop(place)))
    assert "before the key points" in late


def test_to_insert_a_quiz_twice_changes_nothing_more():
    once = quiz.insert(read(PATHS[0]), PATHS[0].name)
    assert nbformat.writes(quiz.insert(once, PATHS[0].name)) == nbformat.writes(read(PATHS[0]))


@ASKED
def test_each_question_has_one_right_answer_and_wrong_ones_that_name_their_idea(path):
    asked = quiz.questions(path)
    assert len(asked) >= (20 if path == quiz.INVENTORY else 3)
    for question in asked:
        answers = question["answers"]
        assert 3 <= len(answers) <= len(quiz.LETTERS)
        assert len({answer["text"] for answer in answers}) == len(answers)
        assert [answer["right"] for answer in answers if "right" in answer] == [True]
        wrong = [answer for answer in answers if "right" not in answer]
        assert len({answer["misconception"] for answer in wrong}) == len(wrong)
        assert all(len(answer["feedback"]) > 10 for answer in answers), question["question"]
    assert len({question["question"] for question in asked}) == len(asked)


@ASKED
def test_the_letter_of_the_right_answer_tells_nothing(path):
    pairs = [pair for question in quiz.questions(path) for pair in quiz.in_order(question)]
    letters = [letter for letter, answer in pairs if answer.get("right")]
    assert max(letters.count(letter) for letter in letters) <= max(3, len(letters) / 2)
    assert len(set(letters)) > 1


def test_an_answer_unfolds_to_its_feedback():
    asked = quiz.questions(FILES[0])
    page = BeautifulSoup(quiz.quiz(asked), "html.parser")
    folded = page.find_all("details")
    assert len(folded) == sum(len(question["answers"]) for question in asked)
    assert sum("✓ **Right.**" in each.get_text() for each in folded) == len(asked)


def test_the_pages_of_the_inventory_are_as_its_file_says():
    pages = quiz.inventory_pages()
    assert {path.name for path in pages} == {"inventory.md", "key.md"}
    stale = [path.name for path, text in pages.items() if path.read_text("utf-8") != text]
    assert stale == [], "run make stamp"


def test_the_inventory_gives_no_answer_away_and_its_key_gives_all():
    plain, key = quiz.inventory_pages().values()
    for question in quiz.questions(quiz.INVENTORY):
        assert question["question"] in plain
        for answer in question["answers"]:
            assert f". {answer['text']}\n" in plain
            assert answer["feedback"] not in plain and answer["feedback"] in key
            assert answer.get("right") or answer["misconception"] in key
    assert "✓" not in plain


def test_the_inventory_draws_on_all_cases_of_the_clinic():
    asked = quiz.questions(quiz.INVENTORY)
    page = (ROOT / "book" / "checklist.md").read_text("utf-8")
    listed = re.findall(r'data-name="case">(\d+)<', page)
    assert {question["case"] for question in asked} == set(listed)
    assert {question["chapter"] for question in asked} <= {path.name[:2] for path in PATHS}


def test_the_page_for_teachers_says_how_many_questions_there_are():
    text = (ROOT / "book" / "instructor" / "index.md").read_text("utf-8")
    said = re.search(r"\]\(inventory\.md\) has (\d+) questions", text)
    assert int(said[1]) == len(quiz.questions(quiz.INVENTORY))
