"""Runs that are stopped at any message and go on, and saves that are too old to."""

from typing import Any

import numpy as np
import pytest
from tests.runtime.liar import KEY, NAMES, drift, rows

from confide.aggregation import Identity, RoundRegister, chunks
from confide.aggregation.masked.shares import SEALED_BYTES
from confide.aggregation.sharing.wire import members_to_bytes
from confide.computation import Computation
from confide.engines import Drop, simulate
from confide.errors import ProtocolError
from confide.plan import (
    Adversary,
    Clear,
    Corruption,
    Encrypted,
    FixedCrowd,
    Masked,
    NoiseShares,
    Sum,
    SumGroup,
    Task,
    Threat,
    Unit,
)
from confide.randomness import SecretStream
from confide.runtime import CoordinatorRun, PartyRun
from confide.runtime.wire import framed

TRUSTED = Threat(confidentiality=Adversary(coordinator=Corruption.HONEST))
CURIOUS = Threat(
    confidentiality=Adversary(coordinator=Corruption.CURIOUS, network=Corruption.CURIOUS)
)
PROTECTIONS: dict[str, dict[str, Any]] = {
    "masked": {"aggregation": Masked()},
    "masked, curious": {"aggregation": Masked(), "threat": CURIOUS},
    "encrypted": {"aggregation": Encrypted()},
    "clear": {"aggregation": Clear(), "threat": TRUSTED},
    "noisy": {"aggregation": Masked(), "noise": NoiseShares(2.0, 1e-3)},
}
SOME = NAMES[:5]


def remembering(size=0):
    """A computation with an own state: each party counts the rounds that it was in.

    Beside what it counts it contributes a vector, if it is asked for one.
    """

    def contribute(state, own, data, rng):
        given = {"seen": own["rounds"] + data["x"].sum()}
        if size:
            given["vector"] = np.full(size, 1e-3)
        return given, {"rounds": own["rounds"] + 1}

    shape = (max(size, 1),)
    vector = Sum(name="vector", shape=shape, unit=Unit.PARTY, unit_bound=1.0, capacity=1)
    seen = Sum(name="seen", unit=Unit.PARTY, unit_bound=64.0, capacity=1)
    return Computation(
        task=Task.of("remembering"),
        sums=SumGroup((seen, vector) if size else (seen,)),
        columns=("x",),
        init=lambda: {"sums": np.zeros(0)},
        own=lambda: {"rounds": np.array(0.0)},
        contribute=contribute,
        update=lambda state, totals: {"sums": np.append(state["sums"], totals["seen"].round())},
    )


def plan_of(size=0, **fields):
    fields = {"rounds": 2, "dropouts": 1, "crowd": FixedCrowd(), **fields}
    return remembering(size).plan(parties=list(SOME), **fields)


class Carrier:
    """Carries messages, and stops both sides where it is told to."""

    def __init__(self, plan, *, records=True, skips=True):
        self.plan, self.options = plan, {"records": records, "skips": skips}
        self.computation = remembering(plan.sums.size - 1)
        self.stops_at_messages = False
        self.identities = {name: Identity.simulation(name) for name in SOME}
        self.parties = {name: self.party(name) for name in SOME}
        self.coordinator = self.fresh_coordinator()
        self.messages = 0

    def party(self, name):
        return PartyRun(self.plan, [self.computation], self.identities[name], rows()[name])

    def fresh_coordinator(self):
        return CoordinatorRun(self.plan, [self.computation], **self.options)

    def restart_party(self, name):
        saved = self.parties[name].save()
        self.parties[name] = self.party(name)
        self.parties[name].restore(saved)

    def restart_coordinator(self):
        saved = self.coordinator.save()
        self.coordinator = self.fresh_coordinator()
        self.coordinator.restore(saved)
        return self.coordinator.begin()

    def run(self, *, stop_party=(), stop_coordinator=()):
        outbox = self.coordinator.begin()
        step = 0
        while outbox:
            for name, messages in outbox.items():
                for message in messages:
                    self.deliver(name, message, stop_party)
            if step in stop_coordinator:
                # What was sent is sent again; who answered before answers the same.
                self.restart_coordinator()
            outbox = self.coordinator.advance()
            step += 1
        return self.coordinator.state["sums"]

    def deliver(self, name, message, stop_party):
        if self.messages in stop_party:
            self.restart_party(name)
        self.messages += 1
        answer = self.parties[name].receive(message)
        if self.stops_at_messages:
            self.restart_coordinator()
        for reply in [] if answer is None else self.coordinator.receive(answer):
            self.deliver(name, reply, stop_party)


