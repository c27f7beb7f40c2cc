"""Collateral as files: what is read, of which kind it is, and what is too much."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.tee.support import asked, vendor

from confide.errors import AttestationError, Step
from confide.tee import Collateral, Platform
from confide.tee.certificates import load_certificate, pem_blocks
from confide.tee.collateral import MAX_COLLATERAL_BYTES, IntelCollateral

ROOT = vendor("amd", 0).root


def amd():
    """PEM of a leaf, its issuer, the root, and the root's list."""
    return asked(Platform.SNP).emitted.collateral


def intel():
    (document,) = asked(Platform.SGX).emitted.collateral
    return json.loads(document)


def refused(*items, match=None):
    with pytest.raises(AttestationError, match=match) as raised:
        Collateral.of(items)
    assert raised.value.step is Step.PARSE


def text_of(values):
    return json.dumps(values).encode()


class TestKinds:
    def test_are_told_apart_by_their_contents(self):
        document = intel()
        items = [*amd(), text_of(document)]
        found = Collateral.of(items)
        assert len(found.certificates) == 3
        assert len(found.revocation_lists) == 1
        assert [one.fields for one in found.intel] == [document]
        for order in (items[::-1], items[2:] + items[:2]):
            other = Collateral.of(order)
            assert {*other.certificates} == {*found.certificates}
            assert other.revocation_lists == found.revocation_lists

    def test_in_der_and_in_pem_are_the_same(self):
        pems = amd()
        ders = [der for pem in pems for _, der in pem_blocks(pem)]
        assert Collateral.of(ders) == Collateral.of(pems) == Collateral.of([b"".join(pems)])

    def test_text_around_pem_is_passed_over(self):
        pems = amd()
        commented = b"# of the machine in rack 5\n" + b"\n# and\n".join(pems)
        assert Collateral.of([commented]) == Collateral.of(pems)

    def test_of_nothing_is_empty(self):
        assert Collateral.of([]) == Collateral()

    @pytest.mark.parametrize("label", ["PRIVATE KEY", "EC PRIVATE KEY", "PUBLIC KEY", "X"])
    def test_a_block_of_another_kind(self, label):
        """A key does not belong here, least of all a private one."""
        block = f"-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n".encode()
        for item in (block, amd()[0] + block, block + amd()[0]):
            refused(item, match=f"a PEM block '{label}'")

    @pytest.mark.parametrize("item", [b"", b"\0", b"text", b"[]", b" {}", b"\x30\x00", bytes(100)])
    def test_what_is_none(self, item):
        refused(item, match="neither Intel's JSON, nor PEM, nor a certificate")

    def test_one_bad_item_among_good_ones(self):
        refused(*amd(), b"bad")

    @pytest.mark.parametrize("place", range(4))
    def test_a_block_that_does_not_read_is_not_passed_over(self, place):
        """It may have been the list that revokes."""
        pems = list(amd())
        for old, new in ((b"-----END", b"----END"), (b"M", b"\0M"), (b"-----\n", b"----- ")):
            broken = pems[place].replace(old, new, 1)
            for item in (broken, b"".join([*pems, broken]), b"".join([broken, *pems])):
                refused(item, match="a PEM block that has no end, or is no PEM in between")

    def test_a_certificate_under_the_label_of_a_list(self):
        leaf, *_, revoked = amd()
        refused(leaf.replace(b"CERTIFICATE", b"X509 CRL"), match="not a CRL in DER")
        refused(revoked.replace(b"X509 CRL", b"CERTIFICATE"), match="not X.509 in DER")

    def test_more_than_a_mebibyte(self):
        filled = text_of(intel())
        assert len(Collateral.of([filled.ljust(MAX_COLLATERAL_BYTES)]).intel) == 1
        refused(filled.ljust(MAX_COLLATERAL_BYTES + 1), match="at most 1,048,576 are read")


