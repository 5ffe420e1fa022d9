"""The built pages: links, pictures, formulas, weight, and what each page must have."""

import ast
import re
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import yaml
from PIL import Image
from project import ROOT, chapters, repository

HEAVIEST_PAGE = 3 * 2**20
RAW_LATEX = re.compile(
    r"\\(?:frac|sum|alpha|log|exp|ln|text|mathrm|mathbf|left|right|begin|end|cdot|partial|quad)\b"
    r"|\$\$|(?<![\w\\$])\$[^$\s](?:[^$\n]{0,80}[^$\s])?\$(?!\d)"
)
WARNING = re.compile(r"Traceback \(most recent call last\)|\b\w*(?:Warning|Error): ")


@pytest.fixture(scope="module")
def anchors(site):
    """Return a function that gives the set of anchors of a page, parsed once."""
    known = {}

    def of(path):
        if path not in known:
            text = path.read_text(encoding="utf-8")
            known[path] = set(re.findall(r"""\b(?:id|name)=["']([^"']+)["']""", text))
        return known[path]

    return of


def everywhere(pages, site):
    """Return "page: text" for messages, with the page's path inside the book."""
    return {str(path.relative_to(site)): page for path, page in pages.items()}


def test_it_builds_without_a_warning(build, run_time):
    code, log, _, seconds = build
    run_time("build of the book", seconds)
    assert code == 0, log[-5000:]


def test_every_page_of_the_table_of_contents_is_there(site, pages):
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = [toc["root"], *(page["file"] for part in toc["parts"] for page in part["chapters"])]
    assert {f"{name}.html" for name in listed} == set(everywhere(pages, site))
    assert (site / "index.html").exists()


def test_every_internal_link_and_anchor_leads_somewhere(site, pages, anchors):
    broken = []
    for path, page in pages.items():
        for link in page.find_all(["a", "link"], href=True):
            parts = urlsplit(link["href"])
            if parts.scheme or parts.netloc or link["href"] == "#":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            missing = not target.exists() or (
                parts.fragment
                and target.suffix == ".html"
                and unquote(parts.fragment) not in anchors(target)
            )
            if missing:
                broken.append(f"{path.relative_to(site)}: {link['href']}")
    assert broken == []


def test_no_picture_or_script_is_missing(site, pages):
    missing = [
        f"{path.relative_to(site)}: {source}"
        for path, page in pages.items()
        for source in local_sources(page)
        if not (path.parent / unquote(urlsplit(source).path)).exists()
    ]
    assert missing == []


def local_sources(page, tags=("img", "script", "source", "video")):
    """Yield the local addresses of what the page loads."""
    for tag in page.find_all(tags, src=True):
        parts = urlsplit(tag["src"])
        if not parts.scheme and not parts.netloc:
            yield tag["src"]


def test_no_page_names_a_script_picture_or_style_of_another_host(site, pages):
    foreign = []
    for name, page in everywhere(pages, site).items():
        loaded = page.find_all(["img", "script", "iframe"], src=True)
        loaded += page.find_all("link", rel="stylesheet", href=True)
        addresses = (tag.get("src") or tag.get("href") for tag in loaded)
        foreign += [f"{name}: {address}" for address in addresses if urlsplit(address).netloc]
    assert foreign == []


def test_every_picture_has_alt_text(site, pages):
    silent = [
        f"{name}: {str(image)[:100]}"
        for name, page in everywhere(pages, site).items()
        for image in page.find("main").find_all("img")
        if not image.get("alt", "").strip()
    ]
    assert silent == []


def test_no_latex_is_left_unset(site, pages):
    raw = []
    for name, page in everywhere(pages, site).items():
        for text in page.find_all(string=True):
            inside = {parent.name for parent in text.parents}
            classes = {c for parent in text.parents for c in parent.get("class") or ()}
            if inside & {"script", "style", "pre", "code"} or "math" in classes:
                continue
            raw += [f"{name}: {found}" for found in RAW_LATEX.findall(text)]
    assert raw == []


def test_no_traceback_or_warning_shows(site, pages):
    stray = []
    for name, page in everywhere(pages, site).items():
        stray += [f"{name}: {tag.get_text()}" for tag in page.select(".system-message, .stderr")]
        stray += [f"{name}: {tag.get_text()}" for tag in page.select(".problematic, .traceback")]
        for output in page.select(".cell_output"):
            stray += [f"{name}: {m[0]}" for m in WARNING.finditer(output.get_text())]
    assert stray == []


