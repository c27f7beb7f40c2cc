"""Plans as TOML files: literals that people write, read into checked plans."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from confide.computation.computation import Computation
from confide.computation.registry import make_computation
from confide.errors import PlanError
from confide.plan import (
    Adversary,
    Aggregation,
    CentralNoise,
    Clear,
    Coordinator,
    Corruption,
    Crowd,
    Enclave,
    Encrypted,
    FixedCrowd,
    FullBatch,
    Hardware,
    Masked,
    Neighbours,
    NoiseShares,
    OpenCrowd,
    Party,
    Plan,
    PoissonSampling,
    PublicValue,
    Recipients,
    Relation,
    Release,
    Rule,
    Sampling,
    Threat,
    Unit,
)
from confide.plan.codec import nearest
from confide.plan.literals import Literal
from confide.plan.protection import DELTA
from confide.privacy.guarantee import with_noise

__all__ = ["STARTER", "read_plan"]

_ENCLAVE = "enclave"
_AGGREGATIONS: Mapping[str, Clear | Masked | Encrypted] = {
    "clear": Clear(),
    "encrypted": Encrypted(),
    "masked": Masked(),
}
_CROWDS: Mapping[str, Crowd] = {"fixed": FixedCrowd(), "open": OpenCrowd()}
_KEY_DIGITS = 64


class _PartyLiteral(Literal):
    name: str
    key: str | None = None
    group: str | None = None

    def party(self) -> Party:
        if self.key is None:
            return Party.simulation(self.name, self.group)
        return Party(self.name, _bytes(self.key, f"key of party {self.name!r}"), group=self.group)


class _CoordinatorLiteral(Literal):
    key: str

    def coordinator(self) -> Coordinator:
        return Coordinator(_bytes(self.key, "key of the coordinator"))


class _NeighboursLiteral(Literal):
    unit: Unit = Unit.RECORD
    relation: Relation = Relation.ADD_OR_REMOVE_ONE
    person_at_several_parties: bool = False


class _AdversaryLiteral(Literal):
    coordinator: Corruption = Corruption.MALICIOUS
    colluding_parties: int = 1
    parties: Corruption = Corruption.MALICIOUS
    evaluator: Corruption = Corruption.MALICIOUS
    network: Corruption = Corruption.MALICIOUS


class _ThreatLiteral(Literal):
    confidentiality: _AdversaryLiteral = _AdversaryLiteral()
    integrity: _AdversaryLiteral = _AdversaryLiteral()
    hardware: Hardware = Hardware.UNTRUSTED


class _NoiseLiteral(Literal):
    placement: str = "none"
    noise_multiplier: float | None = None
    epsilon: float | None = None
    delta: float = DELTA

    def add_to(self, plan: Plan) -> Plan:
        """The plan with this noise."""
        if self.placement == "none":
            if given := self.model_fields_set - {"placement"}:
                raise PlanError(
                    f"{' and '.join(sorted(given))} with noise placement 'none'; leave out what "
                    "there is no noise for, or say who adds it: 'shares' or 'central'"
                )
            return plan
        kinds: Mapping[str, type[CentralNoise | NoiseShares]] = {
            "central": CentralNoise,
            "shares": NoiseShares,
        }
        if self.placement not in kinds:
            known = nearest(self.placement, ["none", *kinds])
            raise PlanError(f"noise placement {self.placement!r}; {known}")
        kind = kinds[self.placement]
        match self.epsilon, self.noise_multiplier:
            case float(epsilon), None:
                return with_noise(plan, kind, epsilon=epsilon, delta=self.delta)
            case None, float(multiplier):
                return replace(plan, noise=kind(multiplier, self.delta))
            case _:
                pass
        both = "both" if self.epsilon is not None else "neither of"
        raise PlanError(
            f"noise placement {self.placement!r} with {both} epsilon and noise_multiplier; give "
            "one, the other follows"
        )


class _SamplingLiteral(Literal):
    rate: float | None = None

    def sampling(self) -> Sampling:
        return FullBatch() if self.rate is None else PoissonSampling(self.rate)


class _ReleaseLiteral(Literal):
    to: Recipients = Recipients.EVERYONE
    parties: list[str] | None = None
    not_before: str | None = None

    def release(self) -> Release:
        named = None if self.parties is None else tuple(self.parties)
        return Release(to=self.to, parties=named, not_before=self.not_before)


class _PublicLiteral(Literal):
    name: str
    sha256: str
    meaning: str
    rows: int = 0

    def value(self) -> PublicValue:
        digest = _bytes(self.sha256, f"sha256 of public value {self.name!r}")
        return PublicValue(name=self.name, digest=digest, meaning=self.meaning, rows=self.rows)


class _EnclaveLiteral(Literal):
    policy: str
    over: str = "clear"
    rule: Rule = Rule.SUM
    simulated: bool = False

    def enclave(self, where: str) -> Enclave:
        return Enclave(
            policy=_bytes(self.policy, "hash of the enclave's policy"),
            over=_aggregation(self.over, f"{where}: section [enclave] over"),
            rule=self.rule,
            simulated=self.simulated,
        )


class _PlanLiteral(Literal):
    name: str
    party: list[_PartyLiteral]
    task: dict[str, Any]
    rounds: int = 1
    dropouts: int = 0
    crowd: str = "open"
    aggregation: str = "masked"
    seed: int = 0
    chunk_records: int = 4096
    neighbours: _NeighboursLiteral = _NeighboursLiteral()
    threat: _ThreatLiteral = _ThreatLiteral()
    noise: _NoiseLiteral = _NoiseLiteral()
    sampling: _SamplingLiteral = _SamplingLiteral()
    release: _ReleaseLiteral = _ReleaseLiteral()
    public: list[_PublicLiteral] = Field(default_factory=list)
    enclave: _EnclaveLiteral | None = None
    coordinator: _CoordinatorLiteral | None = None

    def announcer(self) -> Coordinator:
        """Who coordinates: simulated unless a key is given."""
        given = self.coordinator
        return Coordinator.simulation() if given is None else given.coordinator()

    def protection(self, where: str) -> Aggregation:
        """What the plan says of aggregation, in one word and for an enclave in a section."""
        if (self.aggregation == _ENCLAVE) != (self.enclave is not None):
            raise PlanError(
                f'{where}: aggregation "{_ENCLAVE}" and a section [{_ENCLAVE}] go together; the '
                "plan has one of them"
            )
        if self.enclave is not None:
            return self.enclave.enclave(where)
        return _aggregation(self.aggregation, f"{where}: aggregation")


def read_plan(text: str, where: str) -> tuple[Plan, Computation]:
    """Reads a plan file.

    Args:
        text: The TOML.
        where: The file's name, for messages.

    Returns:
        The checked plan, and the computation that its task names.

    Raises:
        PlanError: If the TOML is malformed, a key unknown, a value wrong, the task not installed,
            or the plan must not be made.
    """
    try:
        given = tomllib.loads(text)
    # Numbers of thousands of digits and brackets without end raise errors of their own.
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{where} is no TOML: {error}") from error
    literal = _PlanLiteral.read(given, where)
    computation = _computation(literal.task, where)
    plan = computation.plan(
        name=literal.name,
        parties=[p.party() for p in literal.party],
        neighbours=Neighbours(**literal.neighbours.model_dump()),
        rounds=literal.rounds,
        coordinator=literal.announcer(),
        dropouts=literal.dropouts,
        crowd=_crowd(literal.crowd, where),
        aggregation=literal.protection(where),
        sampling=literal.sampling.sampling(),
        threat=Threat(
            confidentiality=Adversary(**literal.threat.confidentiality.model_dump()),
            integrity=Adversary(**literal.threat.integrity.model_dump()),
            hardware=literal.threat.hardware,
        ),
        release=literal.release.release(),
        public=tuple(p.value() for p in literal.public),
        seed=literal.seed,
        chunk_records=literal.chunk_records,
    )
    return literal.noise.add_to(plan), computation


def _aggregation(name: str, where: str) -> Clear | Masked | Encrypted:
    if name not in _AGGREGATIONS:
        raise PlanError(f"{where} {name!r}; {nearest(name, [*_AGGREGATIONS, _ENCLAVE])}")
    return _AGGREGATIONS[name]


def _crowd(name: str, where: str) -> Crowd:
    if name not in _CROWDS:
        raise PlanError(f"{where}: crowd {name!r}; {nearest(name, _CROWDS)}")
    return _CROWDS[name]


def _computation(task: Mapping[str, Any], where: str) -> Computation:
    settings = dict(task)
    name = settings.pop("name", None)
    if not isinstance(name, str):
        raise PlanError(f"{where}: section [task] has no name; say what is computed, as 'fed-avg'")
    return make_computation(name, settings)


def _bytes(digits: str, what: str) -> bytes:
    try:
        value = bytes.fromhex(digits)
    except ValueError as error:
        raise PlanError(f"the {what} is not hexadecimal: {digits!r}") from error
    if len(digits) != _KEY_DIGITS:
        raise PlanError(f"the {what} has {len(digits)} digits; it takes {_KEY_DIGITS}")
    return value


STARTER = """\
# A plan: who computes what with whom. Read it with `confide plan show`, and before you sign it ask
# `confide plan views` who will learn what. Each line that is commented out shows the default.

