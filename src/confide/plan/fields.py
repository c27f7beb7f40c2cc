"""How the fields of plan values are written in files: the field is the only declaration.

A field's type, default and place among others are those of its dataclass, and what it means is its
entry under `Attributes` there. The reader of plan files, the starter file and the list of keys in
the documents are made from these. A field's metadata say only what differs in files.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass
from enum import Enum
from functools import cache
from typing import Any, Final

from confide.plan.codec import optional
from confide.plan.value import Value, kinds_of

__all__ = [
    "Choice",
    "Key",
    "Written",
    "in_file",
    "is_value",
    "keys_of",
    "meaning_of",
    "members_of",
    "word_of",
]

_METADATA: Final = "file"
_ENTRY: Final = re.compile(r"    (\w+): (.*)")


class Written(Enum):
    """How a value is written in a file."""

    PLAIN = "plain"
    OPEN = "open"
    """A section with any keys: the settings of a task."""
    WORD = "word"
    """A union as a word; its further keys are in a section that has the word as its name."""
    SECTION = "section"
    """A union as a section; a key in it holds the word, or its other keys tell which it is."""


@dataclass(frozen=True, kw_only=True)
class _InFile:
    key: str | None = None
    left_out: bool = False
    follows: bool = False
    form: Written | None = None
    word_key: str | None = None
    instead: tuple[str, str] | None = None


def in_file(
    *,
    key: str | None = None,
    left_out: bool = False,
    follows: bool = False,
    form: Written | None = None,
    word_key: str | None = None,
    instead: tuple[str, str] | None = None,
) -> Mapping[str, object]:
    """A field's metadata: how its key in files differs from the field.

    Args:
        key: The key, if it is not the field's name.
        left_out: Whether a file may leave it out, although the field has no default.
        follows: Whether it is in no file, because other keys determine it.
        form: How it is written there, if its type does not say it.
        word_key: For a union in a section: the key that holds the word.
        instead: Another key that a file may give in its place, and what that key means.

    Example:
        >>> from dataclasses import dataclass, field
        >>> from confide.plan.value import Value, kinds_of
        >>> @dataclass(frozen=True)
        ... class Digest(Value):
        ...     '''A digest.
        ...
        ...     Attributes:
        ...         digest: Of what was agreed.
        ...     '''
        ...     digest: bytes = field(metadata=in_file(key="sha256"))
        >>> [(key.name, key.field, key.meaning, key.required) for key in keys_of(Digest)]
        [('sha256', 'digest', 'Of what was agreed.', True)]
    """
    how = _InFile(
        key=key, left_out=left_out, follows=follows, form=form, word_key=word_key, instead=instead
    )
    return {_METADATA: how}


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key in files, as a field declares it.

    Attributes:
        name: The key.
        field: The field.
        declared: Its type, without None.
        meaning: What it means, in words.
        default: What holds if a file leaves it out; `dataclasses.MISSING` or None if nothing.
        required: Whether a file must give it.
        form: How its value is written there.
        word_key: For a union in a section: the key that holds the word.
        instead: Another key that a file may give in its place, and what that key means.
    """

    name: str
    field: str
    declared: Any
    meaning: str
    default: Any
    required: bool
    form: Written
    word_key: str | None
    instead: tuple[str, str] | None

    @property
    def item(self) -> Any:
        """What a list holds; None if this is not a list."""
        if typing.get_origin(self.declared) is not tuple:
            return None
        return typing.get_args(self.declared)[0]


@dataclass(frozen=True)
class Choice:
    """A member of a union, as files name it.

    Attributes:
        word: Its word.
        kind: Its class.
    """

    word: str
    kind: type


@cache
def keys_of(kind: type) -> tuple[Key, ...]:
    """The keys that a value of this class has in files, in the order of its fields."""
    hints, meanings = typing.get_type_hints(kind), dict(_attributes(kind))
    keys = []
    for field in dataclasses.fields(kind):
        how = field.metadata.get(_METADATA, _InFile())
        if how.follows:
            continue
        declared, default = _present(hints[field.name]), _default(field)
        required = default is MISSING and not (how.left_out or optional(hints[field.name]))
        keys.append(
            Key(
                name=how.key or field.name,
                field=field.name,
                declared=declared,
                meaning=meanings.get(field.name, ""),
                default=default,
                required=required,
                form=how.form or (Written.WORD if members_of(declared) else Written.PLAIN),
                word_key=how.word_key,
                instead=how.instead,
            )
        )
    return tuple(keys)


def members_of(declared: Any) -> tuple[Choice, ...]:
    """The members of a union of values, or the kinds of a family; none for another type."""
    if kinds := kinds_of(declared):
        return tuple(Choice(word_of(kind), kind) for kind in kinds.values())
    if typing.get_origin(declared) not in (typing.Union, types.UnionType):
        return ()
    return tuple(Choice(word_of(member), member) for member in typing.get_args(declared))


def word_of(kind: type) -> str:
    """The word that stands for a member of a union: its `word`, or the name of its class."""
    word: str = getattr(kind, "word", "") or kind.__name__.lower()
    return word


def meaning_of(kind: type) -> str:
    """What a class of values is: the first line of its docstring."""
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


def _present(declared: Any) -> Any:
    """A declared type without None."""
    if not optional(declared):
        return declared
    given = [member for member in typing.get_args(declared) if member is not type(None)]
    return typing.Union[tuple(given)]  # noqa: UP007 - of a list that is known when it runs


def _attributes(kind: type) -> Iterator[tuple[str, str]]:
    """The entries under `Attributes` in a docstring, each in one line."""
    _, _, section = (inspect.getdoc(kind) or "").partition("Attributes:\n")
    name, told = "", ""
    for line in section.splitlines():
        if not line.startswith("    "):
            break
        if entry := _ENTRY.fullmatch(line):
            if name:
                yield name, told
            name, told = entry[1], entry[2]
        else:
            told += " " + line.strip()
    if name:
        yield name, told


def is_value(declared: Any) -> bool:
    """Whether a declared type is a class of plan values."""
    return isinstance(declared, type) and issubclass(declared, Value)
