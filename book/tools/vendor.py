"""Fetch the scripts of other projects that the pages and their tests use, from the npm registry.

::

    python book/tools/vendor.py            # fetch them anew, and compare with the record
    python book/tools/vendor.py --accept   # the same, and record the checksums that came

``vendor.json`` names each package with its version, its licence, and the files that are taken,
with their SHA-256. Nothing of them is changed. To take a newer version, write it there and accept.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from project import ROOT

RECORD = Path(__file__).with_name("vendor.json")


def record():
    """Return the list of packages."""
    return json.loads(RECORD.read_text(encoding="utf-8"))


def sha256(path):
    """Return the checksum of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def differences(root=ROOT):
    """Return what differs between the record and the files in its folders."""
    wanted = {
        Path(package["folder"], file["to"]): file["sha256"]
        for package in record()
        for file in package["files"]
    }
    folders = {Path(root, package["folder"]) for package in record()}
    here = {p.relative_to(root) for f in folders for p in f.rglob("*") if p.is_file()}
    problems = [f"{name}: not in the record" for name in sorted(here - set(wanted))]
    problems += [f"{name}: missing, run make vendor" for name in sorted(set(wanted) - here)]
    changed = (n for n in sorted(here & set(wanted)) if sha256(Path(root, n)) != wanted[n])
    return [*problems, *(f"{name}: SHA-256 is not that of the record" for name in changed)]


def fetch(package):
    """Take the files of one package, as npm has them, into their folder."""
    wanted = f"{package['name']}@{package['version']}"
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", wanted, "--pack-destination", folder]
        subprocess.run(command, check=True, capture_output=True)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            for file in package["files"]:
                target = ROOT / package["folder"] / file["to"]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.extractfile(f"package/{file['from']}").read())


def main():
    """Fetch everything; fail if a file is not what the record says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accept", action="store_true", help="record what came")
    accept = parser.parse_args().accept
    packages = record()
    for package in packages:
        fetch(package)
        if accept:
            for file in package["files"]:
                file["sha256"] = sha256(ROOT / package["folder"] / file["to"])
    if accept:
        RECORD.write_text(json.dumps(packages, indent=2) + "\n", encoding="utf-8")
    sys.exit("\n".join(differences()) or None)


if __name__ == "__main__":
    main()