@pytest.mark.parametrize("protection", PROTECTIONS)
def test_a_party_goes_on_at_any_message(protection):
    plan = plan_of(**PROTECTIONS[protection])
    whole = Carrier(plan)
    expected = whole.run()
    stopped = Carrier(plan)
    found = stopped.run(stop_party=range(1000))
    assert not any(p.failure for p in stopped.parties.values())
    assert all(p.own["rounds"] == plan.rounds for p in stopped.parties.values())
    if protection != "noisy":
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("protection", PROTECTIONS)
def test_a_coordinator_goes_on_at_any_step(protection):
    plan = plan_of(**PROTECTIONS[protection])
    expected = Carrier(plan).run()
    found = Carrier(plan).run(stop_coordinator=range(1000))
    if protection != "noisy":
        np.testing.assert_array_equal(found, expected)
    assert len(found) == plan.rounds


@pytest.mark.parametrize("protection", PROTECTIONS)
def test_both_go_on_between_chunks(protection, monkeypatch):
    plan = plan_of(9_000, rounds=1, **PROTECTIONS[protection])
    whole = Carrier(plan)
    expected = whole.run()
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 8_000)
    stopped = Carrier(plan)
    stopped.stops_at_messages = True
    found = stopped.run(stop_party=range(1000))
    assert not any(p.failure for p in stopped.parties.values())
    assert stopped.messages >= whole.messages + 2 * len(SOME)
    if protection != "noisy":
        np.testing.assert_array_equal(found, expected)


def test_a_coordinator_that_lost_an_attempt_begins_another_one():
    carrier = Carrier(plan_of(), records=False)
    carrier.coordinator.begin()
    outbox = carrier.restart_coordinator()
    assert carrier.coordinator._round.attempt == 1
    assert set(outbox) == set(SOME)


def test_a_coordinator_that_lost_a_round_after_its_survivors_were_announced_skips_it():
    carrier = Carrier(plan_of(), records=False)
    outbox = carrier.coordinator.begin()
    while carrier.coordinator.awaits != "consent":
        for name, messages in outbox.items():
            for message in messages:
                carrier.deliver(name, message, ())
        outbox = carrier.coordinator.advance()
    for name, messages in carrier.restart_coordinator().items():
        for message in messages:
            carrier.deliver(name, message, ())
    assert carrier.coordinator.number == 1
    assert len(carrier.run()) == 1
    assert {float(p.own["rounds"]) for p in carrier.parties.values()} == {1.0}


class TestAnOlderSave:
    """A party's memory that is older than its register answers nothing a second time."""

    def stopped_before_the_contribution(self):
        carrier = Carrier(plan_of())
        outbox, saved = carrier.coordinator.begin(), {}
        while carrier.coordinator.awaits != "consent":
            if carrier.coordinator.awaits == "contribution":
                saved = {name: party.save() for name, party in carrier.parties.items()}
            for name, messages in outbox.items():
                for message in messages:
                    carrier.deliver(name, message, ())
            outbox = carrier.coordinator.advance()
        carrier.parties[SOME[0]] = carrier.party(SOME[0])
        carrier.parties[SOME[0]].restore(saved[SOME[0]])
        return carrier

    def test_answers_the_same_announcement_with_the_same_bytes(self):
        carrier, name = Carrier(plan_of(noise=NoiseShares(2.0, 1e-3))), SOME[0]
        outbox = carrier.coordinator.begin()
        while carrier.coordinator.awaits != "contribution":
            for receiver, messages in outbox.items():
                carrier.deliver(receiver, messages[0], ())
            outbox = carrier.coordinator.advance()
        (message,) = outbox[name]
        saved = carrier.parties[name].save()
        answer = carrier.parties[name].receive(message)
        assert carrier.parties[name].receive(message) == answer
        carrier.parties[name] = carrier.party(name)
        carrier.parties[name].restore(saved)
        assert carrier.parties[name].receive(message) == answer

    def test_refuses_to_mask_other_data_under_the_same_secrets(self):
        carrier, name = Carrier(plan_of()), SOME[0]
        outbox = carrier.coordinator.begin()
        while carrier.coordinator.awaits != "contribution":
            for receiver, messages in outbox.items():
                carrier.deliver(receiver, messages[0], ())
            outbox = carrier.coordinator.advance()
        (message,) = outbox[name]
        saved = carrier.parties[name].save()
        carrier.parties[name].receive(message)
        changed = {"x": rows()[name]["x"] + 1}
        other = PartyRun(carrier.plan, [remembering()], carrier.identities[name], changed)
        other.restore(saved)
        assert b"refusal" in (other.receive(message) or b"")
        assert "the data have changed" in str(other.failure)

    def test_refuses_another_announcement_in_its_place(self):
        # Masked twice under one secret: sharers that colluders and dropped parties make up.
        carrier = self.stopped_before_the_contribution()
        party, round_ = carrier.parties[SOME[0]], carrier.coordinator._round
        fewer = members_to_bytes(np.isin(SOME, SOME[:4]))
        said = round_.announce(KEY, "deliver", sharers=fewer, ciphertexts=bytes(SEALED_BYTES * 3))
        answer = party.receive(framed(round_, said))
        assert b"refusal" in answer
        assert "an older save" in str(party.failure)

    def test_is_refused_when_the_register_went_on_to_another_attempt(self):
        carrier = Carrier(plan_of())
        carrier.parties[SOME[0]].receive(carrier.coordinator.begin()[SOME[0]][0])
        saved = carrier.parties[SOME[0]].save()
        carrier.run()
        with pytest.raises(ProtocolError, match="older"):
            carrier.party(SOME[0]).restore(saved)

    def test_is_refused_with_another_register(self):
        carrier = Carrier(plan_of())
        for name, messages in carrier.coordinator.begin().items():
            carrier.deliver(name, messages[0], ())
        saved = carrier.parties[SOME[0]].save()
        other = Identity.simulation(SOME[0])
        assert isinstance(other.register, RoundRegister)
        with pytest.raises(ProtocolError, match="register"):
            PartyRun(carrier.plan, [remembering()], other, rows()[SOME[0]]).restore(saved)


