"""Attacks on attested aggregation: what a host gets, and what it would get without each defence."""

import traceback
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from tests.aggregation.support import (
    STATE,
    Federation,
    attested_plan,
    flip_bit,
    plan_of,
    said_in,
    sum_of,
)
from tests.tee.support import BUILD, NOW, SimulatedAttester, enclave, relying_party

from confide import canonical
from confide.aggregation import Aggregator, Receipt, Round, coordinator_session, party_session
from confide.aggregation.enclave import EnclaveCoordinator, EnclaveParty
from confide.aggregation.enclave.wire import header, join, split
from confide.errors import (
    AttestationError,
    PlanError,
    ProtocolError,
    Step,
    VerificationError,
)
from confide.plan import CentralNoise, Clear, Enclave, Encrypted, Hardware, Masked, Rule, Threat
from confide.tee import Evidence, verification
from confide.tee.channel import open_sealed

VICTIM = "p000"


def never():
    raise AssertionError("a contribution was computed")


def federation_of(over=Clear(), **fields):  # noqa: B008 - frozen
    return Federation(attested_plan(over, **fields))


def evidence_in(message):
    kind, said = said_in(message)
    assert kind == "attested"
    return said["evidence"], said["message"]


def with_evidence(message, change):
    """The message with its evidence changed on the way."""
    evidence, opening = evidence_in(message)
    changed = change(Evidence.from_bytes(evidence)).to_bytes()
    return canonical.encode(
        ["attested", canonical.encode({"evidence": changed, "message": opening}), b""]
    )


def asked(federation):
    """An attempt in which everybody asked, and the enclave's answers wait."""
    return federation.attempt().until("contribution")


class TestOtherEnclave:
    """The host runs something else than what the parties agreed to."""

    def launch(self, **case):
        return Aggregator(
            attested_plan(Clear()), SimulatedAttester(case=case), BUILD, clock=lambda: NOW
        )

    @pytest.mark.parametrize(
        ("case", "step"),
        [
            ({"measurement": bytes(48)}, Step.MEASUREMENT),
            ({"policy": 1 << 16 | 1 << 17 | 1 << 19}, Step.DEBUG),
            ({"policy": 1 << 16 | 1 << 17 | 1 << 18}, Step.DEBUG),
            ({"vmpl": 1}, Step.MEASUREMENT),
        ],
        ids=["altered build", "debug", "migration agent", "lower privilege"],
    )
    def test_gets_nothing(self, case, step):
        federation = federation_of()
        federation.aggregator = self.launch(**case)
        attempt = asked(federation)
        with pytest.raises(AttestationError) as refused:
            attempt.answer(VICTIM)
        assert refused.value.step is step
        with pytest.raises(ProtocolError, match="after the end"):
            attempt.answer(VICTIM)

    def test_of_another_vendor_gets_nothing(self):
        federation = federation_of()
        federation.aggregator = Aggregator(
            federation.plan, SimulatedAttester(copy=1), BUILD, clock=lambda: NOW
        )
        attempt = asked(federation)
        with pytest.raises(AttestationError) as refused:
            attempt.answer(VICTIM)
        assert refused.value.step is Step.ROOT

    def test_of_another_build_that_measures_the_same_gets_nothing(self):
        federation = federation_of()
        federation.aggregator = Aggregator(
            federation.plan, SimulatedAttester(), bytes(32), clock=lambda: NOW
        )
        attempt = asked(federation)
        with pytest.raises(AttestationError, match="the workload"):
            attempt.answer(VICTIM)

    def test_that_enforces_another_plan_gets_nothing(self):
        federation = federation_of()
        other = Aggregator(
            attested_plan(Clear(), name="other"), SimulatedAttester(), BUILD, clock=lambda: NOW
        )
        federation.aggregator.workload = replace(
            federation.aggregator.workload, plan=other.plan.hash
        )
        attempt = asked(federation)
        with pytest.raises(AttestationError, match="the plan, another one"):
            attempt.answer(VICTIM)

    def test_is_not_launched_for_a_session_of_another_plan(self):
        federation, plan = federation_of(), attested_plan(Clear(), name="other")
        with pytest.raises(PlanError, match="launch another one"):
            coordinator_session(Round(plan, 0), STATE, (VICTIM,), federation.aggregator)


