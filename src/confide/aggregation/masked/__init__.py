"""Masked sums: secure aggregation by masks that cancel in the sum (SecAgg+).

The protocol is Bell et al. 2020 over Bonawitz et al. 2017, with a jointly drawn graph, a check that
no party is cut off, and a signed set of survivors:

1. *open → advertise*: a party sends two public keys and commits to its share of the coin.
2. *roster → reveal* (sparse graphs): it reveals that share, once the commitments are fixed.
3. *neighbours → shares*: all coin shares open their commitments and the neighbours' keys are
   signed, so it sends each neighbour an encrypted share of its mask key and of its self mask.
4. *deliver → contribution*: enough parties shared and enough neighbours hold its shares, so it
   sends its contribution plus its masks, and signs what it masked under.
5. *survivors → consent* (against liars): the survivors are enough, nobody is cut off from the
   others, and its neighbours masked under the same, so it signs the survivors.
6. *unmask → opened*: a quorum signed the same survivors, so it opens for each neighbour one share:
   of the self mask if that neighbour survived, else of its mask key.

Parties do not trust the coordinator with anything but the sum and with going on; and if the plan's
sums are verified, not with the sum either (`verified`).
"""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.aggregation.masked.coordinator import MaskedCoordinator
    from confide.aggregation.masked.opening import Opening
    from confide.aggregation.masked.party import MaskedParty
    from confide.aggregation.masked.sessions import masked_coordinator, masked_party
    from confide.aggregation.masked.verified import Consents, verify_sum
    from confide.aggregation.masked.verified_coordinator import VerifiedCoordinator
    from confide.aggregation.masked.verified_party import VerifiedParty

__all__ = [
    "Consents",
    "MaskedCoordinator",
    "MaskedParty",
    "Opening",
    "VerifiedCoordinator",
    "VerifiedParty",
    "masked_coordinator",
    "masked_party",
    "verify_sum",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.aggregation.masked.coordinator": ("MaskedCoordinator",),
            "confide.aggregation.masked.opening": ("Opening",),
            "confide.aggregation.masked.party": ("MaskedParty",),
            "confide.aggregation.masked.sessions": ("masked_coordinator", "masked_party"),
            "confide.aggregation.masked.verified": ("Consents", "verify_sum"),
            "confide.aggregation.masked.verified_coordinator": ("VerifiedCoordinator",),
            "confide.aggregation.masked.verified_party": ("VerifiedParty",),
        },
    )
