"""The protections that need no enclave, used inside an enclave or without one."""

from __future__ import annotations

from confide.aggregation.clear.machinery import CLEAR
from confide.aggregation.encrypted.machinery import ENCRYPTED
from confide.aggregation.envelope import Round
from confide.aggregation.machinery import machinery_of, register
from confide.aggregation.masked.machinery import MASKED
from confide.aggregation.session import (
    Announcer,
    Contribution,
    CoordinatorSession,
    Identity,
    PartySession,
)
from confide.plan.protection import Clear, Encrypted, Masked

__all__ = ["inner_bytes", "inner_coordinator", "inner_party"]

register(Clear, CLEAR)
register(Masked, MASKED)
register(Encrypted, ENCRYPTED)


def inner_party(
    round_: Round, identity: Identity, state_hash: bytes, contribution: Contribution
) -> PartySession:
    """A party's session under what protects contributions by itself."""
    return machinery_of(round_.plan.inner).party(round_, identity, state_hash, contribution)


def inner_coordinator(
    round_: Round, state_hash: bytes, invited: tuple[str, ...], announcer: Announcer
) -> CoordinatorSession:
    """A coordinator's session under what protects contributions by itself."""
    made = machinery_of(round_.plan.inner)
    return made.coordinator(round_, state_hash, invited, announcer, None)


def inner_bytes(round_: Round) -> int:
    """The most bytes that a message of the inner protection has."""
    return machinery_of(round_.plan.inner).most_bytes(round_)
