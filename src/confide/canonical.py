"""Deterministic CBOR: one value, one byte string.

Whatever is hashed or signed is encoded after RFC 8949 §4.2.1 (shortest integers, definite lengths,
map keys in bytewise order). On top of that, map keys are text, and floating-point numbers are
refused: a real number travels as its shortest decimal text. Bytes that do not re-encode to
themselves are refused, so that two encodings of one value cannot carry two hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, Final

import cbor2

from confide.errors import ProtocolError

__all__ = ["TAG", "are_integers", "decode", "encode", "has_encoding", "heads", "sha256"]

_MAX_DEPTH: Final = 32
_FIRST_LONG: Final = 24

TAG: Final = 6
"""The major type that gives what follows a meaning of its own."""

_SIMPLE, _STRINGS, _LONGEST = 7, (2, 3), 27
_CONSTANTS: Final = (20, 21, 22)
"""False, true and null."""


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
    parts: list[bytes] = []
    _put(value, 0, parts.append)
    return b"".join(parts)


def decode(data: bytes, max_bytes: int, max_items: int | None = None) -> Any:
    """Decodes deterministic CBOR and refuses everything else.

    Args:
        data: One encoded value, with nothing after it.
        max_bytes: The largest input accepted; larger ones are not looked at.
        max_items: How many values it may hold in all. Empty lists take one byte each and seventy
            in memory, so where much is accepted, little structure should be.

    Raises:
        ProtocolError: If the input is too large, malformed, holds a type that `encode` refuses, or
            is not the deterministic encoding of its own value.
    """
    if len(data) > max_bytes:
        raise ProtocolError(f"a message of {len(data):,} bytes; at most {max_bytes:,} fit here")
    try:
        _refuse_what_expands(data, max_items)
        value = cbor2.load(BytesIO(data))
        canonical = encode(value)
    except (
        cbor2.CBORError,
        TypeError,
        ValueError,
        RecursionError,
        MemoryError,
        OverflowError,
    ) as error:
        raise ProtocolError("a message that is not deterministic CBOR") from error
    if canonical != data:
        raise ProtocolError("a message whose bytes are not the deterministic form of its value")
    return value


def are_integers(*values: object) -> bool:
    """Whether all are integers, and no truth values, which `int()` in a pattern matches too."""
    return all(type(value) is int for value in values)


def has_encoding(text: str) -> bool:
    """Whether a text can be encoded: JSON can hold half of a character, which UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def heads(data: bytes) -> Iterator[tuple[int, int]]:
    """The heads of all values in CBOR, nested ones too: major type and additional information.

    Heads stand one after the other, so a scan needs no recursion, and builds nothing.
    """
    at = 0
    while at < len(data):
        major, info = data[at] >> 5, data[at] & 31
        yield major, info
        follow = 1 << (info - 24) if 24 <= info <= _LONGEST else 0
        argument = int.from_bytes(data[at + 1 : at + 1 + follow], "big") if follow else info
        definite = major in _STRINGS and info <= _LONGEST
        at += 1 + follow + (argument if definite else 0)


def _refuse_what_expands(data: bytes, max_items: int | None) -> None:
    """Refuses tags, indefinite lengths and odd simple values, before anything is built of them.

    Tags 28 and 29 share values and tag 25 repeats texts, so a few hundred bytes may describe a tree
    that no machine walks to its end.
    """
    for items, (major, info) in enumerate(heads(data), start=1):
        if max_items is not None and items > max_items:
            raise ValueError(f"more than {max_items} values")
        if major == TAG or info > _LONGEST or (major == _SIMPLE and info not in _CONSTANTS):
            raise ValueError("a tag, an indefinite length or a simple value")


def sha256(value: object) -> bytes:
    """The SHA-256 of a value's deterministic encoding (32 bytes)."""
    return hashlib.sha256(encode(value)).digest()


def _put(value: object, depth: int, put: Callable[[bytes], object]) -> None:
    """Puts out a value's encoding, part by part.

    In Python: cbor2's encoder swallows what a signal handler raises, so that Ctrl-C were lost.
    """
    if depth > _MAX_DEPTH:
        raise TypeError(f"values nest deeper than {_MAX_DEPTH}")
    if value is None or isinstance(value, bool):
        put(_head(_SIMPLE, 22 if value is None else 20 + value))
    elif isinstance(value, str | bytes):
        major, content = (3, value.encode()) if isinstance(value, str) else (2, bytes(value))
        put(_head(major, len(content)))
        put(content)
    elif isinstance(value, int):
        if not -(2**64) <= value < 2**64:
            raise TypeError("an integer beyond 64 bits")
        put(_head(0, int(value)) if value >= 0 else _head(1, -1 - int(value)))
    elif isinstance(value, list | tuple):
        put(_head(4, len(value)))
        for item in value:
            _put(item, depth + 1, put)
    elif isinstance(value, dict):
        _put_map(value, depth, put)
    else:
        raise TypeError(f"a {type(value).__name__} has no deterministic encoding here")


def _put_map(value: dict[Any, Any], depth: int, put: Callable[[bytes], object]) -> None:
    for key in value:
        if not isinstance(key, str):
            raise TypeError(f"a map key of type {type(key).__name__}; keys are texts")
    put(_head(5, len(value)))
    # The bytewise order of encoded texts is that of their lengths first.
    texts = ((key.encode(), item) for key, item in value.items())
    for content, item in sorted(texts, key=lambda pair: (len(pair[0]), pair[0])):
        put(_head(3, len(content)))
        put(content)
        _put(item, depth + 1, put)


def _head(major: int, argument: int) -> bytes:
    """A major type and its argument, in the shortest form (RFC 8949 §3)."""
    if argument < _FIRST_LONG:
        return bytes([major << 5 | argument])
    size = max(0, (argument.bit_length() - 1).bit_length() - 3) if argument > 255 else 0
    return bytes([major << 5 | _FIRST_LONG + size]) + argument.to_bytes(1 << size, "big")
