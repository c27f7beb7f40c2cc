"""Sums that only open as a whole: secure aggregation by masks (SecAgg+).

The protocol is Bell et al. 2020 over Bonawitz et al. 2017, with a jointly drawn graph, a check that
no party is cut off, and a signed set of survivors:

| step | a party sends | and has checked |
|---|---|---|
| open → advertise | two public keys, a commitment to its share of the coin | the attempt is new |
| roster → reveal | its share of the coin (only if the graph is sparse) | enough parties came |
| neighbours → shares | encrypted shares of its mask key and its self mask | all coin shares open their commitments, its neighbours' keys are signed |
| deliver → contribution | its contribution plus masks | enough sharers, a full neighbourhood |
| survivors → consent | a signature on the survivors (only against liars) | they are enough, and nobody is cut off |
| unmask → opened | for each neighbour one share: of the self mask if it survived, else of the mask key | a quorum signed the same survivors |

Parties do not trust the coordinator with anything but the sum and with going on.
"""

from confide.aggregation.masked.coordinator import MaskedCoordinator
from confide.aggregation.masked.party import MaskedParty

__all__ = ["MaskedCoordinator", "MaskedParty"]
