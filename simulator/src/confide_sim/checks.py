"""Checks of arguments: a simulator that is wrong by accident would test nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from confide_sim.pki import ENDS, FOUNDED

__all__ = ["moment", "one_of", "sized", "some_of", "unsigned"]

_Fault = TypeVar("_Fault", bound=StrEnum)


def one_of(name: str, value: str, known: Iterable[str]) -> None:
    """Checks a name.

    Raises:
        ValueError: If it is not known.
    """
    if value not in known:
        raise ValueError(f"{name} is {value!r}; known are {', '.join(known)}")


def some_of(kind: type[_Fault], values: Collection[str]) -> frozenset[_Fault]:
    """Faults by their names: a misspelled name would turn a bad case into a good one.

    Raises:
        ValueError: If one is not known.
    """
    for value in values:
        one_of("a fault", value, list(kind))
    return frozenset(map(kind, values))


def sized(name: str, value: bytes, size: int) -> bytes:
    """The value, if it has the layout's size.

    Raises:
        ValueError: If it has another one.
    """
    if len(value) != size:
        raise ValueError(f"{name} has {len(value)} bytes; the layout takes exactly {size}")
    return bytes(value)


def unsigned(name: str, value: int, size: int) -> bytes:
    """A number in little-endian order.

    Raises:
        ValueError: If it does not fit into that many bytes.
    """
    if not 0 <= value < 1 << 8 * size:
        raise ValueError(f"{name} is {value}; the layout has {size} bytes for it, unsigned")
    return int(value).to_bytes(size, "little")


def moment(at: datetime) -> datetime:
    """A time in UTC.

    Raises:
        ValueError: If it has no time zone, or the simulated roots do not live then.
    """
    if at.tzinfo is None:
        raise ValueError(f"the time {at} has no time zone; say which, as with tzinfo=UTC")
    if not FOUNDED <= at <= ENDS:
        raise ValueError(f"the simulated roots live from {FOUNDED:%Y} to {ENDS:%Y}, not at {at}")
    return at.astimezone(UTC)
