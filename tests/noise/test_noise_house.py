"""No noise in floating point on a release path: a search through the source."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))

SAMPLERS = {
    "Exponential", "Gumbel", "Laplace", "Normal", "exponential", "exponential_", "gauss",
    "gumbel", "laplace", "logistic", "lognormal", "lognormal_", "lognormvariate",
    "multivariate_normal", "normal", "normal_", "normalvariate", "expovariate", "randn",
    "randn_like", "rvs", "standard_cauchy", "standard_exponential", "standard_gamma",
    "standard_normal", "standard_t",
}  # fmt: skip
"""What numpy, torch, scipy, jax and the standard library call them."""

ALLOWED = {
    ("confide/he/simulated.py", "standard_normal"): "stands for errors of encryption in a plan",
    ("confide/audit/structure.py", "standard_normal"): "finds dependent columns of public tables",
    ("confide/training/margins.py", "normal"): "how far metrics may be off, once they are released",
    ("confide/demo/lenders.py", "gumbel"): "deals the applications of a simulated public market",
    ("confide/learning/algorithms/ifca.py", "standard_normal"): "public first parameters",
    ("confide/learning/models/k_means.py", "normal"): "public first centres",
    ("confide/learning/partition.py", "lognormal"): "generates data for simulations",
    ("confide/learning/partition.py", "normal"): "generates data for simulations",
    ("confide/learning/partition.py", "standard_normal"): "generates data for simulations",
}


def _draws(path):
    """(line, name) of each floating-point distribution that a module draws from or imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr in SAMPLERS:
            yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, a.name) for a in node.names if a.name in SAMPLERS)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "getattr"
        ):
            given = [a.value for a in node.args if isinstance(a, ast.Constant)]
            yield from ((node.lineno, name) for name in given if name in SAMPLERS)


def test_no_module_draws_noise_in_floating_point():
    found = {
        (path.relative_to(ROOT / "src").as_posix(), name): line
        for path in SOURCES
        for line, name in _draws(path)
    }
    assert found.keys() - ALLOWED.keys() == set()
    assert ALLOWED.keys() - found.keys() == set(), "allowed and gone: take it off the list"


def test_noise_takes_no_generator_of_numpy():
    folders = (ROOT / "src/confide" / name for name in ("noise", "privacy"))
    for path in (file for folder in folders for file in folder.rglob("*.py")):
        names = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Attribute)
        }
        assert not names & {"default_rng", "Generator", "RandomState", "Philox", "PCG64"}, path


@pytest.mark.parametrize(
    "line",
    [
        "rng.normal(0, 1)",
        "np.random.default_rng().laplace()",
        "from scipy.special import x; dist.rvs(3)",
        "from random import gauss",
        "torch.randn(3)",
        "getattr(rng, 'standard_normal')(3)",
        "draw = rng.gumbel",
    ],
)
def test_the_search_sees_every_spelling(tmp_path, line):
    module = tmp_path / "module.py"
    module.write_text(line)
    assert list(_draws(module))
