"""Rounds for tests: plans, parties, and one attempt at a round taken message by message."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from tests.plan.examples import staged
from tests.tee.support import BUILD, SimulatedAttester, enclave, relying_party

from confide import canonical
from confide.aggregation import (
    Aggregator,
    Announcer,
    CoordinatorSession,
    Identity,
    Integers,
    PartySession,
    Receipt,
    Round,
    RoundResult,
    coordinator_session,
    party_session,
)
from confide.errors import CoinError
from confide.plan import (
    Adversary,
    Clear,
    Code,
    Corruption,
    FixedCrowd,
    Hardware,
    Masked,
    Masking,
    Opening,
    Party,
    Plan,
    Rule,
    Sum,
    SumGroup,
    Task,
    Threat,
    Unit,
    simulation_key,
)
from confide.plan.parties import COORDINATOR
from confide.randomness import InsecureReplayableRandom

STATE = hashlib.sha256(b"the state that everybody contributes to").digest()

TRUSTED = Threat(confidentiality=Adversary(coordinator=Corruption.HONEST))
CURIOUS = Threat(
    confidentiality=Adversary(coordinator=Corruption.CURIOUS, network=Corruption.CURIOUS)
)


def threat(colluding: int, corruption: Corruption = Corruption.MALICIOUS) -> Threat:
    """Coordinator and network of one kind, and so many colluding parties."""
    return Threat(
        confidentiality=Adversary(
            coordinator=corruption, network=corruption, colluding_parties=colluding
        )
    )


def plan_of(parties: int = 5, *, size: int = 3, **fields) -> Plan:
    """A plan over simulated parties p000, p001, … that sums one vector of `size` numbers."""
    vector = Sum(name="vector", shape=(size,), unit=Unit.PARTY, unit_bound=5.0, capacity=1)
    return staged(
        **{
            "name": "test",
            "parties": tuple(Party.simulation(f"p{i:03}") for i in range(parties)),
            "task": Task.of("test"),
            "code": Code(package="confide", version="0", digest=bytes(32)),
            "sums": SumGroup((vector,)),
            "rounds": 3,
            "dropouts": 1,
            "crowd": FixedCrowd(),
            **fields,
        }
    )


def clear_plan(**fields) -> Plan:
    """A plan whose coordinator reads every contribution."""
    return plan_of(**{"aggregation": Clear(), "threat": TRUSTED, **fields})


def attested_plan(over, **fields) -> Plan:
    """A plan whose contributions go to an enclave on simulated hardware."""
    sound = replace(fields.pop("threat", Threat()), hardware=Hardware.ASSUMED_SOUND)
    rule = fields.pop("rule", Rule.SUM)
    return plan_of(
        **{
            "parties": 6,
            "dropouts": 2,
            "aggregation": enclave(over, rule=rule),
            "threat": sound,
            **fields,
        }
    )


def sparse_plan(
    *, parties: int = 24, degree: int = 6, threshold: int = 3, cut_survivors: int = 2, **fields
) -> Plan:
    """A plan with a sparse graph far below the size at which chance makes it safe.

    Its checks are those of a large one; only the odds that the coin draws a bad circle are not.
    Sums are not verified: verified ones need all pairs of a small federation.
    """
    plan = plan_of(parties, **{"aggregation": Masked(verified=False), **fields})
    masking = plan.masking
    small = Masking(
        parties=parties,
        dropouts=masking.dropouts,
        colluding=masking.colluding,
        degree=degree,
        threshold=threshold,
        cut_survivors=cut_survivors,
        quorum=masking.quorum,
    )
    plan.__dict__["masking"] = small  # where the cached property keeps it
    return plan


def draw_contributions(plan: Plan, seed: int = 0) -> dict[str, Integers]:
    """For each party, lattice integers from its whole range, often the ends of it."""
    rng = np.random.default_rng(seed)
    limits = np.concatenate([np.full(s.size, s.lattice.party_range) for s in plan.sums.sums])
    contributions = {}
    for party in plan.parties:
        anywhere = rng.integers(-limits, limits + 1)
        ends = np.sign(anywhere) * limits
        contributions[party.name] = np.where(rng.random(len(limits)) < 0.25, ends, anywhere)
    return contributions


def sum_of(contributions: Mapping[str, Integers], names: Iterable[str]) -> list[int]:
    """The exact sum over some parties, in Python's whole numbers."""
    chosen = [contributions[name].tolist() for name in names]
    return [sum(column) for column in zip(*chosen, strict=True)]


