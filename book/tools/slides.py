"""Make a deck of slides of each chapter, with reveal.js through nbconvert.

::

    python book/tools/slides.py                # all, into _build/slides
    python book/tools/slides.py --chapter 04   # one

The decks follow the chapters by a rule, so that nothing is written twice. A heading begins a slide,
with the first sentences below it. Figures, formulas, lists, tables, prompts and the questions of
the quiz get slides of their own, under the first sentences of the paragraph before. Of code the
short cells that print something are shown. All text goes to the notes of the speaker (press S).
Solutions are left out.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from guard import code_cells, tags
from nbconvert import SlidesExporter
from project import ROOT, chapter, chapters
from pybtex.database import parse_file
from stamp import BADGE

sys.path.append(str(ROOT / "book" / "_ext"))
from offline import LOADED, copy_mathjax_to

SOURCE, TARGET = ROOT / "book" / "slides", ROOT / "_build" / "slides"
REVEAL = SOURCE / "vendor" / "reveal.js"
LONGEST_CODE, LONGEST_OUTPUT, WIDEST = 10, 14, 96
LEFT_OUT = {"bootstrap", "exercise", "solution"}
# What stays together though there are empty lines in it.
BLOCK = re.compile(
    r"^:::\{.*?^:::$|^\$\$.*?^\$\$$|^```.*?^```$|^(?:(?!\n\n|\n:::|\n\$\$).)+",
    re.MULTILINE | re.DOTALL,
)
SENTENCE = re.compile(r"(?<=[.?!:])\s+(?=[A-Z*$“\"])")


def authors():
    """Return {key: "Hinton et al. (2015)"} of the bibliography."""
    found = {}
    for key, entry in parse_file(ROOT / "book" / "references.bib").entries.items():
        people = entry.persons.get("author", [])
        names = [" ".join([*person.prelast_names, *person.last_names]) for person in people]
        name = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
        found[key.lower()] = f"{name.replace('{', '').replace('}', '')} ({entry.fields['year']})"
    return found


def plain(text, cited):
    """Return Markdown without what only the pages understand: roles, and links between pages."""
    text = re.sub(r"\s*\{cite:p\}`[^`]*`", "", text)
    text = re.sub(r"\{cite:t\}`([^`]*)`", lambda m: cited[m[1].lower()], text)
    text = re.sub(r"\{term\}`([^`<]*?)(?:\s*<[^>]*>)?`", r"\1", text)
    return re.sub(r"(?<!!)\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", text)


def blocks(text):
    """Return the blocks of a cell of Markdown: paragraphs, lists, tables, formulas, admonitions."""
    return [match[0].strip("\n") for match in BLOCK.finditer(text) if match[0].strip()]


def opening(paragraph, most=260):
    """Return the first sentences of a paragraph, as many as are short, one at least."""
    kept = ""
    for sentence in SENTENCE.split(" ".join(paragraph.split())):
        if kept and len(kept) + len(sentence) > most:
            break
        kept = f"{kept} {sentence}".strip()
    return kept


def pictures(cell):
    """Return the pictures in a cell's outputs, as HTML."""
    found = []
    for output in cell.outputs:
        page = BeautifulSoup(output.get("data", {}).get("text/html", ""), "html.parser")
        found += [str(image) for image in page.find_all("img")]
    return found