name = "my first federation"
rounds = 20             # each round releases one group of sums to everybody
dropouts = 1            # how many parties may be missing at the end of a round
crowd = "fixed"         # who misses the first round stays out, a later loss ends the run. "open":
                        # each round's sum is over whoever is there (for a coordinator that is not
                        # malicious, or with noise per ownership group)
aggregation = "masked"  # or "encrypted": only sums open. "clear": an honest coordinator reads all.
                        # "enclave", with a section [enclave]: hardware that parties verify first
# seed = 0              # public: dithering and the order of mini-batches

# One section for each party. Without a key a party is simulated: good for `confide simulate` only.
[[party]]
name = "alder"
# key = "64 hexadecimal digits of an Ed25519 public key"

[[party]]
name = "birch"

[[party]]
name = "cedar"

[[party]]
name = "dogwood"

[[party]]
name = "elm"

# What is protected: two data sets are neighbours if they differ in one record, person or party.
# [neighbours]
# unit = "record"
# relation = "add-or-remove-one"   # or "replace-one"

# Noise that bounds what the released sums tell about one unit. "shares": each party adds a part of
# it, so that nobody holds a sum without noise. "central": the coordinator adds it. "none": exact
# sums, which bound nothing. With the first two say how much, by epsilon (and delta) or by
# noise_multiplier; for sums over records, [sampling] with a rate draws a secret batch a round.
# [noise]
# placement = "none"

