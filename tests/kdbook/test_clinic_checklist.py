import json
import re
from pathlib import Path

from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[2]
COLUMNS = ["case", "symptom", "likely cause", "test"]


def rows():
    """Return the rows of the page's table, each a dict of its cells by the names they bear."""
    page = BeautifulSoup((ROOT / "book" / "checklist.md").read_text("utf-8"), "html.parser")
    return [
        {cell["data-name"]: cell.get_text() for cell in row.find_all("td")}
        for row in page.find("tbody").find_all("tr")
    ]


def test_every_case_is_told_once_in_the_chapter_or_on_the_page_for_the_curious():
    notebook = json.loads((ROOT / "notebooks" / "07_post_mortem.ipynb").read_text("utf-8"))
    chapter = "\n".join("".join(cell["source"]) for cell in notebook["cells"])
    curious = (ROOT / "book" / "curious.md").read_text("utf-8")
    told = [re.findall(r"^### Case (\d+):", text, re.MULTILINE) for text in (chapter, curious)]
    for cases in told:
        assert cases == sorted(cases, key=int)
    assert sorted(sum(told, []), key=int) == [str(number) for number in range(1, 18)]
    listed = list(dict.fromkeys(row["case"] for row in rows()))
    assert listed == [str(number) for number in range(1, 18)]


def test_every_row_says_symptom_cause_and_test():
    for row in rows():
        assert list(row) == COLUMNS and all(row.values())
