"""Intel's quotes as bytes: each length, type and number is what it has to be, or none is read."""

from functools import cache

import pytest
from tests.tee.support import asked, vendor

from confide.errors import AttestationError, Step
from confide.tee import Platform, quote
from confide.tee.certificates import pem_blocks

HEADER, SGX_BODY, TDX_BODY = 48, 384, 584
BODY_END = {Platform.SGX: HEADER + SGX_BODY, Platform.TDX: HEADER + TDX_BODY}
PCK_CHAIN = 5
intel = pytest.mark.parametrize("platform", BODY_END, ids=lambda p: p.value)


@cache
def good(platform, **case):
    return asked(platform, **case).evidence.document


def refused(document, match="the quot"):
    with pytest.raises(AttestationError, match=match) as raised:
        quote.parse(document)
    assert raised.value.step is Step.PARSE


def written(document, at, value, size):
    return document[:at] + value.to_bytes(size, "little") + document[at + size :]


def number(document, at, size):
    return int.from_bytes(document[at : at + size], "little")


def chain_at(document):
    """Where the chain's type stands; its length and its text follow."""
    return document.index(b"-----BEGIN") - 6


def with_chain(platform, pem, kind=PCK_CHAIN):
    """A quote whose chain is written down in another way, all lengths fitting."""
    document = good(platform)
    at = chain_at(document)
    longer = len(pem) - number(document, at + 2, 4)
    document = document[:at] + kind.to_bytes(2, "little") + len(pem).to_bytes(4, "little") + pem
    end = BODY_END[platform]
    for place in (end, *([end + 4 + 128 + 2] if platform is Platform.TDX else [])):
        document = written(document, place, number(document, place, 4) + longer, 4)
    return document


def pem_of(platform):
    document = good(platform)
    return document[chain_at(document) + 6 :].removesuffix(b"\0")


def blocks(platform):
    end = b"-----END CERTIFICATE-----\n"
    return [part + end for part in pem_of(platform).split(end)[:-1]]


class TestHeader:
    @pytest.mark.parametrize(
        ("version", "kind"),
        [
            (0, 0),
            (1, 0),
            (2, 0),
            (3, 0x81),
            (4, 0),
            (4, 1),
            (5, 0),
            (6, 0x81),
            (3, 0x80),
            (0x103, 0),
        ],
    )
    @intel
    def test_a_version_and_type_that_do_not_go_together(self, platform, version, kind):
        document = written(written(good(platform), 0, version, 2), 4, kind, 4)
        refused(document, f"is of version {version} and type {kind:#x}|which is not known")

    @intel
    @pytest.mark.parametrize("key", [0, 1, 3, 0xFFFF])
    def test_a_key_of_another_type(self, platform, key):
        refused(written(good(platform), 2, key, 2), f"key of type {key}; ECDSA on P-256, 2")

    @pytest.mark.parametrize(
        ("kind", "size"), [(1, 384), (2, 648), (3, 584), (4, 648), (0, 0), (3, 1 << 31), (2, 583)]
    )
    def test_a_body_of_another_type_or_size(self, kind, size):
        document = good(Platform.TDX, version=5)
        refused(written(written(document, 48, kind, 2), 50, size, 4), "which is not known")

    def test_a_body_of_version_1_0_in_a_quote_of_version_5(self):
        document, short = good(Platform.TDX, version=5), good(Platform.TDX)
        body = (2).to_bytes(2, "little") + (584).to_bytes(4, "little") + short[48:632]
        found = quote.parse(document[:48] + body + document[54 + 648 :])
        assert found.measurements == quote.parse(short).measurements
        assert "mrservicetd" not in found.measurements


class TestLengths:
    @intel
    @pytest.mark.parametrize("more", [-1, 1, 2, 1 << 20, -(1 << 8)])
    def test_of_the_signature(self, platform, more):
        document, at = good(platform), BODY_END[platform]
        refused(written(document, at, number(document, at, 4) + more, 4))

    @pytest.mark.parametrize("more", [-1, 1, 1 << 20])
    def test_of_what_certifies_the_key_of_a_domain(self, more):
        document, at = good(Platform.TDX), BODY_END[Platform.TDX] + 4 + 128 + 2
        refused(written(document, at, number(document, at, 4) + more, 4))

    @intel
    @pytest.mark.parametrize("more", [-1, 1, 1 << 20])
    def test_of_the_chain(self, platform, more):
        document = good(platform)
        at = chain_at(document) + 2
        refused(written(document, at, number(document, at, 4) + more, 4))

    @intel
    def test_bytes_between_what_certifies_the_key_and_the_signatures_end(self, platform):
        document, at = good(platform), BODY_END[platform]
        longer = written(document, at, number(document, at, 4) + 3, 4)
        refused(longer + b"\1\2\3", "has 3 bytes after its end")

    @intel
    def test_of_everything_too_little(self, platform):
        document = good(platform)
        for size in (*range(0, 700, 7), *range(700, len(document), 191), len(document) - 1):
            refused(document[:size])

    @intel
    def test_more_than_32_kibibytes(self, platform):
        refused(good(platform).ljust((32 << 10) + 1, b"\0"), "at most 32,768 are read")

    def test_zeros_after_a_domains_quote_and_nothing_else(self):
        document = good(Platform.TDX)
        assert quote.parse(document + bytes(500)) == quote.parse(document)
        refused(document + bytes(499) + b"\1", "should be zero")
        refused(good(Platform.SGX) + b"\0", "after its end")


