"""The plan: one frozen value that says who computes what with whom, and what each will learn."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from confide import canonical
from confide.errors import PlanError
from confide.plan.attacks import Attack, Finding, Outcome, assess
from confide.plan.checks import (
    MIGRATED_VERSION,
    SCHEMA_VERSION,
    check_opens,
    check_parties,
    check_releases,
    check_values,
    check_version,
    refuse_repeated,
)
from confide.plan.codec import from_plain, nearest, to_plain
from confide.plan.crowds import check_cohorts
from confide.plan.display import plan_html, plan_line
from confide.plan.exchange import OF_SUMS, Exchange, check_exchanges
from confide.plan.exchange_attacks import assess_exchange
from confide.plan.fields import Written, in_file
from confide.plan.masking import Masking, check_quorum, derive_masking
from confide.plan.noise import check_noise, noise_steps, noise_tail
from confide.plan.openings import least_owners
from confide.plan.parties import (
    Coordinator,
    Neighbours,
    Party,
    Unit,
    fewest_owners,
    largest_owners,
)
from confide.plan.protection import (
    Aggregation,
    CentralNoise,
    Cohorts,
    Crowd,
    FixedCrowd,
    Masked,
    Noise,
    NoiseShares,
    NoNoise,
    OpenCrowd,
    Protection,
    Sampling,
)
from confide.plan.protections.base import Hiding
from confide.plan.stages import Recipients, Release, Stage, Sums
from confide.plan.sums import Sum, SumGroup
from confide.plan.task import Code, PublicValue, Task
from confide.plan.threat import Corruption, Threat
from confide.plan.value import Value
from confide.plan.verified import check_verified, verifies

__all__ = ["MAX_PLAN_BYTES", "MIGRATED_VERSION", "SCHEMA_VERSION", "Plan"]

MAX_PLAN_BYTES: Final = 64 << 20
_TAG_BYTES: Final = 8


@dataclass(frozen=True, kw_only=True)
class Plan(Value):
    """A federated computation as agreed: described here, interpreted elsewhere.

    Making a plan checks all of it. Its hash is what each party signs.

    A plan of one stage answers for it: `task`, `code`, `sums`, `sampling` and `release` are those
    of its stage. In a plan of several stages each stage is also a plan by itself (`stage_plans`),
    which gives the stage's lattices, noise and bytes.

    Attributes:
        name: For people.
        parties: Who contributes, in order of their names.
        coordinator: Who relays, adds up and announces.
        neighbours: What is protected: the unit of privacy and the neighbouring relation.
        stages: The stages, in order.
        dropouts: How many of the parties that are asked may be missing at the end of a round.
        crowd: Whether the parties in the sums may change from round to round, and how.
        aggregation: How contributions are protected on their way into the sums.
        noise: What noise is added, and by whom.
        threat: Who is trusted with what.
        public: What the parties agree is public.
        seed: Public seed of dithering and of mini-batch order; no secret depends on it.
        chunk_records: Records that a party's contribution is computed from at a time.
        schema_version: Version of this list of fields.

    Raises:
        PlanError: If a part contradicts another, or the stated adversary breaks the stated
            confidentiality; the message names the attack.
    """

    name: str
    parties: tuple[Party, ...] = field(metadata=in_file(key="party"))
    coordinator: Coordinator = field(default_factory=Coordinator.simulation)
    neighbours: Neighbours = Neighbours()
    stages: tuple[Stage, ...] = field(metadata=in_file(key="stage"))
    dropouts: int = 0
    crowd: Crowd = OpenCrowd()
    aggregation: Aggregation = Masked()
    noise: Noise = field(
        default=NoNoise(), metadata=in_file(form=Written.SECTION, word_key="placement")
    )
    threat: Threat = Threat()
    public: tuple[PublicValue, ...] = ()
    seed: int = 0
    chunk_records: int = 4096
    schema_version: int = field(default=SCHEMA_VERSION, metadata=in_file(follows=True))

    def _check(self) -> None:
        object.__setattr__(self, "parties", tuple(sorted(self.parties, key=lambda p: p.name)))
        check_values(self)
        check_parties(self)
        check_cohorts(self)
        self._check_stages()
        broken = [f for f in self.findings if f.outcome is Outcome.BROKEN]
        if broken:
            raise PlanError(
                "this plan cannot be made, its stated adversary breaks its confidentiality. "
                + " Also: ".join(dict.fromkeys(f.reason for f in broken))
            )
        check_opens(self)

    def _check_stages(self) -> None:
        if not self.stages:
            raise PlanError("a plan without stages; say what is computed")
        refuse_repeated("stages share the name", [s.name for s in self.stages])
        check_exchanges(self)
        if self.sum_stages:
            self._check_sum_stages()
        if len(self.stages) > 1:
            _ = self.stage_plans
        elif self.sum_stages:
            self._check_sums()

    def _check_sum_stages(self) -> None:
        stages = self.sum_stages
        if not math.isclose(total := sum(s.budget for s in stages), 1.0, abs_tol=1e-9):
            raise PlanError(
                f"the stages use {total:g} of the noise budget together; their shares add up to 1"
            )
        check_releases(self)

    def _check_sums(self) -> None:
        if not self.sums.unit.covers(self.neighbours.unit):
            raise PlanError(
                f"the sums are bounded per {self.sums.unit.value}, but the plan protects a "
                f"{self.neighbours.unit.value}: declare the sums per {self.neighbours.unit.value} "
                "or coarser"
            )
        check_noise(self)
        self.aggregation.check_plan(self)
        check_verified(self)
        for declared in self.sums.sums:
            self.sum_bits(declared)

    # --- stages ----------------------------------------------------------------------------------

    @property
    def stage(self) -> Stage:
        """The only stage.

        Raises:
            PlanError: If there are several; ask one of `stage_plans`.
        """
        if len(self.stages) != 1:
            raise PlanError(
                f"plan {self.name!r} has {len(self.stages)} stages; ask one of plan.stage_plans"
            )
        return self.stages[0]

    @cached_property
    def stage_plans(self) -> tuple[Plan, ...]:
        """Each stage as a plan of its own, with its share of the noise.

        In terms of Gaussian differential privacy a round of noise multiplier z costs μ² = 1/z², so
        T rounds of a stage with the share b of the budget have z² = z₀²·T/(b·T₀), where z₀ is the
        plan's multiplier and T₀ its number of rounds. Never sign the hash of a part.
        """
        if len(self.stages) == 1:
            return (self,)
        return tuple(self._alone(stage) for stage in self.stages)

    def noise_factor(self, stage: Sums) -> float:
        """The noise multiplier of a stage's rounds ÷ the plan's: see `stage_plans`."""
        rounds = sum(each.rounds for each in self.sum_stages)
        return math.sqrt(stage.rounds / (stage.budget * rounds))

    def _alone(self, stage: Stage) -> Plan:
        try:
            if isinstance(stage, Exchange):
                holders = tuple(p for p in self.parties if p.name in stage.parties)
                return replace(self, stages=(stage,), parties=holders, **OF_SUMS)
            noise = self.noise
            if not isinstance(noise, NoNoise):
                multiplier = noise.noise_multiplier * self.noise_factor(stage)
                noise = replace(noise, noise_multiplier=multiplier)
            return replace(self, stages=(replace(stage, budget=1.0),), noise=noise)
        except PlanError as error:
            raise PlanError(f"stage {stage.name!r}: {error}") from error

    @cached_property
    def sum_stages(self) -> tuple[Sums, ...]:
        """The stages that are sums, in order."""
        return tuple(stage for stage in self.stages if isinstance(stage, Sums))

    @cached_property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The stages that are exchanges, in order."""
        return tuple(stage for stage in self.stages if isinstance(stage, Exchange))

    @property
    def sum_plans(self) -> tuple[Plan, ...]:
        """Each stage of sums as a plan of its own; see `stage_plans`."""
        return tuple(part for part in self.stage_plans if part.sum_stages)

    @cached_property
    def sums_part(self) -> Plan | None:
        """The plan without its exchanges; None if nothing is left. Never sign its hash."""
        if not self.exchanges:
            return self
        return replace(self, stages=self.sum_stages) if self.sum_stages else None

    def with_stage(self, **changes: Any) -> Plan:
        """The plan with changes to its only stage."""
        return replace(self, stages=(replace(self.stage, **changes),))

    def first_round(self, stage: str) -> int:
        """The number of a stage's first round, counted through the plan.

        Raises:
            PlanError: If there is no such stage.
        """
        names = [each.name for each in self.stages]
        if stage not in names:
            raise PlanError(f"no stage {stage!r} in plan {self.name!r}; {nearest(stage, names)}")
        return sum(each.rounds for each in self.stages[: names.index(stage)])

    def opens(self, number: int) -> bool:
        """Whether a round opens a sum; one of an exchange does not."""
        return isinstance(self.stages[self.stage_of(number)], Sums)

    def stage_of(self, number: int) -> int:
        """The place of the stage that a round belongs to.

        Args:
            number: The round, counted through the plan from 0 to below `rounds`.
        """
        for place, stage in enumerate(self.stages):
            if number < stage.rounds:
                return place
            number -= stage.rounds
        raise PlanError(f"a round beyond the {self.rounds} of plan {self.name!r}")

    @property
    def task(self) -> Task:
        """The task of the only stage."""
        return self.stage.task

    @property
    def task_names(self) -> str:
        """The names of all stages' tasks, in order."""
        return ", ".join(stage.task.name for stage in self.stages)

    @property
    def code(self) -> Code:
        """The code of the only stage."""
        return self.stage.code

    @property
    def sums(self) -> SumGroup:
        """The sums of the only stage."""
        return self._only_sums.sums

    @property
    def keeps_own_state(self) -> bool:
        """Whether each party keeps a state of its own in the only stage."""
        return self._only_sums.keeps_own_state

    @property
    def sampling(self) -> Sampling:
        """The sampling of the only stage."""
        return self._only_sums.sampling

    @property
    def release(self) -> Release:
        """The release of the only stage."""
        return self._only_sums.release

    @property
    def _only_sums(self) -> Sums:
        stage = self.stage
        if isinstance(stage, Exchange):
            raise PlanError(
                f"stage {stage.name!r} of plan {self.name!r} is an exchange, which has no sums; "
                "confide.exchange runs and estimates it"
            )
        return stage

    @property
    def rounds(self) -> int:
        """Rounds of all stages together."""
        return sum(stage.rounds for stage in self.stages)

    @property
    def to_parties(self) -> bool:
        """Whether a party receives a result of any stage."""
        return any(stage.release.to is not Recipients.COORDINATOR for stage in self.sum_stages)

    # --- who and how many ------------------------------------------------------------------------

    @property
    def colluding_owners(self) -> int:
        """c, the ownership groups that count as colluders; a receiver of sums is one by itself."""
        stated = self.threat.confidentiality.colluding_parties
        return max(stated, 1) if self.to_parties else stated

    @cached_property
    def colluding(self) -> int:
        """The parties of the colluding ownership groups, as many as they can be."""
        return largest_owners(self.parties, self.colluding_owners)

    @cached_property
    def owners(self) -> dict[str, str]:
        """The ownership group of each party, by the party's name."""
        return {party.name: party.owner for party in self.parties}

    @property
    def least_class(self) -> int:
        """The fewest ownership groups that any combination of opened sums covers."""
        return least_owners(self.threat.confidentiality.colluding_parties)

    @property
    def exact(self) -> bool:
        """Whether the adversary sees sums that are without noise."""
        if isinstance(self.noise, CentralNoise):
            return not self.attested and self.threat.confidentiality.coordinator.corrupt
        return isinstance(self.noise, NoNoise)

    @property
    def keeps_classes(self) -> bool:
        """Whether parties refuse openings that would tell few ownership groups apart.

        They do where the sums are exact and the coordinator may lie, or cohorts make the sums
        differ. Noise per record or person protects that unit in every combination of sums, but no
        ownership group; reports say so.
        """
        return self.exact and (self.coordinator_may_lie or self.cohorts is not None)

    @property
    def refuses_openings(self) -> bool:
        """Whether parties, or an enclave, see over whom a sum is, and keep classes."""
        return self.keeps_classes and (self.only_sums_open or self.attested)

    @property
    def firms_covered(self) -> bool:
        """Whether noise covers an ownership group's whole contribution, against all who see sums.

        Noise per record or person does not: a firm's total is much larger than it.
        """
        if self.neighbours.unit is not Unit.PARTY:
            return False
        maker_trusted = self.attested or not self.threat.confidentiality.coordinator.corrupt
        central = isinstance(self.noise, CentralNoise) and maker_trusted
        return central or isinstance(self.noise, NoiseShares)

    @property
    def fixed_crowd(self) -> bool:
        """Whether all sums are over the same parties."""
        return isinstance(self.crowd, FixedCrowd)

    @property
    def cohorts(self) -> Cohorts | None:
        """The cohorts that are asked in turn; None where each round asks everybody."""
        return self.crowd if isinstance(self.crowd, Cohorts) else None

    def asked(self, number: int) -> tuple[str, ...]:
        """The names of the parties that a round of the plan asks: those of its cohort, or all."""
        return tuple(self.owners) if self.cohorts is None else self.cohorts.of_round(number).parties

    @cached_property
    def min_survivors(self) -> int:
        """The fewest parties that a sum is released over; see `least_in` for one round."""
        return min(len(self.parties_of(names)) for names in self._crowds) - self.dropouts

    def least_in(self, number: int) -> int:
        """The fewest parties that the sum of a round of the plan is released over.

        A large cohort may not lose more parties than a small one: classes count on that.
        """
        return len(self.asked(number)) - self.dropouts

    @property
    def most_missing(self) -> int:
        """How many parties of the plan are in no sum of a round, at most."""
        return len(self.parties) - self.min_survivors

    @cached_property
    def fewest_owners(self) -> int:
        """How many ownership groups a sum is over, at least."""
        return min(fewest_owners(self.parties_of(names), self.dropouts) for names in self._crowds)

    def parties_of(self, names: Iterable[str]) -> tuple[Party, ...]:
        """The parties of these names.

        Raises:
            PlanError: If there is no party of a name.
        """
        return tuple(map(self.party, names))

    @property
    def _crowds(self) -> tuple[tuple[str, ...], ...]:
        """The names of the parties that rounds ask, one set for each kind of round."""
        if self.cohorts is None:
            return (tuple(self.owners),)
        return tuple(cohort.parties for cohort in self.cohorts.cohorts)

    @property
    def reach(self) -> int:
        """At how many parties one unit may have data; for an owner, at all of its own."""
        if self.neighbours.person_at_several_parties:
            return len(self.parties)
        return largest_owners(self.parties, 1) if self.neighbours.unit is Unit.PARTY else 1

    @property
    def joint_sensitivity(self) -> float:
        """L2 sensitivity of a round's sums together, in clip-normalised units."""
        return self.sums.joint_sensitivity(self.neighbours, self.reach)

    def sensitivity(self, declared: Sum) -> float:
        """How far a unit moves a sum, rounding included, at all parties that have its data."""
        return declared.sensitivity(self.neighbours, self.reach)

    @property
    def honest_survivors(self) -> int:
        """The fewest parties in a sum that do not collude: whose noise stays in it."""
        return self.min_survivors - self.colluding

    @cached_property
    def masking(self) -> Masking:
        """Threshold, quorum and graph of the aggregation protocol, for these parties."""
        if self.coordinator_may_lie:
            _ = self.quorum
        return derive_masking(
            len(self.parties), self.most_missing, self.colluding, malicious=self.coordinator_may_lie
        )

    @property
    def quorum(self) -> int:
        """How many parties sign the survivors, where the coordinator may lie.

        Any two quorums share an honest party, also those of two cohorts, so no sum is opened under
        a history that omits another opened sum.

        Raises:
            PlanError: If too few parties are in a sum.
        """
        try:
            return check_quorum(len(self.parties), self.most_missing, self.colluding)
        except PlanError as error:
            if self.cohorts is None:
                raise
            raise PlanError(
                f"equivocation: {self.most_missing} of {len(self.parties)} parties may be in no "
                "sum of a round, outside its cohort or missing from it, and more than (n + c)/2 "
                "sign each set of survivors and the sums before it, so that a coordinator that "
                "lies cannot omit one: take larger cohorts, or call the coordinator 'curious' "
                "if it follows the protocol"
            ) from error

    @property
    def inner(self) -> Protection:
        """What protects contributions inside an enclave; else `aggregation` itself."""
        return self.aggregation.beneath

    @property
    def hiding(self) -> Hiding | None:
        """How contributions are hidden from the adder; None if the adder reads them."""
        return self.inner.hiding

    @property
    def secrets(self) -> str:
        """What parties hold shares of, in words; empty where nothing is shared."""
        return self.inner.secrets

    @property
    def only_sums_open(self) -> bool:
        """Whether contributions are hidden from the adder."""
        return self.hiding is not None

    @property
    def attested(self) -> bool:
        """Whether an enclave adds them up."""
        return self.aggregation.attested

    @cached_property
    def verified(self) -> bool:
        """Whether the parties check each announced sum themselves."""
        return verifies(self)

    @property
    def coordinator_may_lie(self) -> bool:
        """Whether the coordinator is malicious.

        It signs its announcements with its key in the plan: a malicious network can withhold them,
        and so choose who is missing, but it cannot forge one.
        """
        return self.threat.confidentiality.coordinator is Corruption.MALICIOUS

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """Each known attack with what it comes to under this plan."""
        part = self.sums_part
        judged = (assess_exchange(self, exchange) for exchange in self.exchanges)
        return (*(assess(part) if part else ()), *(finding for each in judged for finding in each))

    def finding(self, attack: Attack) -> Finding:
        """What a known attack comes to under this plan."""
        return next(f for f in self.findings if f.attack == attack.value)

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
        if self.coordinator.simulated and all(p.simulated for p in self.parties):
            return self
        return replace(
            self,
            parties=tuple(Party.simulation(p.name, p.group) for p in self.parties),
            coordinator=Coordinator.simulation(),
        )

    def canonical(self) -> bytes:
        """The plan's deterministic CBOR."""
        return canonical.encode(to_plain(self))

    @cached_property
    def hash(self) -> bytes:
        """SHA-256 of the canonical bytes; signatures, charges, attestation and receipts name it."""
        return hashlib.sha256(self.canonical()).digest()

    @property
    def short_hash(self) -> str:
        """The first eight bytes of the hash in hexadecimal, for people."""
        return self.hash[:_TAG_BYTES].hex()

    @classmethod
    def from_canonical(cls, data: bytes) -> Plan:
        """Reads canonical bytes and checks the plan again.

        Raises:
            PlanError: If the bytes are not those of a plan that may be made.
            ProtocolError: If they are not deterministic CBOR.
        """
        plain = canonical.decode(data, MAX_PLAN_BYTES)
        if isinstance(plain, dict):
            check_version(plain.get("schema_version"))
        plan = from_plain(cls, plain, "plan")
        assert isinstance(plan, cls)  # noqa: S101 - narrows the type for mypy, from_plain made it
        if plan.canonical() != data:
            raise PlanError("the plan's bytes are not those of the plan they describe")
        return plan

    __repr__ = plan_line
    _repr_html_ = plan_html
