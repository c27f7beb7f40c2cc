"""Claims: one encoding, one hash, and nothing in them that the evidence does not carry."""

import hashlib
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide import canonical
from confide.errors import AttestationError, Step
from confide.tee import Claims
from confide.tee.claims import MAX_CLAIMS_BYTES

CLAIMS = Claims(
    purpose="aggregate",
    nonce=b"n" * 32,
    hpke_key=b"h" * 32,
    signing_key=b"s" * 32,
    tls_key=bytes(32),
    workload=b"w" * 32,
    plan=b"p" * 32,
    task="fed-avg",
    instance=b"i" * 32,
    epoch=3,
    expires=1_796_000_000,
)
HASHES = ("nonce", "hpke_key", "signing_key", "tls_key", "workload", "plan", "instance")
CHANGES: dict[str, Any] = {
    **dict.fromkeys(HASHES, b"x" * 32),
    "purpose": "decrypt",
    "task": "another",
    "epoch": 4,
    "expires": 1_796_000_001,
}

hashes = st.binary(min_size=32, max_size=32)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
claims = st.builds(
    Claims,
    **dict.fromkeys(HASHES, hashes),
    purpose=texts,
    task=texts,
    epoch=st.integers(0, 1 << 53),
    expires=st.integers(0, 253_402_300_799),
)


def test_are_these_bytes_and_this_hash():
    """What other implementations must compute: RFC 8949 §4.2.1, and SHA-512 of domain and bytes."""
    assert CLAIMS.to_bytes().hex() == (
        "ab" + "64706c616e" + "5820" + "70" * 32
        + "647461736b" + "67" + b"fed-avg".hex()
        + "6565706f6368" + "03"
        + "656e6f6e6365" + "5820" + "6e" * 32
        + "6765787069726573" + "1a6b0cc900"
        + "67707572706f7365" + "69" + b"aggregate".hex()
        + "67746c735f6b6579" + "5820" + "00" * 32
        + "6868706b655f6b6579" + "5820" + "68" * 32
        + "68696e7374616e6365" + "5820" + "69" * 32
        + "68776f726b6c6f6164" + "5820" + "77" * 32
        + "6b7369676e696e675f6b6579" + "5820" + "73" * 32
    )  # fmt: skip
    covered = b"confide attested claims 1\0" + CLAIMS.to_bytes()
    assert CLAIMS.report_data == hashlib.sha512(covered).digest()
    assert CLAIMS.digest == hashlib.sha256(covered).digest()
    assert CLAIMS.report_data.hex() == (
        "218f0d343cbcd5d4326c4cffc96c6b936bbefcffc752f56be1e2ad90979defd4"
        "28dcc543026ee41895284d3f17f7dc2185e0ad7ffcdd3feb23c6e412bf81405d"
    )


@given(claims)
def test_are_read_back_as_they_were(written):
    data = written.to_bytes()
    assert len(data) <= MAX_CLAIMS_BYTES
    assert Claims.from_bytes(data) == written
    assert len(written.report_data) == 64
    assert written.expires_at.timestamp() == written.expires


def test_every_field_is_covered_by_what_the_evidence_carries():
    assert CHANGES.keys() == {item.name for item in fields(Claims)}
    changed = [replace(CLAIMS, **{name: value}) for name, value in CHANGES.items()]
    assert len({c.report_data for c in [CLAIMS, *changed]}) == len(CHANGES) + 1
    assert len({c.digest for c in [CLAIMS, *changed]}) == len(CHANGES) + 1


@given(claims, claims)
def test_two_have_one_hash_only_if_they_are_the_same(first, second):
    assert (first == second) == (first.report_data == second.report_data)


def test_end_when_they_say():
    assert CLAIMS.expires_at == datetime(2026, 11, 30, 0, 53, 20, tzinfo=UTC)
    last = replace(CLAIMS, expires=253_402_300_799)
    assert last.expires_at == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        *(({name: bytes(31)}, f"{name} of 31 bytes; it has 32") for name in HASHES),
        ({"nonce": b""}, "nonce of 0 bytes"),
        ({"nonce": bytes(33)}, "nonce of 33 bytes"),
        ({"purpose": ""}, "purpose of 0 characters; 1 to 200"),
        ({"task": "x" * 201}, "task of 201 characters"),
        ({"epoch": -1}, "epoch -1"),
        ({"epoch": (1 << 53) + 1}, "epoch 9007199254740993"),
        ({"expires": -1}, "expires -1"),
        ({"expires": 253_402_300_800}, "claims end before the year 10,000"),
        ({"expires": 1 << 53}, "claims end before the year 10,000"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_outside_of_their_limits_are_neither_made_nor_read(change, reason):
    with pytest.raises(AttestationError, match=reason):
        replace(CLAIMS, **change)
    values = canonical.decode(CLAIMS.to_bytes(), MAX_CLAIMS_BYTES)
    with pytest.raises(AttestationError, match=reason) as raised:
        Claims.from_bytes(canonical.encode({**values, **change}))
    assert raised.value.step is Step.PARSE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"extra": 1}, "a map with the keys purpose, nonce, hpke_key"),
        ({"epoch": True}, "epoch is a bool, not int"),
        ({"epoch": "3"}, "epoch is a str, not int"),
        ({"task": b"fed-avg"}, "task is a bytes, not str"),
        ({"plan": "p" * 32}, "plan is a str, not bytes"),
        ({"nonce": None}, "nonce is a NoneType, not bytes"),
        ({"instance": []}, "instance is a list, not bytes"),
    ],
)
def test_of_another_form_are_not_read(change, reason):
    values = canonical.decode(CLAIMS.to_bytes(), MAX_CLAIMS_BYTES)
    with pytest.raises(AttestationError, match=reason) as raised:
        Claims.from_bytes(canonical.encode({**values, **change}))
    assert raised.value.step is Step.PARSE


@pytest.mark.parametrize("name", [item.name for item in fields(Claims)])
def test_without_a_field_are_not_read(name):
    values = canonical.decode(CLAIMS.to_bytes(), MAX_CLAIMS_BYTES)
    del values[name]
    with pytest.raises(AttestationError, match="a map with the keys"):
        Claims.from_bytes(canonical.encode(values))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        canonical.encode("claims"),
        CLAIMS.to_bytes() + b"\0",
        CLAIMS.to_bytes()[:-1],
        b"\xbf" + CLAIMS.to_bytes()[1:] + b"\xff",
        b"\xb8\x0b" + CLAIMS.to_bytes()[1:],
        canonical.encode({"purpose": "x" * MAX_CLAIMS_BYTES}),
    ],
    ids=["nothing", "list", "text", "longer", "shorter", "open map", "long head", "too large"],
)
def test_are_read_in_their_one_encoding_only(data):
    with pytest.raises(AttestationError, match="the claims do not read"):
        Claims.from_bytes(data)
