"""What a party requires of a peer before it sends anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256

from confide import canonical
from confide.errors import PlanError
from confide.tee.attestation import Platform
from confide.tee.nvidia import GpuPolicy
from confide.tee.release import Reference
from confide.tee.requirements import Requirement
from confide.tee.roots import COMPONENTS, PRODUCTS, Roots

__all__ = ["INTEL_STATUSES", "Policy"]

INTEL_STATUSES: Final = (
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
)
"""Intel's words for TCB levels that a policy may accept. 'Revoked' is none of them."""

_LONGEST_AGE: Final = timedelta(days=3650)
_LARGEST_EVALUATION: Final = 1 << 32
_LARGEST_LEVEL: Final = 255
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True)
class Policy:
    """What evidence must show. Nothing in the evidence influences the requirements.

    Attributes:
        references: What code may run: evidence must match one of these for its platform. The
            platforms that occur here are the ones whose verifiers are used at all.
        nodes: Identifiers of the machines that are accepted; None for any machine of the vendor,
            which must be stated explicitly: a machine that was opened, or whose key was stolen, has
            perfect evidence (WireTap, Battering RAM, TEE.fail).
        statuses: Intel's words for TCB levels that are accepted.
        advisories: Names of Intel's advisories that are accepted.
        minimum_evaluation: The least number of Intel's evaluation of TCB levels.
        minimum_levels: AMD's least security patch levels, by product, and in it of each component.
        requirements: Least versions, and bits that must be set or clear, of numbers that evidence
            states: the guest policy of SEV-SNP, attributes of TDX and SGX, and more.
        max_collateral_age: How old Intel's signed statements may be, and its list of platforms'
            revoked keys.
        max_evidence_age: How old a Nitro document may be; the others carry no time.
        revocation_lists: Whether AMD's chains need a revocation list.
        allow_paravisor: Whether reports of Azure's paravisor are accepted, whose measurement
            identifies no code of the virtual machine behind it: for users who verify that by other
            means.
        nvidia: What is asked of NVIDIA's GPUs next to the CPU; None to accept none, and to send
            nothing to one on the strength of this policy.
        allow_simulated: Whether evidence of a simulator is accepted, which protects nothing.
        roots: The roots of simulators; empty unless they are allowed.

    Raises:
        PlanError: If it would accept anything, contradicts itself, or leaves out a bound.
    """

    references: tuple[Reference, ...]
    nodes: frozenset[str] | None
    statuses: frozenset[str] = frozenset({"UpToDate"})
    advisories: frozenset[str] = frozenset()
    minimum_evaluation: int = 0
    minimum_levels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    requirements: tuple[Requirement, ...] = ()
    max_collateral_age: timedelta = timedelta(days=7)
    max_evidence_age: timedelta = timedelta(minutes=5)
    revocation_lists: bool = True
    allow_paravisor: bool = False
    allow_simulated: bool = False
    roots: Roots = field(default_factory=Roots)
    nvidia: GpuPolicy | None = None

    def __post_init__(self) -> None:
        if not self.references:
            raise PlanError("a policy without reference measurements would accept any code")
        if self.nodes is not None and not self.nodes:
            raise PlanError("a policy whose list of nodes is empty accepts nothing; say 'any'")
        if unknown := self.statuses - set(INTEL_STATUSES):
            raise PlanError(
                f"TCB status {min(unknown)!r}; a policy may accept {', '.join(INTEL_STATUSES)}"
            )
        if not 0 <= self.minimum_evaluation <= _LARGEST_EVALUATION:
            raise PlanError(
                f"minimum_evaluation {self.minimum_evaluation}; it is a number from 0 to 2^32"
            )
        for what in ("max_collateral_age", "max_evidence_age"):
            if not timedelta(0) < getattr(self, what) <= _LONGEST_AGE:
                raise PlanError(
                    f"{what} is {getattr(self, what)}; it is above zero, and at most "
                    f"{_LONGEST_AGE.days:,} days"
                )
        if self.allow_simulated != bool(self.roots.simulated):
            raise PlanError(
                "a simulator's evidence is accepted only with both allow_simulated = true and its "
                "root named; the policy has one of them"
            )
        self._check_levels()
        self._check_requirements()

    def _check_requirements(self) -> None:
        named = [(r.platform, r.name) for r in self.requirements]
        for platform, name in named:
            if named.count((platform, name)) > 1:
                raise PlanError(f"{platform.value}.{name} is asked for twice; ask for it once")
            if platform not in self.platforms:
                raise PlanError(
                    f"the policy asks something of {platform.value}.{name}, and accepts no "
                    f"{platform.value}: leave it out, or name measurements of {platform.value}"
                )

    def _check_levels(self) -> None:
        if unknown := self.minimum_levels.keys() - set(PRODUCTS):
            raise PlanError(f"AMD's product {min(unknown)!r}; known are {', '.join(PRODUCTS)}")
        if Platform.SNP in self.platforms and not self.minimum_levels:
            raise PlanError(
                "the policy accepts SEV-SNP and names no least patch levels: add [tcb.snp.Milan] "
                "with bootloader, tee, snp and microcode, or another product"
            )
        for product, levels in self.minimum_levels.items():
            if odd := levels.keys() ^ set(COMPONENTS[product]):
                raise PlanError(
                    f"tcb.snp.{product} lacks, or should not have, {', '.join(sorted(odd))}: a "
                    f"least level is named for each of {', '.join(COMPONENTS[product])}"
                )
            for component, level in levels.items():
                if not 0 <= level <= _LARGEST_LEVEL:
                    raise PlanError(f"tcb.snp.{product}.{component} is {level}; it is 0 to 255")

    @property
    def hash(self) -> bytes:
        """SHA-256 of all that the policy asks for; a plan names it, so that all ask for the same.

        The names of references are for people and left out.
        """
        return canonical.sha256(
            {
                **({"nvidia": vars(self.nvidia)} if self.nvidia else {}),
                "format": "confide policy 2",
                "references": sorted(
                    canonical.encode([r.platform.value, dict(r.measurements), r.workload])
                    for r in self.references
                ),
                "nodes": None if self.nodes is None else sorted(self.nodes),
                "statuses": sorted(self.statuses),
                "advisories": sorted(self.advisories),
                "minimum_evaluation": self.minimum_evaluation,
                "minimum_levels": {name: dict(m) for name, m in self.minimum_levels.items()},
                "requirements": sorted(
                    canonical.encode([r.platform.value, r.name, r.least, *_masks(r)])
                    for r in self.requirements
                ),
                "max_collateral_age": self.max_collateral_age // _MICROSECOND,
                "max_evidence_age": self.max_evidence_age // _MICROSECOND,
                "revocation_lists": self.revocation_lists,
                "paravisor": self.allow_paravisor,
                "simulated": {
                    platform.value: root.fingerprint(SHA256())
                    for platform, root in self.roots.simulated.items()
                },
            }
        )

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The platforms whose verifiers are used, in a fixed order."""
        named = {reference.platform for reference in self.references}
        return tuple(platform for platform in Platform if platform in named)


def _masks(requirement: Requirement) -> tuple[str, str]:
    """In hexadecimal: they may have more bits than a number of CBOR."""
    return f"{requirement.set:x}", f"{requirement.clear:x}"
