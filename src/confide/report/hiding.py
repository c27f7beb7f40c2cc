"""The words for how protections hide contributions from whoever adds them up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from confide.plan import Encrypted, Masked, Plan

__all__ = ["Hiding", "hiding"]


@dataclass(frozen=True)
class Hiding:
    """The words for how a protection hides contributions.

    Attributes:
        vector: What a party sends.
        looks: What it looks like to whoever lacks the secrets.
        secrets: What shares are of.
        opened: What enough shares do.
        hardness: What would void it.
    """

    vector: str
    looks: str
    secrets: str
    opened: str
    hardness: str


_HIDING: Final[Mapping[type, Hiding]] = {
    Masked: Hiding(
        vector="masked vector",
        looks="uniformly distributed",
        secrets="each of two secrets",
        opened="their shares open the masks",
        hardness="X25519, AES-256, SHA-256 or Ed25519 broken",
    ),
    Encrypted: Hiding(
        vector="encrypted vector",
        looks="seemingly uniform",
        secrets="the key",
        opened="their shares open the keys",
        hardness="ring-LWE, X25519, AES-256, ChaCha20, SHA-256 or Ed25519 broken",
    ),
}


def hiding(plan: Plan) -> Hiding:
    """How a plan's contributions are hidden; it is not one in clear."""
    return _HIDING[type(plan.inner)]
