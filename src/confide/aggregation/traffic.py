"""Bytes of a round before it runs: messages of the right sizes, counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from confide import canonical
from confide.aggregation.enclave.wire import header, join
from confide.aggregation.encrypted.parameters import parameters_of
from confide.aggregation.envelope import SIGNATURE_BYTES, Round
from confide.aggregation.masked.commitments import COMMITMENT_BYTES
from confide.aggregation.masked.graph import COIN_BYTES
from confide.aggregation.masked.shamir import SHARE_BYTES
from confide.aggregation.masked.shares import SEALED_BYTES, shares_to_list
from confide.aggregation.modular import Layout
from confide.aggregation.sharing import wire
from confide.aggregation.sharing.keys import TAG_BYTES
from confide.plan.plan import Plan
from confide.plan.protection import Clear, Encrypted, Masked
from confide.tee.channel import framed
from confide.tee.claims import NONCE_BYTES

__all__ = ["EVIDENCE_BYTES", "RoundBytes", "round_bytes"]

EVIDENCE_BYTES: Final = 32 << 10
"""What evidence of any vendor takes at most, with claims and the collateral that comes with it."""


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
    answers, announcements = _MESSAGES[type(plan.inner)](plan, name)
    sizes = [_envelope(name, kind, payload) for kind, payload in answers]
    received = sum(map(len, announcements))
    if plan.attested:
        challenge = canonical.encode({"nonce": bytes(NONCE_BYTES)})
        asked = len(_announced("ask")) + len(_announced("attested", evidence=b"", message=b""))
        asked -= 2 * SIGNATURE_BYTES  # These two prove themselves, or need no proof.
        received += asked + EVIDENCE_BYTES
        sealed = (_sealed(plan, name, size, step) for step, size in enumerate(sizes))
        sizes = [_envelope(name, "challenge", challenge), *sealed]
    return RoundBytes(sum(sizes), received, plain)


def _sealed(plan: Plan, name: str, size: int, step: int) -> int:
    """Bytes of a message of so many, sealed to an enclave."""
    met = b"" if step else bytes(SIGNATURE_BYTES)
    message = framed(header(Round(plan, 0), name, step), chunks=size)
    return len(join(name, met, message))


Messages = tuple[list[tuple[str, bytes]], list[bytes]]
"""What a party sends, as kinds and payloads, and what it is told."""


def _envelope(name: str, kind: str, payload: bytes) -> int:
    return len(canonical.encode([kind, name, payload, bytes(SIGNATURE_BYTES)]))


def _announced(kind: str, **values: object) -> bytes:
    return canonical.encode([kind, canonical.encode(values), bytes(SIGNATURE_BYTES)])


def _clear(plan: Plan, _: str) -> Messages:
    vector = bytes(Layout.of_contribution(plan).wire_bytes)
    payload = canonical.encode({"state": bytes(32), "vector": vector})
    return [("contribution", payload)], [_announced("open", state=bytes(32))]


def _masked(plan: Plan, name: str) -> Messages:
    masking = plan.masking
    key, commitment = bytes(wire.KEY_BYTES), b"" if masking.complete else bytes(32)
    advert = canonical.encode(
        {
            "commitment": commitment,
            "mask_key": key,
            "seed": bytes(COMMITMENT_BYTES),
            "share_key": key,
        }
    )
    shares = dict.fromkeys(range(masking.degree + 1), bytes(SHARE_BYTES))
    opened = {
        "keys": shares_to_list({}, masking.parties),
        "seeds": shares_to_list(shares, masking.parties),
    }
    confirmation = SIGNATURE_BYTES if masking.quorum else 0
    answers, said = _shared(
        plan,
        name,
        advert=advert,
        sealed=SEALED_BYTES,
        vector=confirmation + Layout.of_sum(plan).wire_bytes,
        opened=len(canonical.encode(opened)),
        confirmations=confirmation * masking.degree if masking.quorum else None,
    )
    if not masking.complete:
        answers.append(("reveal", bytes(COIN_BYTES)))
        commitments = bytes(32)
        said.append(_announced("roster", present=_members(plan), commitments=commitments))
    return answers, said


def _encrypted(plan: Plan, name: str) -> Messages:
    parameters = parameters_of(plan)
    return _shared(
        plan,
        name,
        advert=canonical.encode({"share_key": bytes(wire.KEY_BYTES)}),
        sealed=parameters.polynomial_bytes + TAG_BYTES,
        vector=parameters.vector_bytes,
        opened=parameters.polynomial_bytes,
    )


def _shared(
    plan: Plan,
    name: str,
    *,
    advert: bytes,
    sealed: int,
    vector: int,
    opened: int,
    confirmations: int | None = None,
) -> Messages:
    """Messages of a protocol with shared secrets, from the sizes of what is its own."""
    masking, members = plan.masking, _members(plan)
    advertised = canonical.encode(["advertise", name, advert, bytes(SIGNATURE_BYTES)])
    shares = bytes(masking.degree * sealed)
    answers = [
        ("advertise", advert),
        ("shares", shares),
        ("contribution", bytes(vector)),
        ("opened", bytes(opened)),
    ]
    met = (
        {"present": members}
        if masking.complete
        else {"reveals": bytes(COIN_BYTES * masking.parties)}
    )
    said = [
        _announced("open", history=b""),
        _announced("neighbours", adverts=[advertised] * masking.degree, **met),
        _announced("deliver", sharers=members, ciphertexts=shares),
    ]
    opening = "decrypt" if isinstance(plan.inner, Encrypted) else "unmask"
    if not masking.quorum:
        return answers, [*said, _announced(opening, survivors=members)]
    also = {} if confirmations is None else {"confirmations": bytes(confirmations)}
    signatures = bytes(SIGNATURE_BYTES * masking.parties)
    said += [
        _announced("survivors", survivors=members, **also),
        _announced(opening, signers=members, signatures=signatures),
    ]
    return [*answers, ("consent", bytes(32))], said


def _members(plan: Plan) -> bytes:
    return bytes(math.ceil(len(plan.parties) / 8))


_MESSAGES: Final[Mapping[type, Callable[[Plan, str], Messages]]] = {
    Clear: _clear,
    Masked: _masked,
    Encrypted: _encrypted,
}
