"""The public face: a name is public when, and only when, its package says so."""

import importlib
import pkgutil
from types import ModuleType

import pytest

import confide

TOOLS = {"TYPE_CHECKING", "attach"}
"""What a package imports to load its names lazily."""


def _packages():
    yield confide
    for module in pkgutil.walk_packages(confide.__path__, "confide."):
        private = any(part.startswith("_") for part in module.name.split("."))
        if module.ispkg and not private:
            package = importlib.import_module(module.name)
            if hasattr(package, "__all__"):
                yield package


def _in_order(names):
    """CONSTANTS, then Classes, then functions, as ruff sorts `__all__`."""
    return sorted(names, key=lambda name: (not name.isupper(), not name[:1].isupper(), name))


def _exported(package):
    public = {
        name
        for name in dir(package)
        if not name.startswith("_") and not isinstance(getattr(package, name), ModuleType)
    }
    return public - TOOLS | ({"__version__"} & vars(package).keys())


@pytest.mark.parametrize("package", list(_packages()), ids=lambda package: package.__name__)
def test_all_is_the_sorted_public_namespace(package):
    assert list(package.__all__) == _in_order(_exported(package))
