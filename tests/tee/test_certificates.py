"""Certificates and revocation lists: one way to write each down, and chains that hold."""

import base64
import subprocess
import sys
import warnings
from datetime import timedelta

import pytest
from confide_sim import der, pki
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from tests.simulator.vectors import vector
from tests.tee.support import NOW

from confide.errors import AttestationError, Step
from confide.tee import certificates
from confide.tee.certificates import load_certificate, load_revocation_list, pem_blocks

DAY = timedelta(days=1)
WEEK = (NOW - 7 * DAY, NOW + 7 * DAY)


def key():
    return ec.generate_private_key(ec.SECP256R1())


def issued(by, name="leaf", validity=WEEK, extensions=None):
    own = key()
    more = pki.leaf_extensions(own.public_key(), by) if extensions is None else extensions
    return pki.issue(name, own.public_key(), by, validity, more)


@pytest.fixture(scope="module")
def root():
    return pki.found("root", key())


@pytest.fixture(scope="module")
def middle(root):
    return pki.certify("middle", key(), root, path_length=0)


def listed(by, *serials, validity=WEEK):
    return pki.revocation_list(by, serials, validity).public_bytes(Encoding.DER)


def refused(read, data, match=None):
    with pytest.raises(AttestationError, match=match) as raised:
        read(data)
    assert raised.value.step is Step.PARSE


