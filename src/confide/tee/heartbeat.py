"""Heartbeats: signed by the instance that was attested, so that nobody else can send them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide import canonical
from confide.errors import ProtocolError
from confide.transparency.log import LAST_TIME
from confide.transparency.signatures import check_signature

__all__ = ["MAX_HEARTBEAT_BYTES", "Heartbeat"]

MAX_HEARTBEAT_BYTES: Final = 1024
_DOMAIN: Final = b"confide heartbeat 1\0"


@dataclass(frozen=True)
class Heartbeat:
    """A node's heartbeat.

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
        match canonical.decode(data, MAX_HEARTBEAT_BYTES, max_items=5):
            case [bytes(registry), str(node), int(time), bytes(signature)] if (
                canonical.are_integers(time) and 0 <= time <= LAST_TIME
            ):
                return cls(registry, node, time, signature)
            case _:
                raise ProtocolError("not a valid heartbeat")

    def _covered(self) -> bytes:
        return _DOMAIN + canonical.encode([self.registry, self.node, self.time])
