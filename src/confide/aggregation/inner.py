"""The protections that need no enclave, by the plan: beneath an enclave, or without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from confide.aggregation.clear import ClearCoordinator, ClearParty
from confide.aggregation.encrypted import EncryptedCoordinator, EncryptedParty
from confide.aggregation.envelope import Round
from confide.aggregation.masked import masked_coordinator, masked_party
from confide.aggregation.session import (
    Announcer,
    Contribution,
    CoordinatorSession,
    Identity,
    PartySession,
)
from confide.plan.protection import Clear, Encrypted, Masked

__all__ = ["inner_coordinator", "inner_party"]

PartyFactory = Callable[[Round, Identity, bytes, Contribution], PartySession]
CoordinatorFactory = Callable[[Round, bytes, tuple[str, ...], Announcer], CoordinatorSession]

_SESSIONS: Final[Mapping[type, tuple[PartyFactory, CoordinatorFactory]]] = {
    Clear: (ClearParty, ClearCoordinator),
    Masked: (masked_party, masked_coordinator),
    Encrypted: (EncryptedParty, EncryptedCoordinator),
}


def inner_party(
    round_: Round, identity: Identity, state_hash: bytes, contribution: Contribution
) -> PartySession:
    """A party's session under what protects contributions by itself."""
    return _SESSIONS[type(round_.plan.inner)][0](round_, identity, state_hash, contribution)


def inner_coordinator(
    round_: Round, state_hash: bytes, invited: tuple[str, ...], announcer: Announcer
) -> CoordinatorSession:
    """A coordinator's session under what protects contributions by itself."""
    return _SESSIONS[type(round_.plan.inner)][1](round_, state_hash, invited, announcer)
