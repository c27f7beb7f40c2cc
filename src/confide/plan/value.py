"""Frozen values that check themselves when they are made."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Iterable, Mapping
from functools import lru_cache
from numbers import Integral, Real
from typing import Any, ClassVar, Final

from confide import canonical
from confide.errors import PlanError

__all__ = ["Family", "Value", "kinds_of"]

_TOO_LARGE: Final = 2**64
"""Larger numbers do not fit canonical bytes."""


class Value:
    """The base of all plan values: frozen dataclasses whose fields hold what they declare.

    On creation an iterable becomes a tuple and a whole number in a real field a float, so that
    equal values have one encoding; any other type is refused. Then `_check` checks the values
    themselves.
    """

    def __post_init__(self) -> None:
        kind: type = type(self)
        for name, declared in _declared_fields(kind).items():
            value = _normalised(declared, getattr(self, name))
            if not _is(declared, value):
                raise PlanError(
                    f"{name} of {kind.__name__} is {value!r}, of type "
                    f"{type(value).__name__}; it takes {_described(declared)}"
                )
            object.__setattr__(self, name, value)
        self._check()
        for name in _declared_fields(kind):
            value = getattr(self, name)
            for whole in value if isinstance(value, tuple) else (value,):
                if isinstance(whole, int) and not -_TOO_LARGE < whole < _TOO_LARGE:
                    raise PlanError(
                        f"{name} of {kind.__name__} is {whole}; 64 bits hold it at most"
                    )

    def _check(self) -> None:
        """Refuses values that are not allowed."""


class Family(Value):
    """The base of a family of values: where the family is declared, any of its kinds may stand.

    A subclass of `Family` is a family, and each subclass of that registers as one of its kinds, by
    its name. So a package adds a kind by importing the module that defines it, and bytes of an
    unknown kind are refused by name.
    """

    _kinds: ClassVar[dict[str, type[Family]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if Family in cls.__bases__:
            cls._kinds = {}
            return
        other = cls._kinds.setdefault(cls.__name__, cls)
        if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise PlanError(
                f"two kinds of value named {cls.__name__!r}, in {other.__module__} and "
                f"{cls.__module__}: plans could not distinguish them. Rename one"
            )
        cls._kinds[cls.__name__] = cls

    @classmethod
    def kinds(cls) -> Mapping[str, type[Family]]:
        """The registered kinds of a family, by name; empty for a kind."""
        return dict(cls._kinds) if Family in cls.__bases__ else {}


def kinds_of(declared: Any) -> Mapping[str, type[Family]]:
    """The kinds that may stand for a declared type, by name, if it is a family."""
    family = isinstance(declared, type) and issubclass(declared, Family)
    return declared.kinds() if family else {}


@lru_cache(maxsize=64)
def _declared_fields(kind: type) -> Mapping[str, Any]:
    hints = typing.get_type_hints(kind)
    return {f.name: hints[f.name] for f in dataclasses.fields(kind)}


def _normalised(declared: Any, value: object) -> object:
    if typing.get_origin(declared) is tuple:
        if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
            return value
        item, _ = typing.get_args(declared)
        kept = isinstance(item, type) and item not in (int, float)
        return tuple(value) if kept else tuple(_normalised(item, v) for v in value)
    given = [member for member in typing.get_args(declared) if member is not type(None)]
    if len(given) == 1 and value is not None:
        return _normalised(given[0], value)
    return _number(declared, value)


def _number(declared: Any, value: object) -> object:
    if isinstance(value, bool):
        return value
    if declared is float and isinstance(value, Real):
        # Adding zero turns -0.0, which would have an encoding of its own, into 0.0.
        return _float(value) + 0.0
    if declared is int and isinstance(value, Integral):
        return int(value)
    return value


def _float(value: Real) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]


def _is(declared: Any, value: object) -> bool:
    origin = typing.get_origin(declared)
    if origin in (typing.Union, types.UnionType):
        return any(_is(member, value) for member in typing.get_args(declared))
    if origin is tuple:
        item, _ = typing.get_args(declared)
        return isinstance(value, tuple) and _all_are(item, value)
    if kinds := kinds_of(declared):
        return type(value) in kinds.values()
    if type(value) is str and declared is str:
        return canonical.has_encoding(value)
    return type(value) is declared


def _all_are(item: Any, values: tuple[object, ...]) -> bool:
    """Whether each value is what is declared: one look at the types, where that is enough."""
    if item is not str and {*map(type, values)} == {item}:
        return True
    return all(_is(item, v) for v in values)


def _described(declared: Any) -> str:
    if typing.get_origin(declared) is tuple:
        return f"a tuple of {_described(typing.get_args(declared)[0])}"
    members = [m for m in typing.get_args(declared) if m is not type(None)]
    members = members or list(kinds_of(declared).values())
    return " or ".join(m.__name__ for m in members) if members else declared.__name__
