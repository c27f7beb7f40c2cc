"""One bit of evidence or collateral changed, anywhere: refused."""

import json
import random  # noqa: TID251 - which bits are flipped is nobody's secret
from functools import cache
from typing import Any

import pytest
from tests.simulator.vectors import vector
from tests.tee.support import NOW, asked, policy_of, reference_of
from tests.tee.test_vectors import CASES, document_of, verified

from confide.errors import AttestationError, Step
from confide.tee import Binding, Claims, Collateral, Evidence, Platform, verify
from confide.tee.certificates import load_certificate, load_revocation_list, pem_blocks

UNTRUSTED = {Step.PARSE, Step.ROOT}
"""Where a document ends that no vendor signed, whatever it says."""

HEADER = 64
"""Bytes at the beginning whose single bits are flags: of these each bit is tried."""

SIZES = {Platform.SNP: 1184, Platform.SGX: 48 + 384, Platform.TDX: 48 + 584}
"""Of what is signed; of SEV-SNP's, also its signature and the zeros after it."""


@cache
def case_of(platform):
    """Simulated evidence that holds, and what accepts it."""
    fields: dict[str, Any] = {}
    if platform is Platform.NITRO:
        fields = {"nonce": b"n" * 32, "public_key": b"k" * 32}
    if platform is Platform.TDX:
        from confide_sim import Event

        fields["events"] = (Event("app", b"1"), Event("key", b"2"))
    case = asked(platform, **fields)
    return case, policy_of(reference_of(platform, case.evidence.document))


def holds(platform, *, document=None, collateral=None, event_log=None):
    """Verifies the case, with something else in a place."""
    case, policy = case_of(platform)
    evidence = Evidence(
        case.evidence.document if document is None else document,
        event_log=case.evidence.event_log if event_log is None else event_log,
    )
    carried = Binding(case.report_data)
    if platform is Platform.NITRO:
        carried = Binding(case.report_data, b"n" * 32, b"k" * 32)
    items = case.emitted.collateral if collateral is None else collateral
    return verify(evidence, policy, carried, collateral=Collateral.of(items), at=NOW)


def flipped(data, place, bit):
    changed = bytearray(data)
    changed[place] ^= 1 << bit
    return bytes(changed)


def survivors(data, check, *, places=None, every_bit=False):
    """Where one bit can be changed and `check` does not find that nobody signed that."""
    found: list[tuple[int, int, Step | None]] = []
    draw = random.Random(20261124)
    for place in range(len(data)) if places is None else places:
        for bit in range(8) if every_bit else (draw.randrange(8),):
            try:
                check(flipped(data, place, bit))
            except AttestationError as error:
                if error.step in UNTRUSTED:
                    continue
                found.append((place, bit, error.step))
            else:
                found.append((place, bit, None))
    return found


@pytest.mark.parametrize("platform", SIZES, ids=lambda p: p.value)
def test_of_headers_every_bit_and_of_reports_every_byte_matters(platform):
    """A signature covers whole bytes, so one bit of each shows that it covers the byte."""
    case, _ = case_of(platform)
    document, report = case.evidence.document, range(HEADER, SIZES[platform])

    def check(changed):
        return holds(platform, document=changed)

    assert survivors(document, check, places=range(HEADER), every_bit=True) == []
    assert survivors(document, check, places=report) == []


@pytest.mark.parametrize("platform", list(Platform), ids=lambda p: p.value)
def test_of_what_follows_them_every_field_matters(platform):
    """Signatures, keys, certificates; of Nitro's documents, all there is.

    None of these has fewer than three bytes beside those of its length and its tag.
    """
    case, _ = case_of(platform)
    document = case.evidence.document
    assert holds(platform)
    places = range(SIZES.get(platform, 0), len(document), 3)
    assert survivors(document, lambda d: holds(platform, document=d), places=places) == []


