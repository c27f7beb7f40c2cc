"""The last heartbeat of each node; it is a state, not a decision, so it is not in the log."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from confide.errors import ProtocolError
from confide.tee.heartbeat import MAX_HEARTBEAT_BYTES, Heartbeat

__all__ = ["Heartbeats"]

_SKEW_SECONDS: Final = 60
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS confide_heartbeats (
    node TEXT PRIMARY KEY, time INTEGER NOT NULL, message BLOB NOT NULL
) STRICT
"""


class Heartbeats:
    """The last heartbeat of each node, in the registry's file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, beat: Heartbeat, now: int) -> None:
        """Keeps one.

        Raises:
            ProtocolError: If it is not newer than the one before, or of the future.
        """
        if beat.time > now + _SKEW_SECONDS:
            raise ProtocolError(
                f"the heartbeat of {beat.node!r} is {beat.time - now} seconds ahead of the clock "
                f"here; at most {_SKEW_SECONDS} are allowed: set the clocks"
            )
        row = beat.node, beat.time, beat.to_bytes()
        with self._connected() as connection:
            changed = connection.execute(
                "INSERT INTO confide_heartbeats VALUES (?1, ?2, ?3) ON CONFLICT (node) DO UPDATE "
                "SET time = ?2, message = ?3 WHERE time < ?2",
                row,
            ).rowcount
        if not changed:
            raise ProtocolError(f"a heartbeat of {beat.node!r} that came before, or an older one")

    def last(self, registry: bytes, node: str, key: bytes) -> int | None:
        """When an instance last sent a heartbeat for a node; None if it never did.

        What is in the file is what its operator put there: only what the instance signed counts.

        Args:
            registry: Hash of the registry's founding statement.
            node: The node's name.
            key: That heartbeats of the instance are signed with.
        """
        with self._connected() as connection:
            row = connection.execute(
                "SELECT message FROM confide_heartbeats WHERE node = ? AND length(message) <= ?",
                (node, MAX_HEARTBEAT_BYTES),
            ).fetchone()
        try:
            beat = Heartbeat.from_bytes(row[0]) if row and isinstance(row[0], bytes) else None
            if beat is None or (beat.registry, beat.node) != (registry, node):
                return None
            beat.verify(key)
        except ProtocolError:
            return None
        return beat.time

    def _connected(self) -> closing[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=30)
            connection.execute(_TABLE)
        except sqlite3.Error as error:
            raise ProtocolError(f"cannot keep heartbeats in {self._path}: {error}") from error
        return closing(connection)
