"""Make pictures of all pages, or the PDF of the whole book, with the Chromium of this machine.

::

    python book/tools/in_browser.py screenshots _build/html _build/screenshots
    python book/tools/in_browser.py pdf _build/pdf/_build/singlehtml _build/soft-targets.pdf

Pictures are of the whole page, at three widths. Look at them after a change of the looks.
"""

import argparse
import re
import sys
import unicodedata
from pathlib import Path

from browser import Visit, browser, chromium, served
from pypdf import PdfReader

WIDTHS = (360, 768, 1280)

PAPER = {
    "format": "A4",
    "tagged": True,
    "outline": True,
    "print_background": True,
    "display_header_footer": True,
    "header_template": "<span></span>",
    "footer_template": '<div style="width: 100%; text-align: center; font: 8pt sans-serif">'
    '<span class="pageNumber"></span></div>',
}
"""How a book is printed: for a reader to turn, find and hear its pages."""


def pages(site):
    """Return the addresses of all pages with text."""
    found = [*site.glob("book/**/*.html"), *site.glob("notebooks/*.html")]
    return sorted(path.relative_to(site).as_posix() for path in found)


def screenshots(site, folder):
    """Write a picture of each page at each width."""
    folder.mkdir(parents=True, exist_ok=True)
    with served(site) as address, browser() as chrome:
        for name in pages(site):
            for width in WIDTHS:
                viewport = {"width": width, "height": 900}
                still = {"viewport": viewport, "reduced_motion": "reduce"}
                with Visit(chrome, address, name, **still) as visit:
                    visit.settle()
                    load_pictures(visit)
                    visit.scroll_through()
                    # Else the bar at the top would cover the middle of the page.
                    visit.page.evaluate("scrollTo(0, 0)")
                    visit.settle()
                    # Two pages are called index.
                    stem = name.removesuffix(".html").replace("/", "-")
                    target = folder / f"{stem}-{width}.png"
                    visit.page.screenshot(path=target, full_page=True)
    print(f"{len(WIDTHS) * len(pages(site))} pictures are in {folder}")


def pdf(site, target):
    """Print the book that was built as one page."""
    with (
        served(site) as address,
        browser() as chrome,
        Visit(chrome, address, one_page(site)) as visit,
    ):
        visit.page.set_default_timeout(300_000)
        lost = on_paper(visit, target)
        cut = cut_off(visit)
    if lost:
        sys.exit(f"{target} lacks {len(lost)} headings or folded cells, such as {lost[0]!r}.")
    wrong = [*(f"cut at the right edge: {text!r}" for text in cut), *faults(target)]
    if wrong:
        sys.exit(f"{target} has faults:\n" + "\n".join(wrong))
    print(f"{target.stat().st_size / 1e6:.1f} MB are in {target}, and nothing is missing from it")


def on_paper(visit, target):
    """Print a page to a PDF; return those of its headings and folded cells that are not in it.

    The theme prints the title of a page without its number.
    """
    visit.settle()
    load_pictures(visit)
    visit.scroll_through()
    written = visit.page.evaluate(
        "Array.from(document.querySelectorAll('main :is(h1, h2, h3, summary ~ * pre)'))"
        ".map(part => Array.from(part.childNodes)"
        ".filter(node => !node.matches?.('.section-number'))"
        ".map(node => node.textContent).join(''))"
    )
    visit.page.pdf(path=target, **PAPER)
    return missing(target, written)


def cut_off(visit):
    """Return the starts of the formulas, codes, tables and pictures that a sheet is too narrow for.

    A sheet is 210 mm wide, and its margins are 15 mm.
    """
    visit.page.set_viewport_size({"width": round(180 / 25.4 * 96), "height": 1000})
    visit.page.emulate_media(media="print")
    return visit.page.evaluate(
        "Array.from(document.querySelectorAll("
        "'main :is(mjx-container[display], pre, table, img)'))"
        ".filter(part => part.scrollWidth > part.clientWidth + 2 && part.clientWidth"
        " || part.getBoundingClientRect().right > innerWidth + 2)"
        ".map(part => (part.alt || part.textContent).trim().slice(0, 60))"
    )


def faults(target):
    """Return what is wrong in a PDF: empty sheets, and links to the server that it came from."""
    found = []
    for number, page in enumerate(PdfReader(target).pages, start=1):
        if page.extract_text().strip() in ("", str(number)) and not page.images:
            found.append(f"nothing is on page {number}")
        links = (note.get_object().get("/A", {}) for note in page.get("/Annots", []))
        addresses = (link.get("/URI", "") for link in links)
        found += [f"page {number} leads to {a}" for a in addresses if "//127.0.0.1" in a]
    return found


def load_pictures(visit):
    """Fetch all pictures: they wait until they are scrolled to, and paper cannot scroll."""
    visit.page.evaluate(
        "async () => { const all = Array.from(document.images);"
        " all.forEach(i => { i.loading = 'eager'; i.decoding = 'sync'; });"
        " await Promise.all(all.map(i => i.decode().catch(() => 0))); }"
    )


def missing(target, texts):
    """Return those of the texts that do not stand in a PDF, white space left aside."""
    pages = (page.extract_text() for page in PdfReader(target).pages)
    # The number of a page may stand between two halves of a text.
    inside = bare("".join(re.sub(r"\d+\s*$", "", page) for page in pages))
    return [text for text in texts if bare(text) not in inside]


def bare(text):
    """Return text without white space, with letters instead of ligatures, without "#"."""
    return re.sub(r"[\s#]", "", unicodedata.normalize("NFKC", text))


def one_page(site):
    """Put the page that holds the whole book where its addresses are right; return its name.

    Sphinx writes it where the first page of the book lies, in a folder, but with all addresses
    counted from the top.
    """
    written = max(site.glob("book/*.html"), key=lambda path: path.stat().st_size)
    text = written.read_text(encoding="utf-8")
    text = text.replace(f'href="{written.relative_to(site).as_posix()}#', 'href="#')
    # The name of a page stands before it, so that links would lead to the end of the page before.
    text = re.sub(r'(<span id="document-[^"]*"></span>)\s*(<section[^>]*>\s*<h2>)', r"\2\1", text)
    # A picture leads to its own file, which does not come with the PDF.
    text = re.sub(r'href="_images/[^"]*"', "", text)
    (site / "whole.html").write_text(text, encoding="utf-8")
    return "whole.html"


def main():
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["screenshots", "pdf"])
    parser.add_argument("site", type=Path, help="folder of the built pages")
    parser.add_argument("target", type=Path, help="where to write")
    chosen = parser.parse_args()
    if chromium() is None:
        sys.exit("There is no Chromium or Chrome on this machine: install one.")
    {"screenshots": screenshots, "pdf": pdf}[chosen.what](chosen.site, chosen.target)


if __name__ == "__main__":
    main()
