"""Deterministic CBOR: one value, one byte string.

Whatever is hashed or signed is encoded after RFC 8949 §4.2.1 (shortest integers, definite lengths,
map keys in bytewise order). On top of that, map keys are text, and floating-point numbers are
refused: a real number is encoded as its shortest decimal text. Bytes that do not re-encode to
themselves are refused, so that two encodings of one value cannot carry two hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, Final

from confide.errors import ProtocolError

__all__ = [
    "TAG",
    "are_integers",
    "decode",
    "encode",
    "has_encoding",
    "head_of_bytes",
    "heads",
    "pieces",
    "sha256",
    "sha256_of_pieces",
]

_MAX_DEPTH: Final = 32

TAG: Final = 6
"""The major type of tags."""

_INTEGERS, _BYTES, _TEXT, _LIST, _MAP, _SIMPLE = (0, 1), 2, 3, 4, 5, 7
_STRINGS, _FOLLOWS, _LONGEST = (_BYTES, _TEXT), 24, 27
_CONSTANTS: Final = {20: False, 21: True, 22: None}
_WRITTEN: Final = {value: bytes([_SIMPLE << 5 | info]) for info, value in _CONSTANTS.items()}
_SHORTEST: Final = (24, 1 << 8, 1 << 16, 1 << 32)
"""The smallest argument that needs 1, 2, 4 or 8 bytes after a head."""
_SHORT_HEADS: Final = tuple(
    tuple(bytes([major << 5 | argument]) for argument in range(_FOLLOWS)) for major in range(6)
)


def encode(value: object) -> bytes:
    """Encodes a value deterministically.

    Args:
        value: None, booleans, integers below 2^64 in magnitude, texts, bytes, lists or tuples of
            these, and dictionaries with text keys.

    Raises:
        TypeError: If the value holds anything else, a float above all.

    Example:
        >>> encode({"b": 1, "a": [2, "3.5"]}).hex()
        'a26161820263332e35616201'
    """
    # Long bytes are copied only here: a message may be as long as a model.
    return b"".join(pieces(value))


def pieces(value: object) -> list[bytes]:
    """The encoding of a value in pieces; long bytes are a piece of their own, not copied.

    Raises:
        TypeError: As `encode`.
    """
    parts: list[bytes] = []
    _write(value, parts, 0)
    return parts


def head_of_bytes(length: int) -> bytes:
    """How the encoding of so many bytes begins."""
    return _head(_BYTES, length)


def decode(data: bytes | memoryview, max_bytes: int, max_items: int | None = None) -> Any:
    """Decodes deterministic CBOR and refuses everything else.

    Args:
        data: One encoded value, with nothing after it.
        max_bytes: The largest input accepted; larger ones are refused unread.
        max_items: How many values it may hold in all. An empty list takes one byte in a message and
            seventy in memory, so large inputs should be allowed only few values.

    Raises:
        ProtocolError: If the input is too large, malformed, holds a type that `encode` refuses, or
            is not the deterministic encoding of its own value.
    """
    if len(data) > max_bytes:
        raise ProtocolError(f"a message of {len(data):,} bytes; at most {max_bytes:,} fit here")
    reader = _Reader(data, max_items)
    try:
        value = reader.value(0)
    except _NotDeterministicError as error:
        raise ProtocolError(
            "a message whose bytes are not the deterministic form of its value"
        ) from error
    except (ValueError, IndexError, MemoryError, OverflowError) as error:
        raise ProtocolError("a message that is not deterministic CBOR") from error
    if reader.at != len(data):
        raise ProtocolError("a message whose bytes are not the deterministic form of its value")
    return value


def are_integers(*values: object) -> bool:
    """Whether all are integers; booleans are not, although `int()` in a pattern matches them."""
    return all(type(value) is int for value in values)


def has_encoding(text: str) -> bool:
    """Whether a text can be encoded: JSON can hold a lone surrogate, UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def heads(data: bytes) -> Iterator[tuple[int, int]]:
    """The heads of all values in CBOR, nested ones too: major type and additional information.

    Heads follow each other, so a scan needs no recursion and builds no values.
    """
    at = 0
    while at < len(data):
        major, info = data[at] >> 5, data[at] & 31
        yield major, info
        follow = 1 << (info - _FOLLOWS) if _FOLLOWS <= info <= _LONGEST else 0
        argument = int.from_bytes(data[at + 1 : at + 1 + follow], "big") if follow else info
        definite = major in _STRINGS and info <= _LONGEST
        at += 1 + follow + (argument if definite else 0)


def sha256(value: object) -> bytes:
    """The SHA-256 of a value's deterministic encoding (32 bytes)."""
    return sha256_of_pieces(pieces(value))


