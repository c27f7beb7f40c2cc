import functools
import hashlib
import importlib
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.computation.examples import contribute_values, update_mean

import confide
from confide.canonical import encode
from confide.computation import code_of
from confide.computation.code import package_code
from confide.learning.algorithms.registered import fed_avg_from_settings
from confide.plan.codec import nearest

SCRIPT = "def contribute(s, d, r):\n    return {}\n\n\ndef update(s, t):\n    return s\n"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module that is in no package, and imports it."""
    monkeypatch.syspath_prepend(tmp_path)
    names = []

    def written(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        names.append(name)
        return importlib.import_module(name)

    yield written
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes a package under another root each time, imports it, and gives its code."""
    name = "package_to_digest"

    def code(folder, **files):
        root = tmp_path / folder / name
        for file, text in {"__init__.py": "", **files}.items():
            path = root / file.replace("__slash__", "/").replace("_py", ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(tmp_path / folder)
            importlib.import_module(name)
            package_code.cache_clear()
            made = package_code(name)
        del sys.modules[name]
        package_code.cache_clear()
        return made

    return code


class TestCodeOfAPackage:
    def test_is_its_name_version_and_a_digest_over_its_python_files(self):
        root = Path(confide.__file__).parent
        digest = hashlib.sha256()
        for path in sorted(root.rglob("*.py")):
            digest.update(str(path.relative_to(root)).replace("\\", "/").encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        code = code_of(fed_avg_from_settings, nearest)
        assert code.digest == digest.digest()
        assert (code.package, code.version) == ("confide", importlib.metadata.version("confide"))

    def test_has_the_version_of_the_distribution_that_brings_it(self):
        # A package may go by another name than its distribution: dateutil does.
        dateutil = importlib.import_module("dateutil.parser")
        version = importlib.metadata.version("python-dateutil")
        assert code_of(dateutil.parse).version == version

    def test_does_not_depend_on_where_it_lies(self, package):
        assert package("here", a_py="1\n") == package("there", a_py="1\n")

    @pytest.mark.parametrize(
        "other",
        [{"a_py": "2\n"}, {"b_py": "1\n"}, {"a_py": "1\n", "b_py": ""}, {"sub__slash__a_py": "1"}],
        ids=["text", "name", "one more", "folder"],
    )
    def test_changes_with_every_python_file(self, package, other):
        assert package("here", a_py="1\n").digest != package("there", **other).digest

    def test_does_not_change_with_other_files(self, package):
        assert package("here", a_py="1\n") == package("there", a_py="1\n", notes="no code")

    def test_is_unpackaged_if_no_distribution_brings_it(self, package):
        assert package("here").version == "unpackaged"


class TestCodeOfAScript:
    def test_is_named_after_its_file(self, module):
        script = module("my_script", SCRIPT)
        code = code_of(script.contribute, script.update)
        assert (code.package, code.version) == ("my_script", "unpackaged")

    def test_does_not_change_if_another_function_does(self, module):
        one = module("script_one", SCRIPT)
        two = module("script_two", SCRIPT + "\n\ndef other():\n    return 1\n")
        digests = [code_of(m.contribute, m.update).digest for m in (one, two)]
        assert digests[0] == digests[1]

    @pytest.mark.parametrize(
        ("old", "new"), [("return {}", "return {'a': 1}"), ("return s", "return t")]
    )
    def test_changes_with_each_function(self, module, old, new):
        one, two = module("script_one", SCRIPT), module("script_two", SCRIPT.replace(old, new))
        digests = [code_of(m.contribute, m.update).digest for m in (one, two)]
        assert digests[0] != digests[1]

    def test_has_the_same_name_and_digest_whether_imported_or_run(self, module, tmp_path):
        text = SCRIPT + (
            "\n\nif __name__ == '__main__':\n"
            "    from confide.computation import code_of\n"
            "    code = code_of(contribute, update)\n"
            "    print(code.package, code.digest.hex())\n"
        )
        script = module("run_or_imported", text)
        code = code_of(script.contribute, script.update)
        done = subprocess.run(
            [sys.executable, tmp_path / "run_or_imported.py"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == [code.package, code.digest.hex()]

    def test_needs_no_source_and_is_the_same_in_every_process(self):
        # Sets of texts are ordered by a secret of the process, inner functions have addresses.
        text = "def f(x):\n    return x in {'a', 'b', 'c', 'd'} and (lambda y: y)(x)"
        program = (
            f"exec({text!r})\n"
            "from confide.computation import code_of\n"
            "print(code_of(f).digest.hex())"
        )
        printed = {
            subprocess.run(
                [sys.executable, "-c", program],
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for seed in ("1", "2")
        }
        assert len(printed) == 1

    @pytest.mark.parametrize(
        "other",
        [
            "def f(x): return x + 2",
            "def f(x): return x - 1",
            "def f(x): return y + 1",
            "def f(x): return (lambda: x + 1)()",
        ],
    )
    def test_changes_with_compiled_code(self, other):
        digests = set()
        for text in ("def f(x): return x + 1", other):
            namespace: dict = {"__name__": "nowhere"}
            exec(text, namespace)
            digests.add(code_of(namespace["f"]).digest)
        assert len(digests) == 2

    def test_changes_with_compiled_inner_code(self):
        digests = set()
        for step in (1, 2):
            namespace: dict = {"__name__": "nowhere"}
            exec(f"def f(x): return (lambda: x + {step})()", namespace)
            digests.add(code_of(namespace["f"]).digest)
        assert len(digests) == 2


class Callable:
    def __call__(self, state, totals):
        return state


class TestCodeOfWhatIsCalledAsAFunction:
    def test_is_that_of_the_function_below_a_partial_application(self):
        partial = functools.partial(functools.partial(update_mean, 1), 2)
        assert code_of(partial) == code_of(update_mean)

    def test_is_that_of_the_function_below_a_decorator_that_says_so(self, module):
        script = module(
            "decorated",
            "import functools\n\n"
            "from confide.canonical import encode\n\n\n"
            "@functools.wraps(encode)\n"
            "def wrapped(value):\n"
            "    return encode(value)\n",
        )
        assert code_of(script.wrapped) == code_of(encode)

    def test_is_that_of_the_class_of_an_object(self, module):
        text = "class Step:\n    def __call__(self, s, t):\n        return s\n\n\nstep = Step()\n"
        one, two = module("one", text), module("two", text.replace("return s", "return t"))
        assert code_of(one.step).package == "one"
        assert code_of(one.step).digest != code_of(two.step).digest
        assert code_of(Callable()) == code_of(Callable.__call__)

    def test_tells_functions_without_any_code_apart(self):
        assert code_of(len).digest != code_of(abs).digest


class TestCodeOfFunctionsFromDifferentPlaces:
    """The second function counts, wherever the first one is from."""

    @pytest.mark.parametrize("packaged_first", [True, False], ids=["package first", "script first"])
    def test_names_all_places_and_changes_with_each(self, module, packaged_first):
        one, two = module("one", SCRIPT), module("two", SCRIPT.replace("return s", "return t"))

        def code(update):
            return code_of(*([nearest, update] if packaged_first else [update, nearest]))

        assert code(one.update).package == (
            "confide.plan.codec + one" if packaged_first else "one + confide.plan.codec"
        )
        assert code(one.update).version == "unpackaged"
        assert code(one.update).digest != code(two.update).digest

    def test_holds_the_whole_of_a_package(self, module):
        script = module("alone", SCRIPT)
        mixed = hashlib.sha256(
            (package_code("confide").digest.hex() + "\0" + "def update(s, t):\n    return s\n")
            .encode()
        )  # fmt: skip
        assert code_of(nearest, script.update).digest == mixed.digest()

    def test_depends_on_which_function_is_which(self, module):
        script = module("swapped", SCRIPT)
        there = code_of(script.contribute, script.update)
        assert there.digest != code_of(script.update, script.contribute).digest


def test_the_examples_of_these_tests_are_code_of_a_package():
    assert code_of(contribute_values, update_mean).package == "tests"
