"""Announcements that contradict each other are evidence that anybody can check."""

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.runtime.liar import KEY, NAMES, drift

from confide.aggregation import Round, RoundResult
from confide.aggregation.sharing import wire
from confide.errors import VerificationError
from confide.plan import FixedCrowd
from confide.runtime.evidence import contradiction
from confide.runtime.wire import RESULT, SKIP, framed, result_fields


@pytest.fixture(name="round_")
def _round():
    plan = drift().plan(parties=list(NAMES), rounds=3, dropouts=1, crowd=FixedCrowd())
    return Round(plan, 1)


def survivors(round_, names, key=KEY):
    members = wire.members_to_bytes(np.isin(NAMES, names))
    said = round_.announce(key, "survivors", survivors=members, confirmations=b"")
    return framed(round_, said)


def result(round_, totals=(0, 0), names=NAMES):
    made = RoundResult(tuple(names), np.array(totals))
    return framed(round_, round_.announce(KEY, RESULT, **result_fields(round_, made)))


def test_two_sets_of_survivors(round_):
    found = contradiction(round_, survivors(round_, NAMES), survivors(round_, NAMES[1:]))
    assert found.field == "survivors"
    assert "two values of 'survivors' in round 1, attempt 0" in str(found)


def test_two_results(round_):
    assert contradiction(round_, result(round_), result(round_, (1, 0))).field == "totals"


def test_a_result_over_other_survivors_than_were_announced(round_):
    found = contradiction(round_, survivors(round_, NAMES[1:]), result(round_))
    assert found.field == "survivors"


def test_a_result_and_a_round_without_one(round_):
    skipped = framed(round_, round_.announce(KEY, SKIP))
    assert "a result, and that there is none" in str(contradiction(round_, result(round_), skipped))


def test_what_may_differ_from_party_to_party_is_none(round_):
    one, other = (
        framed(round_, round_.announce(KEY, "deliver", sharers=b"\x7f", ciphertexts=text))
        for text in (b"for one", b"for another")
    )
    with pytest.raises(VerificationError, match="do not contradict each other"):
        contradiction(round_, one, other)


def test_the_same_twice_is_none(round_):
    with pytest.raises(VerificationError, match="do not contradict each other"):
        contradiction(round_, result(round_), result(round_))


def test_what_another_key_signed_is_none(round_):
    forged = survivors(round_, NAMES[1:], Ed25519PrivateKey.generate())
    with pytest.raises(VerificationError, match="does not verify"):
        contradiction(round_, survivors(round_, NAMES), forged)


def test_two_attempts_may_differ(round_):
    later = Round(round_.plan, round_.number, 1)
    with pytest.raises(VerificationError, match="another attempt"):
        contradiction(round_, survivors(round_, NAMES), survivors(later, NAMES[1:]))