def sha256_of_pieces(parts: Iterable[bytes]) -> bytes:
    """The SHA-256 of the pieces joined together (32 bytes)."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


class _NotDeterministicError(ValueError):
    """An encoding that is not the deterministic one."""


class _Reader:
    """Reads one value after the other, and refuses a value before it is built.

    Tags are refused: 28 and 29 share values and 25 repeats texts, so a few hundred bytes may
    describe a tree that is too large to walk. Indefinite lengths are refused too, and so are all
    simple values except three.
    """

    def __init__(self, data: bytes | memoryview, max_items: int | None) -> None:
        self._data = memoryview(data)
        self._left = len(data) if max_items is None else max_items
        self.at = 0

    def value(self, depth: int) -> Any:
        """The next value, at this depth of nesting."""
        if depth > _MAX_DEPTH:
            raise ValueError(f"values nest deeper than {_MAX_DEPTH}")
        major, argument = self._head()
        if major in _STRINGS:
            data = self._take(argument)
            return data if major == _BYTES else data.decode()
        if major in _INTEGERS:
            return -1 - argument if major else argument
        if major == _LIST:
            return [self.value(depth + 1) for _ in range(argument)]
        if major == _MAP:
            return self._map(argument, depth + 1)
        if major == _SIMPLE and argument in _CONSTANTS:
            return _CONSTANTS[argument]
        raise ValueError("a tag or a simple value")

    def _map(self, size: int, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        before = b""
        for _ in range(size):
            start = self.at
            key = self.value(depth)
            if not isinstance(key, str):
                raise ValueError("a map key that is not a text")
            encoded = bytes(self._data[start : self.at])
            if encoded <= before:
                raise _NotDeterministicError("map keys out of order, or twice")
            found[key], before = self.value(depth), encoded
        return found

    def _head(self) -> tuple[int, int]:
        """The next value's major type and argument."""
        self._left -= 1
        if self._left < 0:
            raise ValueError("more values than fit here")
        first = self._data[self.at]
        self.at += 1
        major, info = first >> 5, first & 31
        if info < _FOLLOWS:
            return major, info
        if info > _LONGEST or major == _SIMPLE:
            raise ValueError("an indefinite length, a float or a simple value")
        argument = int.from_bytes(self._take(1 << (info - _FOLLOWS)), "big")
        if argument < _SHORTEST[info - _FOLLOWS]:
            raise _NotDeterministicError("a head that is longer than necessary")
        return major, argument

    def _take(self, count: int) -> bytes:
        taken = bytes(self._data[self.at : self.at + count])
        if len(taken) != count:
            raise ValueError("a value that is cut short")
        self.at += count
        return taken


def _write(value: object, parts: list[bytes], depth: int) -> None:
    """Appends the encoding of a value."""
    if depth > _MAX_DEPTH:
        raise TypeError(f"values nest deeper than {_MAX_DEPTH}")
    if isinstance(value, bytes):
        parts += (_head(_BYTES, len(value)), value)
    elif isinstance(value, str):
        text = value.encode()
        parts += (_head(_TEXT, len(text)), text)
    elif value is None or isinstance(value, bool):
        parts.append(_WRITTEN[value])
    elif isinstance(value, int):
        if not -(2**64) <= value < 2**64:
            raise TypeError("an integer beyond 64 bits")
        parts.append(_head(0, value) if value >= 0 else _head(1, -1 - value))
    elif isinstance(value, list | tuple):
        parts.append(_head(_LIST, len(value)))
        for item in value:
            _write(item, parts, depth + 1)
    elif isinstance(value, dict):
        _write_map(value, parts, depth + 1)
    else:
        raise TypeError(f"a {type(value).__name__} has no deterministic encoding here")


def _write_map(values: Mapping[Any, object], parts: list[bytes], depth: int) -> None:
    keys: list[tuple[bytes, object]] = []
    for key, item in values.items():
        if not isinstance(key, str):
            raise TypeError(f"a map key of type {type(key).__name__}; keys are texts")
        text = key.encode()
        keys.append((_head(_TEXT, len(text)) + text, item))
    keys.sort(key=itemgetter(0))
    parts.append(_head(_MAP, len(keys)))
    for encoded, item in keys:
        parts.append(encoded)
        _write(item, parts, depth)


def _head(major: int, argument: int) -> bytes:
    """The shortest head of a value."""
    if argument < _FOLLOWS:
        return _SHORT_HEADS[major][argument]
    if argument < _SHORTEST[1]:
        return bytes((major << 5 | _FOLLOWS, argument))
    size = 1 if argument < _SHORTEST[2] else 2 if argument < _SHORTEST[3] else 3
    return bytes([major << 5 | (_FOLLOWS + size)]) + argument.to_bytes(1 << size, "big")
