"""What verified evidence says, in one form for all vendors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

__all__ = ["REQUIRED_MEASUREMENTS", "Assurance", "Attestation", "Binding", "Platform", "Tcb"]


class Platform(Enum):
    """Trusted hardware whose evidence can be verified."""

    SGX = "sgx"
    TDX = "tdx"
    SNP = "snp"
    NITRO = "nitro"


class Assurance(Enum):
    """Whether hardware is behind evidence."""

    HARDWARE = "hardware"
    """A key that the vendor's pinned root vouches for."""

    SIMULATED = "simulated"
    """A root that the policy names, and that anybody may hold: it protects nothing."""


REQUIRED_MEASUREMENTS: Final[Mapping[Platform, frozenset[str]]] = {
    Platform.SGX: frozenset({"mrenclave"}),
    Platform.TDX: frozenset({"mrtd", "rtmr0", "rtmr1", "rtmr2"}),
    Platform.SNP: frozenset({"measurement"}),
    Platform.NITRO: frozenset({"pcr0", "pcr1", "pcr2"}),
}
"""What identifies the code that runs. A reference without one of these would accept other code."""


@dataclass(frozen=True)
class Tcb:
    """How new the platform's firmware and microcode are.

    Attributes:
        status: Intel's word for it, or empty where the vendor gives none.
        advisories: Names of the advisories that Intel lists for this level.
        evaluation: Number of Intel's evaluation of its TCBs that was used, which only grows.
        levels: AMD's security patch levels by component, the least of all that the report states.
    """

    status: str = ""
    advisories: tuple[str, ...] = ()
    evaluation: int | None = None
    levels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Binding:
    """What the workload put into its evidence at run time.

    Attributes:
        report_data: 64 bytes; Nitro's `user_data`.
        nonce: Nitro's field of that name.
        public_key: Nitro's field of that name.
    """

    report_data: bytes
    nonce: bytes | None = None
    public_key: bytes | None = None


@dataclass(frozen=True)
class Attestation:
    """What evidence says whose signatures and dates hold.

    Attributes:
        platform: The vendor's format.
        assurance: Whether hardware stands behind it.
        measurements: What runs, by the vendor's names: see `REQUIRED_MEASUREMENTS`, and what else
            the evidence states (signer, product, host data).
        numbers: Versions and fields of bits that the evidence states: see
            `confide.tee.requirements.FIELDS`.
        binding: What the workload put in.
        node: Identifier of the machine, or None if the evidence hides it.
        tcb: How new its firmware is.
        debug: Why the machine's operator could look inside, or empty.
        migratable: Whether the workload may be moved by an agent that has its own trust.
        expires: When a certificate or list that was used ends its validity.
    """

    platform: Platform
    assurance: Assurance
    measurements: Mapping[str, bytes]
    numbers: Mapping[str, int]
    binding: Binding
    node: str | None
    tcb: Tcb
    debug: str
    migratable: bool
    expires: datetime
