"""Encrypted sums: only the sum of the keys is ever opened. What they hide from whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from confide.errors import PlanError
from confide.plan.exposures import Exposure, Form, Observer, Subject, What, hidden, seen_when
from confide.plan.findings import Attack, Judge, Judgement, Outcome
from confide.plan.masking import COMPLETE_UP_TO
from confide.plan.protections.base import Hiding, Protection
from confide.plan.protections.shared import SharedSecrets, pooled, shared_judges

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = ["Encrypted"]


def _false_ciphertext(_: Plan) -> Judgement:
    return Outcome.DEFEATED, (
        "parties open only the sum of the signed survivors' keys, whatever ciphertext the "
        "coordinator holds; that sum opens no other ciphertext"
    )


def _rogue_key(_: Plan) -> Judgement:
    return Outcome.DEFEATED, (
        "nobody encrypts under a joint key: a party that derives its key from others' keys "
        "weakens only its own contribution"
    )


@dataclass(frozen=True)
class Encrypted(SharedSecrets, Protection):
    """Sums encrypted under a key that nobody holds alone (Li et al. 2023, LERNA).

    Threshold and quorum are those of masked sums over the complete graph
    (`confide.plan.masking`); ring and modulus are derived from the sums
    (`confide.aggregation.encrypted.parameters`).
    """

    hiding: ClassVar[Hiding] = Hiding(
        form=Form.CIPHERTEXT,
        vector="encrypted vector",
        looks="seemingly uniform",
        hardness="ring-LWE, X25519, AES-256, ChaCha20, SHA-256 or Ed25519 broken",
    )
    secrets: ClassVar[str] = "the key"
    opened: ClassVar[str] = "their shares open the keys"
    judges: ClassVar[Mapping[Attack, Judge]] = {
        **shared_judges(
            how="encrypted",
            read="each contribution is encrypted under a key of its own, and only the sum of the "
            "survivors' keys is opened",
            opens="key",
            split="shares of parties with different states do not open",
        ),
        Attack.FALSE_CIPHERTEXT: _false_ciphertext,
        Attack.ROGUE_KEY: _rogue_key,
    }

    def check_plan(self, plan: Plan) -> None:
        """Refuses more parties than can share their keys with all others."""
        if len(plan.parties) > COMPLETE_UP_TO:
            raise PlanError(
                f"{len(plan.parties):,} parties in one encrypted sum, where each shares its key "
                f"with all others; at most {COMPLETE_UP_TO} are allowed: use aggregation 'masked'"
            )

    def to_adder(self, plan: Plan, observer: Observer) -> Iterator[Exposure]:
        """Ciphertexts, and the sum of the survivors' keys."""
        yield from super().to_adder(plan, observer)
        yield Exposure(
            observer=observer,
            what=What.KEYS,
            value="the sum of the survivors' keys, and of their errors",
            of=Subject.ALL,
            form=Form.SUM,
            detail="one short polynomial each, which open the sum: added to another honest key, "
            "each is a wide enough Gaussian",
            when=seen_when(plan),
            guarantee=hidden(),
            assumption=f"{self.hiding.hardness}; or {pooled(plan)}",
        )
