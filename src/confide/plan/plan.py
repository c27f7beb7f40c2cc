"""The plan: one frozen value that says who computes what with whom, and what each will learn."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Final

from confide import canonical
from confide.errors import PlanError
from confide.plan.attacks import Finding, Outcome, assess
from confide.plan.codec import from_plain, to_plain
from confide.plan.masking import COMPLETE_UP_TO, Masking, derive_masking
from confide.plan.noise import check_noise, noise_steps, noise_tail
from confide.plan.parties import Neighbours, Party, Unit
from confide.plan.protection import (
    Aggregation,
    CentralNoise,
    Clear,
    Enclave,
    Encrypted,
    FullBatch,
    Masked,
    Noise,
    NoiseShares,
    NoNoise,
    Recipients,
    Release,
    Rule,
    Sampling,
)
from confide.plan.sums import Sum, SumGroup
from confide.plan.task import Code, PublicValue, Task
from confide.plan.threat import Corruption, Threat
from confide.plan.value import Value

__all__ = ["MAX_PLAN_BYTES", "SCHEMA_VERSION", "Plan"]

SCHEMA_VERSION: Final = 2
"""The version of the plan's fields and their meaning; a meaning never changes within a version."""

MAX_PLAN_BYTES: Final = 64 << 20
_MAX_PARTIES: Final = 1_000_000
_TAG_BYTES: Final = 8


