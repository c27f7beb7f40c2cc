"""Nitro documents as a hostile peer might write them: one reading, one form, one chain."""

from dataclasses import replace
from datetime import timedelta

import cbor2
import pytest
from confide_sim import AwsVendor, pki, signing
from confide_sim.aws import _p384
from cryptography.hazmat.primitives.asymmetric import ec
from tests.tee.support import NOW, asked, vendor

from confide.errors import AttestationError, Step
from confide.tee import Platform, nitro
from confide.tee.attestation import Assurance
from confide.tee.certificates import load_certificate

ES384 = b"\xa1\x01\x38\x22"
MINUTES = timedelta(minutes=5)


def payload_of(document):
    return cbor2.loads(document)[2]


def fields_of(document):
    return cbor2.loads(payload_of(document))


def good():
    return asked(Platform.NITRO).evidence.document


def signed(payload, key):
    message = cbor2.dumps(["Signature1", ES384, b"", payload])
    return cbor2.dumps([ES384, {}, payload, signing.raw(key, message)])


def resigned(payload):
    """A document with this payload; `parse` does not verify whose the signature is."""
    return signed(payload, _p384())


def open_map(items):
    return b"\xbf" + b"".join(cbor2.dumps(k) + v for k, v in items) + b"\xff"


def items_of(document):
    return [(key, cbor2.dumps(value)) for key, value in fields_of(document).items()]


def refused(document, match):
    with pytest.raises(AttestationError, match=match) as raised:
        nitro.parse(document)
    assert raised.value.step is Step.PARSE


def authenticated(document, root, at=NOW, max_age=MINUTES):
    pinned = [(load_certificate(root), Assurance.SIMULATED)]
    return nitro.authenticate(nitro.parse(document), pinned, at, max_age)


def not_authentic(document, root, match, step=Step.ROOT, **time):
    with pytest.raises(AttestationError, match=match) as raised:
        authenticated(document, root, **time)
    assert raised.value.step is step


class TestForm:
    def test_a_map_of_open_or_of_stated_length_reads(self):
        items = items_of(good())
        stated = cbor2.dumps(fields_of(good()))
        assert nitro.parse(resigned(open_map(items))).pcrs == nitro.parse(resigned(stated)).pcrs

    @pytest.mark.parametrize("name", ["pcrs", "user_data", "nonce", "timestamp", "module_id"])
    @pytest.mark.parametrize("first", [True, False])
    def test_a_key_that_occurs_twice(self, name, first):
        """Decoders take the first or the last, so two readers could see two documents."""
        items = items_of(good())
        (again,) = [item for item in items if item[0] == name]
        doubled = [again, *items] if first else [*items, again]
        refused(resigned(open_map(doubled)), "not the shortest form")

    def test_a_register_that_occurs_twice(self):
        registers = b"\xa2" + (b"\x00" + cbor2.dumps(bytes(48))) * 2
        items = [(k, registers if k == "pcrs" else v) for k, v in items_of(good())]
        refused(resigned(open_map(items)), "not the shortest form")

    def test_a_register_whose_number_is_a_truth_value(self):
        fields = fields_of(good())
        pcrs = {True if k == 1 else k: v for k, v in fields["pcrs"].items()}
        refused(resigned(cbor2.dumps({**fields, "pcrs": pcrs})), "number below 32")

    @pytest.mark.parametrize(
        ("name", "written"),
        [
            ("timestamp", b"\x1b" + (5).to_bytes(8, "big")),
            ("nonce", b"\x58\x01n"),
            ("user_data", b"\x5f\x41a\x41b\xff"),
            ("digest", b"\x7f\x63SHA\x63384\xff"),
            ("cabundle", b"\x9f"),
        ],
    )
    def test_a_value_that_is_written_longer_than_it_need_be(self, name, written):
        if name == "cabundle":
            bundle = fields_of(good())[name]
            written = b"\x9f" + b"".join(map(cbor2.dumps, bundle)) + b"\xff"
        items = [(k, written if k == name else v) for k, v in items_of(good())]
        refused(resigned(open_map(items)), "not the shortest form")

    def test_bytes_after_the_payloads_end(self):
        refused(resigned(payload_of(good()) + b"\0"), "the Nitro document")

    @pytest.mark.parametrize("depth", [10, 500, 20_000])
    def test_what_nests_deeply(self, depth):
        deep = b"\x81" * depth + b"\x00"
        for name in ("pcrs", "nonce", "cabundle"):
            inner = b"\xa1\x00" + deep if name == "pcrs" else b"\x81" + deep
            items = [(k, inner if k == name else v) for k, v in items_of(good())]
            refused(resigned(open_map(items)), "the Nitro document")

    @pytest.mark.parametrize("number", [1, 24, 28, 35, 258, 55799])
    def test_tags_which_a_decoder_would_act_upon(self, number):
        """Of the whole document, and of a value in it."""
        refused(cbor2.dumps(cbor2.CBORTag(number, cbor2.loads(good()))), "has CBOR tags")
        tagged = b"\xd9" + number.to_bytes(2, "big") + b"\x41\x00"
        items = [(k, tagged if k == "user_data" else v) for k, v in items_of(good())]
        refused(resigned(open_map(items)), "has CBOR tags")

    @pytest.mark.parametrize("place", [2, 3])
    @pytest.mark.parametrize("value", [None, 7, "text", [], {}])
    def test_a_payload_or_a_signature_that_is_none(self, place, value):
        outer = cbor2.loads(good())
        outer[place] = value
        refused(cbor2.dumps(outer), "is not a byte string")

    def test_a_header_beside_the_algorithm(self):
        protected = cbor2.dumps({1: -35, 4: b"kid"})
        document = cbor2.dumps([protected, *cbor2.loads(good())[1:]])
        refused(document, "not a COSE signature by ES384")

    def test_of_more_than_64_kibibytes(self):
        fields = {**fields_of(good()), "user_data": bytes(64 << 10)}
        refused(resigned(cbor2.dumps(fields)), "at most 65,536 are read")


