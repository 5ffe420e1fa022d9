"""The built pages in a real browser, cut off from the network: what a reader gets offline."""

import gzip
import re

import pytest
from browser import Visit
from in_browser import cut_off, missing, on_paper, one_page
from project import ROOT
from pypdf import PdfReader

AXE = ROOT / "tests" / "book" / "vendor" / "axe-core" / "axe.min.js"
CHAPTER = "notebooks/01_soft_targets.html"
HEAVIEST_FIRST_VIEW = 500_000
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def names(site, pages):
    """Return the addresses of all pages, the search page among them."""
    return [*(path.relative_to(site).as_posix() for path in pages), "search.html"]


@pytest.fixture(scope="module")
def seen(chrome, address, names):
    """Go to each page once, look at all that is tested; return {page: what was found}."""
    return {name: look(chrome, address, name) for name in names}


def look(chrome, address, name):
    """Return what is to be known of one page: as it opens, scrolled through, dark, and narrow."""
    with Visit(chrome, address, name) as visit:
        visit.settle()
        first_view = list(visit.requests)
        visit.scroll_through()
        formulas = visit.page.locator(".math").count()
        found = {
            "first view": first_view,
            "formulas": formulas - visit.page.locator(".math mjx-container").count(),
            "errors": visit.page.locator("mjx-merror").count(),
            "pictures": visit.page.evaluate(
                # What a live figure stands in for is fetched for paper only: see test_figures.
                "Array.from(document.images).filter(i => !i.naturalWidth"
                " && !i.closest('.alive .static-figure')).map(i => i.src)"
            ),
        }
        visit.page.add_script_tag(content=AXE.read_text(encoding="utf-8"))
        found["light"] = violations(visit.page)
        # At once: half way from light to dark, the text of a button can hardly be read.
        still = "*, ::before, ::after { transition: none !important }"
        visit.page.add_style_tag(content=still)
        visit.page.evaluate("document.documentElement.dataset.theme = 'dark'")
        # Only colours change with the theme.
        found["dark"] = violations(visit.page, "['color-contrast']")
        visit.page.set_viewport_size(PHONE)
        visit.settle()
        found["width"] = visit.page.evaluate("document.scrollingElement.scrollWidth")
        found["cut on paper"] = cut_off(visit)
        return found | {"outside": visit.outside, "complaints": visit.complaints}


def collect(seen, kind, nothing):
    """Return what was found of a kind, where it is something."""
    return {name: found[kind] for name, found in seen.items() if found[kind] != nothing}


def test_no_page_asks_another_host_for_anything(seen):
    assert collect(seen, "outside", []) == {}


def test_no_page_complains_in_the_console(seen):
    assert collect(seen, "complaints", []) == {}


def test_every_formula_is_set(seen):
    assert collect(seen, "formulas", 0) == {}
    assert collect(seen, "errors", 0) == {}


def test_every_picture_is_there_once_it_is_scrolled_to(seen):
    assert collect(seen, "pictures", []) == {}


def test_a_request_to_elsewhere_would_have_been_noticed(chrome, address):
    with Visit(chrome, address, "book/index.html") as visit:
        visit.page.evaluate("fetch('https://example.org/').catch(() => 0)")
        assert visit.outside == ["https://example.org/"]
        assert any("ERR_FAILED" in text for text in visit.complaints)


def test_the_slider_of_chapter_01_works_by_keyboard_without_a_kernel(chrome, address):
    with Visit(chrome, address, CHAPTER) as visit:
        visit.scroll_through()
        handle = visit.page.locator(".jupyter-widgets .noUi-handle").first
        handle.wait_for()
        assert handle.get_attribute("aria-label") == "T ="
        picture = visit.page.locator(".widget-html-content img:visible, .widget-html img:visible")
        picture.first.wait_for()
        before = picture.first.get_attribute("alt")
        assert before.startswith("T = 1:")
        handle.focus()
        visit.page.keyboard.press("ArrowRight")
        visit.page.wait_for_timeout(200)
        after = picture.first.get_attribute("alt")
        assert after.startswith("T = 1.5:")