def renumbered(data, first):
    """A certificate's bytes with another first byte of its number."""
    number = x509.load_der_x509_certificate(data).serial_number
    own = number.to_bytes(number.bit_length() // 8 + 1, "big")
    assert data.count(own) == 1
    return data.replace(own, bytes([first]) + own[1:])


def unwrapped(outer):
    """The three parts of a certificate or a list, each whole: contents, algorithm, signature."""
    parts, _ = _contents(outer)
    found = []
    while parts:
        _, rest = _contents(parts)
        found.append(parts[: len(parts) - len(rest)])
        parts = rest
    return found


def _contents(data):
    size, start = data[1], 2
    if size & 0x80:
        count = size & 0x7F
        size, start = int.from_bytes(data[2 : 2 + count], "big"), 2 + count
    return data[start : start + size], data[start + size :]


@pytest.mark.parametrize("kind", ["certificate", "list"])
class TestForm:
    def whole(self, kind, root):
        if kind == "certificate":
            return load_certificate, pki.der(issued(root))
        return load_revocation_list, listed(root, 5)

    def test_reads(self, kind, root):
        read, data = self.whole(kind, root)
        assert read(data).public_bytes(Encoding.DER) == data
        assert der.sequence(b"".join(unwrapped(data))) == data

    @pytest.mark.parametrize("more", [b"\0", b"\0\0", b"\x30\x00", b"text"])
    def test_bytes_after_the_end(self, kind, root, more):
        read, data = self.whole(kind, root)
        refused(read, data + more)

    def test_what_ends_too_early(self, kind, root):
        read, data = self.whole(kind, root)
        for size in range(len(data)):
            refused(read, data[:size])

    def test_of_more_than_64_kibibytes(self, kind, root):
        read, data = self.whole(kind, root)
        refused(read, data.ljust((64 << 10) + 1, b"\0"), "at most 65,536 are read")

    @pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\x00", b"\x30\x80\x00\x00", bytes(300)])
    def test_what_is_none(self, kind, root, data):
        refused(self.whole(kind, root)[0], data, "in DER")

    def test_a_length_that_is_written_longer_than_it_need_be(self, kind, root):
        read, data = self.whole(kind, root)
        refused(read, b"\x30\x83\x00" + data[2:])
        contents = b"".join(unwrapped(data))
        refused(read, b"\x30\x80" + contents + b"\0\0")

    @pytest.mark.parametrize("unused", range(1, 9))
    def test_a_signature_that_is_not_of_whole_bytes(self, kind, root, unused):
        """Bits that are said to be of no account could be any, and still it would verify."""
        read, data = self.whole(kind, root)
        contents, algorithm, signature = unwrapped(data)
        bits = signature[:2] + bytes([unused]) + signature[3:]
        refused(read, der.sequence(contents + algorithm + bits))

    def test_a_signature_that_says_it_has_no_more_bits_and_has(self, kind, root):
        read, data = self.whole(kind, root)
        contents, algorithm, signature = unwrapped(data)
        longer = b"\x03" + bytes([signature[1] + 1]) + signature[2:] + b"\0"
        changed = read(der.sequence(contents + algorithm + longer))
        assert not certificates.is_list_of(changed, root.certificate) if kind == "list" else (
            not certificates.is_issued_by(changed, root.certificate)
        )  # fmt: skip

    def test_the_other_kind(self, kind, root):
        other = "list" if kind == "certificate" else "certificate"
        refused(self.whole(other, root)[0], self.whole(kind, root)[1])

    def test_two_algorithms(self, kind, root):
        """What is signed says which one signs, and so does what is not."""
        read, data = self.whole(kind, root)
        contents, algorithm, signature = unwrapped(data)
        other = algorithm.replace(
            bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d040303")
        )
        assert other != algorithm
        try:
            changed = read(der.sequence(contents + other + signature))
        except AttestationError:
            return
        check = certificates.is_issued_by if kind == "certificate" else certificates.is_list_of
        assert not check(changed, root.certificate)


class TestCertificate:
    def test_of_a_chip_of_amds_has_the_number_zero_and_reads(self):
        data = vector("snp_milan_v2.vcek.der")
        assert load_certificate(data).public_bytes(Encoding.DER) == data

    def test_a_version_before_extensions(self, root):
        """Version 1 says nothing of what its key may do."""
        data = pki.der(issued(root, extensions=[]))
        contents, algorithm, signature = unwrapped(data)
        inner, _ = _contents(contents)
        assert inner.startswith(b"\xa0\x03\x02\x01\x02")
        changed = load_certificate(der.sequence(der.sequence(inner[5:]) + algorithm + signature))
        with pytest.raises(AttestationError):
            certificates.check_chain([changed], root.certificate)

    def test_extensions_that_do_not_read(self, root):
        odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.19"), b"\xff")
        own = key()
        data = pki.der(pki.issue("odd", own.public_key(), root, WEEK, [(odd, True)]))
        refused(load_certificate, data, "not X.509")

    def test_an_extension_that_stands_twice(self, root):
        builder = pki._builder(
            root.certificate.subject, root.certificate.subject, key().public_key(), WEEK
        )
        twice = x509.Extension(
            x509.ObjectIdentifier("1.2.3"), critical=False,
            value=x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b""),
        )  # fmt: skip
        builder._extensions = [twice, twice]
        data = builder.sign(root.key, SHA256()).public_bytes(Encoding.DER)
        refused(load_certificate, data, "not X.509")

    def test_no_warning_of_a_name_is_passed_over(self, root):
        """A country of three letters: the library warns and goes on, and nobody would see it."""
        with pytest.warns(UserWarning, match="length"):
            country = x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "ABC", _validate=False)
        name = x509.Name([country])
        builder = pki._builder(name, root.certificate.subject, key().public_key(), WEEK)
        data = builder.sign(root.key, SHA256()).public_bytes(Encoding.DER)
        refused(load_certificate, data, "not X.509")


