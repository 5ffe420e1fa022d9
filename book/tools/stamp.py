"""Write into every chapter what is the same in all of them: Colab badge, bootstrap cell, metadata.

The address of the repository comes from ``_config.yml``. A stamped notebook differs from its
neighbours in content only: cell ids are counted, and the metadata of editors is dropped. The README
gets badges, picture, addresses and the entry to cite.
"""

import argparse
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import yaml
from project import ROOT, chapters, repository, settings

BADGE_IMAGE = "https://colab.research.google.com/assets/colab-badge.svg"
BADGE = re.compile(r"\n*\[!\[[^\]]*\]\(" + re.escape(BADGE_IMAGE) + r"\)\]\([^)]*\)\n*")
KEPT_CELL_METADATA = ("tags", "mystnb", "values")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


def badge(name, root=ROOT):
    """Return the Markdown of the Colab badge of the notebook called `name`."""
    url, branch = repository(root)
    path = url.removeprefix("https://github.com/")
    target = f"https://colab.research.google.com/github/{path}/blob/{branch}/notebooks/{name}"
    return f"[![Open this chapter in Colab]({BADGE_IMAGE})]({target})"


def bootstrap(cells, root=ROOT):
    """Return the source of the bootstrap cell of a chapter with these cells.

    kdlib asks for nothing that Colab lacks, so pip leaves what is there alone. patchify is for the
    chapter that shows it: by itself, since it would replace Colab's NumPy by one of version 1.
    """
    url, branch = repository(root)
    lines = [
        "# Installs kdlib when this runs in Colab. Does nothing anywhere else.",
        "import sys",
        "",
        'if "google.colab" in sys.modules:',
        f'    %pip install -q "kdlib @ git+{url}@{branch}"',
    ]
    if any("from patchify import" in cell.source for cell in cells):
        lines.append("    %pip install -q --no-deps patchify==0.2.3")
    return "\n".join(lines)


def stamp_title(source, name, root=ROOT):
    """Return the first Markdown cell with the badge right under its title."""
    title, _, rest = BADGE.sub("\n\n", source).strip().partition("\n")
    if not title.startswith("# "):
        raise SystemExit(f"{name}: the first line is {title!r}, not a title such as '# Title'.")
    return "\n\n".join(part for part in (title, badge(name, root), rest.strip()) if part)


def stamp(notebook, name, root=ROOT):
    """Stamp `notebook` in place and return it."""
    tagged = [c for c in notebook.cells if "bootstrap" in c.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise SystemExit(f"{name}: {len(tagged)} cells bear the tag 'bootstrap', 1 was expected.")
    notebook.cells[0].source = stamp_title(notebook.cells[0].source, name, root)
    tagged[0].source = bootstrap(notebook.cells, root)
    return normalise(notebook)


def normalise(notebook):
    """Drop whatever differs from one editor or one run to the next; return the notebook."""
    kept = {key: notebook.metadata[key] for key in ("widgets",) if key in notebook.metadata}
    notebook.metadata = nbformat.from_dict(METADATA | kept)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        kept = {key: cell.metadata[key] for key in KEPT_CELL_METADATA if key in cell.metadata}
        cell.metadata = nbformat.from_dict(kept)
    return notebook


def readme(text, root=ROOT):
    """Return the text of the README with what is stamped in it."""
    for part, lines in {"top": front(root), "cite": cite(root)}.items():
        found = re.compile(rf"(<!-- stamp: {part} -->\n).*?(<!-- end of stamp -->)", re.DOTALL)
        if not found.search(text):
            raise SystemExit(f"README.md: the marks of the stamp {part!r} are missing.")
        text = found.sub(lambda marks, lines=lines: marks[1] + lines + "\n" + marks[2], text)
    return text


def front(root=ROOT):
    """Return badges, picture, address of the book and the line that installs the library."""
    (url, branch), pages = repository(root), settings(root)["html"]["baseurl"]
    runs = [
        f"[![{name}]({url}/actions/workflows/{name}.yml/badge.svg?branch={branch})]"
        f"({url}/actions/workflows/{name}.yml)"
        for name in ("test", "book")
    ]
    licence = "[![MIT](https://img.shields.io/badge/code-MIT-blue)](LICENSE)"
    words = settings(root)["sphinx"]["config"]["ogp_image_alt"]
    return "\n".join(
        [
            *runs,
            licence,
            "",
            f"[![{words}](book/_static/preview.png)]({pages})",
            "",
            f"**Read it: <{pages}>**, or install the library:",
            "",
            "```sh",
            f'pip install "kdlib @ git+{url}@{branch}"',
            "```",
        ]
    )


def cite(root=ROOT):
    """Return the BibTeX entry of the book, as the page of credits has it."""
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    import edition  # it needs Sphinx, which Colab lacks

    citation = yaml.safe_load(Path(root, "CITATION.cff").read_text(encoding="utf-8"))
    known = SimpleNamespace(
        version=citation["version"],
        copyright=settings(root)["copyright"],
        html_baseurl=settings(root)["html"]["baseurl"],
    )
    return f"```bibtex\n{edition.bibtex(citation, known)}\n```"


def main():
    """Stamp all chapters and the README, or with ``--check`` only say which are not stamped."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail if needed")
    check = parser.parse_args().check
    stale = []
    for path in [*chapters(), ROOT / "README.md"]:
        before = path.read_text(encoding="utf-8")
        if path.suffix == ".md":
            after = readme(before)
        else:
            after = nbformat.writes(stamp(nbformat.reads(before, as_version=4), path.name)) + "\n"
        if before != after:
            stale.append(path.name)
            if not check:
                path.write_text(after, encoding="utf-8")
    if check and stale:
        sys.exit(f"Run `make stamp`: {', '.join(stale)} differ from the stamp.")
    print(f"{len(stale)} of {len(chapters())} chapters and the README stamped anew")


if __name__ == "__main__":
    main()
