"""Bytes and kinds of the messages that protections with shared secrets have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from confide import canonical
from confide.aggregation.chunks import sizes_of
from confide.aggregation.envelope import SIGNATURE_BYTES
from confide.aggregation.machinery import Sent, announced, answered
from confide.aggregation.masked.graph import COIN_BYTES
from confide.aggregation.sharing import wire
from confide.plan.plan import Plan

__all__ = ["SHARING_KINDS", "bitmap", "kinds_of", "shared_sizes"]

SHARING_KINDS: Final = ("advertise", "reveal", "shares", "contribution", "consent", "opened")
"""All kinds of messages that a party sends, in order."""


def kinds_of(plan: Plan) -> tuple[str, ...]:
    """Those of a plan: a complete graph has no 'reveal', a plan without a quorum no 'consent'."""
    absent = {"reveal"} if plan.masking.complete else set()
    if not plan.masking.quorum:
        absent.add("consent")
    return tuple(kind for kind in SHARING_KINDS if kind not in absent)


def shared_sizes(
    plan: Plan,
    name: str,
    *,
    advert: bytes,
    sealed: int,
    chunks: Sequence[int],
    before: int = 0,
    opened: int,
    opening: str,
    beside: Mapping[str, int] = MappingProxyType({}),
) -> Sent:
    """The messages of a round, from the sizes of the protection's own parts.

    Args:
        plan: The plan, of one stage.
        name: The party's name.
        advert: What it advertises.
        sealed: Bytes of one neighbour's encrypted shares.
        chunks: Bytes of each chunk of its contribution.
        before: Bytes before a contribution.
        opened: Bytes of what it opens.
        opening: The kind of the message that asks it to.
        beside: Bytes of what it is told in addition to the survivors before it consents, by field.
    """
    masking, members = plan.masking, bitmap(plan)
    advertised = canonical.encode(["advertise", name, advert, bytes(SIGNATURE_BYTES)])
    shares = bytes(masking.degree * sealed)
    answers = [
        answered(name, "advertise", advert),
        answered(name, "shares", shares),
        answered(name, "opened", bytes(opened)),
    ]
    contribution, asked = sizes_of(name, before, chunks)
    answers += contribution
    met = (
        {"present": members}
        if masking.complete
        else {"reveals": bytes(COIN_BYTES * masking.parties)}
    )
    told = [
        announced("open", history=b""),
        announced("neighbours", adverts=[advertised] * masking.degree, **met),
        announced("deliver", sharers=members, ciphertexts=shares),
        *asked,
    ]
    each = wire.opening_bytes(len(plan.parties))

    def history(openings: int) -> int:
        return announced("open", history=bytes(openings * each)) - announced("open", history=b"")

    if not masking.quorum:
        return Sent(tuple(answers), (*told, announced(opening, survivors=members)), history)
    also = {name: bytes(size) for name, size in beside.items()}
    signatures = bytes(SIGNATURE_BYTES * masking.parties)
    told += [
        announced("survivors", survivors=members, **also),
        announced(opening, signers=members, signatures=signatures),
    ]
    return Sent((*answers, answered(name, "consent", bytes(32))), tuple(told), history)


def bitmap(plan: Plan) -> bytes:
    """A set of parties: one bit for each."""
    return bytes(math.ceil(len(plan.parties) / 8))
