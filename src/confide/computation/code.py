"""Which code a computation is: package, version, and a digest of its files."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import inspect
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any

from confide.plan import Code

__all__ = ["code_of", "package_code"]


def code_of(*functions: Callable[..., Any]) -> Code:
    """The code of functions: of their package, or of their own source.

    For a function from a package: the package's name, version and a digest over its Python files.
    One from a script or a notebook is named after its file and has the digest of the functions'
    source text. Functions from different places are named after all of them, and the digest is over
    each one's package or source text.
    """
    functions = tuple(_underlying(f) for f in functions)
    modules = {_module_name(f): None for f in functions}
    package, *others = {module.partition(".")[0]: None for module in modules}
    if not others and _is_package(package):
        return package_code(package)
    digest = hashlib.sha256("\0".join(_own_code(f) for f in functions).encode()).digest()
    return Code(package=" + ".join(modules), version="unpackaged", digest=digest)


@lru_cache(maxsize=32)
def package_code(package: str) -> Code:
    """An imported package's code: SHA-256 over the names and digests of its Python files.

    The digest is the same for a checkout and for an installed wheel.
    """
    root = Path(sys.modules[package].__path__[0])
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return Code(package=package, version=_version(package), digest=digest.digest())


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        distributions = importlib.metadata.packages_distributions().get(package)
        return importlib.metadata.version(distributions[0]) if distributions else "unpackaged"


def _is_package(name: str) -> bool:
    return hasattr(sys.modules.get(name), "__path__")


def _underlying(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function whose code runs: below a partial application, or the class of an object."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    return function if inspect.isroutine(function) or inspect.isclass(function) else type(function)


def _module_name(function: Callable[..., Any]) -> str:
    """A function's module; for a script its file's name, so that running it changes nothing."""
    name = getattr(function, "__module__", None) or type(function).__module__
    file = getattr(sys.modules.get(name), "__file__", None)
    return Path(file).stem if name == "__main__" and file else name


def _own_code(function: Callable[..., Any]) -> str:
    package = _module_name(function).partition(".")[0]
    return package_code(package).digest.hex() if _is_package(package) else _source(function)


def _source(function: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        return _constant(code) if code else f"{_module_name(function)}.{function.__qualname__}"


def _constant(value: object) -> str:
    """A constant of compiled code as text that is the same in every process."""
    if isinstance(value, CodeType):
        return repr((value.co_code, value.co_names, [_constant(c) for c in value.co_consts]))
    return repr(sorted(map(repr, value))) if isinstance(value, frozenset) else repr(value)
