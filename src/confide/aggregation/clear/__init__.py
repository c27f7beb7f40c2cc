"""Aggregation in clear: the coordinator reads each contribution and adds."""

from confide.aggregation.clear.session import ClearCoordinator, ClearParty, contribution_payload

__all__ = ["ClearCoordinator", "ClearParty", "contribution_payload"]
