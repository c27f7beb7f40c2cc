"""Receipts: their chain, and what somebody who was not there can verify."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.aggregation.support import Federation, attested_plan, plan_of, receipt_of
from tests.tee.support import BUILD, NOW, SimulatedAttester, relying_party

from confide import canonical
from confide.aggregation import Aggregator, Receipt, check_chain, verify_receipts
from confide.aggregation.enclave import EnclaveCoordinator
from confide.aggregation.enclave.receipts import (
    hash_of_evidence,
    hash_of_totals,
    inputs_root,
)
from confide.errors import AttestationError, PlanError, ProtocolError, VerificationError
from confide.plan import Clear
from confide.tee import Collateral
from confide.tee.counters import FileCounter
from confide.tee.sealing import SealedState, Sealer


@pytest.fixture(scope="module")
def released():
    """Three rounds: the federation, its receipts, and the enclave's evidence."""
    federation = Federation(attested_plan(Clear()))
    receipts = [receipt_of(federation.attempt(number).finish()) for number in range(3)]
    assert federation.aggregator is not None
    return federation, receipts, federation.aggregator.evidence


def enclave_of(attempt):
    assert isinstance(attempt.coordinator, EnclaveCoordinator)
    return attempt.coordinator


def verify(released, receipts, **changes):
    federation, _, evidence = released
    arguments = {"evidence": [(evidence, NOW)], "policy": relying_party().policy, **changes}
    verify_receipts(receipts, federation.plan, collateral=Collateral(), **arguments)


def test_verify_offline(released):
    verify(released, released[1])


def test_name_each_other_in_order(released):
    check_chain(released[1])
    for wrong in (released[1][1:], released[1][::-1], released[1][:1] * 2, released[1][::2]):
        with pytest.raises(VerificationError, match="does not follow"):
            check_chain(wrong)


def test_of_one_round_twice_are_found(released):
    federation, receipts, _ = released
    key = federation.aggregator.workload.keys.signing
    again = replace(receipts[1], number=0).signed(key)
    with pytest.raises(VerificationError, match="released twice"):
        check_chain([receipts[0], again])


@pytest.mark.parametrize(
    "change",
    [
        {"totals": bytes(32)},
        {"inputs": bytes(32)},
        {"instance": bytes(32)},
        {"epsilon": "0.1"},
        {"assurance": "hardware"},
        {"survivors": ("p000",)},
        {"number": 1},
        {"previous": b"x" * 32},
    ],
    ids=lambda change: next(iter(change)),
)
def test_that_were_changed_do_not_verify(released, change):
    changed = replace(released[1][0], **change)
    with pytest.raises(VerificationError, match="not signed by the enclave"):
        verify(released, [changed])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"plan": bytes(32)}, "another plan, instance or epoch"),
        ({"instance": bytes(32)}, "another plan, instance or epoch"),
        ({"epoch": 7}, "another plan, instance or epoch"),
        ({"met": ()}, "which instance each survivor met"),
    ],
    ids=["plan", "instance", "epoch", "met"],
)
def test_of_something_else_do_not_verify_though_the_enclave_signed_them(released, change, reason):
    """As one would that has the same key for two plans, or goes on in another epoch."""
    federation, receipts, evidence = released
    other = replace(receipts[0], **change).signed(federation.aggregator.workload.keys.signing)
    receipts[0].verify(federation.plan, evidence.claims)
    with pytest.raises(VerificationError, match=reason):
        other.verify(federation.plan, evidence.claims)


def test_are_of_a_plan_with_an_enclave():
    with pytest.raises(PlanError, match="has no enclave; give it aggregation Enclave"):
        Aggregator(plan_of(), SimulatedAttester(), BUILD)


def test_of_an_enclave_that_the_reader_refuses_do_not_verify(released):
    stricter = replace(relying_party().policy, nodes=frozenset({"another machine"}))
    with pytest.raises(AttestationError, match="not on the policy's list"):
        verify(released, released[1], policy=stricter)


def test_with_the_evidence_of_another_instance_do_not_verify(released):
    plan = released[0].plan
    other = Aggregator(plan, SimulatedAttester(), BUILD, clock=lambda: NOW).evidence
    with pytest.raises(VerificationError, match=r"names evidence .* which is not given"):
        verify(released, released[1], evidence=[(other, NOW)])
    renamed = [replace(receipt, evidence=hash_of_evidence(other)) for receipt in released[1]]
    with pytest.raises(VerificationError, match="not signed by the enclave"):
        verify(released, renamed, evidence=[(other, NOW)])


