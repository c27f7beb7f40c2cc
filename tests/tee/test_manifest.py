"""Every file of real evidence has an origin, a licence and a hash."""

import hashlib
import re

from tests.simulator.vectors import FOLDER

DATA = {p.name: p for p in FOLDER.iterdir() if p.suffix not in (".md", ".txt", "")}


def test_every_file_is_the_one_that_was_published():
    listed = dict(line.split()[::-1] for line in (FOLDER / "SHA256SUMS").read_text().splitlines())
    assert listed == {n: hashlib.sha256(p.read_bytes()).hexdigest() for n, p in DATA.items()}


def test_every_file_has_an_origin():
    rows = (FOLDER / "MANIFEST.md").read_text(encoding="utf-8").splitlines()
    files = [row.split("|")[1] for row in rows if row.startswith("| `")]
    assert sorted(re.findall(r"`([^`]+)`", "".join(files))) == sorted(DATA)


def test_no_test_reads_outside_the_repository():
    root = FOLDER.parents[2]
    above = re.compile(r"__file__\)(?:\.resolve\(\))?\.parents\[(\d+)\]")
    for path in (root / "tests").rglob("*.py"):
        deepest = len(path.relative_to(root).parts) - 1
        for found in above.findall(path.read_text(encoding="utf-8")):
            assert int(found) <= deepest, path
