"""Models that a plan names: `package.module:name` with plain arguments, never code.

A plan that arrives from elsewhere must not decide what a party runs. So a name is followed only to
a class of models, or to a function that its author has marked with `model_factory`; the plan holds
the digest of that package, and any other is refused.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from confide.computation.code import code_of
from confide.errors import PlanError
from confide.plan import Code
from confide.plan.literals import Literal

__all__ = ["CodeSettings", "Factory", "model_factory"]

_PART: Final = r"(?!__)[A-Za-z_]\w*"
_NAME: Final = re.compile(rf"{_PART}(\.{_PART})*:[A-Za-z]\w*")
_MARK: Final = "__confide_model_factory__"
_PLAIN: Final = (str, int, float, bool, type(None))

F = TypeVar("F", bound=Callable[..., Any])


def model_factory(function: F) -> F:
    """Marks a function that makes a model: plans may name it, and call it with their arguments.

    So it must be safe with any arguments, as the constructor of a network of layers is.

    Example:
        >>> @model_factory
        ... def network(width: int):
        ...     return ...
    """
    setattr(function, _MARK, True)
    return function


class CodeSettings(Literal):
    """Which code a model is of: the package, its version and the SHA-256 over its files."""

    package: str
    version: str
    digest: str


@dataclass(frozen=True)
class Factory:
    """What makes a model.

    Attributes:
        name: `package.module:name`.
        make: The class or function.
        arguments: Plain values by name.
        simulation_only: Why nobody else could make it from a plan; empty if they could.
        written: Whose code it is, if not that of `make`.
    """

    name: str
    make: Callable[..., Any] = field(repr=False)
    arguments: Mapping[str, Any]
    simulation_only: str = ""
    written: Callable[..., Any] | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls, made_by: Callable[..., Any] | str, arguments: Mapping[str, Any], kind: type
    ) -> Factory:
        """The factory that a class, a function or a name is.

        Args:
            made_by: The class, function or name.
            arguments: What it is called with.
            kind: What a class must derive from to be named in a plan.

        Raises:
            PlanError: If the name leads nowhere or to something that plans may not name, or an
                argument is no plain value.
        """
        _check_plain(arguments, "arguments")
        if isinstance(made_by, str):
            return cls(made_by, _found(made_by, kind), arguments)
        if not callable(made_by):
            raise PlanError(
                f"a model of type {type(made_by).__name__}; give a class or a function that makes "
                "one, or its name as 'package.module:name'"
            )
        module = getattr(made_by, "__module__", None) or "?"
        name = f"{module}:{getattr(made_by, '__qualname__', type(made_by).__name__)}"
        return cls(name, made_by, arguments, _why_here_only(name, made_by, kind))

    @property
    def code(self) -> Code:
        """Which code it is."""
        return code_of(self.written or self.make)

    def settings(self) -> dict[str, Any]:
        """The factory in the settings of a task."""
        code = self.code
        return {
            "factory": self.name,
            "arguments": dict(self.arguments),
            "code": {
                "package": code.package, "version": code.version, "digest": code.digest.hex(),
            },
        }  # fmt: skip

    def check(self, agreed: CodeSettings | None) -> None:
        """Refuses other code than what was agreed.

        Raises:
            PlanError: Naming both.
        """
        here = self.code
        if agreed is not None and agreed.digest != here.digest.hex():
            raise PlanError(
                f"the plan's model {self.name!r} is of {agreed.package} {agreed.version} "
                f"({agreed.digest[:16]}…), and {here.package} {here.version} "
                f"({here.digest.hex()[:16]}…) is installed: install what was agreed, or agree anew"
            )


def _found(name: str, kind: type) -> Callable[..., Any]:
    if name.startswith("__main__:"):
        raise PlanError(
            f"model {name!r} is of a script or a notebook, which nobody else has: give simulate(…, "
            "computation=…), or put it into an installed package"
        )
    if not _NAME.fullmatch(name):
        raise PlanError(f"model {name!r}; a name is like 'package.module:name'")
    module, _, attribute = name.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise PlanError(f"model {name!r} is not installed here: {error}") from error
    if not _may_be_named(found, kind):
        raise PlanError(
            f"{name!r} is neither a {kind.__name__} class nor a function marked with "
            "confide.learning.model_factory, so no plan may call it"
        )
    return found


def _may_be_named(found: object, kind: type) -> bool:
    if isinstance(found, type):
        return issubclass(found, kind)
    return callable(found) and getattr(found, _MARK, False) is True


def _why_here_only(name: str, made_by: Callable[..., Any], kind: type) -> str:
    if not _NAME.fullmatch(name):
        where = "a script or a notebook" if name.startswith("__main__") else "a function"
        return f"model {name!r} is of {where}, which nobody else has: put it into a package"
    if not _may_be_named(made_by, kind):
        return f"model {name!r} is no function marked with confide.learning.model_factory: mark it"
    return ""


def _check_plain(value: object, where: str) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise PlanError(f"{where} has the key {key!r}; keys are texts")
            _check_plain(inner, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            _check_plain(inner, f"{where}.{place}")
    elif not isinstance(value, _PLAIN):
        raise PlanError(
            f"{where} is of type {type(value).__name__}; a plan holds texts, numbers, truth "
            "values, lists and maps"
        )
