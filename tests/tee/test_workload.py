"""The attested side: it answers who asks, of itself, and keeps its keys."""

import hashlib
from dataclasses import fields, replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.tee.support import BUILD, NOW, SimulatedAttester, relying_party

from confide.errors import AttestationError, PlanError, Step
from confide.randomness import InsecureReplayableRandom, SystemRandom
from confide.tee import Assurance, Claims, Expected, Platform
from confide.tee.channel import seal
from confide.tee.workload import Quoted, Workload, WorkloadKeys

NONCE, PLAN, INSTANCE = b"n" * 32, b"p" * 32, b"i" * 32
EXPECTED = Expected(NONCE, "aggregate", PLAN, "test")


def workload(attester=None, **changes):
    made = Workload(
        attester or SimulatedAttester(),
        WorkloadKeys.generate(SystemRandom()),
        "aggregate",
        BUILD,
        PLAN,
        "test",
        INSTANCE,
        2,
        timedelta(minutes=10),
    )
    return replace(made, **changes)


class Recorder:
    """Hardware that says what it was asked for."""

    def attest(self, report_data, nonce, public_key):
        self.asked = report_data, nonce, public_key
        return Quoted(b"document", b"log", (b"certificate",))


class TestAnswer:
    def test_claims_what_it_is(self):
        tls = hashlib.sha256(b"a certificate").digest()
        running = workload(tls_key=tls)
        claims = running.answer(NONCE, NOW).claims
        assert claims == Claims(
            purpose="aggregate",
            nonce=NONCE,
            hpke_key=running.keys.hpke.public_key().public_bytes_raw(),
            signing_key=running.keys.signing.public_key().public_bytes_raw(),
            tls_key=tls,
            workload=BUILD,
            plan=PLAN,
            task="test",
            instance=INSTANCE,
            epoch=2,
            expires=int((NOW + timedelta(minutes=10)).timestamp()),
        )
        assert workload().answer(NONCE, NOW).claims.tls_key == bytes(32)

    def test_has_the_hardware_vouch_for_the_claims(self):
        recorder = Recorder()
        evidence = workload(recorder).answer(NONCE, NOW)
        assert recorder.asked == (evidence.claims.report_data, NONCE, evidence.claims.hpke_key)
        assert (evidence.document, evidence.event_log) == (b"document", b"log")
        assert evidence.collateral == (b"certificate",)

    @pytest.mark.parametrize("platform", list(Platform))
    def test_is_believed(self, platform):
        evidence = workload(SimulatedAttester(platform)).answer(NONCE, NOW)
        peer = relying_party(platform).verify(evidence.to_bytes(), EXPECTED)
        assert peer.claims == evidence.claims
        assert peer.assurance is Assurance.SIMULATED
        assert peer.evidence_hash == evidence.hash

    @pytest.mark.parametrize("size", [0, 31, 33, 64])
    def test_is_given_to_nonces_of_their_size_alone(self, size):
        with pytest.raises(AttestationError, match=f"a nonce of {size} bytes; it has 32") as raised:
            workload().answer(bytes(size), NOW)
        assert raised.value.step is Step.CLAIMS

    def test_is_none_where_the_hardware_gives_none(self):
        class Broken:
            def attest(self, report_data, nonce, public_key):
                raise AttestationError(Step.PARSE, "no evidence: it takes hardware")

        with pytest.raises(AttestationError, match="it takes hardware"):
            workload(Broken()).answer(NONCE, NOW)