class TestChain:
    @intel
    @pytest.mark.parametrize("kind", [0, 1, 2, 3, 4, 6, 7])
    def test_of_another_type(self, platform, kind):
        """The others name a machine by its identifier, and leave the chain to be found."""
        match = f"certification data of type {kind}, not a chain"
        refused(with_chain(platform, pem_of(platform) + b"\0", kind), match)

    @pytest.mark.parametrize("kind", [0, 5, 7])
    def test_of_a_domain_not_in_the_quoting_enclaves_report(self, kind):
        document, at = good(Platform.TDX), BODY_END[Platform.TDX] + 4 + 128
        refused(written(document, at, kind, 2), f"data of type {kind}, not 6")

    @intel
    @pytest.mark.parametrize("end", [b"", b"\0"])
    def test_may_end_with_one_zero(self, platform, end):
        found = quote.parse(with_chain(platform, pem_of(platform) + end))
        assert found == quote.parse(good(platform))

    @intel
    @pytest.mark.parametrize(
        "rewrite",
        [
            lambda pem: pem + b"\0\0",
            lambda pem: pem + b"\n",
            lambda pem: pem[:-1],
            lambda pem: b"\n" + pem,
            lambda pem: b"Subject: CN=me\n" + pem,
            lambda pem: pem.replace(b"\n", b"\r\n"),
            lambda pem: pem.replace(b"CERTIFICATE", b"X509 CERTIFICATE"),
            lambda pem: pem.replace(b"\n", b"", 2).replace(b"-----M", b"-----\nM", 1),
            lambda pem: pem.replace(b"-----END", b"\n-----END", 1),
            lambda pem: pem.replace(b"BEGIN CERT", b"begin cert"),
            lambda pem: b"",
        ],
    )
    def test_that_is_written_in_another_way(self, platform, rewrite):
        refused(with_chain(platform, rewrite(pem_of(platform))), "not a PEM of three certificates")

    @intel
    @pytest.mark.parametrize("places", [[], [0], [0, 1], [0, 1, 2, 2], [0, 0, 1, 2], [1, 2]])
    def test_of_more_or_fewer_than_three(self, platform, places):
        pem = b"".join(blocks(platform)[k] for k in places)
        refused(with_chain(platform, pem), "not a PEM of three certificates")

    @intel
    def test_in_another_order_is_another_chain(self, platform):
        """It reads; that it is none, its verification finds."""
        pem = b"".join(blocks(platform)[k] for k in (1, 0, 2))
        found = quote.parse(with_chain(platform, pem)).chain
        assert found != quote.parse(good(platform)).chain

    def test_is_of_the_machine_its_issuer_and_the_root(self):
        chain = quote.parse(good(Platform.SGX)).chain
        assert len(chain) == 3
        assert chain[0].issuer == chain[1].subject
        assert chain[2] == quote.parse(good(Platform.TDX)).chain[2]
        (root,) = [der for _, der in pem_blocks(blocks(Platform.SGX)[2])]
        assert root == vendor("intel", 0).root


class TestAttributes:
    @pytest.mark.parametrize("bit", range(128))
    def test_of_an_enclave_only_one_bit_opens_it(self, bit):
        document = good(Platform.SGX)
        at = HEADER + 48
        found = quote.parse(written(document, at, number(document, at, 16) | 1 << bit, 16))
        assert found.debug is (bit == 1)
        assert not found.migratable

    @pytest.mark.parametrize("bit", range(64))
    @pytest.mark.parametrize("version", [4, 5])
    def test_of_a_domain_eight_bits_open_it_and_one_lets_it_move(self, version, bit):
        """TDX Module ABI, ATTRIBUTES: TUD, bits 0 to 7, and MIGRATABLE, bit 29."""
        document = good(Platform.TDX, version=version)
        at = HEADER + (6 if version == 5 else 0) + 120
        found = quote.parse(written(document, at, 1 << bit, 8))
        assert found.debug is (bit < 8)
        assert found.migratable is (bit == 29)