def test_with_what_was_answered_to_a_party_do_not_verify(released):
    answer = released[0].aggregator.workload.answer(bytes(32), NOW)
    with pytest.raises(AttestationError, match="the nonce, which another question asked"):
        verify(released, released[1], evidence=[(answer, NOW)])


def test_of_an_instance_that_started_again_verify_with_the_evidence_of_both_starts(tmp_path):
    federation = Federation(attested_plan(Clear()))
    counter = FileCounter(tmp_path / "counter", federation.plan.hash)
    sealer = Sealer(b"s" * 16, "tests")
    receipts, evidence = [], []
    for number in range(2):
        state = SealedState(tmp_path / "state", sealer, counter, federation.plan.hash)
        federation.aggregator = federation.launch(state=state)
        receipts.append(receipt_of(federation.attempt(number).finish()))
        evidence.append((federation.aggregator.evidence, NOW))
    policy = relying_party().policy
    verify_receipts(receipts, federation.plan, evidence, policy, collateral=Collateral())
    with pytest.raises(VerificationError, match="which is not given"):
        verify_receipts(receipts, federation.plan, evidence[1:], policy, collateral=Collateral())


def test_that_expand_in_memory_are_not_read():
    """An empty list takes one byte, and seventy where it was read."""
    with pytest.raises(ProtocolError):
        Receipt.from_bytes(canonical.encode({"survivors": [[]] * 100_000}))


@pytest.mark.parametrize(
    "change", [lambda t: t[:, None], lambda t: t.astype(np.int32), lambda t: t.astype(float)]
)
def test_of_sums_that_are_no_vector_of_whole_numbers_are_refused(released, change):
    receipt = released[1][-1]
    with pytest.raises(VerificationError, match="one vector of int64"):
        receipt.check_totals(change(np.zeros(3, np.int64)))


def test_are_read_back_as_they_were(released):
    for receipt in released[1]:
        assert Receipt.from_bytes(receipt.to_bytes()) == receipt


@pytest.mark.parametrize(
    "change", [{"number": "0"}, {"met": b""}, {"extra": 1}, {"survivors": None}]
)
def test_of_another_form_are_not_read(released, change):
    values = canonical.decode(released[1][0].to_bytes(), 1 << 20)
    with pytest.raises(ProtocolError, match="a receipt"):
        Receipt.from_bytes(canonical.encode({**values, **change}))


class TestHashOfTotals:
    @given(st.lists(st.integers(-(2**62), 2**62), max_size=9), st.data())
    def test_changes_with_every_number_and_width(self, numbers, data):
        totals = np.array(numbers, np.int64)
        hashed = hash_of_totals(totals)
        assert hash_of_totals(totals.copy()) == hashed
        assert hash_of_totals(np.append(totals, 0)) != hashed
        if numbers:
            place = data.draw(st.integers(0, len(numbers) - 1))
            bit = data.draw(st.integers(0, 62))
            changed = totals.copy()
            changed[place] ^= 1 << bit
            assert hash_of_totals(changed) != hashed

    def test_of_numbers_that_wrap_to_the_same_32_bits_differs(self):
        small = np.array([5, -5], np.int64)
        assert hash_of_totals(small) != hash_of_totals(small + 2**32)


class TestInputsRoot:
    def test_of_known_leaves(self):
        """The reference leaves of RFC 6962 and their root."""
        leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
        leaves.append("606162636465666768696a6b6c6d6e6f")
        root = inputs_root([bytes.fromhex(leaf) for leaf in leaves])
        assert root.hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"

    @given(st.lists(st.binary(max_size=8), min_size=1, max_size=9), st.data())
    def test_changes_with_every_input(self, inputs, data):
        place = data.draw(st.integers(0, len(inputs) - 1))
        changed = [*inputs]
        changed[place] += b"x"
        assert inputs_root(changed) != inputs_root(inputs)


def test_says_what_each_party_sent(released):
    federation = Federation(attested_plan(Clear()))
    attempt = federation.attempt()
    receipt = receipt_of(attempt.finish())
    sent = [enclave_of(attempt)._inputs[name] for name in receipt.survivors]
    assert receipt.inputs == inputs_root(sent)
