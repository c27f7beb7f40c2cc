"""Findings: the known attacks by name, and the outcome of an attack under a plan."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = [
    "ABSENT_BY_NATURE",
    "JUDGED_BY_PROTECTION",
    "NOBODY",
    "NOTHING_HIDDEN",
    "Aim",
    "Attack",
    "Finding",
    "Judge",
    "Judgement",
    "KnownAttack",
    "Outcome",
]


class Aim(Enum):
    """What an attack is after."""

    CONFIDENTIALITY = "confidentiality"
    INTEGRITY = "integrity"


class Outcome(Enum):
    """The outcome of an attack under a plan."""

    BROKEN = "broken"
    DEFEATED = "defeated"
    ASSUMED = "assumed away"
    REPORTED = "reported"
    ABSENT = "absent"


class Attack(Enum):
    """The known attacks, by name."""

    READ_CONTRIBUTIONS = "read contributions"
    INSIDER_SUBTRACTION = "insider subtraction"
    EQUIVOCATION = "equivocation on survivors"
    POOLED_SHARES = "pooled shares"
    FORGED_MESSAGES = "forged, swapped or replayed messages"
    SPLIT_MODEL = "different models to different parties"
    FALSE_CIPHERTEXT = "another ciphertext in the place of the sum"
    ROGUE_KEY = "rogue key"
    SECOND_OPENING = "second opening"
    WIRETAP = "wiretap"
    ROUND_DIFFERENCES = "differences across rounds"
    CHOSEN_STATE = "state of the coordinator's choice"
    OTHER_BUILD = "another build in the enclave"
    RELAYED_EVIDENCE = "relayed evidence"
    ROLLED_BACK = "rolled-back enclave"
    FORKED = "forked enclave"
    BROKEN_HARDWARE = "broken hardware"
    INFERENCE = "inference from exact sums"
    NOISE_LEFT_OUT = "noise left out"
    PREDICTED_BATCH = "predicted batch"
    POISONING = "poisoned contribution"
    FALSE_SUM = "false sum"


@dataclass(frozen=True)
class Finding:
    """One attack under one plan.

    Attributes:
        attack: The attack's name.
        aim: What it is after.
        outcome: Its outcome.
        reason: Why, naming what defeats it or the fix.
        source: Where the attack is described.
    """

    attack: str
    aim: Aim
    outcome: Outcome
    reason: str
    source: str


Judgement = tuple[Outcome, str]
"""The outcome of an attack, and why."""


class Judge(Protocol):
    """The outcome of an attack under a plan."""

    def __call__(self, plan: Plan, /) -> Judgement:
        """Looks at a plan."""
        ...


@dataclass(frozen=True)
class KnownAttack:
    """An attack on one protection alone: a finding of every plan that uses it.

    Attributes:
        name: The attack's name.
        aim: What it is after.
        judge: Its outcome under a plan.
        source: Where the attack is described.
    """

    name: str
    aim: Aim
    judge: Judge
    source: str


NOBODY: Final[Judgement] = (Outcome.ABSENT, "nobody in the stated threat could try")
NOTHING_HIDDEN: Final[Judgement] = (
    Outcome.ABSENT,
    "the party that adds up reads what it receives, as agreed",
)

JUDGED_BY_PROTECTION: Final = frozenset(
    {
        Attack.READ_CONTRIBUTIONS,
        Attack.EQUIVOCATION,
        Attack.POOLED_SHARES,
        Attack.SPLIT_MODEL,
        Attack.SECOND_OPENING,
        Attack.WIRETAP,
        Attack.CHOSEN_STATE,
        Attack.NOISE_LEFT_OUT,
        Attack.POISONING,
        Attack.FALSE_SUM,
    }
)
"""Attacks that every protection judges: their outcome depends on how it works."""

ABSENT_BY_NATURE: Final = {
    Attack.FALSE_CIPHERTEXT: "nothing is encrypted under shared keys",
    Attack.ROGUE_KEY: "no keys are added up",
    Attack.OTHER_BUILD: "the plan has no enclave",
    Attack.RELAYED_EVIDENCE: "the plan has no enclave",
    Attack.ROLLED_BACK: "the plan has no enclave",
    Attack.FORKED: "the plan has no enclave",
    Attack.BROKEN_HARDWARE: "the plan has no enclave",
}
"""Attacks on parts that only some protections have, and why they are absent under the others."""