class TestList:
    @pytest.mark.parametrize(
        "extension",
        [
            x509.DeltaCRLIndicator(1),
            x509.IssuingDistributionPoint(
                None, None, only_contains_user_certs=True, only_contains_ca_certs=False,
                only_some_reasons=None, indirect_crl=False, only_contains_attribute_certs=False,
            ),
            x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"),
        ],
        ids=["differences", "some certificates", "unknown"],
    )  # fmt: skip
    def test_that_names_only_a_part(self, root, extension):
        """Signed by the right key, and yet what it does not name may be revoked."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(root.certificate.subject)
            .last_update(WEEK[0])
            .next_update(WEEK[1])
            .add_extension(x509.CRLNumber(2), critical=False)
        )
        plain = builder.sign(root.key, SHA256())
        assert load_revocation_list(plain.public_bytes(Encoding.DER)) == plain
        partial = builder.add_extension(extension, critical=True).sign(root.key, SHA256())
        data = partial.public_bytes(Encoding.DER)
        refused(load_revocation_list, data, "a critical extension, .*: it is not whole")

    def test_that_is_not_of_the_issuer_revokes_nobody(self, root, middle):
        leaf = issued(root)
        renamed = pki.found("other", root.key)
        for by in (pki.forger_of(root, key()), middle, pki.found("root", key()), renamed):
            revoked = load_revocation_list(listed(by, leaf.serial_number))
            assert not certificates.is_list_of(revoked, root.certificate)
            assert not certificates.check_revocation(revoked, root.certificate, [leaf])

    def test_a_negative_number_is_on_no_list(self, root):
        """Looking it up in a list raises what is no refusal, so a certificate has none."""
        data = pki.der(issued(root))
        assert load_certificate(renumbered(data, 0x40)).serial_number > 0
        refused(load_certificate, renumbered(data, 0x80), "not X.509 in DER")

    def test_of_an_issuer_whose_name_breaks_its_own_rules(self, root):
        """Of which the library only warns: here, a country of more than two letters."""
        data, name, country = listed(root, 5), b"\x06\x03\x55\x04\x03", b"\x06\x03\x55\x04\x06"
        assert data.count(name) == 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            refused(load_revocation_list, data.replace(name, country), "not a CRL in DER")

    @pytest.mark.parametrize("number", [0, 0x80])
    def test_may_hold_numbers_that_break_the_rules(self, root, number):
        """As AMD's certificates have them; of whatever else it holds, nothing is lost."""
        data = listed(root, 5, 7)
        before = b"\x02\x01\x05\x17"
        assert data.count(before) == 1
        revoked = load_revocation_list(data.replace(before, bytes([2, 1, number, 0x17])))
        assert revoked.get_revoked_certificate_by_serial_number(7) is not None

    def test_numbers_are_the_issuers_own(self, root, middle):
        """Two issuers may give the same number."""
        leaf = issued(middle)
        revoked = load_revocation_list(listed(root, leaf.serial_number))
        assert certificates.check_revocation(revoked, root.certificate, [leaf, middle.certificate])
        own = load_revocation_list(listed(middle, leaf.serial_number))
        with pytest.raises(AttestationError, match="'leaf' is revoked by its vendor") as raised:
            certificates.check_revocation(own, middle.certificate, [leaf])
        assert raised.value.step is Step.ROOT

    @pytest.mark.parametrize("place", range(3))
    def test_each_place_of_the_list_counts(self, root, place):
        leaf = issued(root)
        numbers = [1, 2]
        numbers.insert(place, leaf.serial_number)
        revoked = load_revocation_list(listed(root, *numbers))
        with pytest.raises(AttestationError, match="is revoked"):
            certificates.check_revocation(revoked, root.certificate, [leaf])

    @pytest.mark.parametrize(("days", "holds"), [(-8, False), (-6, True), (6, True), (8, False)])
    def test_holds_for_its_time(self, root, days, holds):
        revoked, at = load_revocation_list(listed(root)), NOW + days * DAY
        if holds:
            certificates.check_list_dates(revoked, root.certificate, at)
            return
        with pytest.raises(AttestationError, match="the revocation list of 'root' holds from"):
            certificates.check_list_dates(revoked, root.certificate, at)


