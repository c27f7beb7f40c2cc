"""Complaints: a party says that another one gave it a false share.

A share is sealed for its receiver, so nobody else can tell which of the two lies: the sharer may
have sealed anything, and the receiver may say anything (Gennaro, Jarecki, Krawczyk and Rabin 2007,
*Secure Distributed Key Generation*, §4, has the same step). A complaint replaces the contribution,
before anybody consents. So the round is not used up, and another attempt can be made. `leaving`
says which parties it leaves out:

- A party that is accused by more ownership groups than there are liars is a liar, and leaves alone.
- Of every other pair both leave, and with them the other complaints of either. One of the two lies.

So a liar leaves with every honest party: no liar excludes more than one honest party in a round. A
complaint holds no secret; it says who complains of whom, and why.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from confide import canonical
from confide.aggregation.envelope import fields_of
from confide.errors import ProtocolError
from confide.plan.plan import Plan

__all__ = [
    "COMPLAINT",
    "Complaint",
    "ComplaintReason",
    "is_complaint",
    "leaving",
    "liars_of",
    "read_complaint",
]

COMPLAINT: Final = "complaint"
"""The kind of message that replaces a contribution."""

_BEGINS: Final = canonical.encode([COMPLAINT, "", b"", b""])[: 2 + len(COMPLAINT)]
_MAX_BYTES: Final = 256


class ComplaintReason(Enum):
    """What is wrong with a share."""

    UNREADABLE = "unreadable"
    """It does not open under the key that both agreed on."""

    FALSE = "false"
    """It opens, but is not a share of what its sharer committed to."""


@dataclass(frozen=True)
class Complaint:
    """What one party says of another.

    Attributes:
        accused: Who made the share.
        reason: What is wrong with it.
    """

    accused: str
    reason: ComplaintReason

    def to_payload(self) -> bytes:
        """The payload of the message."""
        return canonical.encode({"accused": self.accused, "reason": self.reason.value})


def is_complaint(message: bytes) -> bool:
    """Whether an envelope begins as a complaint; it is not verified."""
    return message.startswith(_BEGINS)


def read_complaint(payload: bytes, sharers: Collection[str], accuser: str) -> Complaint:
    """Reads a verified complaint.

    Args:
        payload: What was signed.
        sharers: Who gave shares to the accuser.
        accuser: Who signed it.

    Raises:
        ProtocolError: If it is malformed, or accuses somebody who gave it no share.
    """
    accused, reason = fields_of(canonical.decode(payload, _MAX_BYTES), accused=str, reason=str)
    if accused not in sharers or accused == accuser:
        raise ProtocolError(f"{accuser!r} complains of {accused[:80]!r}, who gave it no share")
    try:
        return Complaint(accused, ComplaintReason(reason))
    except ValueError:
        raise ProtocolError(f"{accuser!r} complains for an unknown reason") from None


def liars_of(plan: Plan) -> int:
    """How many ownership groups a plan expects to lie."""
    threat = plan.threat
    return max(threat.confidentiality.colluding_parties, threat.integrity.colluding_parties)


def leaving(
    complaints: Mapping[str, Complaint], owners: Mapping[str, str], liars: int
) -> tuple[str, ...]:
    """The parties that the next attempt at the round leaves out.

    Args:
        complaints: By who made them, one each.
        owners: The ownership group of each party.
        liars: How many ownership groups lie at most.

    Returns:
        Names, in order.

    Example:
        >>> of = lambda name: Complaint(name, ComplaintReason.UNREADABLE)
        >>> owners = {name: name for name in "abcde"}
        >>> leaving({"a": of("e"), "b": of("e"), "c": of("d")}, owners, liars=1)
        ('c', 'd', 'e')
    """
    accusers: dict[str, set[str]] = {}
    for accuser, complaint in complaints.items():
        # Complaints between parties of one owner do not count against others.
        if owners[accuser] != owners[complaint.accused]:
            accusers.setdefault(complaint.accused, set()).add(owners[accuser])
    gone = {accused for accused, groups in accusers.items() if len(groups) > liars}
    for accuser, complaint in sorted(complaints.items(), key=lambda item: item[0]):
        if accuser not in gone and complaint.accused not in gone:
            gone |= {accuser, complaint.accused}
    return tuple(sorted(gone))