class Deck:
    """The slides of one chapter, as cells that nbconvert understands."""

    def __init__(self):
        self.cells, self.section, self.topic, self.lead = [], "", "", ""

    def add(self, text, kind):
        """Add a cell: a slide, one below it, or notes on the last."""
        metadata = {"slideshow": {"slide_type": kind}}
        self.cells.append(nbformat.v4.new_markdown_cell(text, metadata=metadata))

    def below(self, text):
        """Add a slide below the last heading; the text before it leads to it."""
        self.add(f'<p class="of">{self.topic}</p>\n\n{self.lead}\n\n{text}', "subslide")
        self.lead = ""

    def head(self, line):
        """Begin a slide: a section, or a part of one."""
        level, title = line.split(" ", 1)
        self.topic = title if level != "###" else f"{self.section} · {title}"
        self.section = self.section if level == "###" else title
        self.lead = ""
        self.add(line, "subslide" if level == "###" else "slide")

    def markdown(self, text):
        """Add a cell of text, block by block."""
        fresh = False
        for block in blocks(text):
            if block.startswith("#"):
                self.head(block.splitlines()[0])
                fresh = True
                continue
            if block.startswith(":::"):
                title = block.splitlines()[0].split("} ", 1)[-1]
                body = "\n".join(block.splitlines()[1:-1])
                self.below(f'<div class="admonition">\n\n**{title}**\n\n{body}\n\n</div>')
            elif block.startswith(("$$", "```", "- ", "* ", "1. ", "|")):
                self.below(block)
            elif fresh:
                self.cells[-1].source += f"\n\n{opening(block)}"
                self.add(block, "notes")
            else:
                self.lead = opening(block)
                self.add(block, "notes")
            fresh = False

    def quiz(self, text):
        """Add a quiz: a slide for each question, with its answers folded."""
        first, *asked = re.split(r"^(?=\*\*\d+\.\*\*)", text, flags=re.MULTILINE)
        self.markdown(first)
        for question in asked:
            self.below(question)

    def code(self, cell):
        """Add a cell of code: its pictures, or itself with what it printed, if it is short."""
        for picture in pictures(cell):
            self.below(picture)
        said = "".join(output.get("text", "") for output in cell.outputs).strip("\n")
        results = [line for line in said.splitlines() if not line.startswith("✓")]
        short = len(cell.source.splitlines()) <= LONGEST_CODE
        fits = 0 < len(results) <= LONGEST_OUTPUT and max(map(len, results)) <= WIDEST
        if fits and not pictures(cell):
            shown = "" if "hide-input" in tags(cell) or not short else fenced(cell.source, "code")
            self.below(shown + fenced("\n".join(results), "said"))


def fenced(text, kind):
    """Return lines as they are, in HTML: no Markdown and no formulas inside."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = re.sub(r"\n(?=\n)", "\n ", escaped)  # an empty line would end the block
    return f'<pre class="{kind} tex2jax_ignore mathjax_ignore">{escaped}</pre>\n\n'


def deck(notebook, cited):
    """Return the deck of a chapter, as a notebook with the types of its slides."""
    made = Deck()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = plain(BADGE.sub("\n\n", cell.source), cited)
            (made.quiz if "quiz" in tags(cell) else made.markdown)(text)
        elif not LEFT_OUT & tags(cell) and cell is not code_cells(notebook)[-1]:
            made.code(cell)
    title = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
    return nbformat.v4.new_notebook(cells=made.cells, metadata={"title": title})


def export(notebook):
    """Return the page of a deck."""
    exporter = SlidesExporter(
        template_name="slides",
        extra_template_basedirs=[str(SOURCE.parent)],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    math = {"loader": {"load": LOADED}, "tex": {"inlineMath": [["$", "$"]]}}
    page, _ = exporter.from_notebook_node(notebook, resources={"mathjax": math})
    return page


def main():
    """Write the decks, and beside them what they load."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chapter", help="this one alone, such as 04")
    parser.add_argument("--target", type=Path, default=TARGET, help="folder to write into")
    options = parser.parse_args()
    write([chapter(options.chapter)] if options.chapter else chapters(), options.target)
    print(f"Open file://{options.target.resolve()}")


def write(paths, target):
    """Write the decks of some chapters into a folder."""
    target.mkdir(parents=True, exist_ok=True)
    copy_mathjax_to(target)
    shutil.copytree(REVEAL, target / "reveal.js", dirs_exist_ok=True)
    for name in ("slides.css", "slides.js"):
        shutil.copy2(SOURCE / name, target / name)
    cited = authors()
    for path in paths:
        page = export(deck(nbformat.read(path, as_version=4), cited))
        (target / f"{path.stem}.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
