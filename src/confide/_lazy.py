"""Names of a package that are loaded when they are first used (PEP 562).

`import confide` loads only what is used: a package says here which module defines each of its
names, and that module is imported when the name is first used. For type checkers and readers the
package imports the same names under `if TYPE_CHECKING`; a test compares the two.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__all__ = ["attach"]


def attach(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Makes `__getattr__` and `__dir__` of a package.

    Args:
        package: Its `__name__`.
        homes: The names that each module gives to it. No name may be equal to that of a module of
            the package, because importing that module would replace the name.
    """
    home_of = {name: home for home, names in homes.items() for name in names}
    inside = {
        home.removeprefix(f"{package}.").partition(".")[0]
        for home in homes
        if home.startswith(f"{package}.")
    }

    def get(name: str) -> Any:
        if name in home_of:
            value = getattr(import_module(home_of[name]), name)
            setattr(sys.modules[package], name, value)  # so that it is looked up once
            return value
        if name in inside:
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home_of, *inside})

    return get, names
