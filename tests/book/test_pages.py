"""The built pages: links, pictures, formulas, weight, and what each page must have."""

import base64
import importlib
import json
import re
import sys
from urllib.parse import unquote, urlsplit

import landing_picture
import numpy as np
import pytest
import recorded
import yaml
from bs4 import BeautifulSoup
from PIL import Image
from project import ROOT, chapters, repository

import kdlib
from kdbook.study import arm_table, plans
from kdlib import models

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
    listed, waiting = [toc["root"]], [page for part in toc["parts"] for page in part["chapters"]]
    while waiting:
        page = waiting.pop()
        listed.append(page["file"])
        waiting += page.get("sections", [])
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
        title = page.title.get_text().strip()
        assert title.endswith("— Soft Targets") and title.count("Soft Targets") == 1, name
        assert len(page.find("article").find_all("h1")) == 1, name
        assert page.html.get("lang") == "en", name
        assert page.find("meta", attrs={"name": "viewport"}), name
        (description,) = page.find_all("meta", attrs={"name": "description"})
        assert 60 < len(description["content"]) < 300, name
        assert not RAW_LATEX.search(description["content"]), name
        assert "\\" not in description["content"], name
        footer = " ".join(part.get_text() for part in page.find_all("footer"))
        assert "CC BY 4.0" in footer and "MIT" in footer, name
        assert f"Version {kdlib.__version__}." in footer, name


def test_the_page_of_the_library_says_its_version(site, pages):
    text = " ".join(pages[site / "book" / "api.html"].find("article").get_text().split())
    assert f"These pages are of version {kdlib.__version__}." in text


def preview(page):
    """Return what a preview of a link to a page shows: {property: content}."""
    return {
        tag["property"]: tag["content"]
        for tag in page.find_all("meta", property=re.compile("^og:"))
    }


def test_every_page_has_one_address_and_a_preview(site, pages):
    base = published()
    for name, page in everywhere(pages, site).items():
        (canonical,) = page.find_all("link", rel="canonical")
        shown = preview(page)
        assert canonical["href"] == shown["og:url"] == base + name
        assert shown["og:description"] == description_of(page), name
        assert shown["og:site_name"] == "Soft Targets" and shown["og:title"], name
        assert shown["og:image"].startswith(base) and shown["og:image:alt"], name
        picture = Image.open(site / shown["og:image"].removeprefix(base))
        assert picture.size == landing_picture.PREVIEW
    for says in (page_title, description_of):
        said = [says(page) for page in pages.values()]
        assert len(said) == len(set(said)), says.__name__


def page_title(page):
    """Return the title that a tab of the browser shows."""
    return page.title.get_text()


def description_of(page):
    """Return what a search engine shows below the title."""
    return page.find("meta", attrs={"name": "description"})["content"]


def test_a_chapter_is_described_by_its_question(site, pages):
    chapters = [path for path in pages if path.parent.name == "notebooks"]
    assert len(chapters) == 12
    for path in chapters:
        question = pages[path].find("article").find("em").get_text()
        assert question.endswith("?")
        assert description_of(pages[path]).startswith(f"{question} A chapter of"), path.name


def test_the_bare_address_leads_on_and_has_the_preview_of_the_first_page(site, pages):
    front = BeautifulSoup((site / "index.html").read_text(encoding="utf-8"), "html.parser")
    first = pages[site / "book" / "index.html"]
    assert preview(front) == preview(first) and front.title == first.title
    assert front.find("a")["href"] == "book/index.html"
    assert front.find("meta", attrs={"http-equiv": "refresh"})["content"].endswith(
        "book/index.html"
    )


def test_a_wrong_address_leads_to_a_page_that_works_wherever_it_is_shown(site):
    page = BeautifulSoup((site / "404.html").read_text(encoding="utf-8"), "html.parser")
    assert "no page at this address" in page.find("article").get_text()
    base = urlsplit(published()).path
    named = [tag["src"] for tag in page.find_all(["script", "img"], src=True)]
    named += [tag["href"] for tag in page.find_all(["a", "link"], href=True)]
    own = [urlsplit(address).path for address in named if not urlsplit(address).netloc]
    own = [path for path in own if path]
    assert len(own) > 40 and [path for path in own if not path.startswith(base)] == []
    assert [path for path in own if not (site / path.removeprefix(base)).exists()] == []


def test_every_page_has_an_icon_and_a_link_to_edit_its_source(site, pages):
    url, branch = repository()
    for name, page in everywhere(pages, site).items():
        icon = page.find("link", rel="icon")["href"]
        assert (site / name).parent.joinpath(icon.split("?")[0]).exists(), name
        (edit,) = page.select("a.btn-source-edit-button")
        source = edit["href"].removeprefix(f"{url}/edit/{branch}/")
        assert (ROOT / source).exists(), edit["href"]


