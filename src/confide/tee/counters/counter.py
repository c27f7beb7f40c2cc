"""The interface of monotonic counters, and a counter on a trusted disk."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from confide.errors import ProtocolError, VerificationError

__all__ = ["LARGEST", "FileCounter", "MonotonicCounter"]

LARGEST: Final = 1 << 53


class MonotonicCounter(Protocol):
    """A number that only grows."""

    def read(self) -> int:
        """The value; 0 before the first.

        Raises:
            ProtocolError: If it cannot be known now.
        """

    def advance(self, to: int) -> None:
        """Raises the value; when it returns, `read` gives no smaller one any more.

        Raises:
            VerificationError: If the value is that or larger already: somebody else raised it.
            ProtocolError: If it cannot be raised now.
        """


_TABLE: Final = """
CREATE TABLE IF NOT EXISTS counters (name BLOB PRIMARY KEY, value INTEGER NOT NULL) STRICT
"""


@dataclass(frozen=True)
class FileCounter:
    """A counter in an SQLite file, durable before `advance` returns.

    As strong as the disk is out of the adversary's reach: fit for a party that keeps it for
    somebody else's enclave, and not for the enclave's own host.

    Attributes:
        path: The file, which may hold any number of counters.
        name: Which one.
    """

    path: Path
    name: bytes

    def read(self) -> int:
        """See `MonotonicCounter.read`."""
        try:
            with closing(self._connect()) as connection:
                row = connection.execute(
                    "SELECT value FROM counters WHERE name = ?", (self.name,)
                ).fetchone()
        except sqlite3.Error as error:
            raise ProtocolError(f"cannot read the counter in {self.path}: {error}") from error
        return int(row[0]) if row else 0

    def advance(self, to: int) -> None:
        """See `MonotonicCounter.advance`."""
        if not 0 < to <= LARGEST:
            raise ProtocolError(f"a counter of {to}; it is above 0 and at most 2^53")
        try:
            with closing(self._connect()) as connection:
                changed = connection.execute(
                    "INSERT INTO counters VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE "
                    "SET value = ?2 WHERE value < ?2",
                    (self.name, to),
                ).rowcount
        except sqlite3.Error as error:
            raise ProtocolError(f"cannot raise the counter in {self.path}: {error}") from error
        if not changed:
            raise VerificationError(
                f"the counter is at {to} or above already: another instance raised it"
            )

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        connection.execute("PRAGMA synchronous=EXTRA")
        connection.execute("PRAGMA fullfsync=ON")
        connection.execute(_TABLE)
        return connection
