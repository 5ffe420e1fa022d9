import json
import re
from pathlib import Path

from bs4 import BeautifulSoup

from kdbook.clinic import checklist

ROOT = Path(__file__).parents[2]


def cells(html):
    return [[cell.get_text() for cell in row.find_all(["th", "td"])]
            for row in BeautifulSoup(html, "html.parser").find_all("tr")]  # fmt: skip


def test_the_page_to_print_is_the_checklist():
    page = (ROOT / "book" / "checklist.md").read_text("utf-8")
    assert page == checklist.page(), "run: python -m kdbook.clinic.checklist > book/checklist.md"


def test_every_case_is_told_once_in_the_chapter_or_on_the_page_for_the_curious():
    notebook = json.loads((ROOT / "notebooks" / "07_post_mortem.ipynb").read_text("utf-8"))
    chapter = "\n".join("".join(cell["source"]) for cell in notebook["cells"])
    curious = (ROOT / "book" / "curious.md").read_text("utf-8")
    told = [re.findall(r"^### Case (\d+):", text, re.MULTILINE) for text in (chapter, curious)]
    for cases in told:
        assert cases == sorted(cases, key=int)
    assert sorted(sum(told, []), key=int) == [str(number) for number in range(1, 18)]
    assert list(dict.fromkeys(row.case for row in checklist.ROWS)) == [
        str(number) for number in range(1, 18)
    ]


def test_the_table_holds_every_word():
    head, *rows = cells(checklist.table())
    assert head == ["case", "symptom", "likely cause", "test"]
    assert rows == [[cell.replace("`", "") for cell in row] for row in checklist.ROWS]


def test_code_is_marked_up_and_escaped():
    row = checklist.Row("1", "a < b", "`x < y` and `z`", "")
    assert checklist._marked_up(row.symptom) == "a &lt; b"
    assert checklist._marked_up(row.cause) == "<code>x &lt; y</code> and <code>z</code>"
