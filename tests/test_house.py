"""Rules of the house that no linter knows."""

import ast
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "src").rglob("*.py"))
LONGEST_MODULE = 600

UNSAFE_TO_LOAD = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
GLOBAL_RANDOM_STATE = {"random", "numpy.random.seed", "numpy.random.RandomState"}

# Spelled apart, so that this file passes too.
MACHINES = [f"/{folder}/" for folder in ("root", "work")]
REGISTRIES = [
    f"{host}.{top}"
    for host, top in (
        ("anaconda", "org"),
        ("crates", "io"),
        ("npmjs", "org"),
        ("pypi", "org"),
        ("pythonhosted", "org"),
    )
]

# Turns that a reader of English as a third language has to read twice, and what to say in their
# place. They may not come back, neither in texts nor in comments.
TURNS = {
    r"[Ww]ho(m)?ever": "anyone who; the party that",
    r"lest": "so that … not",
    r"anew": "again",
    r"beforehand": "in advance",
    r"heeds?": "check",
    r"bears? (the|one|two|fewer|\d)": "allows",
    r"let(s|ting)? go of": "drop, release",
    r"but for": "except for",
    r"that is none|a head of a log that": "not valid",
    r"(comes?|goes?) or (comes?|goes?)": "is added or removed",
    r"(told|tells? \w+) apart": "singled out, distinguished",
    r"(was|were|is|are|be|been) set back": "rolled back",
    r"(?<![Tt]here )(is|are) no (number|text|list|map|mount|address|party|table|key|model)\b": (
        "is not a …"
    ),
    r"the data have lost|what data have lost": "privacy budget spent",
    r"signs of life": "heartbeats",
    r"in processes beside": "in worker processes",
}
WRITTEN = ("src", "operator/src", "simulator/src", "examples", "benchmarks", "native", "docs")
PAGES = ("README.md", "SECURITY.md", "CONTRIBUTING.md")


def _files():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = (ROOT / name.decode() for name in listed.stdout.split(b"\0") if name)
    return [path for path in paths if path.is_file()]


def test_no_file_names_a_machine_or_a_registry():
    found = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in _files()
        for text in MACHINES + REGISTRIES
        if text.encode() in path.read_bytes()
    ]
    assert found == []


def _turns_in(text):
    return [turn for turn in TURNS if re.search(rf"\b(?:{turn})", text)]


def test_no_text_has_a_turn_that_has_to_be_read_twice():
    """See `TURNS` for what to say in their place. Decisions (docs/adr) are records of their day."""
    found = []
    for path in _files():
        name = path.relative_to(ROOT).as_posix()
        written = name.startswith(WRITTEN) and path.suffix in {
            ".py",
            ".md",
            ".html",
            ".cpp",
            ".hpp",
        }
        if name in PAGES or (written and not name.startswith(("docs/adr", "benchmarks/results"))):
            text = " ".join(path.read_text(encoding="utf-8").split())
            found += [f"{name}: {turn} (say: {TURNS[turn]})" for turn in _turns_in(text)]
    assert found == []


def test_a_turn_is_found():
    assert _turns_in("Whoever keeps a head") == [r"[Ww]ho(m)?ever"]
    assert _turns_in("a key that is no key") != []
    assert _turns_in("there is no key") == []


def test_every_file_of_tests_is_collected(pytestconfig):
    """pytest passes over folders of some names, as `build` and `dist`, without a word."""
    written = [path.relative_to(ROOT) for path in _files() if path.match("test_*.py")]
    assert len(written) > 200
    assert [path for path in written if not _is_collected(path, pytestconfig)] == []


def test_a_file_that_is_not_collected_is_found(pytestconfig):
    assert not _is_collected(Path("tests/tee/build/test_image.py"), pytestconfig)
    assert not _is_collected(Path("benchmarks/test_speed.py"), pytestconfig)


def _is_collected(path, config):
    """Whether pytest finds a file of tests by itself, by its settings."""
    passed_over = config.getini("norecursedirs")
    folders = [parent.name for parent in path.parents if parent.name]
    return any(
        path.is_relative_to(Path(tests)) for tests in config.getini("testpaths")
    ) and not any(fnmatch(folder, pattern) for folder in folders for pattern in passed_over)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "src")))
class TestModule:
    def test_is_short_enough_to_read(self, path):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE

    def test_loads_nothing_that_runs_what_strangers_send(self, path):
        assert _uses(path) & UNSAFE_TO_LOAD == set()

    def test_draws_from_no_global_random_state(self, path):
        assert _uses(path) & GLOBAL_RANDOM_STATE == set()


def test_the_rules_see_every_spelling(tmp_path):
    module = tmp_path / "module.py"
    module.write_text(
        "import numpy as np\n"
        "import pickle as p\n"
        "from random import shuffle\n"
        "from numpy import random as npr\n"
        "np.random.seed(1)\n"
        "npr.RandomState(1)\n"
    )
    assert {"pickle"} | GLOBAL_RANDOM_STATE <= _uses(module)


def _uses(path):
    """Full names that a module imports or reaches through an import, and every prefix of them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names, full_names = {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                full_names.add(alias.name)
                bound = alias.asname or alias.name.partition(".")[0]
                names[bound] = alias.name if alias.asname else bound
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                full_names.add(f"{node.module}.{alias.name}")
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            head, _, rest = ast.unparse(node).partition(".")
            if head in names:
                full_names.add(f"{names[head]}.{rest}")
    return {
        ".".join(parts[:end])
        for parts in (name.split(".") for name in full_names)
        for end in range(1, len(parts) + 1)
    }
