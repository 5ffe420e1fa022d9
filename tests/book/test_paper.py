"""What the book needs on paper: pictures that fit, links that lead on, no empty sheets."""

import io
import re
from types import SimpleNamespace

import light
import numpy as np
import single_page
from docutils import nodes, utils
from in_browser import faults
from PIL import Image
from project import ROOT
from pypdf import PdfWriter
from pypdf.annotations import Link
from sphinx import addnodes


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def pixels_of(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def gallery(panels, width=80):
    """Return a tall picture: panels with a white line of their own below a title each."""
    rng = np.random.default_rng(0)
    panel = np.full((70, width, 3), 255, dtype=np.uint8)
    panel[2:6] = 0  # a title
    panel[10:60] = rng.integers(0, 200, (50, width, 3))
    return np.concatenate([panel] * panels)


def test_a_tall_picture_is_cut_between_its_panels():
    whole = gallery(5)
    parts = [pixels_of(part) for part in light.pieces(png(whole))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert len(parts) == 5
    for part in parts:  # each begins on white, with the title of its own panel
        assert len(part) <= 80 and (part[0] == 255).all()


def test_other_pictures_are_left_whole():
    low = png(gallery(2))
    assert light.pieces(low) == [low]
    solid = light.pieces(png(np.zeros((400, 80, 3), dtype=np.uint8)))
    assert len(solid) == 1


def test_no_stored_picture_is_too_tall_for_a_sheet(site, pages):
    tall = []
    for path, page in pages.items():
        for image in page.select(".cell_output img[width][height]"):
            width, height = int(image["width"]), int(image["height"])
            if height > light.TALL * width:
                tall.append(f"{path.relative_to(site)}: {image['src']}")
    assert tall == []


def test_a_page_knows_the_shape_of_a_picture_before_it_comes(pages):
    seen = 0
    for path, page in pages.items():
        for image in page.select(".cell_output img[loading=lazy]"):
            width, height = Image.open(path.parent / image["src"]).size
            shown = int(image["width"]), int(image["height"])
            assert shown[1] == round(height * shown[0] / width)
            seen += 1
    assert seen > 50


def page_of_exercises(name, links=()):
    """Return a page as Sphinx puts it into the whole book, with a part that others have too."""
    section = nodes.section(ids=["exercises", f"only-{name}"])
    section += [nodes.reference("", "there", **link) for link in links]
    return addnodes.start_of_file("", section, docname=name)


def test_links_lead_to_the_part_of_the_page_that_they_name():
    book = utils.new_document("book")
    links = [{"refuri": "#document-a/b#exercises"}, {"refuri": "#document-a/b#only-a/b"}]
    book += [page_of_exercises("a/b"), page_of_exercises("c", [*links, {"refid": "exercises"}])]
    app = SimpleNamespace(builder=SimpleNamespace(name="singlehtml"))
    single_page.rename(app, book, "index")
    ids = [name for part in book.findall(nodes.section) for name in part["ids"]]
    assert ids == ["a-b-exercises", "only-a/b", "c-exercises", "only-c"]
    targets = [link.get("refuri") or link["refid"] for link in book.findall(nodes.reference)]
    assert targets == ["#document-a/b#a-b-exercises", "#document-a/b#only-a/b", "c-exercises"]


def test_other_builders_keep_their_ids():
    book = utils.new_document("book")
    book += [page_of_exercises("a"), page_of_exercises("b")]
    single_page.rename(SimpleNamespace(builder=SimpleNamespace(name="html")), book, "index")
    assert [part["ids"][0] for part in book.findall(nodes.section)] == ["exercises"] * 2


def test_empty_sheets_and_links_to_the_file_server_are_found(tmp_path):
    writer = PdfWriter()
    writer.add_blank_page(200, 200)
    for address in ("http://127.0.0.1:8000/a.png", "https://arxiv.org/abs/1503.02531"):
        writer.add_annotation(0, Link(rect=(0, 0, 9, 9), url=address))
    writer.write(tmp_path / "book.pdf")
    assert faults(tmp_path / "book.pdf") == [
        "nothing is on page 1",
        "page 1 leads to http://127.0.0.1:8000/a.png",
    ]


def citing_pages(key):
    """Return the pages whose sources cite a work, without the bibliography's own."""
    sources = [*ROOT.glob("book/*.md"), *ROOT.glob("book/instructor/index.md")]
    sources += ROOT.glob("notebooks/*.ipynb")
    cites = re.compile(rf"\{{cite:\w\}}`[^`]*\b{key}\b")
    return {
        path.stem
        for path in sources
        if path.stem != "references" and cites.search(path.read_text(encoding="utf-8"))
    }


def test_each_work_leads_back_to_the_pages_that_cite_it(site, pages):
    page = pages[site / "book" / "references.html"]
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    keys = re.findall(r"^@\w+\{(\w+),", text, re.MULTILINE)
    led = []
    for entry in page.select(".citation"):
        links = entry.find_all("p")[-1].select("a.internal")
        led.append({re.search(r"([\w-]+)\.html#", link["href"])[1] for link in links})
    wanted = [citing_pages(key) for key in keys]
    assert sorted(map(sorted, led)) == sorted(map(sorted, wanted))
    assert sum(map(len, led)) > len(keys)
