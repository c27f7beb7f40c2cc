"""What the commands about evidence share: reading it, and the warning for simulated hardware."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confide.cli.console import errors, plain
from confide.errors import DataError, why_unreadable

if TYPE_CHECKING:
    from confide.tee import Collateral, Evidence

__all__ = [
    "SIMULATED",
    "hexadecimal",
    "read_collateral",
    "read_evidence",
    "time_of",
    "with_event_log",
    "with_gpus",
]

SIMULATED: Final = "SIMULATED: no hardware is behind this evidence, and it protects nothing"

_FIRST_YEAR, _LAST_YEAR = 1971, 9998
"""Years that all vendors' formats can express, in every time zone."""


def hexadecimal(text: str, what: str) -> bytes:
    """Reads an option in hexadecimal.

    Raises:
        DataError: If it is not hexadecimal.
    """
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise DataError(f"{what} {text[:20]!r} is not a hexadecimal number") from error


def read_evidence(path: Path) -> bytes:
    """Reads a file of evidence, up to the largest size that is accepted; as bytes or as text.

    Raises:
        DataError: If it cannot be read.
    """
    from confide.tee.evidence import MAX_EVIDENCE_BYTES
    from confide.tee.textual import from_text

    try:
        with path.open("rb") as file:
            return from_text(file.read(MAX_EVIDENCE_BYTES + 1))
    except OSError as error:
        raise DataError(f"cannot read {path}: {why_unreadable(error)}") from error


def read_collateral(paths: Iterable[Path] | None) -> Collateral:
    """Reads files and folders of collateral, and says which files in folders were skipped.

    Raises:
        AttestationError: If a file (not in a folder) is not collateral.
    """
    from confide.tee import Collateral

    read = Collateral.read(paths or [])
    for skipped in read.skipped:
        errors.print(f"skipped {plain(skipped)}", style="yellow", soft_wrap=True)
    return read


def with_event_log(evidence: Evidence, path: Path | None) -> Evidence:
    """Adds an event log, from a file of its own, to evidence.

    Raises:
        DataError: If it cannot be read, or the evidence has one already.
    """
    if path is None:
        return evidence
    if evidence.event_log is not None:
        raise DataError("the evidence has an event log already: leave --event-log out")
    return replace(evidence, event_log=read_evidence(path))


def with_gpus(evidence: Evidence, path: Path | None) -> Evidence:
    """Adds evidence of GPUs, from a file of its own, to evidence.

    Raises:
        DataError: If it cannot be read, or the evidence has some already.
        AttestationError: If it is not evidence of NVIDIA's GPUs.
    """
    from confide.tee.nvidia import read_gpus

    if path is None:
        return evidence
    if evidence.gpus:
        raise DataError("the evidence has evidence of GPUs already: leave --gpu out")
    return replace(evidence, gpus=read_gpus(read_evidence(path)))


def time_of(text: str | None) -> datetime:
    """Reads a time with a time zone; the current time if the option is omitted.

    Raises:
        DataError: If it is not a time, or has no time zone.
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
            f"--at {text!r} is not a time; write 2026-01-31T12:00:00Z, or seconds since 1970"
        ) from error
    if found.tzinfo is None:
        raise DataError(f"--at {text!r} has no time zone; add Z for UTC")
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise DataError(f"--at {text!r} is not in the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return found.astimezone(UTC)
