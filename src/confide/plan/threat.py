"""What the adversary may do, separately for confidentiality and for integrity."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from confide.errors import PlanError
from confide.plan.value import Value

__all__ = ["Adversary", "Corruption", "Hardware", "Threat"]


class Corruption(Enum):
    """How far a role may be corrupted, from least to most."""

    HONEST = "honest"
    CURIOUS = "curious"
    MALICIOUS = "malicious"

    @property
    def corrupt(self) -> bool:
        """Whether the adversary controls the role or reads what it receives."""
        return self is not Corruption.HONEST


class Hardware(Enum):
    """What is assumed of trusted execution environments."""

    UNTRUSTED = "untrusted"
    ASSUMED_SOUND = "assumed-sound"


@dataclass(frozen=True, kw_only=True)
class Adversary(Value):
    """One adversary that corrupts all of these at once and pools what they see.

    Attributes:
        coordinator: Curious: follows the protocol and reads. Malicious: deviates in any way.
        colluding_parties: c, up to how many parties the adversary holds, whichever they are; they
            are chosen before the round's coin is thrown.
        parties: What the colluding parties do.
        evaluator: The holder of ciphertexts in encrypted computation.
        network: Curious: reads the wires. Malicious: also alters, drops and replays.
    """

    coordinator: Corruption = Corruption.MALICIOUS
    colluding_parties: int = 1
    parties: Corruption = Corruption.MALICIOUS
    evaluator: Corruption = Corruption.MALICIOUS
    network: Corruption = Corruption.MALICIOUS

    def _check(self) -> None:
        if self.colluding_parties < 0:
            raise PlanError(f"colluding_parties is {self.colluding_parties}; it is at least 0")
        if self.colluding_parties and not self.parties.corrupt:
            raise PlanError(
                f"{self.colluding_parties} colluding parties that are 'honest': say 'curious' or "
                "'malicious', or set colluding_parties = 0"
            )


@dataclass(frozen=True, kw_only=True)
class Threat(Value):
    """The threat a plan is made against.

    A plan whose confidentiality the stated adversary breaks cannot be made. Integrity is reported:
    the views say what the stated adversary can do to the result.

    Attributes:
        confidentiality: Against whom each party's contribution stays hidden.
        integrity: Who may try to change the result.
        hardware: What is assumed of trusted execution environments.
    """

    confidentiality: Adversary = field(default_factory=Adversary)
    integrity: Adversary = field(default_factory=Adversary)
    hardware: Hardware = Hardware.UNTRUSTED
