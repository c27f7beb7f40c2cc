"""The relying party (RFC 9334): one policy, the available collateral, and a clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from confide.clock import system_clock
from confide.randomness import SecureRandom, SystemRandom
from confide.tee.claims import NONCE_BYTES
from confide.tee.collateral import Collateral
from confide.tee.evidence import Evidence
from confide.tee.policy import Policy
from confide.tee.verification import AttestedPeer, Expected, verify_peer

__all__ = ["RelyingParty"]


@dataclass(frozen=True)
class RelyingParty:
    """Who verifies before it sends.

    Attributes:
        policy: The policy for a peer.
        collateral: The vendors' collateral that is available.
        clock: The time, with a time zone.
        random: Where nonces and data keys come from.
    """

    policy: Policy
    collateral: Collateral = field(default_factory=Collateral)
    clock: Callable[[], datetime] = system_clock
    random: SecureRandom = field(default_factory=SystemRandom, repr=False)

    def nonce(self) -> bytes:
        """32 random bytes to ask with, once."""
        return self.random.bytes(NONCE_BYTES)

    def verify(self, evidence: bytes, expected: Expected) -> AttestedPeer:
        """Verifies what a peer answered: see `verify_peer`."""
        return verify_peer(
            Evidence.from_bytes(evidence),
            self.policy,
            expected,
            collateral=self.collateral,
            at=self.clock(),
        )