@dataclass
class Federation:
    """Parties as they live through rounds: what each contributes, and what it remembers.

    Their randomness is replayed, so that a test that fails once fails again.

    Attributes:
        attempts: All attempts so far, whose announced survivors are the history of the next one.
    """

    plan: Plan
    contributions: Mapping[str, Integers] = field(default_factory=dict)
    identities: dict[str, Identity] = field(init=False)
    aggregator: Aggregator | None = field(init=False, default=None)
    attempts: list[Attempt] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.contributions = self.contributions or draw_contributions(self.plan)
        self.identities = {
            name: Identity(
                name,
                simulation_key(name),
                random=InsecureReplayableRandom(name.encode()),
                relying=relying_party() if self.plan.attested else None,
            )
            for name in self.names
        }
        if self.plan.attested:
            self.aggregator = self.launch()

    def launch(self, **fields) -> Aggregator:
        """Another instance of the plan's enclave, on simulated hardware."""
        return Aggregator(
            self.plan,
            SimulatedAttester(),
            BUILD,
            **{
                "random": InsecureReplayableRandom(b"enclave"),
                "clock": relying_party().clock,
                **fields,
            },
        )

    @property
    def names(self) -> list[str]:
        return [p.name for p in self.plan.parties]

    @property
    def history(self) -> tuple[Opening, ...]:
        """The sums that count as opened, as an honest coordinator announces them."""
        openings = (attempt.coordinator.opening for attempt in self.attempts)
        return tuple(sorted(opening for opening in openings if opening is not None))

    def party(self, name: str, round_: Round, state: bytes = STATE) -> PartySession:
        """A party's session of an attempt."""
        return party_session(round_, self.identities[name], state, lambda: self.contributions[name])

    def attempt(
        self,
        number: int = 0,
        attempt: int = 0,
        *,
        names: Collection[str] | None = None,
        states: Mapping[str, bytes] | None = None,
        history: tuple[Opening, ...] | None = None,
    ) -> Attempt:
        """Opens an attempt at a round.

        Args:
            number: The round.
            attempt: The attempt at it.
            names: Who takes part; everybody, if not given.
            states: The hash of the state of those who do not hold the common one.
            history: What the coordinator says of earlier openings; the truth, if not given.
        """
        round_ = Round(self.plan, number, attempt)
        invited = tuple(self.names if names is None else names)
        parties = {
            name: self.party(name, round_, (states or {}).get(name, STATE)) for name in invited
        }
        announcer = Announcer(history=self.history if history is None else history)
        coordinator = coordinator_session(round_, STATE, invited, self.aggregator, announcer)
        self.attempts.append(Attempt(round_, coordinator, parties))
        return self.attempts[-1]

    def run(self, silent: Mapping[str, str] | None = None, number: int = 0) -> RoundResult:
        """Runs a round with dropouts; again, without those who withheld their share of the coin.

        Args:
            silent: The kind of message from which on a party does not answer.
            number: The round.
        """
        names = self.names
        for again in range(len(self.names)):
            try:
                return self.attempt(number, again, names=names).finish(silent)
            except CoinError as error:
                names = [name for name in names if name not in error.absent]
        raise AssertionError("no attempt got a joint coin")


@dataclass
class Attempt:
    """One attempt at one round, between steps: the coordinator's messages wait in `outbox`.

    Attributes:
        answers: Each party's answers, by kind and name.
    """

    round_: Round
    coordinator: CoordinatorSession
    parties: dict[str, PartySession]
    answers: dict[tuple[str, str], bytes] = field(default_factory=dict)
    outbox: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.outbox = dict(self.coordinator.open())

    def answer(self, name: str, message: bytes | None = None) -> bytes:
        """Lets a party answer its message, or another one; the coordinator does not get it yet."""
        reply = self.parties[name].receive(self.outbox[name] if message is None else message)
        # What is sealed to an enclave begins with two bytes of length, and others with a list.
        kind = "sealed" if reply[:1] == b"\0" else canonical.decode(reply, len(reply))[0]
        self.answers[kind, name] = reply
        return reply

    def say(self, kind: str, **values: object) -> bytes:
        """An announcement by the coordinator, which signs what it likes."""
        return announced(self.round_, kind, **values)

    def said(self, name: str) -> tuple[str, dict[str, Any]]:
        """What the coordinator says to a party: the kind and the fields."""
        return said_in(self.outbox[name])

    def misquoted(self, name: str, **changes: object) -> bytes:
        """What the coordinator says to a party with other fields, signed by it as well."""
        kind, values = self.said(name)
        return self.say(kind, **values | changes)

    def deliver(self, silent: Collection[str] = ()) -> None:
        """Delivers the outbox to all but some, and their answers to the coordinator."""
        for name in self.outbox:
            if name not in silent:
                self.exchange(name)

    def exchange(self, name: str) -> None:
        """Delivers one party's message, and what it is asked of its answer; then its chunks."""
        while asked := self.coordinator.receive(self.answer(name)):
            self.outbox |= asked

    def advance(self) -> None:
        """Lets the coordinator close the step."""
        self.outbox = dict(self.coordinator.advance())

    def step(self, silent: Collection[str] = ()) -> None:
        """One whole step."""
        self.deliver(silent)
        self.advance()

    def until(self, kind: str) -> Attempt:
        """Goes on until the coordinator awaits a kind of message."""
        while self.coordinator.awaits != kind:
            self.step()
        return self

    def finish(self, silent: Mapping[str, str] | None = None) -> RoundResult:
        """Goes on to the end; each party in `silent` falls silent from a kind of message on."""
        gone: set[str] = set()
        while self.outbox:
            gone |= {n for n, kind in (silent or {}).items() if kind == self.coordinator.awaits}
            self.step(gone)
        return self.coordinator.result


def announced(round_: Round, kind: str, **values: object) -> bytes:
    """An announcement of a simulated coordinator, whose key everybody has."""
    return round_.announce(simulation_key(COORDINATOR), kind, **values)


def said_in(message: bytes) -> tuple[str, dict[str, Any]]:
    """Kind and fields of an announcement, unverified."""
    kind, payload, _ = canonical.decode(message, len(message))
    return kind, canonical.decode(payload, len(payload))


def receipt_of(result: RoundResult) -> Receipt:
    """The enclave's receipt of a round."""
    assert result.receipt is not None
    return Receipt.from_bytes(result.receipt)


def flip_bit(data: bytes, bit: int) -> bytes:
    """The bytes with one bit changed."""
    changed = bytearray(data)
    changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)
