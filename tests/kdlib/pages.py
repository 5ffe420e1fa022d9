"""The code of the pages, as a reader would copy it."""

import re
from pathlib import Path

BOOK = Path(__file__).parents[2] / "book"


def python_blocks(page):
    """Return the blocks of Python of a page of the book."""
    text = (BOOK / page).read_text("utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)


def run(page, blocks, names):
    """Run blocks of a page, one after the other, with the names that the former left."""
    for block in blocks:
        exec(compile(block, str(BOOK / page), "exec"), names)
