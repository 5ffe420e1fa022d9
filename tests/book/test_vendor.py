"""What the book takes from other projects: as recorded, complete, and with a licence."""

import json
import shutil
import subprocess
from pathlib import Path

import vendor
from project import ROOT


def test_every_file_is_the_one_that_the_record_names():
    assert vendor.differences() == []


def test_a_changed_a_missing_and_an_extra_file_are_found(tmp_path):
    for package in vendor.record():
        folder = package["folder"]
        shutil.copytree(ROOT / folder, tmp_path / folder, dirs_exist_ok=True)
    first = tmp_path / vendor.record()[0]["folder"]
    (first / "embed.js").write_text("changed", encoding="utf-8")
    (first / "LICENSE").unlink()
    (first / "extra.js").write_text("", encoding="utf-8")
    parts = [problem.split(": ") for problem in vendor.differences(tmp_path)]
    found = [(Path(name).name, what) for name, what in parts]
    assert found == [
        ("extra.js", "not in the record"),
        ("LICENSE", "missing, run make vendor"),
        ("embed.js", "SHA-256 is not that of the record"),
    ]


def test_every_package_has_version_and_licence():
    for package in vendor.record():
        assert set(package) == {"name", "version", "licence", "what for", "folder", "files"}
        texts = [file["to"] for file in package["files"]]
        assert package["licence"] in ("MIT", "BSD-3-Clause", "MPL-2.0", "Apache-2.0")
        assert any("LICENSE" in name for name in texts), package["name"]


def test_no_script_of_others_lies_outside_the_record():
    """Scripts of the book itself are short; minified ones are somebody else's."""
    listed = subprocess.run(["git", "ls-files", "*.js"], cwd=ROOT, capture_output=True, text=True)
    known = {f"{p['folder']}/{f['to']}" for p in vendor.record() for f in p["files"]}
    own = [ROOT / name for name in listed.stdout.split() if name not in known]
    assert [p for p in own if max(map(len, p.read_text("utf-8").splitlines())) > 120] == []


def test_the_record_is_written_as_the_script_writes_it():
    text = vendor.RECORD.read_text(encoding="utf-8")
    assert text == json.dumps(vendor.record(), indent=2) + "\n"
