"""What runs masked sums, and what they cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from confide import canonical
from confide.aggregation.chunks import pieces_of
from confide.aggregation.envelope import SIGNATURE_BYTES, Round
from confide.aggregation.machinery import (
    Machinery,
    Sent,
    Work,
    announced,
    answered,
    without_aggregator,
)
from confide.aggregation.masked.commitments import COMMITMENT_BYTES
from confide.aggregation.masked.graph import COIN_BYTES
from confide.aggregation.masked.opening import Opening
from confide.aggregation.masked.ring_hash import RingHash
from confide.aggregation.masked.sessions import masked_coordinator, masked_party
from confide.aggregation.masked.shamir import SHARE_BYTES
from confide.aggregation.masked.shares import SEALED_BYTES, shares_to_list
from confide.aggregation.masked.unmask import Secrets
from confide.aggregation.modular import Layout
from confide.aggregation.sharing import wire
from confide.aggregation.sharing.sizes import bitmap, kinds_of, shared_sizes
from confide.plan.masking import signatures_to_verify
from confide.plan.plan import Plan
from confide.randomness import SEED_BYTES

__all__ = ["MASKED"]

_ROOM: Final = 4096
_PAIR_BYTES: Final = 400
"""What the coordinator holds of each pair of neighbours."""


def _sent(plan: Plan, name: str) -> Sent:
    masking = plan.masking
    key, commitment = bytes(wire.KEY_BYTES), b"" if masking.complete else bytes(32)
    seed = bytes(COMMITMENT_BYTES)
    advert = canonical.encode(
        {"commitment": commitment, "mask_key": key, "seed": seed, "share_key": key}
    )
    shares = dict.fromkeys(range(masking.degree + 1), bytes(SHARE_BYTES))
    opened = {
        "keys": shares_to_list({}, masking.parties),
        "seeds": shares_to_list(shares, masking.parties),
    }
    confirmation = SIGNATURE_BYTES if masking.quorum else 0
    hashed, layout = RingHash.bytes_of(plan), Layout.of_sum(plan)
    beside = {"confirmations": confirmation * masking.degree} if masking.quorum else {}
    if hashed:
        beside["hashes"] = hashed * masking.degree
    sent = shared_sizes(
        plan,
        name,
        advert=advert,
        sealed=SEALED_BYTES,
        chunks=[piece.wire_bytes for _, piece in pieces_of(layout, plan)],
        before=confirmation + hashed,
        opened=len(canonical.encode(opened)),
        opening="unmask",
        beside=beside,
    )
    if masking.complete:
        return replace(sent, opening=_opening_bytes(plan))
    revealed = answered(name, "reveal", bytes(COIN_BYTES))
    roster = announced("roster", present=bitmap(plan), commitments=bytes(32))
    return Sent((*sent.answers, revealed), (*sent.told, roster), sent.history)


def _opening_bytes(plan: Plan) -> int:
    """Bytes of what a verified sum is checked by."""
    if not plan.verified:
        return 0
    layout, parties = Layout.of_sum(plan), range(len(plan.parties))
    secrets = Secrets(dict.fromkeys(parties, bytes(SEED_BYTES)), {})
    zeros = np.zeros(layout.size, np.uint8)
    return len(Opening(zeros, zeros, secrets).to_bytes(layout))


def _most_bytes(round_: Round) -> int:
    vector = Layout.of_sum(round_.part).wire_bytes
    return wire.message_limit(round_, _ROOM, vector) + _ROOM


def _work(plan: Plan) -> Work:
    masking, n = plan.masking, len(plan.parties)
    vector = Layout.of_sum(plan).vector_bytes
    messages = 5 if masking.quorum else 4
    signatures = masking.degree
    if masking.quorum:  # Those of the quorum, and a confirmation of each neighbour.
        signatures += signatures_to_verify(masking, masking.min_survivors) + masking.degree
    if plan.verified:  # All that a quorum signed, and the masks of the sum once more.
        signatures += masking.quorum
    masks = masking.degree + 2 + (n if plan.verified else 0)
    rebuilt = masking.dropouts * masking.degree * (1 - masking.dropouts / n)
    return Work(
        party={
            "agree": 2 * masking.degree,
            "sign": messages,
            "verify": signatures,
            "byte": masks * vector,
        },
        coordinator={
            "verify": n * messages,
            "agree": rebuilt,
            "byte": (2 * n + rebuilt) * vector,
        },
        party_bytes=4 * vector,
        coordinator_bytes=4 * vector + n * masking.degree * _PAIR_BYTES,
    )


MASKED = Machinery(
    party=masked_party,
    coordinator=without_aggregator(masked_coordinator),
    kinds_of=kinds_of,
    sent=_sent,
    most_bytes=_most_bytes,
    work=_work,
)