class TestSaves:
    def test_of_another_plan_or_party_or_damaged_are_refused(self):
        carrier = Carrier(plan_of())
        saved = carrier.parties[SOME[0]].save()
        with pytest.raises(ProtocolError, match="not of"):
            carrier.parties[SOME[1]].restore(saved)
        other = Carrier(plan_of(seed=9))
        with pytest.raises(ProtocolError, match="give that plan"):
            other.parties[SOME[0]].restore(saved)
        damaged = bytearray(saved)
        damaged[-1] ^= 1
        with pytest.raises(ProtocolError):
            carrier.parties[SOME[0]].restore(bytes(damaged))

    def test_a_secret_stream_repeats_itself_from_its_seed_and_nowhere_else(self):
        seed = bytes(range(32))
        assert SecretStream(seed).bytes(64) == SecretStream(seed).bytes(64)
        assert SecretStream(seed).bytes(64) != SecretStream(bytes(32)).bytes(64)
        with pytest.raises(ValueError, match="a seed of 5 bytes"):
            SecretStream(b"short")


class TestASimulationThatCrashes:
    """Between the announcement of the survivors and the round's checkpoint."""

    @pytest.mark.parametrize("crash", [1, 2])
    def test_opens_no_round_twice(self, tmp_path, crash):
        opened = []

        def update(state, totals):
            opened.append(float(totals["own"]))
            if len(opened) == crash:
                raise KeyboardInterrupt
            return {"w": state["w"] + 1}

        computation = drift()
        computation = Computation(
            task=computation.task,
            sums=computation.sums,
            columns=("x",),
            init=computation.init,
            contribute=computation.contribute,
            update=update,
        )
        plan = computation.plan(parties=list(SOME), rounds=4, noise=NoiseShares(2.0, 1e-3))
        path = tmp_path / "run"
        with pytest.raises(KeyboardInterrupt):
            simulate(plan, {n: rows()[n] for n in SOME}, computation=computation, checkpoint=path)
        run = simulate(plan, {n: rows()[n] for n in SOME}, computation=computation, checkpoint=path)
        # Noise is fresh in each sum, so as many values as sums that were released.
        assert len(set(opened)) <= plan.rounds
        assert run.history["skipped"].eq(True).sum() == 1
        assert len(run.history) == plan.rounds

    def test_a_party_that_was_away_catches_up(self):
        plan = drift().plan(parties=list(NAMES), rounds=5, dropouts=2, threat=CURIOUS)
        drops = [Drop(NAMES[1], 1, 3), Drop(NAMES[2], 2)]
        run = simulate(plan, rows(), computation=drift(), drops=drops)
        assert run.history["dropped"].tolist() == ["", "p1", "p1, p2", "p1", ""]
