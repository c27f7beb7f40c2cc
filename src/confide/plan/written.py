"""Plan values as people write them: maps from a TOML file, read by the declared fields.

All faults are reported at once, each with its place, its value, what is allowed and the fix. A key
that a file leaves out takes the field's default; a key that no field declares is an error.
"""

from __future__ import annotations

import math
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final

from confide.errors import PlanError
from confide.plan.codec import nearest
from confide.plan.fields import Choice, Key, Written, is_value, keys_of, members_of

__all__ = ["BAD", "Reader"]

_HEXADECIMAL: Final = re.compile(r"(?:[0-9a-fA-F]{2})*")


_LONGEST: Final = 100
"""The most characters of a value that a message shows."""


class _Bad:
    """What stands for a value that could not be read."""


BAD: Final = _Bad()

_TAKES: Final[Mapping[type, str]] = {
    bool: "true or false",
    int: "a whole number",
    str: "a text in quotes",
}


class Reader:
    """Reads one file and collects what is wrong with it.

    Args:
        makers: By class, what makes a value of the fields that were read; the class itself, if
            none is given.

    Attributes:
        problems: What is wrong, in the order of the file's keys.
    """

    def __init__(self, makers: Mapping[type, Callable[..., Any]]) -> None:
        self._makers = makers
        self.problems: list[str] = []

    def fields(self, keys: Iterable[Key], given: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Reads a section.

        Args:
            keys: Its keys.
            given: What the file says.
            where: The path of the section; empty at the top.

        Returns:
            By field, what the file gives; `BAD` for a value that could not be read. A key that
            replaces a field has its own name.
        """
        keys = tuple(keys)
        known = {name for key in keys for name in _names(key)}
        for name in given:
            if name not in known:
                said = nearest(name, known)
                self.problems.append(f"unknown key {_path(where, name)!r}, {said}")
        found: dict[str, Any] = {}
        for key in keys:
            found[key.field] = self._of_key(key, given, where)
            if key.instead and key.instead[0] in given:
                other = key.instead[0]
                found[other] = self._value(key.declared, given[other], _path(where, other))
        return {field: value for field, value in found.items() if value is not None}

    def made(self, kind: type, given: object, where: str) -> Any:
        """A value of a class, of a section.

        Args:
            kind: The class.
            given: What the file says.
            where: The path of the section.
        """
        if not isinstance(given, Mapping):
            return self._wrong(where, given, f"a section [{where}]")
        before = len(self.problems)
        fields = self.fields(keys_of(kind), given, where)
        if len(self.problems) > before:
            return BAD
        return self.make(kind, fields, where)

    def make(self, kind: type, fields: Mapping[str, Any], where: str) -> Any:
        """A value of a class, of fields that were read; what it refuses is a problem."""
        if any(value is BAD for value in fields.values()):
            return BAD
        try:
            return self._makers.get(kind, kind)(**fields)
        except PlanError as error:
            self.problems.append(f"{where!r}: {error}" if where else str(error))
            return BAD

    def _of_key(self, key: Key, given: Mapping[str, Any], where: str) -> Any:
        """The value of a key; None if the file leaves it out."""
        path = _path(where, key.name)
        if key.form is Written.WORD:
            return self._word(key, given, where)
        if key.name not in given:
            return self._left_out(key, given, path)
        value = given[key.name]
        if key.form is Written.SECTION:
            return self._section(key, value, path)
        if key.form is Written.OPEN:
            right = isinstance(value, Mapping)
            return value if right else self._wrong(path, value, f"a section [{path}]")
        return self._value(key.declared, value, path)

    def _left_out(self, key: Key, given: Mapping[str, Any], path: str) -> _Bad | None:
        other = key.instead[0] if key.instead else None
        if not key.required or other in given:
            return None
        either = f": give it, or {other}" if other else ""
        self.problems.append(f"{path!r} is missing{either}")
        return BAD

    def _word(self, key: Key, given: Mapping[str, Any], where: str) -> Any:
        """A union as a word, with the further keys of its member in a section of their own."""
        path, chosen = _path(where, key.name), self._chosen(key, given.get(key.name), where)
        if isinstance(chosen, _Bad):
            return BAD
        section = _path(where, chosen.word)
        for other in members_of(key.declared):
            if other != chosen and keys_of(other.kind) and other.word in given:
                self.problems.append(
                    f"{_path(where, other.word)!r} is a section for {key.name} {other.word!r}, and "
                    f"{path!r} is {chosen.word!r}: choose one of the two"
                )
                return BAD
        if chosen.word in given:
            return self.made(chosen.kind, given[chosen.word], section)
        if needed := [inner.name for inner in keys_of(chosen.kind) if inner.required]:
            self.problems.append(
                f"{path!r} is {chosen.word!r} without a section [{section}] that gives "
                f"{', '.join(needed)}"
            )
            return BAD
        return self.make(chosen.kind, {}, path) if key.name in given else None

    def _section(self, key: Key, given: object, path: str) -> Any:
        """A union as a section; without a word its keys tell which member it is."""
        if not isinstance(given, Mapping):
            return self._wrong(path, given, f"a section [{path}]")
        rest = dict(given)
        word = rest.pop(key.word_key, None) if key.word_key else _told_by(rest, key)
        chosen = self._chosen(key, word, path)
        if isinstance(chosen, _Bad) or self._strays(key, chosen, rest, path):
            return BAD
        return self.made(chosen.kind, rest, path)

    def _strays(self, key: Key, chosen: Choice, given: Mapping[str, Any], path: str) -> bool:
        """Finds keys of a section that the chosen member of a union does not have."""
        before, choices = len(self.problems), members_of(key.declared)
        known = {name for choice in choices for name in _all_names(choice.kind)}
        known |= {key.word_key} if key.word_key else set()
        for name in given:
            others = [choice.word for choice in choices if name in _all_names(choice.kind)]
            if name not in known:
                said = nearest(name, known)
                self.problems.append(f"unknown key {_path(path, name)!r}, {said}")
            elif chosen.word not in others:
                self.problems.append(
                    f"{_path(path, name)!r} is for {key.word_key} {_either(others)}, and here it "
                    f"is {chosen.word!r}: leave {name} out, or change {key.word_key}"
                )
        return len(self.problems) > before

    def _chosen(self, key: Key, word: object, where: str) -> Choice | _Bad:
        """The member of a union that a word names; that of the default without a word."""
        choices = members_of(key.declared)
        for choice in choices:
            if choice.word == word or (word is None and choice.kind is type(key.default)):
                return choice
        return self._unknown(
            _path(where, key.word_key or key.name), word, [choice.word for choice in choices]
        )

    def _value(self, declared: Any, given: object, path: str) -> Any:
        if typing.get_origin(declared) is tuple:
            return self._list(typing.get_args(declared)[0], given, path)
        if is_value(declared):
            return self.made(declared, given, path)
        if issubclass(declared, Enum):
            return self._member(declared, given, path)
        if declared in (bytes, float):
            return self._bytes(given, path) if declared is bytes else self._number(given, path)
        return given if type(given) is declared else self._wrong(path, given, _TAKES[declared])

    def _member(self, declared: type[Enum], given: object, path: str) -> Any:
        values = {str(member.value): member for member in declared}
        if not isinstance(given, str) or given not in values:
            return self._unknown(path, given, list(values))
        return values[given]

    def _list(self, item: Any, given: object, path: str) -> Any:
        if not isinstance(given, list):
            what = f"a list: [[{path}]]" if is_value(item) else 'a list: ["…", "…"]'
            return self._wrong(path, given, what)
        items = [self._value(item, each, f"{path}.{i}") for i, each in enumerate(given)]
        return BAD if any(each is BAD for each in items) else tuple(items)

    def _bytes(self, given: object, path: str) -> Any:
        if not isinstance(given, str) or not _HEXADECIMAL.fullmatch(given):
            return self._wrong(path, given, "hexadecimal digits in quotes, two for each byte")
        return bytes.fromhex(given)

    def _number(self, given: object, path: str) -> Any:
        if isinstance(given, bool) or not isinstance(given, int | float):
            return self._wrong(path, given, "a number")
        try:
            number = float(given)
        except OverflowError:
            number = math.inf
        return number if math.isfinite(number) else self._wrong(path, given, "a finite number")

    def _unknown(self, path: str, given: object, known: list[str]) -> _Bad:
        text = given if isinstance(given, str) else ""
        self.problems.append(f"{path!r} is {_shown(given)}; {nearest(text, known)}")
        return BAD

    def _wrong(self, path: str, given: object, takes: str) -> _Bad:
        self.problems.append(f"{path!r} is {_shown(given)}; it takes {takes}")
        return BAD


def _path(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _names(key: Key) -> list[str]:
    """All names that belong to a key in its section."""
    names = [key.name]
    if key.instead:
        names.append(key.instead[0])
    if key.form is Written.WORD:
        names += [choice.word for choice in members_of(key.declared) if keys_of(choice.kind)]
    return names


def _all_names(kind: type) -> set[str]:
    return {name for key in keys_of(kind) for name in _names(key)}


def _told_by(given: Mapping[str, Any], key: Key) -> str | None:
    """The word of the member that has one of the keys given."""
    choices = members_of(key.declared)
    return next((c.word for c in choices if given.keys() & _all_names(c.kind)), None)


def _either(words: Iterable[str]) -> str:
    return " or ".join(repr(word) for word in words)


def _shown(given: object) -> str:
    """A value as a message shows it: plain ones as they are, others by their kind."""
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, str | int | float):
        shown = repr(given)
        return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
    if isinstance(given, Mapping):
        return "a section"
    return "a list" if isinstance(given, list) else "a date or time without quotes"