def test_the_entry_to_cite_is_complete_and_has_a_button_to_copy_it(site, pages):
    entry = pages[site / "book" / "credits.html"].select_one(".highlight-bibtex pre").get_text()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", entry, re.MULTILINE))
    assert fields["title"] == citation["title"]
    assert fields["author"] == f"{{{citation['authors'][0]['name']}}}"
    assert fields["version"] == citation["version"] == kdlib.__version__
    assert fields["url"] == published() and re.fullmatch(r"20\d\d", fields["year"])
    assert entry.startswith("@software{") and entry.count("{") == entry.count("}")


def published():
    """Return the address at which the pages are published."""
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["html"]["baseurl"]


def test_the_landing_picture_shows_what_the_teacher_says():
    """Drawn anew it is the same; its numbers are those of the record and of the cards."""
    record = json.loads((ROOT / "book" / "_figures" / "temperature.json").read_text("utf-8"))
    stored = (ROOT / "book" / "_figures" / "idea.svg").read_text(encoding="utf-8")
    photograph = re.compile(r'href="data:[^"]*"')  # its bytes depend on the library that packs it
    assert photograph.sub("", landing_picture.drawing(record)) == photograph.sub("", stored)
    (row, column), soft, label = landing_picture.answer(record)
    logits = np.frombuffer(base64.b64decode(record["logits"]), np.uint8).reshape(-1, 6)
    logits = record["low"] + record["step"] * logits[row * record["side"] + column].astype(float)
    odds = np.exp(logits - logits.max())
    assert np.allclose(soft, (odds / odds.sum())[:5]) and soft.argmax() == label
    shown = [int(share) for share in re.findall(r">(\d+) %<", stored)]
    assert shown == [*np.round(100 * soft), *(100 * np.eye(5)[label])]
    for name in ("teacher", "student"):
        assert f"{models.card(name)['parameters'] / 1e6:.2f} M weights" in stored


def test_the_code_of_the_landing_page_runs(tmp_path, monkeypatch):
    text = (ROOT / "book" / "index.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(code, "index.md", "exec"), names)
    assert names["probabilities"].shape == (8, 64, 64, 6)
    assert (tmp_path / "student.keras").exists()


def test_roles_give_what_is_recorded(monkeypatch):
    plan = plans.find("coarse-long")
    runs = arm_table.read(plan)
    scores = {arm: [] for arm in ("scratch", "distilled-t0p5")}
    for run, entry in sorted(runs.items(), key=lambda item: item[0].seed):
        matrix = np.array(entry["test"]["confusion"], float)[:5]
        both = matrix.sum(axis=1) + matrix.sum(axis=0)[:5] - np.diag(matrix)
        scores[run.arm].append(np.mean(np.diag(matrix) / both))
    gap = np.subtract(scores["distilled-t0p5"], scores["scratch"])
    said = recorded.difference("coarse-long, distilled-t0p5, mean IoU")
    assert said.startswith(f"{gap.mean():+.3f} (95 % interval ".replace("-", "−"))
    assert said.endswith(f", {len(gap)} seeds)")
    assert recorded.difference("no such plan, distilled, mean IoU") == recorded.WAITING
    for wrong in ("scratch, mean IoU", "distilled-t0p5, beauty", "taught, mean IoU"):
        with pytest.raises(ValueError, match="plan 'coarse-long' "):
            recorded.difference(f"coarse-long, {wrong}")
    assert recorded.on_card("student weights") == f"{models.card('student')['parameters']:,}"
    with pytest.raises(ValueError, match="no 'colour'"):
        recorded.on_card("student colour")
    monkeypatch.setattr(arm_table, "read", lambda plan: {})
    assert recorded.difference("coarse-long, distilled-t0p5, mean IoU") == recorded.WAITING


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


def test_each_room_of_the_library_has_all_its_names_on_a_page_and_they_are_few(site, anchors):
    """What a room hands out, `__all__` or what it defines; kdbook has one page, and a short one."""
    shown, rooms = {}, []
    for page in sorted((ROOT / "book" / "api").glob("*.md")):
        here = re.findall(r"automodule:: (kdlib[\w.]*)", page.read_text(encoding="utf-8"))
        found = anchors(site / "book" / "api" / f"{page.stem}.html")
        for name in here:
            room = importlib.import_module(name)
            for each in getattr(room, "__all__", own_names(room)):
                home = getattr(getattr(room, each), "__module__", None)
                spots = {name, home} | {key for key in sys.modules if key.startswith(f"{name}.")}
                shown[name, each] = any(f"{spot}.{each}" in found for spot in spots)
        rooms += here
    assert {name.split(".")[1] for name in rooms} == set(kdlib.ROOMS)
    assert [pair for pair, there in shown.items() if not there] == []
    assert 100 < len(shown) <= 200


def own_names(module):
    """Return the public functions and classes that a module defines."""
    return [
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and name[0] != "_"
    ]
