"""Checks of a caller's names, hashes and numbers, each with a clear error."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from confide.errors import DataError
from confide.privacy.ledger.names import check_name

__all__ = ["check_attempt", "check_crowd", "check_request", "check_survivors", "observer_names"]

_MOST_RUNS: Final = 2**32
_MOST_ATTEMPTS: Final = 2**31
_LONGEST_MEANING: Final = 2000
_HASH_BYTES: Final = 32
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")


def observer_names(observers: Iterable[str]) -> tuple[str, ...]:
    """The names of observers, each once and in order.

    Raises:
        DataError: If there are none, or one is not a name.
    """
    if isinstance(observers, str):
        raise DataError(f"observers {observers!r}; give a set of names, as {{{observers!r}}}")
    names = tuple(sorted({check_name(name, "an observer") for name in observers}))
    if not names:
        raise DataError("a charge that nobody observes; name who sees the answer")
    return names


def check_request(plan_hash: bytes, meaning: str, count: int) -> None:
    """Checks what a charge is for.

    Raises:
        DataError: If there are too few or too many runs, the hash is invalid, or the text too long.
    """
    if type(count) is not int or not 1 <= count <= _MOST_RUNS:
        raise DataError(
            f"a charge of {count!r} runs; it is a whole number from 1 to {_MOST_RUNS:,}"
        )
    if plan_hash and len(plan_hash) != _HASH_BYTES:
        raise DataError(f"a plan hash of {len(plan_hash)} bytes; SHA-256 has 32")
    if len(meaning) > _LONGEST_MEANING:
        raise DataError(f"a meaning of {len(meaning):,} characters; at most {_LONGEST_MEANING:,}")


def check_attempt(plan_hash: bytes, number: int, attempt: int) -> None:
    """Checks that an attempt at a round is one.

    Raises:
        DataError: If the plan's hash has not 32 bytes, or a number is negative or too large.
    """
    if len(plan_hash) != _HASH_BYTES:
        raise DataError(f"a plan hash of {len(plan_hash)} bytes; SHA-256 has {_HASH_BYTES}")
    for what, value in (("round", number), ("attempt", attempt)):
        if type(value) is not int or not 0 <= value < _MOST_ATTEMPTS:
            raise DataError(f"{what} {value!r}; it is a whole number from 0 to below 2^31")


def check_crowd(crowd: Iterable[str]) -> None:
    """Checks that a crowd is one of fingerprints.

    Raises:
        DataError: If one is not the hexadecimal form of 32 bytes.
    """
    for fingerprint in crowd:
        if not _FINGERPRINT.fullmatch(fingerprint):
            raise DataError(
                f"a party's fingerprint {fingerprint[: 2 * _HASH_BYTES]!r}; it is the SHA-256 of "
                "its public key in hexadecimal"
            )


def check_survivors(survivors: bytes, crowd: frozenset[str]) -> None:
    """Checks that a set of survivors and a crowd are about as many parties.

    Raises:
        DataError: If they are not.
    """
    parties = sum(byte.bit_count() for byte in survivors)
    if bool(survivors) != bool(parties) or parties != len(crowd):
        raise DataError(
            f"{parties} survivors in {len(survivors)} bytes and a crowd of {len(crowd)} parties; "
            "both are the parties in the sum, or both are empty if they are not known"
        )