@dataclass(frozen=True, kw_only=True)
class Plan(Value):
    """A federated computation as agreed: described here, interpreted elsewhere.

    Making a plan checks all of it. Its hash is what each party signs.

    Attributes:
        name: For people.
        parties: Who contributes, in order of their names.
        neighbours: What is protected: the unit of privacy and the neighbouring relation.
        task: What is computed, by name.
        code: Which installed package computes it.
        sums: What leaves a party in each round.
        rounds: How many rounds.
        dropouts: How many parties may be missing at the end of a round.
        aggregation: How contributions are protected on their way into the sums.
        noise: What noise is added, and by whom.
        sampling: Which units contribute to a round.
        threat: Who is trusted with what.
        release: To whom the sums go.
        public: What the parties agree is public.
        seed: Public seed of dithering and of mini-batch order; no secret depends on it.
        chunk_records: Records that a party's contribution is computed from at a time.
        schema_version: Version of this list of fields.

    Raises:
        PlanError: If a part contradicts another, or the stated adversary breaks the stated
            confidentiality; the message names the attack.
    """

    name: str
    parties: tuple[Party, ...]
    neighbours: Neighbours = Neighbours()
    task: Task
    code: Code
    sums: SumGroup
    rounds: int = 1
    dropouts: int = 0
    aggregation: Aggregation = Masked()
    noise: Noise = NoNoise()
    sampling: Sampling = FullBatch()
    threat: Threat = Threat()
    release: Release = Release()
    public: tuple[PublicValue, ...] = ()
    seed: int = 0
    chunk_records: int = 4096
    schema_version: int = SCHEMA_VERSION

    def _check(self) -> None:
        object.__setattr__(self, "parties", tuple(sorted(self.parties)))
        self._check_values()
        self._check_parties()
        self._check_sums()
        broken = [f for f in self.findings if f.outcome is Outcome.BROKEN]
        if broken:
            raise PlanError(
                "this plan cannot be made, its stated adversary breaks its confidentiality. "
                + " Also: ".join(dict.fromkeys(f.reason for f in broken))
            )
        if self.min_survivors < 1:
            raise PlanError(
                f"{self.dropouts} dropouts of {len(self.parties)} parties leave nobody; bear fewer"
            )
        if isinstance(self.inner, Encrypted) and len(self.parties) > COMPLETE_UP_TO:
            raise PlanError(
                f"{len(self.parties):,} parties in one encrypted sum, where each shares its key "
                f"with all others; at most {COMPLETE_UP_TO} do: use aggregation 'masked'"
            )

    def _check_values(self) -> None:
        _check_version(self.schema_version)
        for field, value, least in (
            ("rounds", self.rounds, 1),
            ("dropouts", self.dropouts, 0),
            ("chunk_records", self.chunk_records, 1),
        ):
            if value < least:
                raise PlanError(f"{field} is {value}; it is at least {least}")
        if not 0 <= self.seed < 1 << 64:
            raise PlanError(f"seed is {self.seed}; it is at least 0 and below 2^64")
        if self.rounds > 1 and self.release.to is not Recipients.EVERYONE:
            raise PlanError(
                f"{self.rounds} rounds with a release to the coordinator alone; the parties need "
                "each round's sums for the next state: release to 'everyone', or run one round"
            )

    def _check_parties(self) -> None:
        if not 2 <= len(self.parties) <= _MAX_PARTIES:
            raise PlanError(
                f"{len(self.parties)} parties; a federation has 2 to {_MAX_PARTIES:,} (and at "
                "least 3 for anybody to hide)"
            )
        _refuse_repeated("parties share the name", [p.name for p in self.parties])
        _refuse_repeated("parties share the key", [p.key.hex() for p in self.parties])
        _refuse_repeated("public values share the name", [p.name for p in self.public])

    def _check_sums(self) -> None:
        if not self.sums.unit.covers(self.neighbours.unit):
            raise PlanError(
                f"the sums are bounded per {self.sums.unit.value}, but the plan protects a "
                f"{self.neighbours.unit.value}: declare the sums per {self.neighbours.unit.value} "
                "or coarser"
            )
        if self.sums.unit is Unit.PARTY and not isinstance(self.sampling, FullBatch):
            raise PlanError(
                "the sums are over parties, and everybody sees which parties take part: sampling "
                "them hides nothing. Leave sampling out, or declare the sums per record or person"
            )
        if len({s.capacity for s in self.sums.sums}) > 1 and not isinstance(
            self.sampling, FullBatch
        ):
            raise PlanError(
                "sampling over sums with capacities "
                + ", ".join(f"{s.capacity:,} ({s.name})" for s in self.sums.sums)
                + "; a sampled batch is cut to one capacity before it is drawn: give them the same"
            )
        check_noise(self)
        self._check_enclave()
        for declared in self.sums.sums:
            self.sum_bits(declared)

    def _check_enclave(self) -> None:
        if not isinstance(self.aggregation, Enclave):
            return
        if self.aggregation.rule is not Rule.SUM and not isinstance(self.noise, NoNoise):
            raise PlanError(
                f"rule {self.aggregation.rule.value!r} together with noise: how far one unit moves "
                "its result is not proven, so no noise is calibrated to it. Take rule 'sum', or "
                "leave the noise out"
            )
        liars = self.threat.integrity.colluding_parties
        least = self.aggregation.rule.survivors_for(liars)
        if self.min_survivors < least:
            raise PlanError(
                f"rule {self.aggregation.rule.value!r} against {liars} lying parties takes {least} "
                f"survivors, and the plan may go on with {self.min_survivors}: take more parties, "
                "fewer dropouts, or lower threat.integrity.colluding_parties"
            )
        if isinstance(self.noise, CentralNoise) and self.only_sums_open:
            raise PlanError(
                "central noise in an enclave over hidden sums: were the hardware broken, the sums "
                "would be there without it. Take noise in shares, which is in the sums already"
            )

    @property
    def colluding(self) -> int:
        """c, the parties that count as colluders; each receiver of the sums is one by itself."""
        stated = self.threat.confidentiality.colluding_parties
        return max(stated, 1) if self.release.to is Recipients.EVERYONE else stated

    @property
    def min_survivors(self) -> int:
        """The fewest parties that a sum is released over."""
        return len(self.parties) - self.dropouts

    @property
    def reach(self) -> int:
        """At how many parties one unit may have data."""
        return len(self.parties) if self.neighbours.person_at_several_parties else 1

    @property
    def joint_sensitivity(self) -> float:
        """L2 sensitivity of a round's sums together, in clip-normalised units."""
        return self.sums.joint_sensitivity(self.neighbours, self.reach)

    def sensitivity(self, declared: Sum) -> float:
        """How far a unit moves a sum, rounding included, wherever the unit may have data."""
        return declared.sensitivity(self.neighbours, self.reach)

    @property
    def honest_survivors(self) -> int:
        """The fewest parties in a sum that do not collude: whose noise stays in it."""
        return self.min_survivors - self.colluding

    @cached_property
    def masking(self) -> Masking:
        """Threshold, quorum and graph of what hides contributions, for these parties."""
        return derive_masking(
            len(self.parties), self.dropouts, self.colluding, malicious=self.quorum_needed
        )

    @property
    def inner(self) -> Clear | Masked | Encrypted:
        """What protects contributions beneath an enclave; `aggregation`, where there is none."""
        return self.aggregation.over if isinstance(self.aggregation, Enclave) else self.aggregation

    @property
    def only_sums_open(self) -> bool:
        """Whether contributions are hidden from whoever adds them up."""
        return not isinstance(self.inner, Clear)

    @property
    def attested(self) -> bool:
        """Whether an enclave adds them up."""
        return isinstance(self.aggregation, Enclave)

    @property
    def quorum_needed(self) -> bool:
        """Whether somebody may lie about survivors: the coordinator, or a network posing as it."""
        adversary = self.threat.confidentiality
        return Corruption.MALICIOUS in (adversary.coordinator, adversary.network)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """Each known attack with what it comes to under this plan."""
        return assess(self)

    def sum_bits(self, declared: Sum) -> int:
        """Bits of the modulus that a sum is computed in, with room for the noise in it."""
        in_sum = isinstance(self.noise, NoiseShares)
        tail = noise_tail(self, declared) if in_sum else 0
        return declared.lattice.bits(len(self.parties), tail)

    def noise_steps(self, declared: Sum) -> float:
        """Standard deviation of one draw of noise for a sum, in steps of its lattice; 0 if none.

        One draw is what a party adds under `NoiseShares`, and what the coordinator adds under
        `CentralNoise`.
        """
        return noise_steps(self, declared)

    def party(self, name: str) -> Party:
        """The party of that name.

        Raises:
            PlanError: If there is none.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise PlanError(f"no party {name!r} in plan {self.name!r}") from None

    @cached_property
    def _by_name(self) -> dict[str, Party]:
        return {p.name: p for p in self.parties}

    def simulated(self) -> Plan:
        """The plan with simulated keys: itself, unless a party has a key of its own."""
        if all(p.simulated for p in self.parties):
            return self
        return replace(self, parties=tuple(Party.simulation(p.name) for p in self.parties))

    def canonical(self) -> bytes:
        """The plan's deterministic CBOR."""
        return canonical.encode(to_plain(self))

    @cached_property
    def hash(self) -> bytes:
        """SHA-256 of the canonical bytes: what is signed, charged, attested and receipted."""
        return hashlib.sha256(self.canonical()).digest()

    @property
    def short_hash(self) -> str:
        """The first eight bytes of the hash in hexadecimal, for people."""
        return self.hash[:_TAG_BYTES].hex()

    @classmethod
    def from_canonical(cls, data: bytes) -> Plan:
        """Reads canonical bytes and checks the plan anew.

        Raises:
            PlanError: If the bytes are not those of a plan that may be made.
            ProtocolError: If they are not deterministic CBOR.
        """
        plain = canonical.decode(data, MAX_PLAN_BYTES)
        if isinstance(plain, dict):
            _check_version(plain.get("schema_version"))
        plan = from_plain(cls, plain, "plan")
        assert isinstance(plan, cls)  # noqa: S101 - narrows the type for mypy, from_plain made it
        if plan.canonical() != data:
            raise PlanError("the plan's bytes are not those of the plan they describe")
        return plan

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{f.name}={getattr(self, f.name)!r}"
            for f in fields(self)
            if f.name in ("name", "task", "rounds", "aggregation", "noise")
        )
        return f"Plan({shown}, {len(self.parties)} parties, hash={self.short_hash}…)"


def _check_version(version: object) -> None:
    if version != SCHEMA_VERSION:
        raise PlanError(
            f"a plan of schema_version {version}; this release reads {SCHEMA_VERSION}: use the "
            "release it was made with, or make it anew"
        )


def _refuse_repeated(what: str, values: list[str]) -> None:
    for value, count in Counter(values).items():
        if count > 1:
            raise PlanError(f"{count} {what} {value!r}; each needs its own")