class TestChain:
    def check(self, root, *chain):
        certificates.check_chain(chain, root.certificate)

    def broken(self, match, root, *chain):
        with pytest.raises(AttestationError, match=match) as raised:
            self.check(root, *chain)
        assert raised.value.step is Step.ROOT

    def test_of_two_holds(self, root, middle):
        self.check(root, issued(middle), middle.certificate)

    def test_in_another_order(self, root, middle):
        self.broken("is not signed by", root, middle.certificate, issued(middle))

    def test_with_a_link_that_is_missing(self, root, middle):
        self.broken("'leaf' is not signed by 'root'", root, issued(middle))

    def test_to_a_root_of_the_same_name(self, root, middle):
        other = pki.found("root", key())
        self.broken("'middle' is not signed by 'root'", other, issued(middle), middle.certificate)

    def test_of_a_forger(self, root, middle):
        forger = pki.forger_of(middle, key())
        self.broken("'leaf' is not signed by 'middle'", root, issued(forger), middle.certificate)

    def test_longer_than_an_issuer_allows(self, root, middle):
        below = pki.certify("below", key(), middle, path_length=0)
        chain = [issued(below), below.certificate, middle.certificate]
        self.broken("'middle' is not an authority for such a chain", root, *chain)

    def test_of_an_issuer_that_is_none(self, root):
        own = key()
        for extensions in ([], pki.leaf_extensions(own.public_key(), root)):
            plain = pki.issue("plain", own.public_key(), root, WEEK, extensions)
            leaf = issued(pki.Authority(plain, own))
            self.broken("'plain' is not an authority for such a chain", root, leaf, plain)

    def test_of_a_key_that_signs_in_another_way(self, root):
        """Ed25519 signs certificates too; a chain of mixed kinds holds, or is refused in words."""
        other = ed25519.Ed25519PrivateKey.generate()
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root")])
        builder = pki._builder(name, name, other.public_key(), WEEK)  # type: ignore[arg-type]
        signed = load_certificate(builder.sign(other, None).public_bytes(Encoding.DER))
        self.broken("'leaf' is not signed by 'root'", pki.Authority(signed, root.key), issued(root))

    @pytest.mark.parametrize(("days", "holds"), [(-8, False), (-6, True), (6, True), (8, False)])
    def test_holds_for_the_time_of_each(self, root, middle, days, holds):
        chain, at = [middle.certificate, issued(middle)], NOW + days * DAY
        if holds:
            certificates.check_dates(chain, at)
            return
        with pytest.raises(
            AttestationError, match="the certificate 'leaf' is valid from"
        ) as raised:
            certificates.check_dates(chain, at)
        assert raised.value.step is Step.FRESHNESS

    def test_holds_from_the_first_second_to_the_last(self, root):
        leaf = issued(root)
        for at in WEEK:
            certificates.check_dates([leaf], at)
        for at in (WEEK[0] - timedelta(seconds=1), WEEK[1] + timedelta(seconds=1)):
            with pytest.raises(AttestationError, match="is valid from"):
                certificates.check_dates([leaf], at)


class TestPem:
    def test_blocks_come_in_their_order_with_what_is_between_left_out(self, root):
        one, two = pki.der(issued(root)), listed(root)
        text = b"about\n" + pem("CERTIFICATE", one) + b"\nand\n" + pem("X509 CRL", two)
        assert list(pem_blocks(text)) == [("CERTIFICATE", one), ("X509 CRL", two)]

    def test_lines_may_end_as_on_windows(self, root):
        data = pki.der(issued(root))
        text = pem("CERTIFICATE", data).replace(b"\n", b"\r\n")
        assert list(pem_blocks(text)) == [("CERTIFICATE", data)]

    @pytest.mark.parametrize("text", [b"A", b"AA=A", b"====", b"AAA", b"AA==AA=="])
    def test_that_is_not_base64(self, text):
        whole = b"-----BEGIN CERTIFICATE-----\n" + text + b"\n-----END CERTIFICATE-----\n"
        with pytest.raises(AttestationError, match="not base64"):
            list(pem_blocks(whole))

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: text.replace(b"END CERTIFICATE", b"END X509 CRL"),
            lambda text: text.replace(b"-----BEGIN", b"----BEGIN"),
            lambda text: text.replace(b"CERTIFICATE-----\n", b"CERTIFICATE-----", 1),
            lambda text: text.replace(b"M", b"\0M", 1),
            lambda text: text.replace(b"-----END", b"-----END -----END"),
        ],
    )
    def test_what_is_no_block_is_none(self, root, change):
        assert list(pem_blocks(change(pem("CERTIFICATE", pki.der(issued(root)))))) == []

    def test_many_beginnings_without_an_end_take_no_long_time(self):
        """In a process that is stopped if it does not come to an end."""
        program = (
            "from confide.tee.certificates import pem_blocks\n"
            "text = b'-----BEGIN A-----\\n' + b'-----BEGIN A-----\\nAAAA' * 50_000\n"
            "assert list(pem_blocks(text)) == []\n"
            "assert list(pem_blocks(b'-----BEGIN A-----\\n' + b'A' * 1_000_000)) == []\n"
            "assert list(pem_blocks(b'-----BEGIN ' + b'A ' * 500_000)) == []\n"
        )
        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def pem(label, data):
    lines = base64.encodebytes(data)
    return f"-----BEGIN {label}-----\n".encode() + lines + f"-----END {label}-----\n".encode()
