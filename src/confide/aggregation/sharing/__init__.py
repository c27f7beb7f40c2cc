"""What masked and encrypted sums have in common.

Parties share secrets of one attempt among each other; a quorum signs one set of survivors; then
shares open their sum, once. The coordinator relays. How the secrets hide a contribution depends on
the protocol.
"""

from confide.aggregation.sharing.coordinator import SharingCoordinator
from confide.aggregation.sharing.party import SharingParty

__all__ = ["SharingCoordinator", "SharingParty"]
