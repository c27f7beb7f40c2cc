"""The relying party: a fresh question each time, a clock, and nothing believed unread."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.tee.support import BUILD, NOW, SimulatedAttester, relying_party
from tests.tee.test_workload import EXPECTED, NONCE, workload

from confide.clock import system_clock
from confide.errors import AttestationError, Step
from confide.randomness import InsecureReplayableRandom
from confide.tee import Collateral, Evidence, Platform
from confide.tee.relying import RelyingParty


def test_asks_with_a_fresh_nonce_each_time():
    party = relying_party()
    nonces = {party.nonce() for _ in range(100)}
    assert len(nonces) == 100
    assert {len(nonce) for nonce in nonces} == {32}


def test_takes_its_nonces_from_the_randomness_it_was_given():
    def party():
        return replace(relying_party(), random=InsecureReplayableRandom(b"nonces"))

    assert party().nonce() == party().nonce() == InsecureReplayableRandom(b"nonces").bytes(32)
    assert "Random" not in repr(party())


def test_takes_an_answer_to_its_own_question_and_to_no_other():
    party, running = relying_party(), workload()
    first, second = party.nonce(), party.nonce()
    answer = running.answer(first, NOW).to_bytes()
    peer = party.verify(answer, replace(EXPECTED, nonce=first))
    assert peer.claims.workload == BUILD
    assert peer.verified_at == NOW + timedelta(seconds=1)
    with pytest.raises(AttestationError, match="another question") as raised:
        party.verify(answer, replace(EXPECTED, nonce=second))
    assert raised.value.step is Step.CLAIMS


def test_goes_by_its_own_clock():
    answer = workload().answer(NONCE, NOW).to_bytes()
    late = replace(relying_party(), clock=lambda: NOW + timedelta(minutes=11))
    with pytest.raises(AttestationError, match="over since") as raised:
        late.verify(answer, EXPECTED)
    assert raised.value.step is Step.CLAIMS
    naive = replace(relying_party(), clock=lambda: NOW.replace(tzinfo=None))
    with pytest.raises(AttestationError, match="has no time zone; say which"):
        naive.verify(answer, EXPECTED)


def test_uses_the_collateral_at_hand_where_the_peer_brings_none():
    answer = workload().answer(NONCE, NOW)
    bare = replace(answer, collateral=()).to_bytes()
    with pytest.raises(AttestationError, match="the collateral has no VCEK") as raised:
        relying_party().verify(bare, EXPECTED)
    assert raised.value.step is Step.ROOT
    supplied = replace(relying_party(), collateral=Collateral.of(answer.collateral))
    assert supplied.verify(bare, EXPECTED).claims == answer.claims


@pytest.mark.parametrize("evidence", [b"", b"\0", b"\xa0", b"\x02" * 1184, bytes(5 << 20)])
def test_takes_nothing_that_does_not_read(evidence):
    with pytest.raises(AttestationError) as raised:
        relying_party().verify(evidence, EXPECTED)
    assert raised.value.step is Step.PARSE


def test_takes_no_evidence_of_a_platform_that_its_policy_does_not_name():
    for platform in (Platform.SGX, Platform.TDX, Platform.NITRO):
        answer = workload(SimulatedAttester(platform)).answer(NONCE, NOW)
        with pytest.raises(AttestationError, match="no verifier that the policy allows") as raised:
            relying_party().verify(answer.to_bytes(), EXPECTED)
        assert raised.value.step is Step.PARSE


def test_accepts_no_simulator_by_default():
    answer = workload().answer(NONCE, NOW).to_bytes()
    policy = relying_party().policy
    hardware = replace(policy, allow_simulated=False, roots=type(policy.roots)())
    with pytest.raises(AttestationError, match="not pinned") as raised:
        replace(relying_party(), policy=hardware).verify(answer, EXPECTED)
    assert raised.value.step is Step.ROOT


def test_reads_the_time_of_the_machine_in_utc():
    before = datetime.now(UTC)
    assert before <= system_clock() <= datetime.now(UTC)
    assert system_clock().tzinfo is UTC
    assert RelyingParty(relying_party().policy).clock is system_clock


def test_names_the_document_that_it_verified():
    answer = workload().answer(NONCE, NOW)
    peer = relying_party().verify(answer.to_bytes(), EXPECTED)
    assert peer.evidence_hash == Evidence(answer.document).hash