# Against whom contributions stay hidden. A plan that does not keep this cannot be made.
[threat.confidentiality]
coordinator = "malicious"  # "honest", "curious" (follows the protocol, reads all) or "malicious"
colluding_parties = 1      # how many parties may pool what they see, with the coordinator too
# parties = "malicious"
# network = "malicious"

# Who may try to change the result. This is reported, not prevented.
# [threat.integrity]
# coordinator = "malicious"
# colluding_parties = 1

# What is assumed of the hardware, with aggregation = "enclave" over contributions in clear.
# [threat]
# hardware = "untrusted"     # or "assumed-sound": whoever opens it reads each contribution

# What is computed. Settings depend on the task: 'fed-avg' and 'fed-sgd' train these models.
[task]
name = "fed-avg"
weight_cap = 500       # the most rows that a party's weight counts (public)
clip_norm_l2 = 5.0     # how far one party can move the sum of updates
local_steps = 10
learning_rate = 0.5

[task.model]
family = "bernoulli"   # "gaussian", "bernoulli", "categorical" (with n_classes) or "poisson"
l2 = 0.01

[task.table]
features = ["income", "debt", "late_payments"]
label = "approved"

# Public constants, never taken from the data: a feature becomes (x - centre) / scale.
[task.table.scaling]
income = [50_000, 30_000]
debt = [10_000, 10_000]
"""
"""A commented plan file to begin with."""