class TestRelayedEvidence:
    """A host in the middle passes on the evidence of a true enclave."""

    def relayed(self, attempt, change):
        return attempt.answer(VICTIM, with_evidence(attempt.outbox[VICTIM], change))

    def test_with_its_own_key_is_refused(self):
        attempt = asked(federation_of())
        own = X25519PrivateKey.generate().public_key().public_bytes_raw()
        with pytest.raises(AttestationError) as refused:
            self.relayed(attempt, lambda e: replace(e, claims=replace(e.claims, hpke_key=own)))
        assert refused.value.step is Step.REPORT_DATA

    def test_with_its_own_key_would_read_the_contribution_if_nobody_compared(self, monkeypatch):
        monkeypatch.setattr(verification, "_check_binding", lambda *_: None)
        federation = federation_of()
        attempt, own, claims = asked(federation), X25519PrivateKey.generate(), []

        def change(evidence):
            public = own.public_key().public_bytes_raw()
            claims.append(replace(evidence.claims, hpke_key=public))
            return replace(evidence, claims=claims[0])

        _, _, sealed = split(self.relayed(attempt, change), 1 << 20)
        opened = open_sealed(
            own, claims[0], header(attempt.round_, VICTIM, 0), sealed, max_bytes=1 << 20
        )
        values = canonical.decode(canonical.decode(opened, len(opened))[2], len(opened))
        assert len(values["vector"]) > 0

    def test_as_it_is_carries_ciphertext_past_the_host(self):
        federation = federation_of()
        attempt = asked(federation)
        answer = attempt.answer(VICTIM)
        vector = federation.contributions[VICTIM]
        words = np.asarray(vector, "<i8").tobytes()
        assert words[:8] not in answer
        claims = attempt.coordinator._claims[VICTIM]
        _, _, sealed = split(answer, 1 << 20)
        with pytest.raises(VerificationError, match="does not open"):
            open_sealed(
                X25519PrivateKey.generate(),
                claims,
                header(attempt.round_, VICTIM, 0),
                sealed,
                max_bytes=1 << 20,
            )

    def test_of_another_partys_question_is_refused(self):
        attempt = asked(federation_of())
        others, _ = evidence_in(attempt.outbox["p001"])
        with pytest.raises(AttestationError, match="nonce"):
            self.relayed(attempt, lambda _: Evidence.from_bytes(others))

    def test_of_an_earlier_round_is_refused(self):
        federation = federation_of()
        first = asked(federation)
        kept, _ = evidence_in(first.outbox[VICTIM])
        first.finish()
        attempt = federation.attempt(1).until("contribution")
        with pytest.raises(AttestationError, match="nonce"):
            self.relayed(attempt, lambda _: Evidence.from_bytes(kept))

    def test_without_claims_is_refused(self):
        attempt = asked(federation_of())
        with pytest.raises(AttestationError) as refused:
            self.relayed(attempt, lambda e: replace(e, claims=None))
        assert refused.value.step is Step.REPORT_DATA

    def test_that_ended_is_refused(self):
        federation = federation_of()
        federation.aggregator = federation.launch(
            clock=lambda: NOW - timedelta(hours=2), lifetime=timedelta(hours=1)
        )
        attempt = asked(federation)
        with pytest.raises(AttestationError, match="over since"):
            attempt.answer(VICTIM)


