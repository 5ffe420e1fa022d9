"""The decks: they follow the chapters, fit the screen, and need no other host."""

import nbformat
import pytest
from browser import Visit, served
from bs4 import BeautifulSoup
from guard import code_cells, tags
from project import chapters

import slides

SMALLEST = 0.6  # of its size is what a slide may be shrunk to, to be readable from the last row


@pytest.fixture(scope="module")
def decks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    slides.write(chapters(), folder)
    return folder


def read(path):
    return nbformat.read(path, as_version=4)


def page(decks, path):
    return BeautifulSoup((decks / f"{path.stem}.html").read_text("utf-8"), "html.parser")


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_a_deck_has_the_headings_and_pictures_of_its_chapter(decks, path):
    notebook = read(path)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    headings = [line for line in text.splitlines() if line.startswith(("# ", "## ", "### "))]
    shown = page(decks, path)
    assert len(shown.find_all(["h1", "h2", "h3"])) == len(headings)
    cells = [cell for cell in code_cells(notebook) if not slides.LEFT_OUT & tags(cell)]
    assert len(shown.find_all("img")) == sum(len(slides.pictures(cell)) for cell in cells)
    assert all(image.get("alt") for image in shown.find_all("img"))
    assert shown.title.get_text().endswith("slides")
    seen = shown.get_text()
    assert not any(mark in seen for mark in ("{term}", "{cite", ":::"))


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_no_solution_is_on_a_slide(decks, path):
    shown = [tag.get_text() for tag in page(decks, path).select("pre.code")]
    solutions = {cell.source for cell in code_cells(read(path)) if "solution" in tags(cell)}
    assert solutions and not solutions & set(shown)


def test_a_small_chapter_becomes_the_slides_that_the_rule_says():
    said = nbformat.v4.new_output("stream", name="stdout", text="2\n")
    cells = [
        nbformat.v4.new_markdown_cell("# Title\n\n*Why?*"),
        nbformat.v4.new_markdown_cell("## Part\n\nFirst. Second.\n\nThird.\n\n$$\nx\n$$"),
        nbformat.v4.new_code_cell("print(2)", outputs=[said]),
        nbformat.v4.new_code_cell("finish(1)"),
    ]
    made = slides.deck(nbformat.v4.new_notebook(cells=cells), {}).cells
    kinds = [cell.metadata.slideshow.slide_type for cell in made]
    assert kinds == ["slide", "notes", "slide", "notes", "notes", "subslide", "subslide"]
    assert made[2].source == "## Part\n\nFirst. Second."
    assert "Third." in made[5].source and "$$\nx\n$$" in made[5].source
    assert "print(2)" in made[6].source


def test_names_stand_where_the_pages_cite():
    cited = slides.authors()
    text = slides.plain(
        "Said {cite:p}`hinton2015distilling`. {cite:t}`hinton2015distilling` did.", cited
    )
    assert text == f"Said. {cited['hinton2015distilling']} did."
    assert cited["hinton2015distilling"] == "Hinton et al. (2015)"


GO_THROUGH = """async () => {
  const seen = [];
  while (seen.length < 1000) {
    seen.push(Number(Reveal.getCurrentSlide().dataset.zoom));
    if (Reveal.isLastSlide()) break;
    Reveal.next();
  }
  return seen;
}"""


def test_every_slide_fits_and_asks_no_other_host(chrome, decks):
    found = {}
    with served(decks) as address:
        for path in chapters():
            viewport = {"width": 1280, "height": 720}
            with Visit(chrome, address, f"{path.stem}.html", viewport=viewport) as visit:
                visit.page.wait_for_selector("html[data-ready]")
                zoom = visit.page.evaluate(GO_THROUGH)
                assert len(zoom) > 20, path.stem
                errors = visit.page.locator("mjx-merror").count()
                found[path.stem] = visit.outside, visit.complaints, errors, min(zoom) >= SMALLEST
    assert found == {path.stem: ([], [], 0, True) for path in chapters()}