class TestChain:
    def chain(self, **changes):
        """A document whose chain the test makes: root → middle → leaf, with changes."""
        root = pki.found("root", _p384())
        middle = pki.certify(
            "middle", _p384(), root, path_length=0, validity=changes.get("middle", pki.LIFE)
        )
        key = changes.get("key") or _p384()
        by = root if changes.get("by_root") else middle
        leaf = pki.issue(
            "leaf", key.public_key(), by, changes.get("leaf", pki.LIFE),
            pki.leaf_extensions(key.public_key(), by),
        )  # fmt: skip
        above = [root, middle]
        fields = {
            **fields_of(good()),
            "certificate": pki.der(leaf),
            "cabundle": [pki.der(a.certificate) for a in above],
            **changes.get("fields", {}),
        }
        return cbor2.dumps(fields), key, pki.der(root.certificate)

    def test_of_the_tests_own_holds(self):
        payload, key, root = self.chain()
        assert authenticated(signed(payload, key), root).assurance is Assurance.SIMULATED

    def test_whose_first_is_not_the_root(self):
        document, other = good(), AwsVendor().root
        not_authentic(document, other, "begins at 'simulated.aws.nitro-enclaves', not pinned")

    def test_a_root_of_the_same_name(self):
        vendor("aws", 0)
        not_authentic(good(), vendor("aws", 7).root, "not pinned")

    def test_a_leaf_that_skips_an_issuer(self):
        payload, key, root = self.chain(by_root=True)
        not_authentic(signed(payload, key), root, "'leaf' is not signed by 'middle'")

    def test_a_leaf_that_is_an_issuer_to_another(self):
        """Whoever has an enclave has a certificate, which must not certify others."""
        payload, key, root = self.chain()
        fields = cbor2.loads(payload)
        owner = pki.Authority(load_certificate(fields["certificate"]), key)
        own = _p384()
        forged = pki.issue(
            "forged", own.public_key(), owner, pki.LIFE,
            pki.leaf_extensions(own.public_key(), owner),
        )  # fmt: skip
        bundle = [*fields["cabundle"], fields["certificate"]]
        longer = {**fields, "certificate": pki.der(forged), "cabundle": bundle}
        document = signed(cbor2.dumps(longer), own)
        not_authentic(document, root, "'leaf' is not an authority for such a chain")

    @pytest.mark.parametrize("who", ["middle", "leaf"])
    @pytest.mark.parametrize("begins", [-60, 30])
    def test_a_certificate_of_another_time(self, who, begins):
        start = NOW + timedelta(days=begins)
        payload, key, root = self.chain(**{who: (start, start + timedelta(days=1))})
        document = signed(payload, key)
        not_authentic(document, root, f"the certificate '{who}' is valid from", Step.FRESHNESS)

    def test_a_certificate_that_ended_between_making_and_asking(self):
        ends = NOW + timedelta(minutes=2)
        payload, key, root = self.chain(leaf=(NOW - timedelta(hours=1), ends))
        document = signed(payload, key)
        assert authenticated(document, root, NOW + timedelta(minutes=1)).expires == ends
        at = NOW + timedelta(minutes=3)
        not_authentic(document, root, "'leaf' is valid from", Step.FRESHNESS, at=at)

    @pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP521R1()])
    def test_a_key_of_another_curve(self, curve):
        key = ec.generate_private_key(curve)
        payload, _, root = self.chain(key=key)
        not_authentic(signed(payload, _p384()), root, "the key of 'leaf' is not P-384")

    def test_a_signature_by_another_key(self):
        payload, _, root = self.chain()
        not_authentic(signed(payload, _p384()), root, "was altered")

    def test_a_signature_of_zeros(self):
        payload, _, root = self.chain()
        document = cbor2.dumps([ES384, {}, payload, bytes(96)])
        not_authentic(document, root, "was altered")


class TestMeasurements:
    @pytest.mark.parametrize("pcr", [0, 1, 2])
    def test_one_that_is_left_out_counts_as_zero(self, pcr):
        document = nitro.parse(good())
        cut = {name: value for name, value in document.pcrs.items() if name != f"pcr{pcr}"}
        assert not document.debug
        assert replace(document, pcrs=cut).debug

    def test_fields_that_are_left_out_are_none(self):
        fields = {k: v for k, v in fields_of(good()).items() if k not in ("nonce", "public_key")}
        binding = nitro.parse(resigned(cbor2.dumps(fields))).binding
        assert binding.nonce is None
        assert binding.public_key is None

    def test_an_empty_nonce_is_not_none(self):
        fields = {**fields_of(good()), "nonce": b""}
        assert nitro.parse(resigned(cbor2.dumps(fields))).binding.nonce == b""