@pytest.mark.parametrize("name", CASES)
def test_of_published_evidence_bytes_all_over_matter(name):
    document = document_of(name)
    places = range(1, len(document), 11)
    assert survivors(document, lambda d: verified(name, document=d), places=places) == []


@pytest.mark.parametrize("name", ["leaf", "issuer", "list"])
def test_of_amds_collateral_every_field_matters(name):
    case, _ = case_of(Platform.SNP)
    ders = [next(pem_blocks(pem))[1] for pem in case.emitted.collateral]
    at = {"leaf": 0, "issuer": 1, "list": 3}[name]

    def check(der):
        return holds(Platform.SNP, collateral=[*ders[:at], der, *ders[at + 1 :]])

    assert holds(Platform.SNP, collateral=ders)
    assert survivors(ders[at], check, places=range(0, len(ders[at]), 3)) == []
    signature = range(len(ders[at]) - 520, len(ders[at]) - 500)  # where its bit string begins
    assert survivors(ders[at], check, places=signature, every_bit=True) == []


@pytest.mark.parametrize("platform", [Platform.SGX, Platform.TDX], ids=lambda p: p.value)
def test_of_intels_collateral_every_field_matters(platform):
    case, _ = case_of(platform)
    given = json.loads(case.emitted.collateral[0])
    chosen = random.Random(20261124)
    for key, text in given.items():
        for place in sorted({chosen.randrange(len(text)) for _ in range(25)}):
            other = _another(text, place)
            if _same(key, text, other):
                continue
            with pytest.raises(AttestationError):
                holds(platform, collateral=[json.dumps({**given, key: other}).encode()])


def _another(text, place):
    """The text with another character in a place, of the same kind where it is hexadecimal."""
    old = text[place]
    return text[:place] + ("1" if old != "1" else "2") + text[place + 1 :]


def _same(key, text, other):
    """Whether a change means nothing: between the blocks of a chain nothing is read."""
    return key.endswith("chain") and _blocks(text) == _blocks(other)


def _blocks(text):
    try:
        return list(pem_blocks(text.encode()))
    except AttestationError:
        return None


def test_of_an_event_log_every_field_matters():
    case, _ = case_of(Platform.TDX)
    log = json.loads(case.evidence.event_log)
    for index, event in enumerate(log):
        for key, value in event.items():
            other = {**event, key: value + 1 if isinstance(value, int) else f"{value}00"}
            changed = [*log[:index], other, *log[index + 1 :]]
            text = json.dumps(changed).encode()
            if key in ("event", "event_payload", "event_type"):
                # Its digest does not bind it any more, so nothing is taken of what it says.
                measured = holds(Platform.TDX, event_log=text).measurements
                assert f"event:{event['event']}" not in measured or index < len(log) - 2
            else:
                with pytest.raises(AttestationError):
                    holds(Platform.TDX, event_log=text)


def test_of_claims_every_bit_changes_what_evidence_must_carry():
    names = ("nonce", "hpke_key", "signing_key", "tls_key", "workload", "plan", "instance")
    values = {name: bytes([k]) * 32 for k, name in enumerate(names)}
    claims = Claims(purpose="aggregate", task="test", epoch=1, expires=2, **values)
    encoded = claims.to_bytes()
    seen = {claims.report_data}
    for place in range(len(encoded)):
        for bit in range(8):
            try:
                other = Claims.from_bytes(flipped(encoded, place, bit))
            except AttestationError:
                continue
            assert other.report_data not in seen
            seen.add(other.report_data)
    assert len(seen) > 8 * 7 * 32


def test_a_real_certificate_or_list_that_was_changed_does_not_read_as_itself():
    der = vector("snp_milan_v2.vcek.der")
    certificate = load_certificate(der)
    for place in range(0, len(der), 7):
        try:
            changed = load_certificate(flipped(der, place, place % 8))
        except AttestationError:
            continue
        assert changed != certificate
    with pytest.raises(AttestationError):
        load_revocation_list(der)