def test_no_page_weighs_more_than_three_megabytes(site, pages):
    weights = {}
    for path, page in pages.items():
        pictures = {(path.parent / unquote(source)) for source in local_sources(page, ["img"])}
        weight = path.stat().st_size + sum(picture.stat().st_size for picture in pictures)
        weights[str(path.relative_to(site))] = weight
    assert {name: weight for name, weight in weights.items() if weight >= HEAVIEST_PAGE} == {}


def test_every_page_has_title_description_language_and_licences(site, pages):
    for name, page in everywhere(pages, site).items():
        assert page.title.get_text().strip().endswith("Soft Targets"), name
        assert len(page.find("article").find_all("h1")) == 1, name
        assert page.html.get("lang") == "en", name
        assert page.find("meta", attrs={"name": "viewport"}), name
        description = page.find("meta", attrs={"name": "description"})
        assert description and len(description["content"]) > 40, name
        footer = " ".join(part.get_text() for part in page.find_all("footer"))
        assert "CC BY 4.0" in footer and "MIT" in footer, name


def test_the_landing_picture_shows_the_shares_that_it_states():
    """Counted in the pictures themselves."""
    folder = ROOT / "book" / "_figures"
    text = (folder / "landing.txt").read_text(encoding="utf-8")
    maps = {
        name: np.asarray(Image.open(folder / f"landing_{name}.png").convert("RGB"))
        for name in ("people", "teacher", "student")
    }
    for name in ("teacher", "student"):
        right = (maps[name] == maps["people"]).all(axis=-1).mean()
        assert f"{name}: {100 * right:.0f} % right" in text
    land = (maps["people"] == (0xF0, 0xE2, 0xB6)).all(axis=-1).mean()
    assert f"Land everywhere, would be {100 * land:.0f} % right" in text


def test_every_chapter_leads_to_terms_of_the_glossary(site, pages):
    for chapter in chapters():
        page = pages[site / "notebooks" / f"{chapter.stem}.html"]
        links = {link["href"] for link in page.select("main a[href*='glossary.html#term-']")}
        assert len(links) >= 5, chapter.name


def test_every_work_is_cited_for_something(site, pages):
    page = pages[site / "book" / "references.html"]
    said = page.find(id="what-they-are-cited-for")
    led = {link["href"] for link in said.select("a[href^='#']")}
    assert {f"#{entry['id']}" for entry in page.select(".citation")} <= led


def test_every_chapter_can_be_opened_in_colab(site, pages):
    url, branch = repository()
    repo = url.removeprefix("https://github.com/")
    for chapter in chapters():
        page = pages[site / "notebooks" / f"{chapter.stem}.html"]
        address = f"https://colab.research.google.com/github/{repo}/blob/{branch}/notebooks/{chapter.name}"
        links = [link["href"] for link in page.find_all("a", href=True)]
        # One is the badge under the title, the other the launch button of the theme.
        assert links.count(address) == 2, chapter.name


def written_names():
    """Yield module and name of all that our source files define at their top level."""
    sources = [(ROOT, path) for path in sorted((ROOT / "kdlib").rglob("*.py"))]
    sources += [(ROOT / "book", path) for path in sorted((ROOT / "book" / "kdbook").rglob("*.py"))]
    for root, path in sources:
        parts = path.relative_to(root).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield module, node.name
            elif isinstance(node, ast.Assign):
                names = [n for target in node.targets for n in ast.walk(target)]
                yield from ((module, n.id) for n in names if isinstance(n, ast.Name))
            elif isinstance(node, ast.AnnAssign):
                yield module, node.target.id


def test_the_api_page_has_every_public_name(site, anchors):
    """Under the module that defines it, or under a package around it that takes it over."""
    shown = anchors(site / "book" / "api.html")
    public = [pair for pair in written_names() if "._" not in ".".join(pair)]
    assert len(public) > 20
    missing = []
    for module, name in public:
        parts = module.split(".")
        homes = [".".join(parts[: end + 1]) for end in range(len(parts))]
        if not any(f"{home}.{name}" in shown for home in homes):
            missing.append(f"{module}.{name}")
    assert missing == []
