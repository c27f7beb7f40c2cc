"""Which code a computation is: package, version, and a digest of its files."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from confide.plan import Code

__all__ = ["code_of", "package_code"]


def code_of(*functions: Callable[..., Any]) -> Code:
    """The code of functions: of their package, or of their own source.

    A function from a package is that package's: name, version and a digest over its Python files.
    One from a script or a notebook is named after its file and has the digest of the functions'
    source text.
    """
    module = _module_name(functions[0])
    package = module.partition(".")[0]
    if hasattr(sys.modules.get(package), "__path__"):
        return package_code(package)
    digest = hashlib.sha256("\0".join(_source(f) for f in functions).encode()).digest()
    return Code(package=module, version="unpackaged", digest=digest)


@lru_cache(maxsize=32)
def package_code(package: str) -> Code:
    """An imported package's code: SHA-256 over the names and digests of its Python files.

    The digest is the same whether the package lies in a checkout or came in a wheel.
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


def _module_name(function: Callable[..., Any]) -> str:
    """A function's module; of a script its file's name, so that running it changes nothing."""
    name = getattr(inspect.unwrap(function), "__module__", None) or type(function).__module__
    file = getattr(sys.modules.get(name), "__file__", None)
    return Path(file).stem if name == "__main__" and file else name


def _source(function: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        return repr((code.co_code, code.co_names, code.co_consts)) if code else repr(type(function))
