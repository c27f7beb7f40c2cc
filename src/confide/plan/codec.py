"""Plan values to plain values and back, by their declared fields.

A frozen value becomes a map of its fields plus its `type`, an enumeration its text, a real number
its shortest decimal text, a tuple a list. A field that is None is absent and adds no bytes, so a
later release can add optional fields without changing the bytes of plans that do not use them.
Reading is strict: a field too many, a field too few or a value of another type is an error, never a
guess.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final

from confide.errors import PlanError
from confide.plan.value import kinds_of

__all__ = ["from_plain", "nearest", "nearest_column", "optional", "to_plain"]


def to_plain(value: object) -> Any:
    """Turns a frozen value into maps, lists, texts, whole numbers and bytes."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        fields = {name: to_plain(item) for name, item in given.items() if item is not None}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    return value


def from_plain(declared: Any, plain: object, where: str) -> Any:
    """Reads back what `to_plain` wrote.

    Args:
        declared: The declared type: a frozen dataclass, a family of them, an enumeration, a union,
            `tuple[T, ...]` or a plain type.
        plain: What was decoded.
        where: The path to the value, for the error message.

    Raises:
        PlanError: If the plain value is not the declared type's, naming the path.
    """
    origin = typing.get_origin(declared)
    kinds = tuple(kinds_of(declared).values())
    if kinds or origin in (typing.Union, types.UnionType):
        return _union(kinds or typing.get_args(declared), plain, where)
    if origin is tuple:
        item_type, _ = typing.get_args(declared)
        items = _expect(list, plain, where)
        return tuple(from_plain(item_type, item, f"{where}[{i}]") for i, item in enumerate(items))
    if dataclasses.is_dataclass(declared):
        return _value(typing.cast("type", declared), plain, where)
    if issubclass(declared, Enum):
        return _enumeration(declared, plain, where)
    if declared is float:
        return _real(plain, where)
    return _expect(declared, plain, where)


_SHOWN: Final = 5
"""The most column names that a message shows."""
_MOST_SHOWN: Final = 40
"""The most names of the library that a message shows."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message on an unknown name: the nearest known one, and some of them."""
    choices = sorted(known)
    close = _close(name, choices)
    hint = f"did you mean {close[0]!r}? " if close else ""
    some = choices if len(choices) <= _MOST_SHOWN else sorted((close + choices)[:_SHOWN])
    more = f" and {len(choices) - len(some):,} more" if len(choices) > len(some) else ""
    return f"{hint}known here: {', '.join(some)}{more}"


def nearest_column(name: str, known: Iterable[object]) -> str:
    """The end of an error message on a column that data lack: the nearest names, five at most.

    The header of a file without one is its first row, which is somebody's data: if any name in the
    header looks like a number, no name is shown.
    """
    columns = sorted({str(column) for column in known})
    if any(_reads_as_number(column) for column in columns):
        return "some of its column names are numbers: does the file lack its header line?"
    close = _close(name, columns)
    some = list(dict.fromkeys(close + columns))[:_SHOWN]
    hint = f"did you mean {close[0]!r}? " if close else ""
    more = f" and {len(columns) - len(some):,} more" if len(columns) > len(some) else ""
    return f"{hint}known here: {', '.join(sorted(some))}{more}"


def _close(name: str, choices: list[str]) -> list[str]:
    """The names that may be meant, the likeliest first: those of other case before all others."""
    same = [c for c in choices if c.strip().casefold() == name.strip().casefold()]
    near = difflib.get_close_matches(name, choices, n=_SHOWN, cutoff=0.5)
    return list(dict.fromkeys(same + near))[:_SHOWN]


def _reads_as_number(text: str) -> bool:
    return any(character.isdigit() for character in text) and not any(
        character.isalpha() for character in text.lower().replace("e", "")
    )


def optional(declared: Any) -> bool:
    """Whether a declared type allows a value to be absent."""
    return type(None) in typing.get_args(declared)


def _union(members: tuple[Any, ...], plain: object, where: str) -> Any:
    members = tuple(m for m in members if m is not type(None))
    if len(members) == 1:
        return from_plain(members[0], plain, where)
    kinds = {member.__name__: member for member in members}
    tag = _expect(dict, plain, where).get("type")
    if not isinstance(tag, str) or tag not in kinds:
        raise PlanError(f"{where} is of type {tag!r}; {nearest(str(tag), kinds)}")
    return from_plain(kinds[tag], plain, where)


def _value(declared: type, plain: object, where: str) -> Any:
    given = dict(_expect(dict, plain, where))
    if given.pop("type", None) != declared.__name__:
        raise PlanError(f"{where} is not a {declared.__name__}")
    hints = typing.get_type_hints(declared)
    names = [f.name for f in dataclasses.fields(declared)]
    check_keys(given, names, where)
    missing = [n for n in names if n not in given and not optional(hints[n])]
    if missing:
        raise PlanError(f"{where} lacks {', '.join(missing)}")
    values = {n: from_plain(hints[n], given[n], f"{where}.{n}") for n in names if n in given}
    return declared(**{n: values.get(n) for n in names})


def check_keys(given: Mapping[str, object], known: Iterable[str], where: str) -> None:
    """Refuses the first key that is not known, naming the nearest known one."""
    names = set(known)
    for key in given:
        if key not in names:
            raise PlanError(f"{where} has an unknown key {key!r}; {nearest(key, names)}")


def _enumeration(declared: type[Enum], plain: object, where: str) -> Enum:
    values = {str(member.value): member for member in declared}
    if not isinstance(plain, str) or plain not in values:
        raise PlanError(f"{where} is {plain!r}; {nearest(str(plain), values)}")
    return values[plain]


def _real(plain: object, where: str) -> float:
    text = _expect(str, plain, where)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if repr(value) != text:
        raise PlanError(f"{where} is {text!r}, which is not the shortest text of a real number")
    return value


def _expect(declared: type, plain: object, where: str) -> Any:
    if type(plain) is not declared:
        raise PlanError(f"{where} is of type {type(plain).__name__}; it takes {declared.__name__}")
    return plain
