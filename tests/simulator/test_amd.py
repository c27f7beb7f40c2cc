"""Simulated SEV-SNP: real layouts, good cases that verify, and bad ones that are bad in one way."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from confide_sim import AmdFault, Emitted, GuestPolicy, Tcb
from confide_sim.snp_report import Report
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from tests.simulator.vectors import amd_chip_certificate, vector
from tests.simulator.verifiers import AMD, snp_findings

DATA = bytes(range(64))
POLICY = GuestPolicy.SMT | GuestPolicy.ALWAYS_ONE

HIGHER = Tcb(microcode=214)
FIELDS: dict[str, tuple[int, int, Any]] = {
    # By the table in AMD's specification: where each argument stands, and another value for it.
    "guest_svn": (0x004, 4, 2**32 - 1),
    "policy": (0x008, 8, 2**64 - 1),
    "family_id": (0x010, 16, b"\xff" * 16),
    "image_id": (0x020, 16, b"\xff" * 16),
    "vmpl": (0x030, 4, 2**32 - 1),
    "current": (0x038, 8, HIGHER),
    "platform_info": (0x040, 8, 2**64 - 1),
    "vlek": (0x048, 4, True),
    "report_data": (0x050, 64, b"\xff" * 64),
    "measurement": (0x090, 48, b"\xff" * 48),
    "host_data": (0x0C0, 32, b"\xff" * 32),
    "id_key_digest": (0x0E0, 48, b"\xff" * 48),
    "report_id": (0x140, 32, b"\xff" * 32),
    "reported": (0x180, 8, HIGHER),
    "chip_id": (0x1A0, 64, b"\xff" * 64),
    "committed": (0x1E0, 8, HIGHER),
    "launch": (0x1F0, 8, HIGHER),
    "launch_mitigations": (0x1F8, 8, 2**64 - 1),
    "current_mitigations": (0x200, 8, 2**64 - 1),
}
ZEROS: dict[str, Any] = {
    name: {bytes: bytes(size), int: 0, bool: False, Tcb: Tcb()}[type(value)]
    for name, (_, size, value) in FIELDS.items()
}
EMPTY = Report(version=5, product="Genoa", author_key_digest=bytes(48), **ZEROS)


class TestLayout:
    @pytest.mark.parametrize("name", FIELDS)
    def test_each_argument_has_its_own_bytes(self, name):
        offset, size, value = FIELDS[name]
        before, after = EMPTY.signed(), replace(EMPTY, **{name: value}).signed()
        place = slice(offset, offset + size)
        assert before[place] != after[place]
        assert before[:offset] == after[:offset]
        assert before[place.stop :] == after[place.stop :]

    def test_an_author_key_is_announced(self):
        report = replace(EMPTY, author_key_digest=b"\xff" * 48).signed()
        assert report[0x110:0x140] == b"\xff" * 48
        assert report[0x48:0x50] == b"\x01" + bytes(7)

    @pytest.mark.parametrize(
        ("version", "reserved"),
        [
            (2, [(0x188, 0x1A0), (0x1F8, 0x2A0)]),
            (3, [(0x18B, 0x1A0), (0x1F8, 0x2A0)]),
            (5, [(0x18B, 0x1A0), (0x208, 0x2A0)]),
        ],
    )
    def test_what_a_version_reserves_is_zero(self, amd, at, version, reserved):
        report = amd.attest(DATA, at=at, version=version).evidence
        assert int.from_bytes(report[:4], "little") == version
        for start, end in [*reserved, (0x4C, 0x50), (0x330, 0x4A0)]:
            assert not any(report[start:end])

    @pytest.mark.parametrize(
        ("product", "cpu"),
        [("Milan", "190101"), ("Genoa", "191101"), ("Turin", "1a0201")],
    )
    def test_the_processor_is_named_from_version_3_on(self, amd, at, product, cpu):
        assert amd.attest(DATA, at=at, product=product).evidence[0x188:0x18B].hex() == cpu

    def test_levels_stand_elsewhere_on_a_turin(self):
        tcb = Tcb(fmc=1, bootloader=2, tee=3, snp=4, microcode=5)
        assert tcb.to_bytes("Turin") == bytes((1, 2, 3, 4, 0, 0, 0, 5))
        assert replace(tcb, fmc=0).to_bytes("Genoa") == bytes((2, 3, 0, 0, 0, 0, 4, 5))

    def test_a_chip_of_a_turin_has_a_short_identifier(self, amd, at):
        report = amd.attest(DATA, at=at, product="Turin").evidence
        assert report[0x1A0:0x1E0] == amd.chip_id[:8] + bytes(56)

    def test_the_host_may_hide_the_chip(self, amd, at):
        emitted = amd.attest(DATA, at=at, key="vlek", mask_chip_id=True)
        assert not any(emitted.evidence[0x1A0:0x1E0])
        assert snp_findings(emitted, amd.root, at) == set()


class TestRealLayout:
    def test_with_the_contents_of_a_real_report_it_is_that_report(self, amd, at):
        real = vector("snp_milan_v2.report.bin")
        names = ("bootloader", "tee", "snp", "microcode")

        def tcb(offset):
            level = real[offset : offset + 8]
            return Tcb(**dict(zip(names, level[:2] + level[6:], strict=True)))

        def number(offset, size):
            return int.from_bytes(real[offset : offset + size], "little")

        emitted = amd.attest(
            real[0x50:0x90],
            at=at,
            version=2,
            guest_svn=number(4, 4),
            policy=number(8, 8),
            family_id=real[0x10:0x20],
            image_id=real[0x20:0x30],
            vmpl=number(0x30, 4),
            current_tcb=tcb(0x38),
            platform_info=number(0x40, 8),
            measurement=real[0x90:0xC0],
            host_data=real[0xC0:0xE0],
            id_key_digest=real[0xE0:0x110],
            author_key_digest=real[0x110:0x140],
            tcb=tcb(0x180),
            chip_id=real[0x1A0:0x1E0],
            committed_tcb=tcb(0x1E0),
            launch_tcb=tcb(0x1F0),
        )
        ours = emitted.evidence
        assert len(ours) == len(real)
        # REPORT_ID is random in both; the signatures differ, and have zeros at the same places.
        assert ours[:0x140] == real[:0x140]
        assert ours[0x160:0x2A0] == real[0x160:0x2A0]
        assert ours[0x2A0 + 144 :] == real[0x2A0 + 144 :]

    def test_with_the_contents_of_a_real_certificate_it_has_its_extensions(self, amd, at):
        real = amd_chip_certificate()
        tcb = Tcb(bootloader=3, tee=0, snp=8, microcode=115)
        hardware_id = real.extensions.get_extension_for_oid(x509.ObjectIdentifier(AMD + "4"))
        emitted = amd.attest(DATA, at=at, tcb=tcb, chip_id=hardware_id.value.value)
        ours = x509.load_pem_x509_certificate(emitted.collateral[0])
        assert _bare(ours) == _bare(real)
        assert type(ours.signature_hash_algorithm) is type(real.signature_hash_algorithm)
        assert ours.serial_number > 0

    @pytest.mark.filterwarnings("ignore:.*serial number")
    def test_a_real_report_passes_the_verifier_used_here(self, amd, at):
        """All but the revocation list, of which there is only a simulated one."""
        ask, ark, _ = x509.load_pem_x509_certificates(vector("snp_milan_ask_ark_asvk.pem"))
        chain = tuple(c.public_bytes(Encoding.PEM) for c in (amd_chip_certificate(), ask, ark))
        revoked = amd.attest(DATA, at=at).collateral[3]
        real = Emitted(vector("snp_milan_v2.report.bin"), (*chain, revoked))
        assert snp_findings(real, ark.public_bytes(Encoding.DER), at) == {"list's signature"}

    def test_the_chain_has_the_kinds_of_a_real_one(self, amd, at):
        pem = vector("snp_milan_ask_ark_asvk.pem")
        ask, ark, asvk = x509.load_pem_x509_certificates(pem)
        for key, real in (("vcek", (ask, ark)), ("vlek", (asvk, ark))):
            collateral = amd.attest(DATA, at=at, key=key).collateral
            ours = [x509.load_pem_x509_certificate(item) for item in collateral[1:3]]
            assert [_kind(c) for c in ours] == [_kind(c) for c in real]
            assert ours[0].subject.rfc4514_string().endswith(_common_name(real[0]))


def _bare(certificate):
    return [(e.oid, e.critical, e.value.public_bytes()) for e in certificate.extensions]


def _common_name(certificate):
    return certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value


def _kind(certificate):
    key, constraints = certificate.public_key(), x509.BasicConstraints
    return (
        key.key_size,
        key.public_numbers().e,
        certificate.signature_algorithm_oid,
        certificate.extensions.get_extension_for_class(constraints).value,
    )


class TestGood:
    @pytest.mark.parametrize("key", ["vcek", "vlek"])
    @pytest.mark.parametrize(
        ("product", "version"),
        [("Milan", 2), ("Milan", 3), ("Genoa", 3), ("Genoa", 5), ("Turin", 3), ("Turin", 5)],
    )
    def test_verifies(self, amd, at, product, version, key):
        emitted = amd.attest(DATA, at=at, product=product, version=version, key=key)
        assert snp_findings(emitted, amd.root, at) == set()
        assert emitted.evidence[0x50:0x90] == DATA

    @pytest.mark.parametrize(("key", "name"), [("vcek", b"Genoa-B0"), ("vlek", b"Genoa")])
    def test_a_chips_certificate_names_its_stepping(self, amd, at, key, name):
        emitted = amd.attest(DATA, at=at, product="Genoa", key=key)
        leaf = x509.load_pem_x509_certificate(emitted.collateral[0])
        value = leaf.extensions.get_extension_for_oid(x509.ObjectIdentifier(AMD + "2")).value
        assert value.public_bytes() == b"\x16" + bytes([len(name)]) + name

    def test_is_sealed_unless_asked(self, amd, at):
        report = amd.attest(DATA, at=at).evidence
        assert int.from_bytes(report[8:16], "little") == 0x30000

    def test_has_the_real_kinds_of_keys(self, amd, at):
        leaf, ask, ark, _ = amd.attest(DATA, at=at).collateral
        assert isinstance(_key(leaf).curve, ec.SECP384R1)
        for pem in (ask, ark):
            assert isinstance(_key(pem), rsa.RSAPublicKey)
            assert _key(pem).key_size == 4096

    def test_levels_may_differ_as_on_a_machine_that_was_updated(self, amd, at):
        emitted = amd.attest(
            DATA, at=at, tcb=Tcb(snp=20), current_tcb=Tcb(snp=23), committed_tcb=Tcb(snp=21)
        )
        assert snp_findings(emitted, amd.root, at) == set()
        places = (0x180, 0x38, 0x1E0, 0x1F0)
        assert [emitted.evidence[place + 6] for place in places] == [20, 23, 21, 20]


def _key(pem):
    return x509.load_pem_x509_certificate(pem).public_key()


BAD: dict[str, dict[str, Any]] = {
    "report's signature": {"faults": [AmdFault.BAD_SIGNATURE]},
    "leaf's signature": {"faults": [AmdFault.FORGED_LEAF]},
    "revoked": {"faults": [AmdFault.REVOKED_INTERMEDIATE]},
    "levels": {"certified_tcb": Tcb(snp=23)},
    "chip": {"certified_chip_id": bytes(64)},
    "debug": {"policy": POLICY | GuestPolicy.DEBUG},
    "migration agent": {"policy": POLICY | GuestPolicy.MIGRATION_AGENT},
}


class TestBad:
    @pytest.mark.parametrize("version", [2, 3, 5])
    @pytest.mark.parametrize(("finding", "arguments"), BAD.items(), ids=BAD)
    def test_in_one_way(self, amd, at, version, finding, arguments):
        emitted = amd.attest(DATA, at=at, version=version, **arguments)
        assert snp_findings(emitted, amd.root, at) == {finding}

    @pytest.mark.parametrize("finding", ["leaf's signature", "revoked", "levels"])
    def test_in_one_way_by_a_clouds_key(self, amd, at, finding):
        emitted = amd.attest(DATA, at=at, key="vlek", **BAD[finding])
        assert snp_findings(emitted, amd.root, at) == {finding}

    @pytest.mark.parametrize("component", ["fmc", "bootloader", "tee", "snp", "microcode"])
    def test_in_one_level_of_a_turin(self, amd, at, component):
        emitted = amd.attest(
            DATA, at=at, product="Turin", certified_tcb=replace(Tcb(), **{component: 99})
        )
        assert snp_findings(emitted, amd.root, at) == {"levels"}

    @pytest.mark.parametrize(
        ("fault", "finding", "hours"),
        [
            (AmdFault.EXPIRED_LEAF, "leaf's dates", -18),
            (AmdFault.FUTURE_LEAF, "leaf's dates", 18),
            (AmdFault.EXPIRED_LIST, "list's dates", -18),
            (AmdFault.FUTURE_LIST, "list's dates", 18),
        ],
    )
    def test_at_this_time_alone(self, amd, at, fault, finding, hours):
        emitted = amd.attest(DATA, at=at, faults=[fault])
        assert snp_findings(emitted, amd.root, at) == {finding}
        assert snp_findings(emitted, amd.root, at + timedelta(hours=hours)) == set()

    def test_faults_add_up(self, amd, at):
        faults = [AmdFault.EXPIRED_LEAF, AmdFault.REVOKED_INTERMEDIATE]
        emitted = amd.attest(DATA, at=at, faults=faults)
        assert snp_findings(emitted, amd.root, at) == {"leaf's dates", "revoked"}

    def test_another_instance_is_another_vendor(self, amd, other_amd, at):
        emitted = other_amd.attest(DATA, at=at)
        assert snp_findings(emitted, other_amd.root, at) == set()
        assert snp_findings(emitted, amd.root, at) == {
            "root",
            "intermediate's signature",
            "list's signature",
        }

    def test_the_chain_of_another_instance_says_nothing_about_the_report(self, amd, other_amd, at):
        ours = amd.attest(DATA, at=at, chip_id=bytes(64))
        theirs = other_amd.attest(DATA, at=at, chip_id=bytes(64))
        mixed = replace(ours, collateral=theirs.collateral)
        assert snp_findings(mixed, other_amd.root, at) == {"report's signature"}


class TestRefused:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"report_data": bytes(63)}, "report_data has 63 bytes; the layout takes exactly 64"),
            ({"measurement": bytes(32)}, "measurement has 32 bytes"),
            ({"host_data": b""}, "host_data has 0 bytes"),
            ({"chip_id": b""}, "chip_id has 0 bytes; the layout takes exactly 64"),
            ({"product": "Turin", "chip_id": bytes(64)}, "the layout takes exactly 8"),
            ({"certified_chip_id": bytes(8)}, "certified_chip_id has 8 bytes"),
            ({"version": 1}, "version 1; there are"),
            ({"product": "Turin", "version": 2}, "from version 3 on"),
            ({"product": "Rome"}, "product is 'Rome'; known are Milan, Genoa, Turin"),
            ({"key": "none"}, "key is 'none'"),
            ({"faults": ["bad"]}, "a fault is 'bad'; known are bad signature, "),
            ({"policy": -1}, "policy is -1"),
            ({"vmpl": 2**32}, "vmpl is 4294967296; the layout has 4 bytes"),
            ({"tcb": Tcb(snp=256)}, "snp is 256"),
            ({"tcb": Tcb(fmc=1)}, "Milan has no level of fmc"),
        ],
    )
    def test_what_does_not_fit(self, amd, at, arguments, words):
        with pytest.raises(ValueError, match=words):
            amd.attest(**({"report_data": DATA} | arguments), at=at)
