"""Evidence as it travels: a vendor's bytes, and what belongs to them."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tee.support import asked, vendor
from tests.tee.test_claims import CLAIMS

from confide import canonical
from confide.errors import AttestationError, Step
from confide.tee import Collateral, Evidence, Platform
from confide.tee.certificates import load_certificate
from confide.tee.evidence import MAX_EVIDENCE_BYTES

EVIDENCE = Evidence(b"\x02document", CLAIMS, b"[]", (b"one", b"two"))

VALUES = {
    "format": "confide evidence 1",
    "document": b"\x02document",
    "claims": CLAIMS.to_bytes(),
    "event_log": b"[]",
    "collateral": [b"one", b"two"],
}


def refused(data, reason):
    with pytest.raises(AttestationError, match=reason) as raised:
        Evidence.from_bytes(data)
    assert raised.value.step is Step.PARSE


def test_is_one_map_in_deterministic_cbor():
    assert EVIDENCE.to_bytes() == canonical.encode(VALUES)


@given(
    st.builds(
        Evidence,
        st.binary(),
        st.none() | st.just(CLAIMS),
        st.none() | st.binary(),
        st.lists(st.binary(max_size=20), max_size=100).map(tuple),
    )
)
def test_is_read_back_as_it_was(evidence):
    assert Evidence.from_bytes(evidence.to_bytes()) == evidence


@pytest.mark.parametrize("platform", list(Platform))
def test_may_be_a_vendors_document_by_itself(platform):
    document = asked(platform).emitted.evidence
    assert Evidence.from_bytes(document) == Evidence(document)


@pytest.mark.parametrize("data", [b"", b"\0", b"\x9f", b"\x5f", b"\xc0"])
def test_that_is_no_map_is_left_to_the_verifiers(data):
    assert Evidence.from_bytes(data) == Evidence(data)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "confide evidence 2"},
        {"format": None},
        {"document": "text"},
        {"document": None},
        {"claims": "text"},
        {"claims": {}},
        {"event_log": "[]"},
        {"collateral": None},
        {"collateral": b"one"},
        {"collateral": ["one"]},
        {"collateral": [[b"one"]]},
        {"platform": "sgx"},
    ],
    ids=str,
)
def test_of_another_form_is_not_read(change):
    refused(canonical.encode({**VALUES, **change}), "is no 'confide evidence 1' with its five")


@pytest.mark.parametrize("name", VALUES)
def test_without_a_field_is_not_read(name):
    left = {key: value for key, value in VALUES.items() if key != name}
    refused(canonical.encode(left), "is no 'confide evidence 1' with its five")


def test_with_claims_that_do_not_read_is_not_read():
    refused(canonical.encode({**VALUES, "claims": b"\xa0"}), "the claims do not read")


def test_is_read_in_its_one_encoding_only():
    refused(EVIDENCE.to_bytes() + b"\0", "the evidence does not read")
    refused(EVIDENCE.to_bytes()[:-1], "the evidence does not read")
    refused(b"\xbf" + EVIDENCE.to_bytes()[1:] + b"\xff", "the evidence does not read")


def test_has_a_largest_size():
    whole = Evidence(bytes(MAX_EVIDENCE_BYTES))
    assert Evidence.from_bytes(whole.document) == whole
    refused(bytes(MAX_EVIDENCE_BYTES + 1), "evidence of 4,194,305 bytes; at most 4,194,304")
    refused(whole.to_bytes(), "at most 4,194,304")


def test_has_a_largest_number_of_parts():
    """Small items take much more memory than bytes, so few are taken."""
    few = Evidence(b"", collateral=(b"",) * 117)
    assert Evidence.from_bytes(few.to_bytes()) == few
    refused(Evidence(b"", collateral=(b"",) * 118).to_bytes(), "the evidence does not read")


def test_is_named_by_the_hash_of_the_vendors_bytes():
    assert EVIDENCE.hash == hashlib.sha256(b"\x02document").digest()
    assert Evidence(b"\x02document").hash == EVIDENCE.hash
    assert Evidence(b"\x02documenu").hash != EVIDENCE.hash


def test_brings_collateral_beside_what_is_at_hand():
    amd, intel = asked(Platform.SNP), asked(Platform.SGX)
    own = Collateral.of(amd.emitted.collateral)
    both = Evidence(b"", collateral=amd.emitted.collateral).with_collateral(intel.collateral)
    assert both.intel == intel.collateral.intel
    assert both.certificates == own.certificates
    assert both.revocation_lists == own.revocation_lists
    assert load_certificate(vendor("amd", 0).root) in both.certificates


def test_with_collateral_that_does_not_read_is_refused():
    with pytest.raises(AttestationError, match="neither Intel's JSON, nor PEM") as raised:
        EVIDENCE.with_collateral(Collateral())
    assert raised.value.step is Step.PARSE
