"""Write the quizzes into the chapters, and the concept inventory into its pages.

::

    python book/tools/quiz.py                # everything
    python book/tools/quiz.py --chapter 06   # the quiz of one chapter

A quiz is Markdown: each answer unfolds to what it means, so that it works in every page and every
notebook, on paper, without scripts, without a kernel and without the network. Its questions are in
``book/quizzes``, those of the inventory in ``book/instructor/inventory.json``. Each wrong answer
names the misconception behind it.
"""

import argparse
import hashlib
import json
import re

import nbformat
from project import ROOT, chapter, chapters
from stamp import normalise

TAG = "quiz"
LETTERS = "ABCDEF"
INTRODUCTION = (
    "Choose before you unfold. A wrong answer says which idea is behind it, "
    "so unfold more than one."
)


def questions(path):
    """Return the questions of a file of JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def in_order(question):
    """Return (letter, answer) pairs, in an order that is the same each time and tells nothing."""

    def lot(answer):
        return hashlib.sha256((question["question"] + answer["text"]).encode()).digest()

    return list(zip(LETTERS, sorted(question["answers"], key=lot), strict=False))


def feedback(answer):
    """Return what an answer means: right, or the misconception by its name."""
    if answer.get("right"):
        return f"✓ **Right.** {answer['feedback']}"
    return f"✗ **{answer['misconception']}?** {answer['feedback']}"


def quiz(asked):
    """Return the Markdown of a quiz whose answers unfold."""
    parts = ["## Quiz", INTRODUCTION]
    for number, question in enumerate(asked, 1):
        parts.append(f"**{number}.** {question['question']}")
        for letter, answer in in_order(question):
            parts.append(f"<details><summary>{letter}. {answer['text']}</summary>")
            parts += [feedback(answer), "</details>"]
    return "\n\n".join(parts)


def file_of(name, root=ROOT):
    """Return the file of questions for the chapter with this file name."""
    return root / "book" / "quizzes" / f"{name[:2]}.json"


def has_its_quiz(notebook, name):
    """One cell holds the quiz, as `make stamp` writes it, before the key points."""
    held = [n for n, cell in enumerate(notebook.cells) if TAG in cell.metadata.get("tags", [])]
    if len(held) != 1:
        return [f"{len(held)} cells bear the tag {TAG!r}, 1 was expected: run make stamp"]
    problems = []
    if notebook.cells[held[0]].source != quiz(questions(file_of(name))):
        problems.append("the quiz is not that of its file: run make stamp")
    if not any(cell.source.startswith("## Key points") for cell in notebook.cells[held[0] + 1 :]):
        problems.append("the quiz does not stand before the key points")
    return problems


def insert(notebook, name):
    """Write the quiz into a chapter, in place, and return it. No cell has to run again."""
    notebook.cells = [c for c in notebook.cells if TAG not in c.metadata.get("tags", [])]
    starts = [cell.source.startswith("## Key points") for cell in notebook.cells]
    if True not in starts:
        raise SystemExit(f"{name}: no cell starts with '## Key points', to follow the quiz.")
    cell = nbformat.v4.new_markdown_cell(quiz(questions(file_of(name))), metadata={"tags": [TAG]})
    notebook.cells.insert(starts.index(True), cell)
    return normalise(notebook)


INVENTORY = ROOT / "book" / "instructor" / "inventory.json"
BEFORE = """---
myst:
  html_meta:
    description: >-
      A concept inventory on knowledge distillation for classes: questions to ask before and after
      the course, and how to count the gain.
---

# Concept inventory

{count} questions on what goes wrong in distillation and segmentation, for use before and after a
course. Choose one answer each. About 25 minutes are enough. No calculator is needed.
[](index.md) says how to use it.
"""
KEY = """# Key of the concept inventory

For each question: the right answer, then the misconception that each wrong answer gives away.
The cases are those of [the post-mortem](../../notebooks/07_post_mortem.ipynb); the chapters named
beside them are the ones to go back to.
"""


def inventory_pages():
    """Return {file: Markdown} of the inventory, without answers and as a key."""
    asked = questions(INVENTORY)
    plain, key = [BEFORE.format(count=len(asked))], [KEY]
    for number, question in enumerate(asked, 1):
        answers = in_order(question)
        plain += [f"**{number}.** {question['question']}"]
        plain += [f"- {letter}. {answer['text']}" for letter, answer in answers]
        right = next(letter for letter, answer in answers if answer.get("right"))
        where = f"case {question['case']}, chapter {question['chapter']}"
        key += [f"**{number}. {right}** ({where})"]
        key += [f"- {letter}: {feedback(answer)}" for letter, answer in answers]
    folder = INVENTORY.parent
    return {folder / "inventory.md": blocks(plain), folder / "key.md": blocks(key)}


def blocks(parts):
    """Join paragraphs and list items: items of one list follow each other."""
    text = "\n\n".join(part.strip() for part in parts)
    return re.sub(r"(?m)^(- .*)\n\n(?=- )", r"\1\n", text) + "\n"


def main():
    """Write what has changed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chapter", help="this one alone, such as 06")
    only = parser.parse_args().chapter
    for path in [chapter(only)] if only else chapters():
        notebook = nbformat.read(path, as_version=4)
        nbformat.write(insert(notebook, path.name), path)
    for path, text in {} if only else inventory_pages().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