class TestSealedMessages:
    """The host carries them, and may keep, swap and alter them."""

    @pytest.mark.parametrize("bit", range(0, 2000, 97))
    def test_that_are_altered_do_not_open(self, bit):
        federation = federation_of()
        attempt = asked(federation)
        answer = attempt.answer(VICTIM)
        with pytest.raises(ProtocolError):
            attempt.coordinator.receive(flip_bit(answer, bit))
        attempt.coordinator.receive(answer)

    def test_are_taken_once(self):
        attempt = asked(federation_of())
        answer = attempt.answer(VICTIM)
        attempt.coordinator.receive(answer)
        with pytest.raises(ProtocolError):
            attempt.coordinator.receive(answer)

    def test_of_one_party_do_not_open_as_anothers(self):
        attempt = asked(federation_of())
        answers = {name: attempt.answer(name) for name in ("p000", "p001")}
        _, met, sealed = split(answers["p000"], 1 << 20)
        with pytest.raises(ProtocolError):
            attempt.coordinator.receive(join("p001", met, sealed))

    def test_say_which_instance_their_party_met(self):
        """What the host takes away, the receipt would lack."""
        attempt = asked(federation_of())
        answer = attempt.answer(VICTIM)
        _, met, sealed = split(answer, 1 << 20)
        for less in (b"", met[:-1]):
            with pytest.raises(ProtocolError, match="does not name exactly one instance"):
                attempt.coordinator.receive(join(VICTIM, less, sealed))
        attempt.coordinator.receive(answer)

    def test_of_more_than_the_plan_needs_are_not_looked_at(self):
        answer = asked(federation_of()).answer(VICTIM)
        _, _, sealed = split(answer, 1 << 20)
        assert split(answer, len(sealed))[0] == VICTIM
        for message, most in ((answer, len(sealed) - 1), (answer[:2], 1 << 20)):
            with pytest.raises(ProtocolError, match="may be sealed"):
                split(message, most)

    def test_say_it_once(self):
        attempt = federation_of(over=Masked()).attempt()
        attempt.step()
        attempt.step()
        _, met, _ = split(attempt.answers["sealed", VICTIM], 1 << 20)
        answer = attempt.answer(VICTIM)
        _, none, sealed = split(answer, 1 << 20)
        assert none == b""
        with pytest.raises(ProtocolError, match="does not name exactly one instance"):
            attempt.coordinator.receive(join(VICTIM, met, sealed))
        attempt.coordinator.receive(answer)

    def test_of_one_round_do_not_open_in_another(self):
        federation = federation_of()
        first = asked(federation)
        first.deliver()
        first.advance()
        attempt = federation.attempt(1).until("contribution")
        with pytest.raises(ProtocolError):
            attempt.coordinator.receive(first.answers["sealed", VICTIM])
        attempt.finish()

    def test_beyond_the_range_are_refused_inside(self):
        federation = federation_of()
        limit = federation.plan.sums.sums[0].lattice.party_range
        federation.contributions = dict(federation.contributions)
        federation.contributions[VICTIM] = np.full(3, limit + 1)
        attempt = asked(federation)
        answer = attempt.answer(VICTIM)
        with pytest.raises(VerificationError, match="beyond the plan's range") as raised:
            attempt.coordinator.receive(answer)
        told = "".join(traceback.format_exception(raised.value))
        assert f"{limit + 1:,}" not in told, "the host learns a number of the party's"


class TestForkedEnclave:
    """The host runs two instances and shows each to some of the parties."""

    def attack(self):
        federation = federation_of(parties=6, dropouts=2)
        first = asked(federation)
        federation.aggregator = federation.launch(random=None)
        other = EnclaveCoordinator(
            first.round_, STATE, tuple(federation.names), federation.aggregator
        )
        other.open()
        return federation, first, other

    def test_finds_the_instances_different(self):
        federation = federation_of()
        assert federation.launch().workload.instance != (
            federation.launch(random=None).workload.instance
        )

    def test_cannot_move_a_message_from_one_to_the_other(self):
        federation, first, other = self.attack()
        for name in federation.names:
            other.receive(first.answers["challenge", name])
        other.advance()
        with pytest.raises(ProtocolError):
            other.receive(first.answer(VICTIM))

    def test_cannot_name_a_party_in_a_receipt_that_met_the_other(self):
        federation = federation_of()
        attempt = asked(federation)
        result = attempt.finish()
        receipt = Receipt.from_bytes(result.receipt)
        forged = replace(receipt, met=receipt.met[::-1]).signed(
            federation.aggregator.workload.keys.signing
        )
        claims = attempt.parties[VICTIM].peer.claims
        receipt.verify(federation.plan, claims)
        with pytest.raises(VerificationError):
            forged.verify(federation.plan, claims)


class TestReleasedSums:
    def finished(self, **fields):
        federation = federation_of(**fields)
        attempt = federation.attempt()
        return federation, attempt, attempt.finish()

    def test_are_accepted_by_everybody_as_they_are(self):
        _, attempt, result = self.finished()
        for party in attempt.parties.values():
            party.accept(result)

    def test_that_the_host_changed_are_refused(self):
        _, attempt, result = self.finished()
        with pytest.raises(VerificationError, match="not those that the enclave released"):
            attempt.parties[VICTIM].accept(replace(result, totals=result.totals + 1))

    def test_without_a_receipt_are_refused(self):
        _, attempt, result = self.finished()
        with pytest.raises(VerificationError, match="without a receipt"):
            attempt.parties[VICTIM].accept(replace(result, receipt=None))

    def test_over_other_parties_are_refused(self):
        _, attempt, result = self.finished()
        with pytest.raises(VerificationError, match="other parties"):
            attempt.parties[VICTIM].accept(replace(result, survivors=result.survivors[1:]))

    def test_of_another_instance_are_refused(self):
        _, attempt, _ = self.finished()
        other = Federation(attempt.round_.plan)
        other.aggregator = other.launch(random=None)
        with pytest.raises(VerificationError, match="not signed by the enclave"):
            attempt.parties[VICTIM].accept(other.attempt().finish())

    def test_of_another_round_are_refused(self):
        federation, attempt, _ = self.finished()
        later = federation.attempt(1)
        result = later.finish()
        with pytest.raises(VerificationError):
            attempt.parties[VICTIM].accept(result)

    def test_are_released_once(self):
        federation, _, _ = self.finished()
        with pytest.raises(ProtocolError, match="used up"):
            EnclaveCoordinator(
                Round(federation.plan, 0, 1), STATE, tuple(federation.names), federation.aggregator
            )

    def test_carry_the_noise_of_the_enclave(self):
        federation = federation_of(
            noise=CentralNoise(1.0, 1e-6), threat=Threat(), parties=6, dropouts=0
        )
        result = federation.attempt().finish()
        exact = sum_of(federation.contributions, federation.names)
        assert result.totals.tolist() != exact
        receipt = Receipt.from_bytes(result.receipt)
        assert 0 < float(receipt.epsilon) < 20
        assert receipt.spent == f"ε = {receipt.epsilon} at δ = {receipt.delta} so far"
        assert receipt.delta == "1e-06"


