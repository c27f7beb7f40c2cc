"""Runs sums in an enclave; its cost is added to that of the inner protection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from confide import canonical
from confide.aggregation.enclave.aggregator import Aggregator
from confide.aggregation.enclave.consent import SESSION_BYTES, consents_needed
from confide.aggregation.enclave.coordinator import EnclaveCoordinator
from confide.aggregation.enclave.party import EnclaveParty
from confide.aggregation.enclave.receipts import Receipt
from confide.aggregation.enclave.wire import header, join
from confide.aggregation.envelope import SIGNATURE_BYTES, Round
from confide.aggregation.machinery import (
    Machinery,
    Sent,
    Work,
    announced,
    answered,
    machinery_of,
)
from confide.aggregation.modular import Layout
from confide.aggregation.session import Announcer, CoordinatorSession
from confide.aggregation.sharing import wire
from confide.errors import PlanError
from confide.plan.plan import Plan
from confide.tee.channel import framed
from confide.tee.claims import NONCE_BYTES

__all__ = ["ENCLAVE", "EVIDENCE_BYTES"]

EVIDENCE_BYTES: Final = 32 << 10
"""The most bytes of evidence of any vendor, with claims and collateral."""

_CHALLENGE: Final = "challenge"
_CONSENT: Final = "consent"


def _coordinator(
    round_: Round,
    state_hash: bytes,
    invited: tuple[str, ...],
    announcer: Announcer,
    aggregator: Aggregator | None,
) -> CoordinatorSession:
    if aggregator is None:
        raise PlanError(
            f"plan {round_.plan.name!r} is aggregated in an enclave, and none is given: launch an "
            "Aggregator for the plan"
        )
    return EnclaveCoordinator(round_, state_hash, invited, aggregator, announcer.history)


def _sent(plan: Plan, name: str) -> Sent:
    beneath = _with_consent(plan, name, machinery_of(plan.inner).sent(plan, name))
    challenge = canonical.encode({"nonce": bytes(NONCE_BYTES)})
    asked = announced("ask") + announced("attested", evidence=b"", message=b"")
    asked -= 2 * SIGNATURE_BYTES  # These two need no further proof.
    sealed = (_sealed(plan, name, size, step) for step, size in enumerate(beneath.answers))
    return Sent(
        answers=(answered(name, _CHALLENGE, challenge), *sealed),
        told=(*beneath.told, asked + EVIDENCE_BYTES),
        history=beneath.history,
        receipt=_receipt_bytes(plan),
    )


def _receipt_bytes(plan: Plan) -> int:
    """Bytes of a receipt over all parties."""
    return len(
        Receipt(
            plan=bytes(32),
            number=plan.rounds,
            attempt=0,
            instance=bytes(32),
            epoch=1,
            sequence=plan.rounds,
            previous=bytes(32),
            survivors=tuple(party.name for party in plan.parties),
            met=(bytes(SIGNATURE_BYTES),) * len(plan.parties),
            inputs=bytes(32),
            totals=bytes(32),
            evidence=bytes(32),
            epsilon="0.123456",
            delta="1.2e-06",
            assurance="simulated",
            signature=bytes(SIGNATURE_BYTES),
        ).to_bytes()
    )


def _with_consent(plan: Plan, name: str, beneath: Sent) -> Sent:
    """With what survivors sign before an enclave that reads contributions releases their sum."""
    if not consents_needed(plan, plan.min_survivors):
        return beneath
    members = wire.members_to_bytes(np.zeros(len(plan.parties), bool))
    survivors = announced("survivors", survivors=members, session=bytes(SESSION_BYTES))
    each, without = wire.opening_bytes(len(plan.parties)), announced("open", state=bytes(32))

    def history(openings: int) -> int:
        said = announced("open", state=bytes(32), history=bytes(openings * each))
        return said - announced("open", state=bytes(32), history=b"")

    told = announced("open", state=bytes(32), history=b"") - without + sum(beneath.told)
    return Sent(
        answers=(*beneath.answers, answered(name, _CONSENT, bytes(32))),
        told=(told, survivors),
        history=history,
    )


def _kinds_of(plan: Plan) -> tuple[str, ...]:
    signed = (_CONSENT,) if consents_needed(plan, plan.min_survivors) else ()
    return (_CHALLENGE, *machinery_of(plan.inner).kinds_of(plan), *signed)


def _sealed(plan: Plan, name: str, size: int, step: int) -> int:
    """Bytes of a message of so many, sealed to an enclave."""
    met = b"" if step else bytes(SIGNATURE_BYTES)
    message = framed(header(Round(plan, 0), name, step), chunks=size)
    return len(join(name, met, message))


def _work(plan: Plan) -> Work:
    beneath, n = machinery_of(plan.inner).work(plan), len(plan.parties)
    # Verifying evidence takes some signatures; each byte is encrypted once more.
    more = {"agree": 2.0, "verify": 12.0, "byte": float(Layout.of_sum(plan).vector_bytes)}
    return Work(
        party=_plus(beneath.party, more, 1),
        coordinator=_plus(beneath.coordinator, more, n),
        party_bytes=beneath.party_bytes,
        coordinator_bytes=beneath.coordinator_bytes,
        primitives=beneath.primitives,
    )


def _plus(counts: Mapping[str, float], more: Mapping[str, float], times: int) -> dict[str, float]:
    names = dict.fromkeys((*counts, *more))
    return {name: counts.get(name, 0) + times * more.get(name, 0) for name in names}


ENCLAVE = Machinery(
    party=EnclaveParty,
    coordinator=_coordinator,
    kinds_of=_kinds_of,
    sent=_sent,
    most_bytes=lambda round_: machinery_of(round_.plan.inner).most_bytes(round_),
    work=_work,
)
