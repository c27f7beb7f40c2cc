"""The documents say what is true: their examples run, their links and tables hold."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.documents import quickstart_output, quickstart_source

from confide.plan.masking import derive_masking

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language):
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_is_the_one_that_is_tested():
    assert block("python") == quickstart_source()


def test_the_example_prints_what_the_readme_says():
    """`python -m tests.documents --write` writes both blocks anew."""
    assert block("text") == quickstart_output()


def printed_by_the_example(page, folder, number=0):
    """What a Python block of a page prints; the first, if no number says which."""
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", blocks[number]],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_of_mechanisms_runs(tmp_path):
    output = printed_by_the_example(ROOT / "docs" / "mechanisms.md", tmp_path)
    value, error, *_ = map(float, re.findall(r"[\d.]+", output))
    assert abs(value - 113 / 3) < 10 * error < 20


def test_the_example_of_statistics_runs(tmp_path):
    output = printed_by_the_example(ROOT / "docs" / "statistics.md", tmp_path, number=1)
    # Of 30, 31, 32 and three times 50 and 70.
    assert "50.333333" in output
    assert output.split()[-1] == "50.0"


def test_the_example_of_queries_runs(tmp_path):
    output = printed_by_the_example(ROOT / "docs" / "queries.md", tmp_path)
    assert output.startswith("discrete Laplace noise {")
    approved = output.splitlines()[-1].split()
    assert abs(int(approved[2]) - 1744) < 60


def test_the_example_of_encryption_runs(tmp_path):
    pytest.importorskip("confide_native")
    output = printed_by_the_example(ROOT / "docs" / "encryption.md", tmp_path)
    assert "depth       2 multiplications in a row" in output
    results = re.search(r"\[([^\]]*)\]\s*$", output)
    assert results is not None
    x = [1.0, 0.25, 4.0]
    expected = [0.2 * x[0] + 0.5 * x[1] + 0.3 * x[2] + 1, 0.6 * x[0] + 0.1 * x[1] + 0.3 * x[2] + 1]
    assert [float(text) for text in results[1].split()] == pytest.approx(expected, abs=1e-3)


def test_the_example_of_selecting_variables_runs(tmp_path):
    pytest.importorskip("confide_native")
    output = printed_by_the_example(ROOT / "docs" / "encrypted-work.md", tmp_path, number=1)
    first = output.splitlines()[-3].split()
    assert first[:2] in (["spent", "3"], ["owns", "car"])
    assert float(first[-1]) < 1e-3


def test_the_example_of_exchanges_runs(tmp_path):
    pytest.importorskip("confide_native")
    output = printed_by_the_example(ROOT / "docs" / "exchanges.md", tmp_path)
    assert "Who learns what: encrypted-score" in output
    scores = re.search(r"\[([^\]]*)\]\s*$", output)
    assert scores is not None
    expected = [0.4, -0.075, -0.15]
    assert [float(text) for text in scores[1].split()] == pytest.approx(expected, abs=0.01)


def test_the_example_of_encrypted_sums_runs(tmp_path):
    pytest.importorskip("confide_native")
    output = printed_by_the_example(ROOT / "docs" / "encrypted-sums.md", tmp_path)
    assert "each party's encrypted vector: seemingly uniform numbers" in output
    assert output.splitlines()[-1] == str(float(3 + 4 + 5 + 1 + 1 + 2 + 9))


def test_every_link_to_a_file_leads_somewhere():
    documents = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CONTRIBUTING.md"]
    documents += sorted((ROOT / "docs").rglob("*.md"))
    for document in documents:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_test_that_is_named_as_evidence_exists():
    named = re.findall(r"tests/[\w/]+\.py", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_the_table_of_masking_parameters_is_what_is_derived():
    text = (ROOT / "docs" / "masked-sums.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|((?: [\d,–]+ \|){7})$", text, re.MULTILINE)
    assert len(rows) == 4
    for row in rows:
        n, d, c, *derived = (int(x.strip(" ,").replace(",", "").replace("–", "0"))
                             for x in row.rstrip("|").split("|"))  # fmt: skip
        masking = derive_masking(n, d, c, malicious=True)
        k, t, s, q = masking.degree, masking.threshold, masking.cut_survivors, masking.quorum
        assert derived == [k, t, s, q]


def test_the_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_contributors_read_the_layers_that_are_enforced():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = (c["layers"] for c in settings["tool"]["importlinter"]["contracts"]
                 if c["id"] == "layers")  # fmt: skip
    enforced = [re.findall(r"\w+", layer) for layer in layers]
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (drawn,) = re.findall(r"## Layers\n\n```\n(.*?)```", contributing, re.DOTALL)
    assert [line.split(" · ") for line in drawn.splitlines()] == enforced


def test_the_readme_shows_its_picture_and_says_what_it_shows():
    (alternative, target) = re.findall(r"!\[(.+)\]\((.+)\)", README)[0]
    assert (ROOT / target).read_bytes().startswith(b"\x89PNG")
    assert "verdict" in alternative


def test_the_longer_example_runs(tmp_path):
    """Five clinics, of which one misses the first round."""
    done = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "examples" / "quickstart.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "the coordinator sees each party's masked vector" in done.stdout