class TestPartiesThatCannotVerify:
    def test_send_nothing_without_a_policy(self):
        federation = federation_of()
        identity = replace(federation.identities[VICTIM], relying=None)
        with pytest.raises(PlanError, match="so it sends nothing"):
            party_session(Round(federation.plan, 0), identity, STATE, never)

    def test_send_nothing_by_another_policy(self):
        federation = federation_of()
        relying = relying_party()
        other = replace(relying, policy=replace(relying.policy, nodes=frozenset({"ab"})))
        identity = replace(federation.identities[VICTIM], relying=other)
        with pytest.raises(PlanError, match="take the plan's policy"):
            EnclaveParty(Round(federation.plan, 0), identity, STATE, never)

    def test_need_the_plan_to_say_that_hardware_is_simulated(self):
        protection = replace(enclave(), simulated=False)
        plan = attested_plan(Clear(), aggregation=protection)
        with pytest.raises(PlanError, match="simulators"):
            Federation(plan).attempt()

    def test_have_claimed_nothing_then(self):
        federation = federation_of()
        identity = replace(federation.identities[VICTIM], relying=None)
        with pytest.raises(PlanError):
            party_session(Round(federation.plan, 0), identity, STATE, never)
        federation.attempt().finish()


class TestPlans:
    def test_with_untrusted_hardware_cannot_be_made_where_it_reads(self):
        with pytest.raises(PlanError, match="hardware untrusted"):
            plan_of(6, dropouts=2, aggregation=enclave())

    @pytest.mark.parametrize("over", [Masked(), Encrypted()])
    def test_with_untrusted_hardware_can_be_made_over_hidden_sums(self, over):
        plan = plan_of(6, dropouts=1, aggregation=enclave(over))
        assert plan.threat.hardware is Hardware.UNTRUSTED
        assert plan.only_sums_open

    def test_with_a_robust_rule_take_no_noise(self):
        with pytest.raises(PlanError, match="together with noise"):
            attested_plan(Clear(), rule=Rule.MEDIAN, noise=CentralNoise(1.0))

    @pytest.mark.parametrize(
        ("rule", "dropouts", "least"),
        [(Rule.KRUM, 2, 5), (Rule.MEDIAN, 4, 3), (Rule.TRIMMED_MEAN, 4, 3)],
    )
    def test_with_a_robust_rule_need_enough_honest_survivors(self, rule, dropouts, least):
        with pytest.raises(PlanError, match=f"against 1 lying parties needs {least} survivors"):
            attested_plan(Clear(), rule=rule, dropouts=dropouts)
        assert attested_plan(Clear(), rule=rule, dropouts=6 - least).min_survivors == least

    def test_over_hidden_sums_take_no_robust_rule(self):
        with pytest.raises(PlanError, match="the enclave reads none"):
            Enclave(policy=bytes(32), over=Masked(), rule=Rule.KRUM)

    def test_over_hidden_sums_take_no_central_noise(self):
        with pytest.raises(PlanError, match="noise in shares"):
            attested_plan(Masked(), noise=CentralNoise(1.0))

    def test_name_a_policy_by_its_hash(self):
        with pytest.raises(PlanError, match="name its SHA-256, 32"):
            Enclave(policy=b"short")

    def test_without_an_aggregator_are_not_run(self):
        with pytest.raises(PlanError, match="none is given"):
            coordinator_session(Round(attested_plan(Clear()), 0), STATE, (VICTIM,))