class TestReader:
    """What the relying party makes of answers that are not what it asked for."""

    def refused(self, evidence, expected=EXPECTED, step=Step.CLAIMS):
        with pytest.raises(AttestationError) as raised:
            relying_party().verify(evidence.to_bytes(), expected)
        assert raised.value.step is step
        return str(raised.value)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"nonce": b"x" * 32}, "the nonce, which another question asked"),
            ({"purpose": "train"}, "the purpose 'aggregate'"),
            ({"plan": b"x" * 32}, "the plan, another one"),
            ({"task": "other"}, "the task 'test'"),
        ],
    )
    def test_asked_for_something_else(self, change, reason):
        assert reason in self.refused(workload().answer(NONCE, NOW), replace(EXPECTED, **change))

    def test_of_another_build(self):
        answer = workload(build=bytes(32)).answer(NONCE, NOW)
        assert "the workload, not the release's" in self.refused(answer)

    def test_that_is_over(self):
        running = workload(lifetime=timedelta(seconds=1))
        answer = running.answer(NONCE, NOW - timedelta(seconds=2))
        assert "over since 2026-11-24 11:59:59" in self.refused(answer)

    @pytest.mark.parametrize("ahead", [timedelta(days=1, seconds=1), timedelta(days=20 * 365)])
    def test_of_a_machine_whose_clock_is_ahead(self, ahead):
        answer = workload(lifetime=timedelta(hours=24)).answer(NONCE, NOW + ahead)
        assert "more than 1 day, 0:00:00 ahead" in self.refused(answer)

    @pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(hours=24, seconds=1)])
    def test_that_would_last_for_ever(self, lifetime):
        with pytest.raises(PlanError, match="at most 1 day"):
            workload(lifetime=lifetime)

    @pytest.mark.parametrize("name", [item.name for item in fields(Claims)])
    def test_whose_claims_were_changed_on_the_way(self, name):
        answer = workload().answer(NONCE, NOW)
        value = getattr(answer.claims, name)
        other = {bytes: bytes(31) + b"\1", str: "other", int: 1}[type(value)]
        changed = replace(answer, claims=replace(answer.claims, **{name: other}))
        assert "other report data than expected" in self.refused(changed, step=Step.REPORT_DATA)

    def test_without_claims(self):
        answer = replace(workload().answer(NONCE, NOW), claims=None)
        with pytest.raises(AttestationError, match="comes without claims") as raised:
            relying_party().verify(answer.to_bytes(), EXPECTED)
        assert raised.value.step is Step.REPORT_DATA

    def test_with_the_evidence_of_another_instance(self):
        """A relayed quote: genuine, and with other keys in it."""
        genuine, relay = workload().answer(NONCE, NOW), workload().answer(NONCE, NOW)
        mixed = replace(genuine, claims=relay.claims)
        assert "another workload" in self.refused(mixed, step=Step.REPORT_DATA)


class TestKeys:
    def test_are_fresh_each_time(self):
        made = [WorkloadKeys.generate(SystemRandom()) for _ in range(3)]
        assert len({seed for keys in made for seed in keys.seeds}) == 6

    def test_come_back_from_their_seeds(self):
        keys = WorkloadKeys.generate(InsecureReplayableRandom(b"keys"))
        again = WorkloadKeys(*keys.seeds)
        assert again.seeds == keys.seeds
        assert again.hpke.public_key() == keys.hpke.public_key()
        assert again.signing.public_key() == keys.signing.public_key()

    def test_are_shown_nowhere(self):
        running = workload()
        answer = running.answer(NONCE, NOW)
        shown = f"{running!r} {running.keys!r} {running.keys} {answer!r} {vars(running)!r}"
        for seed in running.keys.seeds:
            assert seed not in answer.to_bytes()
            assert seed.hex() not in shown
            assert repr(seed)[2:-1] not in shown

    def test_open_what_was_sealed_to_the_answer(self):
        running = workload()
        evidence = running.answer(NONCE, NOW)
        peer = relying_party().verify(evidence.to_bytes(), EXPECTED)
        sealed = seal(peer, b"header", b"a number", at=NOW, random=SystemRandom())
        assert running.open(evidence.claims, b"header", sealed, 8) == b"a number"

    def test_of_receipts_are_the_ones_that_the_evidence_vouches_for(self):
        running = workload()
        claims = running.answer(NONCE, NOW).claims
        signed = running.keys.signing
        assert isinstance(signed, Ed25519PrivateKey)
        assert signed.public_key().public_bytes_raw() == claims.signing_key
