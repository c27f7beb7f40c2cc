"""Simulated Nitro documents: the real layout, good cases, and bad ones that are bad in one way."""

from datetime import UTC, datetime, timedelta

import cbor2
import pytest
from confide_sim import AwsFault, AwsVendor
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from tests.simulator.vectors import vector
from tests.simulator.verifiers import nitro_findings

HOURS = timedelta(hours=1)


def _payload(document):
    return cbor2.loads(document)[2]


def _fields(document):
    return cbor2.loads(_payload(document))


class TestRealLayout:
    def test_with_the_contents_of_a_real_document_it_is_that_document(self, aws):
        real = vector("nitro_ok.cose")
        theirs = _fields(real)
        emitted = aws.attest(
            at=datetime.fromtimestamp(theirs["timestamp"] / 1000, UTC),
            pcrs=theirs["pcrs"],
            user_data=theirs["user_data"],
            nonce=theirs["nonce"],
            public_key=theirs["public_key"],
            module_id=theirs["module_id"],
        )
        document = emitted.evidence
        assert (
            nitro_findings(
                document, aws.root, datetime.fromtimestamp(theirs["timestamp"] // 1000, UTC)
            )
            == set()
        )
        assert document[:6] == real[:6]
        assert document[-99:-96] == real[-99:-96]
        # All but what names keys, byte by byte.
        ours, payload = _payload(document), _payload(real)
        start, end = payload.index(b"kcertificate"), payload.index(b"jpublic_key")
        assert ours[: ours.index(b"kcertificate")] == payload[:start]
        assert ours[ours.index(b"jpublic_key") :] == payload[end:]
        assert list(_fields(document)) == list(theirs)

    def test_the_chain_has_the_kinds_of_a_real_one(self, aws, at):
        real, ours = (
            [x509.load_der_x509_certificate(der) for der in (*f["cabundle"], f["certificate"])]
            for f in (_fields(vector("nitro_ok.cose")), _fields(aws.attest(at=at).evidence))
        )
        assert [_kind(c) for c in ours] == [_kind(c) for c in real]
        lives = [c.not_valid_after_utc - c.not_valid_before_utc for c in (ours[-1], real[-1])]
        assert lives[0] == lives[1] == timedelta(hours=3, seconds=3)

    def test_a_real_document_passes_the_verifier_used_here(self):
        real = vector("nitro_ok.cose")
        root = x509.load_pem_x509_certificate(vector("aws_nitro_root_g1.pem"))
        made = datetime.fromtimestamp(_fields(real)["timestamp"] // 1000, UTC)
        assert nitro_findings(real, root.public_bytes(Encoding.DER), made) == set()


def _kind(certificate):
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key.curve.name, certificate.signature_algorithm_oid, constraints


class TestGood:
    def test_verifies_for_three_hours(self, aws, at):
        document = aws.attest(at=at).evidence
        assert nitro_findings(document, aws.root, at) == set()
        assert nitro_findings(document, aws.root, at + 2.99 * HOURS) == set()
        assert nitro_findings(document, aws.root, at + 3.01 * HOURS) == {"leaf's dates"}

    def test_carries_what_it_is_given(self, aws, at):
        pcrs = {0: b"\x01" * 48, 8: b"\x02" * 48}
        document = aws.attest(
            at=at, pcrs=pcrs, user_data=b"u", nonce=b"n", public_key=b"k"
        ).evidence
        fields = _fields(document)
        assert nitro_findings(document, aws.root, at) == set()
        assert fields["pcrs"] == dict.fromkeys(range(16), bytes(48)) | pcrs
        assert (fields["user_data"], fields["nonce"], fields["public_key"]) == (b"u", b"n", b"k")
        assert fields["timestamp"] == int(at.timestamp() * 1000)
        assert fields["digest"] == "SHA384"

    def test_is_no_debugged_enclave_unless_asked(self, aws, at):
        pcrs = _fields(aws.attest(at=at).evidence)["pcrs"]
        assert {index for index, value in pcrs.items() if any(value)} == {0, 1, 2, 4}


BAD = {
    "document's signature": {"faults": [AwsFault.BAD_SIGNATURE]},
    "leaf's signature": {"faults": [AwsFault.FORGED_LEAF]},
    "debug": {"debug": True},
}


class TestBad:
    @pytest.mark.parametrize(("finding", "arguments"), BAD.items(), ids=BAD)
    def test_in_one_way(self, aws, at, finding, arguments):
        assert nitro_findings(aws.attest(at=at, **arguments).evidence, aws.root, at) == {finding}

    @pytest.mark.parametrize(
        ("fault", "hours"), [(AwsFault.EXPIRED_LEAF, -2), (AwsFault.FUTURE_LEAF, 2)]
    )
    def test_at_this_time_alone(self, aws, at, fault, hours):
        document = aws.attest(at=at, faults=[fault]).evidence
        assert nitro_findings(document, aws.root, at) == {"leaf's dates"}
        assert nitro_findings(document, aws.root, at + hours * HOURS) == set()

    def test_another_instance_is_another_vendor(self, aws, at):
        other = AwsVendor()
        document = other.attest(at=at).evidence
        assert nitro_findings(document, other.root, at) == set()
        assert nitro_findings(document, aws.root, at) == {"root"}

    def test_debugging_leaves_the_other_registers(self, aws, at):
        pcrs = {index: bytes([index]) * 48 for index in range(16)}
        given = _fields(aws.attest(at=at, pcrs=pcrs, debug=True).evidence)["pcrs"]
        assert given == pcrs | dict.fromkeys((0, 1, 2), bytes(48))


class TestRefused:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"pcrs": {16: bytes(48)}}, "PCR16; a document has PCR0 to PCR15"),
            ({"pcrs": {0: bytes(32)}}, "PCR0 has 32 bytes"),
            ({"faults": ["revoked"]}, "a fault is 'revoked'"),
            ({"user_data": bytes(513)}, "user_data has 513 bytes; it has 0 to 512"),
            ({"nonce": bytes(513)}, "nonce has 513"),
            ({"public_key": bytes(1025)}, "public_key has 1025 bytes; it has 1 to 1024"),
            ({"public_key": b""}, "public_key has 0 bytes"),
            ({"module_id": "i-1"}, "module_id 'i-1'; it is as"),
        ],
    )
    def test_what_does_not_fit(self, aws, at, arguments, words):
        with pytest.raises(ValueError, match=words):
            aws.attest(at=at, **arguments)
