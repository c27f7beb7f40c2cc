"""Signs of life: signed by the instance that was attested, so that nobody else gives them for it.

They are a state and no decision: the last one of each node is kept, beside the log and not in it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide import canonical
from confide.errors import ProtocolError
from confide.transparency.log import LAST_TIME
from confide.transparency.signatures import check_signature

__all__ = ["Heartbeat", "Heartbeats"]

_DOMAIN: Final = b"confide heartbeat 1\0"
_MAX_BYTES: Final = 1024
_SKEW_SECONDS: Final = 60
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS confide_heartbeats (
    node TEXT PRIMARY KEY, time INTEGER NOT NULL, message BLOB NOT NULL
) STRICT
"""


@dataclass(frozen=True)
class Heartbeat:
    """A node's sign of life.

    Attributes:
        registry: Hash of the registry's founding statement.
        node: The node's name.
        time: Seconds since 1970, by the node's clock.
        signature: By the signing key in the claims of its last attestation.
    """

    registry: bytes
    node: str
    time: int
    signature: bytes = b""

    @classmethod
    def of(cls, registry: bytes, node: str, at: datetime, key: Ed25519PrivateKey) -> Self:
        """The one to send now, signed with the workload's key."""
        beat = cls(registry, node, int(at.timestamp()))
        return cls(registry, node, beat.time, key.sign(beat._covered()))

    def verify(self, key: bytes) -> None:
        """Checks which instance gave it.

        Raises:
            VerificationError: If it is another one's.
        """
        check_signature(
            key,
            self.signature,
            self._covered(),
            f"the heartbeat of {self.node!r} is not from the instance that was attested last: it "
            "started again, or somebody else gives it; attest it",
        )

    def to_bytes(self) -> bytes:
        """Deterministic CBOR."""
        return canonical.encode([self.registry, self.node, self.time, self.signature])

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote.

        Raises:
            ProtocolError: If it is anything else.
        """
        match canonical.decode(data, _MAX_BYTES, max_items=5):
            case [bytes(registry), str(node), int(time), bytes(signature)] if (
                canonical.are_integers(time) and 0 <= time <= LAST_TIME
            ):
                return cls(registry, node, time, signature)
            case _:
                raise ProtocolError("a heartbeat that is none")

    def _covered(self) -> bytes:
        return _DOMAIN + canonical.encode([self.registry, self.node, self.time])


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
        """When an instance last gave a sign of life for a node; None if it never did.

        What is in the file is what its keeper put there: only what the instance signed counts.

        Args:
            registry: Hash of the registry's founding statement.
            node: The node's name.
            key: That heartbeats of the instance are signed with.
        """
        with self._connected() as connection:
            row = connection.execute(
                "SELECT message FROM confide_heartbeats WHERE node = ? AND length(message) <= ?",
                (node, _MAX_BYTES),
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