def test_search_finds_a_word_of_a_chapter(chrome, address):
    with Visit(chrome, address, "search.html?q=temperature") as visit:
        # Results come one by one, and there are many.
        visit.page.locator("#search-results li a[href*='01_soft_targets']").first.wait_for()
        assert visit.outside == []


def test_icons_are_drawn_from_the_small_fonts(chrome, address, site):
    with Visit(chrome, address, CHAPTER) as visit:
        visit.settle()
        loaded = [name for name in visit.requests if name.endswith((".woff", ".woff2", ".ttf"))]
        assert "_static/fa-solid-900.woff" in loaded
        assert not any("webfonts" in name for name in loaded)
        broken = visit.page.evaluate(
            "Array.from(document.querySelectorAll('.fa-solid, .fas'))"
            ".filter(i => getComputedStyle(i, '::before').content === 'none').map(i => i.className)"
        )
        assert broken == []
    assert sum(path.stat().st_size for path in site.glob("_static/fa-*.woff")) < 20_000


def violations(page, rules="undefined"):
    """Return what axe-core calls serious or critical, and headings out of order."""
    options = f"{{resultTypes: ['violations'], runOnly: {rules}}}"
    found = page.evaluate(f"axe.run(document, {options})")["violations"]
    return [
        f"{rule['id']}: {node['html'][:120]} {node['failureSummary']}"
        for rule in found
        if rule["impact"] in ("serious", "critical") or rule["id"] == "heading-order"
        for node in rule["nodes"]
    ]


def test_axe_finds_nothing_serious_in_light_or_dark(seen):
    assert collect(seen, "light", []) == {}
    assert collect(seen, "dark", []) == {}


def test_no_page_is_wider_than_a_small_phone(seen):
    widths = {name: found["width"] for name, found in seen.items()}
    assert {name: width for name, width in widths.items() if width > PHONE["width"]} == {}


def test_the_first_view_of_a_chapter_is_light(seen, site):
    """What is fetched before the reader scrolls, compressed as file servers do it."""
    weights = {}
    for name in (name for name in seen if name.startswith("notebooks/")):
        files = {site / request.split("?")[0] for request in seen[name]["first view"]}
        weights[name] = sum(len(gzip.compress(file.read_bytes())) for file in files)
    assert {name: w for name, w in weights.items() if w > HEAVIEST_FIRST_VIEW} == {}


def test_nothing_is_cut_off_on_paper(seen):
    assert collect(seen, "cut on paper", []) == {}


def test_what_is_cut_off_on_paper_is_found(chrome, address):
    with Visit(chrome, address, "book/models.html") as visit:
        assert cut_off(visit) == []
        visit.page.evaluate(
            "document.querySelector('article p').outerHTML = "
            "'<table style=\"width: 900px\"><tr><td>wide</td></tr></table>'"
        )
        assert cut_off(visit) == ["wide"]


def test_on_paper_everything_folded_is_open(chrome, address):
    with Visit(chrome, address, CHAPTER) as visit:
        solution = visit.page.locator("details .highlight pre").first
        assert not solution.is_visible()
        visit.page.emulate_media(media="print")
        assert solution.is_visible()
        heights = visit.page.evaluate(
            "Array.from(document.querySelectorAll('article details > :not(summary)'))"
            ".map(part => part.getBoundingClientRect().height)"
        )
        assert len(heights) > 5 and min(heights) > 0


def test_a_printed_chapter_holds_its_headings_and_all_that_is_folded(chrome, address, tmp_path):
    target = tmp_path / "chapter.pdf"
    with Visit(chrome, address, CHAPTER) as visit:
        assert on_paper(visit, target) == []
        folded = visit.page.locator("details .highlight pre").first.text_content()
        # What fades in on a screen is not seen on paper: this was wrong once, and would be noticed.
        visit.page.add_style_tag(
            content="@media print { details.hide > :not(summary) { opacity: 0 !important } }"
        )
        assert folded in on_paper(visit, target)
    pages = PdfReader(target).pages
    width, height = pages[0].mediabox[2:]
    assert (round(width), round(height)) == (596, 843)  # A4
    assert pages[-1].extract_text().strip().endswith(str(len(pages)))


