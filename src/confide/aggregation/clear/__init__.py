"""Aggregation in clear: the coordinator reads each contribution and adds."""

from confide.aggregation.clear.session import ClearCoordinator, ClearParty

__all__ = ["ClearCoordinator", "ClearParty"]