class TestIntel:
    @pytest.mark.parametrize("key", sorted(intel()))
    def test_each_field_is_needed(self, key):
        less = {k: v for k, v in intel().items() if k != key}
        refused(text_of(less), match=f"lacks, or should not have: .*{key}")

    @pytest.mark.parametrize("key", ["version", "more", "tcb_info2", ""])
    def test_no_other_field_is_passed_over(self, key):
        refused(text_of({**intel(), key: "x"}), match="lacks, or should not have")

    def test_the_machines_chain_may_be_there(self):
        """As some services send it; what counts is the chain in the quote."""
        assert Collateral.of([text_of({**intel(), "pck_certificate_chain": ""})]).intel

    @pytest.mark.parametrize("key", sorted(intel()))
    @pytest.mark.parametrize("value", [None, 1, True, ["x"], {"x": "y"}, "\ud800", "x\udfff"])
    def test_each_field_is_a_text(self, key, value):
        refused(text_of({**intel(), key: value}), match=f"values that are not texts: {key}")

    @pytest.mark.parametrize("key", ["tcb_info", "qe_identity"])
    @pytest.mark.parametrize("value", ["", "{", "[" * 50_000, '{"a": }'])
    def test_a_statement_that_is_not_json(self, key, value):
        refused(text_of({**intel(), key: value}), match="is not JSON$")

    @pytest.mark.parametrize("key", ["tcb_info", "qe_identity"])
    @pytest.mark.parametrize("value", ["[]", "1", "null"])
    def test_a_statement_that_is_not_an_object(self, key, value):
        refused(text_of({**intel(), key: value}), match="is not a JSON object$")

    @pytest.mark.parametrize("item", [b"{", b"{}", b"{]", b'{"a": 1}x', b"{\xff}", b"{" * 50_000])
    def test_that_is_no_object(self, item):
        refused(item)

    def test_statements_are_kept_as_they_were_signed(self):
        """A signature is of bytes, and JSON written anew has others."""
        spaced = {**intel(), "tcb_info": ' {"fmspc" : "00", "id": "SGX"} '}
        (found,) = Collateral.of([text_of(spaced)]).intel
        assert found.fields["tcb_info"] == spaced["tcb_info"]
        assert json.loads(found.text)["tcb_info"] == spaced["tcb_info"]
        assert found.tcb_info == {"fmspc": "00", "id": "SGX"}

    @pytest.mark.parametrize("key", ["pck_crl", "root_ca_crl"])
    def test_lists_are_hexadecimal_der(self, key):
        found = IntelCollateral.read(json.dumps(intel()))
        given = found.revocation_list(key).public_bytes(Encoding.DER)
        assert given.hex() == found.fields[key]
        for odd, match in (("0", "not hex"), ("zz", "not hex"), ("", "a CRL"), ("3000", "a CRL")):
            other = IntelCollateral.read(json.dumps({**intel(), key: odd}))
            with pytest.raises(AttestationError, match=match) as raised:
                other.revocation_list(key)
            assert raised.value.step is Step.PARSE


class TestFiles:
    def test_files_and_folders_are_read(self, tmp_path):
        leaf, *others = amd()
        (tmp_path / "leaf.pem").write_bytes(leaf)
        folder = tmp_path / "folder"
        folder.mkdir()
        for index, item in enumerate(others):
            (folder / f"{index}").write_bytes(item)
        (folder / "below").mkdir()
        (folder / "below" / "odd").write_bytes(b"odd")
        found = Collateral.read([tmp_path / "leaf.pem", folder])
        assert found == Collateral.of([leaf, *others])

    def test_in_the_order_of_their_names(self, tmp_path):
        """So that two who have the same files come to the same result."""
        pems = amd()[:3]
        for name, item in zip(("b", "a", "c"), pems, strict=True):
            (tmp_path / name).write_bytes(item)
        found = Collateral.read([tmp_path]).certificates
        assert found == Collateral.of([pems[1], pems[0], pems[2]]).certificates
        assert found[2] == load_certificate(ROOT)

    def test_what_is_not_there(self, tmp_path):
        with pytest.raises(AttestationError, match=r"cannot read the collateral .*gone") as raised:
            Collateral.read([tmp_path / "gone"])
        assert raised.value.step is Step.PARSE

    def test_a_folder_that_cannot_be_listed(self, tmp_path, monkeypatch):
        """By a user without rights; who runs tests may be root, who has them all."""

        def refuse(path):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "iterdir", refuse)
        with pytest.raises(
            AttestationError, match=r"cannot list the collateral .*denied"
        ) as raised:
            Collateral.read([tmp_path])
        assert raised.value.step is Step.PARSE

    def test_more_than_256_files(self, tmp_path):
        leaf = amd()[0]
        for index in range(256):
            (tmp_path / f"{index}").write_bytes(leaf)
        assert len(Collateral.read([tmp_path]).certificates) == 256
        (tmp_path / "more").write_bytes(leaf)
        with pytest.raises(AttestationError, match="257 files of collateral; at most 256"):
            Collateral.read([tmp_path])

    def test_the_file_that_does_not_read_is_named(self, tmp_path):
        for name, item in zip(("a", "b"), amd(), strict=False):
            (tmp_path / name).write_bytes(item)
        (tmp_path / "notes.txt").write_bytes(b"mine")
        with pytest.raises(AttestationError, match=r"notes\.txt: collateral that is ne") as raised:
            Collateral.read([tmp_path / "a", tmp_path / "notes.txt"])
        assert raised.value.step is Step.PARSE
        read = Collateral.read([tmp_path])
        assert len(read.certificates) == 2
        assert len(read.skipped) == 1
        assert "notes.txt: collateral that is neither" in read.left_out

    def test_a_large_file_is_not_read_to_its_end(self, tmp_path):
        """A sparse file of a tebibyte, which no memory holds."""
        path = tmp_path / "large"
        with path.open("wb") as file:
            file.truncate(1 << 40)
        with pytest.raises(AttestationError, match="at most 1,048,576 are read"):
            Collateral.read([path])
