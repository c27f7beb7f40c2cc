"""What is imported when: quickly, lazily, without circles, and interrupted without a trace."""

import ast
import importlib
import subprocess
import sys

import pytest
from tests.imports import circles, graph, homes, modules, typing_block

HEAVY = ["cryptography", "dp_accounting", "jinja2", "matplotlib", "pandas", "pydantic",
         "safetensors", "scipy", "sqlalchemy", "torch"]  # fmt: skip
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in modules().items()}
LAZY = [name for name, tree in TREES.items() if homes(tree) is not None]


def loaded(program, *arguments):
    """The modules that are loaded when a program has run in a new process."""
    script = (
        "import contextlib, sys\n"
        "sys.argv = ['confide', *sys.argv[1:]]\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(sys.stderr):\n"
        f"    {program}\n"
        "print(*sys.modules, sep='\\n')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    return set(ran.stdout.split())


def ours(found):
    return {name for name in found if name.split(".")[0] == "confide"}


class TestLoading:
    def test_the_library_loads_none_of_its_parts(self):
        found = loaded("import confide")
        assert ours(found) == {"confide", "confide._lazy", "confide._version", "confide.errors"}
        assert {*HEAVY, "numpy"} & found == set()

    def test_the_version_loads_nothing_but_the_command_line(self):
        found = loaded("from confide.cli import main; main()", "--version")
        assert {name.split(".")[1] for name in ours(found) - {"confide"}} == {
            "_lazy",
            "_version",
            "cli",
            "errors",
        }
        assert {*HEAVY, "numpy", "rich.progress"} & found == set()

    def test_a_plan_and_its_views_load_what_they_use(self):
        """The starter's plan, read and judged, asks no ledger and draws no page."""
        found = loaded(
            "import confide; from confide.computation import STARTER; "
            "confide.views(confide.read_plan(STARTER, 'starter')[0])"
        )
        assert {"jinja2", "matplotlib", "sqlalchemy"} & found == set()

    def test_the_algorithms_load_torch_for_models_of_torch_only(self):
        found = loaded(
            "from confide.computation import make_computation; "
            "make_computation('fed-avg', {'weight_cap': 5, 'clip_norm_l2': 1.0, 'model': "
            "{'family': 'bernoulli'}, 'table': {'features': ['x'], 'label': 'y'}})"
        )
        assert "confide.learning.modules.torch_model" in found
        assert {"matplotlib", "sklearn", "torch"} & found == set()


class TestLazyPackages:
    def test_are_those_whose_parts_are_used_one_by_one(self):
        assert {"confide", "confide.aggregation", "confide.learning", "confide.tee"} <= set(LAZY)

    @pytest.mark.parametrize("package", LAZY)
    def test_tell_type_checkers_what_they_give(self, package):
        """The table and the block for type checkers say the same, module by module."""
        told = {
            f"{node.module}.{alias.name}"
            for node in typing_block(TREES[package])
            for alias in node.names
        }
        table = homes(TREES[package])
        assert table is not None
        given = {f"{home}.{name}" for home, names in table.items() for name in names}
        submodules = {home for home, names in table.items() if not names}
        assert given | submodules == told

    @pytest.mark.parametrize("package", LAZY)
    def test_give_every_name(self, package):
        module = importlib.import_module(package)
        for name in module.__all__:
            assert getattr(module, name) is not None
            assert name in dir(module)

    @pytest.mark.parametrize("package", LAZY)
    def test_name_nothing_as_a_module_of_theirs(self, package):
        """After an import of `confide.a.b`, `confide.a.b` is the module, whatever it was before."""
        table = homes(TREES[package])
        assert table is not None
        names = {name for names in table.values() for name in names}
        assert {f"{package}.{name}" for name in names} & set(TREES) == set()

    def test_know_no_other_name(self):
        with pytest.raises(AttributeError, match="module 'confide' has no attribute 'Plam'"):
            _ = importlib.import_module("confide").Plam

    def test_give_the_packages_that_they_read_from(self):
        found = loaded("import confide; confide.plan.Plan")
        assert "confide.plan.plan" in found


class TestCircles:
    def test_there_are_none_also_none_that_an_import_in_a_function_hides(self):
        assert not circles(graph(TREES))

    def test_are_found_where_an_import_in_a_function_hides_them(self):
        trees = {
            "confide.a": ast.parse("from confide.p import name\n"),
            "confide.b": ast.parse("def f():\n    from confide import a\n"),
            "confide.p": ast.parse("x = attach('confide.p', {'confide.b': ('name',)})\n"),
            "confide.c": ast.parse(
                "if TYPE_CHECKING:\n    from confide.d import x\nimport confide.a\n"
            ),
            "confide.d": ast.parse("import confide.c\n"),
            "confide": ast.parse(""),
        }
        assert graph(trees)["confide.b"] == {"confide.a": "f"}
        assert circles(graph(trees)) == [["confide.a", "confide.b"]]


INTERRUPTED_AT = """
import os, signal, sys
sys.argv = ["confide", "plan", "keys"]

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
from confide.cli import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
@pytest.mark.parametrize("name", ["typer", "confide.cli.plan", "numpy", "confide.plan.plan"])
def test_an_interrupt_while_importing_ends_without_a_trace(name, tmp_path):
    """As the shell has it: 130, wherever the import was."""
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT.format(name=name)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "")
