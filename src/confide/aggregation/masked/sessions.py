"""The sessions of masked sums, verified or not."""

from __future__ import annotations

from confide.aggregation.envelope import Round
from confide.aggregation.masked.coordinator import MaskedCoordinator
from confide.aggregation.masked.party import MaskedParty
from confide.aggregation.masked.verified_coordinator import VerifiedCoordinator
from confide.aggregation.masked.verified_party import VerifiedParty
from confide.aggregation.session import Announcer, Contribution, Identity

__all__ = ["masked_coordinator", "masked_party"]


def masked_party(
    round_: Round, identity: Identity, state_hash: bytes, contribution: Contribution
) -> MaskedParty:
    """A party's session."""
    kind = VerifiedParty if round_.plan.verified else MaskedParty
    return kind(round_, identity, state_hash, contribution)


def masked_coordinator(
    round_: Round,
    state_hash: bytes,
    invited: tuple[str, ...],
    announcer: Announcer | None = None,
) -> MaskedCoordinator:
    """A coordinator's session."""
    kind = VerifiedCoordinator if round_.plan.verified else MaskedCoordinator
    return kind(round_, state_hash, invited, announcer)
