"""`confide tee receipts`: an auditor who was not there verifies what an enclave released."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.cli.conftest import NAMES, PLAN, table_of
from tests.cli.test_tee_registry import policy_text
from tests.tee.support import BUILD, MEASUREMENT, SimulatedAttester, vendor

from confide.aggregation import Receipt
from confide.computation import read_plan
from confide.engines import EnclaveHost, simulate
from confide.tee import read_policy
from confide.tee.certificates import load_certificate, to_pem
from confide.tee.relying import RelyingParty


@pytest.fixture
def run(folder):
    """A run in a simulated enclave: plan, policy, receipts and evidence in files."""
    (folder / "root.pem").write_bytes(to_pem([load_certificate(vendor("amd", 0).root)]))
    (folder / "policy.toml").write_text(policy_text(MEASUREMENT))
    relying = RelyingParty(read_policy(folder / "policy.toml"))
    text = (
        f'aggregation = "enclave"\n{PLAN}'
        f'[enclave]\npolicy = "{relying.policy.hash.hex()}"\nsimulated = true\n'
        '[threat]\nhardware = "assumed-sound"\n'
    )
    (folder / "plan.toml").write_text(text)
    plan, computation = read_plan(text, "plan.toml")
    host = EnclaveHost(SimulatedAttester(at=datetime.now(UTC)), BUILD, relying)
    data = {name: table_of(i) for i, name in enumerate(NAMES)}
    ran = simulate(plan, data, computation=computation, enclave=host)
    for number, result in enumerate(ran.totals):
        (folder / f"receipt-{number}").write_bytes(result.receipt or b"")
    (folder / "evidence").write_bytes(ran.evidence or b"")
    return folder


def verified(confide, *receipts):
    return confide(
        "tee", "receipts", "plan.toml", *receipts, "--evidence", "evidence", "--policy",
        "policy.toml", "--at", datetime.now(UTC).isoformat(),
    )  # fmt: skip


def test_says_what_was_released(run, confide):
    done = verified(confide, "receipt-0", "receipt-1")
    assert done.code == 0, done.err
    assert "round 0: 5 parties (alder, birch, cedar, dogwood, elm), without noise" in done.out
    assert "2 receipts of one enclave, none missing" in done.out
    assert "simulated" in done.out
    assert "SIMULATED" in done.err


@pytest.mark.parametrize("receipts", [("receipt-1",), ("receipt-1", "receipt-0")])
def test_one_that_is_missing_or_out_of_order_is_noticed(run, confide, receipts):
    done = verified(confide, *receipts)
    assert done.code == 6
    assert "does not follow the one before" in done.err
    assert done.out == ""


def test_one_that_was_changed_is_refused(run, confide):
    receipt = Receipt.from_bytes((run / "receipt-1").read_bytes())
    (run / "receipt-1").write_bytes(replace(receipt, epsilon="0.1").to_bytes())
    done = verified(confide, "receipt-0", "receipt-1")
    assert done.code == 6
    assert "not signed by the enclave" in done.err


def test_evidence_of_another_build_is_refused(run, confide):
    (run / "policy.toml").write_text(policy_text(b"m" * 48))
    done = verified(confide, "receipt-0")
    assert done.code == 10
    assert "nothing that the policy accepts" in done.err


def test_each_evidence_has_its_time(run, confide):
    done = confide(
        "tee", "receipts", "plan.toml", "receipt-0", "--evidence", "evidence", "--evidence",
        "evidence", "--policy", "policy.toml", "--at", "2026-11-24T12:00:00Z",
    )  # fmt: skip
    assert done.code == 3
    assert "2 times --evidence but 1 times --at: give one --at for each --evidence" in done.err
