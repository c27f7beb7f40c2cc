"""Shares of masked aggregation as they travel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from confide.aggregation.masked.shamir import SHARE_BYTES
from confide.aggregation.sharing.keys import TAG_BYTES
from confide.aggregation.sharing.wire import members_of, members_to_bytes, split
from confide.errors import ProtocolError

__all__ = ["SEALED_BYTES", "shares_of_list", "shares_to_list"]

SEALED_BYTES: Final = 2 * SHARE_BYTES + TAG_BYTES
"""An encrypted share message: a share of each of two secrets, and the tag."""


def shares_to_list(shares: Mapping[int, bytes], parties: int) -> list[bytes]:
    """Shares by whose secret they are of: the set of those parties, then the shares in order."""
    members = np.zeros(parties, bool)
    members[list(shares)] = True
    return [members_to_bytes(members), b"".join(shares[i] for i in sorted(shares))]


def shares_of_list(data: list[object], parties: int) -> dict[int, bytes]:
    """What `shares_to_list` wrote.

    Raises:
        ProtocolError: If it is malformed.
    """
    match data:
        case [bytes(members), bytes(shares)]:
            owners = np.flatnonzero(members_of(members, parties)).tolist()
            return dict(zip(owners, split(shares, SHARE_BYTES, len(owners)), strict=True))
        case _:
            raise ProtocolError("not a valid list of shares")
