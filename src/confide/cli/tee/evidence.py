"""What the commands about evidence share: reading it, and the warning that none may leave out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from confide.errors import DataError

__all__ = ["SIMULATED", "hexadecimal", "read_evidence", "time_of"]

SIMULATED: Final = "SIMULATED: no hardware stands behind this evidence, and it protects nothing"

_FIRST_YEAR, _LAST_YEAR = 1971, 9998
"""Around which all of the vendors' formats can state a time, in every time zone."""


def hexadecimal(text: str, what: str) -> bytes:
    """Reads an option in hexadecimal.

    Raises:
        DataError: If it is none.
    """
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise DataError(f"{what} {text[:20]!r} is no hexadecimal number") from error


def read_evidence(path: Path) -> bytes:
    """Reads a file of evidence, no more of it than is ever looked at.

    Raises:
        DataError: If it cannot be read.
    """
    from confide.tee.evidence import MAX_EVIDENCE_BYTES

    try:
        with path.open("rb") as file:
            return file.read(MAX_EVIDENCE_BYTES + 1)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error}") from error


def time_of(text: str | None) -> datetime:
    """Reads a time, with a time zone; now, if there is none.

    Raises:
        DataError: If it is no time, or has no zone.
    """
    if text is None:
        return datetime.now(UTC)
    try:
        if text.replace(".", "", 1).isdigit():
            found = datetime.fromtimestamp(float(text), UTC)
        else:
            found = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as error:
        raise DataError(
            f"--at {text!r} is no time; write 2026-01-31T12:00:00Z, or seconds since 1970"
        ) from error
    if found.tzinfo is None:
        raise DataError(f"--at {text!r} has no time zone; add Z for UTC")
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise DataError(f"--at {text!r} is not in the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return found.astimezone(UTC)