def test_what_is_missing_on_paper_is_found(chrome, address, tmp_path):
    target = tmp_path / "page.pdf"
    with Visit(chrome, address, "book/models.html") as visit:
        on_paper(visit, target)
    assert missing(target, ["The models", "For the photographs of Dubai#"]) == []
    assert missing(target, ["The models", "a sentence of no page"]) == ["a sentence of no page"]


def test_the_whole_book_on_one_page_is_put_where_its_addresses_are_right(tmp_path):
    """As Sphinx writes it: in a folder, with addresses counted from the top."""
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "index.html").write_text(
        '<a href="book/index.html#data">data</a><a href="#logits">z</a>'
        '<a href="_images/a.png"><img src="_images/a.png"></a>'
        '<span id="document-a"></span>\n<section id="a">\n<h2>A</h2></section>'
    )
    text = (tmp_path / one_page(tmp_path)).read_text()
    assert text == (
        '<a href="#data">data</a><a href="#logits">z</a><a ><img src="_images/a.png"></a>'
        '<section id="a">\n<h2><span id="document-a"></span>A</h2></section>'
    )


def test_most_cells_of_code_fit_beside_the_menus(chrome, address):
    with Visit(chrome, address, "notebooks/05_distiller.html") as visit:
        visit.settle()
        wide = visit.page.evaluate(
            "Array.from(document.querySelectorAll('.cell_input pre'))"
            ".filter(part => part.clientWidth).map(part => part.scrollWidth > part.clientWidth + 1)"
        )
        assert len(wide) > 30 and sum(wide) < len(wide) / 4


def test_in_the_dark_figures_stand_on_one_sheet_and_maps_keep_their_colours(chrome, address):
    look_of = "part => [getComputedStyle(part).backgroundColor, getComputedStyle(part).filter]"
    with Visit(chrome, address, "book/explorers.html", color_scheme="dark") as visit:
        assert visit.page.locator(".interactive img").first.evaluate(look_of)[1] == "none"
    with Visit(chrome, address, CHAPTER, color_scheme="dark") as visit:
        picture = visit.page.locator(".cell_output .text_html > img").first
        assert picture.evaluate(look_of) == ["rgb(255, 255, 255)", "none"]
        around = picture.locator("..").evaluate(look_of)[0]
        assert around == "rgba(0, 0, 0, 0)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_of_the_idea_can_be_read_on_a_telephone(chrome, address, scheme):
    with Visit(chrome, address, "book/index.html", color_scheme=scheme, viewport=PHONE) as visit:
        page = visit.page
        box = page.locator("svg.idea").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
        scale = box["width"] / 360
        sizes = page.locator("svg.idea text").evaluate_all(
            "parts => parts.map(part => parseFloat(getComputedStyle(part).fontSize))"
        )
        assert len(sizes) > 20 and scale * min(sizes) >= 9
        outside = page.locator("svg.idea text").evaluate_all(
            "(parts, right) => parts.filter(part => part.getBoundingClientRect().right > right)"
            ".map(part => part.textContent)",
            box["x"] + box["width"],
        )
        assert outside == []
        words, ground = page.evaluate(
            "[getComputedStyle(document.querySelector('svg.idea text.idea-head')).fill,"
            " getComputedStyle(document.body).backgroundColor]"
        )
        assert abs(brightness(words) - brightness(ground)) > 150


def brightness(color):
    """Return the mean of red, green and blue of a colour as browsers write it."""
    return sum(map(int, re.findall(r"\d+", color)[:3])) / 3


@pytest.mark.parametrize(
    ("name", "tables"), [("book/models.html", 4), ("book/own_network.html", 2)]
)
def test_tables_of_numbers_and_of_code_fit_a_telephone(chrome, address, name, tables):
    with Visit(chrome, address, name, viewport=PHONE) as visit:
        widths = visit.page.evaluate(
            "Array.from(document.querySelectorAll('main table.table'))"
            ".map(table => table.scrollWidth - table.parentElement.clientWidth)"
        )
        assert len(widths) == tables and max(widths) <= 0
