"""What the commands about evidence share: reading it, and the warning that none may leave out."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from confide.errors import DataError

__all__ = ["SIMULATED", "hexadecimal", "read_evidence"]

SIMULATED: Final = "SIMULATED: no hardware stands behind this evidence, and it protects nothing"


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
