"""Bytes of a round before it runs: messages of the right sizes, counted."""

from __future__ import annotations

import math
from dataclasses import dataclass

from confide import canonical
from confide.aggregation.envelope import SIGNATURE_BYTES, announce
from confide.aggregation.masked.graph import COIN_BYTES
from confide.aggregation.masked.shamir import SHARE_BYTES
from confide.aggregation.masked.shares import SEALED_BYTES, shares_to_list
from confide.aggregation.modular import Layout
from confide.aggregation.sharing import wire
from confide.plan.plan import Plan
from confide.plan.protection import Clear

__all__ = ["RoundBytes", "round_bytes"]


@dataclass(frozen=True)
class RoundBytes:
    """Bytes of one round at one party when nobody drops out.

    Attributes:
        sent: From the party to the coordinator.
        received: From the coordinator to the party.
        plain: The party's lattice vector alone, as aggregation in clear sends it.
    """

    sent: int
    received: int
    plain: int


def round_bytes(plan: Plan) -> RoundBytes:
    """Counts the bytes of a round."""
    plain = Layout.of_contribution(plan).wire_bytes
    name = max((p.name for p in plan.parties), key=len)
    if isinstance(plan.aggregation, Clear):
        payload = canonical.encode({"state": bytes(32), "vector": bytes(plain)})
        return RoundBytes(
            _envelope(name, "contribution", payload), len(announce("open", state=bytes(32))), plain
        )
    sent = sum(_envelope(name, kind, payload) for kind, payload in _masked_answers(plan))
    return RoundBytes(sent, sum(map(len, _masked_announcements(plan, name))), plain)


def _envelope(name: str, kind: str, payload: bytes) -> int:
    return len(canonical.encode([kind, name, payload, bytes(SIGNATURE_BYTES)]))


def _advert(complete: bool) -> bytes:  # noqa: FBT001 - a graph is complete or it is not
    key = bytes(wire.KEY_BYTES)
    commitment = b"" if complete else bytes(32)
    return canonical.encode({"commitment": commitment, "mask_key": key, "share_key": key})


def _masked_answers(plan: Plan) -> list[tuple[str, bytes]]:
    masking = plan.masking
    opened = shares_to_list(
        dict.fromkeys(range(masking.degree + 1), bytes(SHARE_BYTES)), masking.parties
    )
    nothing = shares_to_list({}, masking.parties)
    confirmation = SIGNATURE_BYTES if masking.quorum else 0
    answers = [
        ("advertise", _advert(masking.complete)),
        ("shares", bytes(masking.degree * SEALED_BYTES)),
        ("contribution", bytes(confirmation + Layout.of_sum(plan).wire_bytes)),
        ("opened", canonical.encode({"keys": nothing, "seeds": opened})),
    ]
    if not masking.complete:
        answers.append(("reveal", bytes(COIN_BYTES)))
    if masking.quorum:
        answers.append(("consent", bytes(32)))
    return answers


def _masked_announcements(plan: Plan, name: str) -> list[bytes]:
    masking, members = plan.masking, bytes(math.ceil(len(plan.parties) / 8))
    advert = canonical.encode(
        ["advertise", name, _advert(masking.complete), bytes(SIGNATURE_BYTES)]
    )
    adverts = [advert] * masking.degree
    said = [announce("open")]
    if masking.complete:
        said.append(announce("neighbours", adverts=adverts, present=members))
    else:
        said.append(announce("roster", present=members, commitments=bytes(32)))
        reveals = bytes(COIN_BYTES * masking.parties)
        said.append(announce("neighbours", adverts=adverts, reveals=reveals))
    sealed = bytes(masking.degree * SEALED_BYTES)
    said.append(announce("deliver", sharers=members, ciphertexts=sealed))
    if masking.quorum:
        confirmations = bytes(SIGNATURE_BYTES * masking.degree)
        said.append(announce("survivors", survivors=members, confirmations=confirmations))
        signatures = bytes(SIGNATURE_BYTES * masking.parties)
        said.append(announce("unmask", signers=members, signatures=signatures))
    else:
        said.append(announce("unmask", survivors=members))
    return said
