"""SEV-SNP reports against chains that the tests make: every key, name and list is theirs."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from confide_sim import Tcb, der, pki, signing
from confide_sim.amd import _extension, _extensions
from confide_sim.snp_report import Report, finished
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from tests.tee.support import NOW

from confide.errors import AttestationError, Step
from confide.tee import snp
from confide.tee.attestation import Assurance
from confide.tee.certificates import load_certificate, load_revocation_list

CHIP = bytes(range(1, 65))
YEAR = timedelta(days=365)
LIFE = (NOW - YEAR, NOW + YEAR)
WEEK = (NOW - timedelta(days=7), NOW + timedelta(days=7))


def p384():
    return ec.generate_private_key(ec.SECP384R1())


@dataclass
class Amd:
    """ARK → ASK → chip, with P-384 where AMD has RSA, which takes seconds."""

    product: Any = "Milan"
    kind: Any = "vcek"
    ark: pki.Authority = field(default_factory=lambda: pki.found("ARK", p384()))
    key: Any = field(default_factory=p384)

    def __post_init__(self):
        self.ask = self.issuer()

    def issuer(self, key=None, **fields):
        name = "SEV-Milan" if self.kind == "vcek" else "SEV-VLEK-Milan"
        return pki.certify(name, key or p384(), self.ark, 0, **fields)

    def leaf(self, *, by=None, tcb=None, chip=CHIP, validity=LIFE, name=None, key=None, more=()):
        size = 8 if self.product == "Turin" else 64
        own = _extensions(self.product, self.kind, tcb or Tcb(), chip[:size])
        replaced = [e[0].oid for e in more]
        kept = [e for e in own if e[0].oid not in replaced]
        return pki.issue(
            name or f"SEV-{self.kind.upper()}", (key or self.key).public_key(), by or self.ask,
            validity, [*kept, *more],
        )  # fmt: skip

    def report(self, *, key=None, **fields):
        given = {
            "version": 3, "product": self.product, "report_data": bytes(64),
            "measurement": b"m" * 48, "policy": 1 << 17, "host_data": bytes(32),
            "family_id": bytes(16), "image_id": bytes(16), "id_key_digest": bytes(48),
            "author_key_digest": bytes(48), "report_id": bytes(32), "vmpl": 0, "guest_svn": 0,
            "chip_id": (CHIP[:8] if self.product == "Turin" else CHIP).ljust(64, b"\0"),
            "vlek": self.kind == "vlek", "reported": Tcb(), "current": Tcb(),
            "committed": Tcb(), "launch": Tcb(), "platform_info": 0,
            "launch_mitigations": 0, "current_mitigations": 0, **fields,
        }  # fmt: skip
        signed = Report(**given).signed()
        return finished(signed, signing.ecdsa(key or self.key, signed))

    def listed(self, *revoked, by=None, validity=WEEK):
        serials = [certificate.serial_number for certificate in revoked]
        return pki.revocation_list(by or self.ark, serials, validity)

    def verified(self, report=None, *, certificates=None, lists=None, **options):
        """Authenticates a report with this root; certificates and lists as the verifier reads."""
        given = [self.leaf(), self.ask.certificate] if certificates is None else certificates
        root = load_certificate(pki.der(self.ark.certificate))
        return snp.authenticate(
            snp.parse(self.report() if report is None else report),
            [load_certificate(pki.der(c)) for c in given],
            [
                load_revocation_list(revoked.public_bytes(Encoding.DER))
                for revoked in ([self.listed()] if lists is None else lists)
            ],
            options.pop("roots", {"Milan": [(root, Assurance.SIMULATED)]}),
            options.pop("at", NOW),
            **options,
        )

    def refused(self, match, *arguments, step=Step.ROOT, **fields):
        with pytest.raises(AttestationError, match=match) as raised:
            self.verified(*arguments, **fields)
        assert raised.value.step is step


@pytest.fixture(scope="module")
def amd():
    return Amd()


@pytest.fixture(scope="module")
def provider():
    """A cloud provider's key: its certificate names no chip."""
    return Amd(kind="vlek")


class TestReport:
    @pytest.mark.parametrize("version", [2, 3, 5])
    def test_versions(self, amd, version):
        assert amd.verified(amd.report(version=version)).measurements["measurement"] == b"m" * 48

    def test_version_4_which_differs_from_3_in_nothing_that_is_read(self, amd):
        signed = (4).to_bytes(4, "little") + amd.report()[4:0x2A0]
        assert amd.verified(finished(signed, signing.ecdsa(amd.key, signed)))

    @pytest.mark.parametrize("version", [0, 1, 6, 1 << 31])
    def test_versions_that_are_not_known(self, amd, version):
        report = version.to_bytes(4, "little") + amd.report()[4:]
        amd.refused(f"is of version {version}; 2 to 5 are read", report, step=Step.PARSE)

    @pytest.mark.parametrize("size", [0, 3, 4, 0x2A0, 1183, 1185, 4000])
    def test_sizes(self, amd, size):
        report = amd.report().ljust(size, b"\0")[:size]
        amd.refused("the SEV-SNP report", report, step=Step.PARSE)

    @pytest.mark.parametrize("level", [4, 255, 256, 0xFFFFFFFF])
    def test_a_report_that_no_guest_asked_for(self, amd, level):
        report = amd.report(vmpl=level)
        amd.refused("privilege level 0x.*; a guest has 0 to 3", report, step=Step.PARSE)

    @pytest.mark.parametrize("level", range(4))
    def test_each_level_of_a_guest_is_told(self, amd, level):
        assert amd.verified(amd.report(vmpl=level)).measurements["vmpl"] == bytes([level])

    @pytest.mark.parametrize("policy", [0, 1 << 16, 1 << 17 | 1 << 26, 1 << 17 | 1 << 63])
    def test_a_policy_that_cannot_be(self, amd, policy):
        report = amd.report(policy=policy)
        amd.refused("which the specification does not know", report, step=Step.PARSE)

    @pytest.mark.parametrize(("bit", "open_"), [(16, ""), (18, ""), (19, "allows debugging")])
    def test_what_the_guests_policy_allows_is_told(self, amd, bit, open_):
        found = amd.verified(amd.report(policy=1 << 17 | 1 << bit))
        assert open_ in found.debug
        assert bool(found.debug) is (bit == 19)
        assert found.migratable is (bit == 18)

    @pytest.mark.parametrize("signer", [2, 3, 6, 7])
    def test_signed_by_no_key_of_amds(self, amd, signer):
        """7 is what the firmware writes if the host has it sign nothing."""
        report = bytearray(amd.report())
        report[0x48] = signer << 2
        amd.refused("by neither VCEK nor VLEK", bytes(report), step=Step.PARSE)

    def test_a_signature_by_another_algorithm(self, amd):
        report = bytearray(amd.report())
        report[0x34] = 2
        amd.refused("signed by algorithm 2", bytes(report), step=Step.PARSE)

    @pytest.mark.parametrize("half", [0, 1])
    def test_a_signature_with_the_groups_order_added(self, amd, half):
        """The same number modulo the order, in the 72 bytes that there are for it."""
        order = int(
            "ffffffffffffffffffffffffffffffffffffffffffffffff"
            "c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
            16,
        )
        report = bytearray(amd.report())
        place = slice(0x2A0 + 72 * half, 0x2A0 + 72 * (half + 1))
        number = int.from_bytes(report[place], "little") + order
        report[place] = number.to_bytes(72, "little")
        amd.refused("was altered", bytes(report))

    def test_a_signature_of_zeros(self, amd):
        amd.refused("was altered", finished(amd.report()[:0x2A0], (0, 0)))

    @pytest.mark.parametrize("which", ["reported", "committed", "launch"])
    @pytest.mark.parametrize("component", ["bootloader", "tee", "snp", "microcode"])
    def test_the_least_level_counts(self, amd, which, component):
        high = Tcb(bootloader=9, tee=9, snp=30, microcode=230)
        low = Tcb(**{**vars(high), component: 3})
        levels = dict.fromkeys(("reported", "committed", "launch"), high) | {which: low}
        leaf = amd.leaf(tcb=levels["reported"])
        report = amd.report(**levels)
        found = amd.verified(report, certificates=[leaf, amd.ask.certificate]).tcb.levels
        assert found == {**{n: v for n, v in vars(high).items() if n in found}, component: 3}


class TestLeaf:
    def test_of_another_chip(self, amd):
        others = [amd.leaf(chip=bytes(64)), amd.leaf(chip=CHIP[::-1])]
        amd.refused("no VCEK certificate of this chip.*2 of others are",
                    certificates=[*others, amd.ask.certificate])  # fmt: skip

    @pytest.mark.parametrize("component", ["bootloader", "tee", "snp", "microcode"])
    def test_of_another_level(self, amd, component):
        """AMD makes a key for each level: one of a lower level may have leaked."""
        other = amd.leaf(tcb=Tcb(**{component: 77}))
        amd.refused("no VCEK certificate of this chip at the TCB that it reports",
                    certificates=[other, amd.ask.certificate])  # fmt: skip

    @pytest.mark.parametrize("product", ["Genoa", "Turin"])
    def test_of_another_product_is_not_under_this_root(self, amd, product):
        """Its root for one product vouches for no other."""
        other = Amd(product, ark=amd.ark)
        given = [other.leaf(), other.ask.certificate]
        amd.refused(f"no root is pinned for AMD's product '{product}'",
                    other.report(), certificates=given)  # fmt: skip

    def test_of_a_product_whose_levels_stand_elsewhere(self, amd):
        """A Milan's report, and a Turin's certificate for its bytes: the chips differ in size."""
        turin = Amd("Turin", ark=amd.ark)
        amd.refused("no VCEK certificate", amd.report(), certificates=[turin.leaf()])

    @pytest.mark.parametrize(
        "value",
        [
            b"", b"\x16", b"\x16\x05Mila", b"\x16\x04Milan", b"\x0c\x05Milan", b"\x16\x06\xffMilan",
            der.ia5_string("Siena-B0"), der.ia5_string("Milan2"),
            der.ia5_string(""), der.ia5_string("milan"),
        ],
    )  # fmt: skip
    def test_of_an_odd_product(self, amd, value):
        leaf = amd.leaf(more=[_extension("2", value)])
        amd.refused("no VCEK certificate", certificates=[leaf, amd.ask.certificate])

    @pytest.mark.parametrize("value", [b"", b"\x02", b"\x02\x01", b"\x02\x02\x04", b"\x04\x01\x04"])
    def test_of_an_odd_level(self, amd, value):
        leaf = amd.leaf(more=[_extension("3.1", value)])
        amd.refused("no VCEK certificate", certificates=[leaf, amd.ask.certificate])

    def test_of_no_level(self, amd):
        plain = pki.issue("SEV-VCEK", amd.key.public_key(), amd.ask, LIFE, [_extension("4", CHIP)])
        amd.refused("no VCEK certificate", certificates=[plain, amd.ask.certificate])

    def test_of_a_hidden_chip(self, amd):
        """The signature tells whose report it is; no list of machines has it."""
        assert amd.verified(amd.report(chip_id=bytes(64))).node is None
        other = ec.generate_private_key(ec.SECP384R1())
        report = amd.report(key=other, chip_id=bytes(64))
        amd.refused("is not signed by the chip's key", report)

    def test_of_a_chip_of_zeros(self, amd):
        """A certificate of no chip is nobody's."""
        leaf = amd.leaf(chip=bytes(64))
        given = [leaf, amd.ask.certificate]
        amd.refused("no VCEK", amd.report(chip_id=bytes(64)), certificates=given)

    @pytest.mark.parametrize("name", ["SEV-VLEK", "SEV-VCEK ", "sev-vcek", "SEV-Milan"])
    def test_of_another_name(self, amd, name):
        leaf = amd.leaf(name=name)
        amd.refused("none is", certificates=[leaf, amd.ask.certificate])

    def test_a_providers_key_is_not_taken_for_a_chips(self, amd, provider):
        report = provider.report(vlek=False)
        provider.refused("no VCEK certificate", report)
        amd.refused("no VLEK certificate", amd.report(vlek=True))

    @pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP521R1()])
    def test_a_key_of_another_curve(self, amd, curve):
        """Even if the report is signed by it."""
        key = ec.generate_private_key(curve)
        signed = amd.report()[:0x2A0]
        signature = decode_dss_signature(key.sign(signed, ec.ECDSA(SHA384())))
        leaf = amd.leaf(key=key)
        report = finished(signed, signature)
        amd.refused("of curve P-384", report, certificates=[leaf, amd.ask.certificate])

    def test_a_key_of_another_kind(self, amd):
        leaf = amd.leaf(key=ed25519.Ed25519PrivateKey.generate())
        amd.refused("of curve P-384", certificates=[leaf, amd.ask.certificate])

    def test_of_a_provider_holds_with_and_without_a_chip(self, provider):
        assert provider.verified().node == CHIP.hex()
        assert provider.verified(provider.report(chip_id=bytes(64))).node is None


class TestChain:
    def test_the_order_of_certificates_does_not_matter(self, amd):
        given = [amd.ark.certificate, amd.ask.certificate, amd.leaf(chip=CHIP[::-1]), amd.leaf()]
        assert amd.verified(certificates=given)
        assert amd.verified(certificates=given[::-1])

    def test_without_the_issuer(self, amd):
        amd.refused("lacks .*CN=SEV-Milan", certificates=[amd.leaf()])

    def test_an_issuer_of_the_same_name_and_another_key(self, amd):
        other = amd.issuer()
        leaf = amd.leaf()
        amd.refused("'SEV-VCEK' is not signed by 'SEV-Milan'",
                    certificates=[leaf, other.certificate])  # fmt: skip
        for given in ([other, amd.ask], [amd.ask, other]):
            assert amd.verified(certificates=[leaf, *(a.certificate for a in given)])

    def test_an_issuer_of_the_same_name_and_key_under_another_root(self, amd):
        """Its public key is public: anybody can write a certificate of it."""
        forger = Amd()
        copy = forger.issuer(amd.ask.key)
        amd.refused("'SEV-Milan' is not signed by 'ARK'",
                    certificates=[amd.leaf(), copy.certificate])  # fmt: skip
        given = [amd.leaf(), copy.certificate, amd.ask.certificate]
        assert amd.verified(certificates=given)

    def test_a_leaf_of_the_same_contents_and_another_key(self, amd):
        other = amd.leaf(key=p384())
        amd.refused("was altered", certificates=[other, amd.ask.certificate])
        assert amd.verified(certificates=[other, amd.leaf(), amd.ask.certificate])

    def test_only_so_many_are_tried(self, amd):
        """Each takes a signature's time, and a peer may send thousands."""
        others = [amd.leaf(key=p384())] * 16
        assert amd.verified(certificates=[*others[1:], amd.leaf(), amd.ask.certificate])
        amd.refused("was altered", certificates=[*others, amd.leaf(), amd.ask.certificate])

    def test_forged_beside_genuine_is_still_forged(self, amd):
        """Who signs by a key of his own finds no help in genuine certificates."""
        key, forger = p384(), Amd()
        leaf = forger.leaf(key=key)
        genuine = [amd.leaf(), amd.ask.certificate, amd.ark.certificate]
        for given in ([leaf, *genuine], [*genuine, leaf]):
            amd.refused("is not signed by", amd.report(key=key), certificates=given)

    def test_an_issuer_that_the_root_did_not_sign(self, amd):
        forger = Amd(key=amd.key)
        given = [forger.leaf(), forger.ask.certificate, forger.ark.certificate]
        amd.refused("is not signed by 'ARK'", certificates=given)

    def test_a_chip_certifies_nobody(self, amd):
        """Whoever took the key out of one chip must not make others."""
        chip = pki.Authority(amd.leaf(), amd.key)
        key = p384()
        leaf = amd.leaf(by=chip, key=key)
        amd.refused("ends at .*CN=SEV-VCEK, which is not pinned", amd.report(key=key),
                    certificates=[leaf, chip.certificate, amd.ask.certificate])  # fmt: skip

    def test_an_issuer_that_is_no_authority(self, amd):
        key = p384()
        plain = pki.issue(
            "SEV-Milan", key.public_key(), amd.ark, LIFE,
            pki.leaf_extensions(key.public_key(), amd.ark),
        )  # fmt: skip
        leaf = amd.leaf(by=pki.Authority(plain, key))
        amd.refused("'SEV-Milan' is not an authority", certificates=[leaf, plain])

    def test_that_ends_at_a_root_of_another_name(self, amd):
        other = Amd(ark=pki.found("ARK-Other", p384()))
        report, given = other.report(), [other.leaf(), other.ask.certificate]
        amd.refused("ends at .*ARK-Other.*, which is not pinned", report, certificates=given)


class TestDates:
    @pytest.mark.parametrize("years", [-2, 2])
    def test_of_the_leaf(self, amd, years):
        at = NOW + years * YEAR
        lists = [amd.listed(validity=(at - YEAR, at + YEAR))]
        amd.refused("'SEV-VCEK' is valid from", at=at, lists=lists, step=Step.FRESHNESS)

    @pytest.mark.parametrize("years", [-2, 2])
    def test_of_the_issuer(self, amd, years):
        start = NOW + years * YEAR
        by = amd.issuer(validity=(start, start + timedelta(days=1)))
        given = [amd.leaf(by=by), by.certificate]
        amd.refused("'SEV-Milan' is valid from", certificates=given, step=Step.FRESHNESS)

    @pytest.mark.parametrize("days", [-8, 8])
    def test_of_the_list(self, amd, days):
        amd.refused("the revocation list of 'ARK' holds from", at=NOW + timedelta(days=days),
                    step=Step.FRESHNESS)  # fmt: skip

    def test_it_expires_with_what_ends_first(self, amd):
        assert amd.verified().expires == WEEK[1]
        assert amd.verified(revocation=False).expires == LIFE[1]


class TestRevocation:
    def test_of_the_issuer(self, amd):
        lists = [amd.listed(amd.ask.certificate)]
        amd.refused("'SEV-Milan' is revoked", lists=lists)
        amd.refused("'SEV-Milan' is revoked", lists=lists, revocation=False)

    def test_of_the_leaf_by_its_issuer(self, amd):
        leaf = amd.leaf()
        lists = [amd.listed(), amd.listed(leaf, by=amd.ask)]
        given = [leaf, amd.ask.certificate]
        for ordered in (lists, lists[::-1]):
            amd.refused("'SEV-VCEK' is revoked", certificates=given, lists=ordered)
        assert amd.verified(certificates=given)

    def test_of_a_providers_key(self, provider):
        leaf = provider.leaf()
        lists = [provider.listed(), provider.listed(leaf, by=provider.ask)]
        given = [leaf, provider.ask.certificate]
        provider.refused("'SEV-VLEK' is revoked", certificates=given, lists=lists)

    def test_of_others_matters_not(self, amd):
        lists = [amd.listed(amd.issuer().certificate), amd.listed(amd.leaf(), by=amd.ask)]
        assert amd.verified(lists=lists)

    def test_without_a_list_of_the_root(self, amd):
        match = "no revocation list that 'ARK' signed"
        amd.refused(match, lists=[])
        amd.refused(match, lists=[amd.listed(by=amd.ask)])

    def test_a_list_that_somebody_else_signed_in_the_roots_name(self, amd):
        """It neither serves as one, nor revokes, nor hides that a genuine one does."""
        forger = pki.forger_of(amd.ark, p384())
        later = (NOW - timedelta(hours=1), NOW + YEAR)
        forged = amd.listed(by=forger, validity=later)
        amd.refused("no revocation list that 'ARK' signed", lists=[forged])
        assert amd.verified(lists=[forged, amd.listed()]).expires == WEEK[1]
        assert amd.verified(lists=[amd.listed(amd.ask.certificate, by=forger), amd.listed()])
        genuine = amd.listed(amd.ask.certificate)
        amd.refused("is revoked", lists=[genuine, forged])

    def test_an_old_list_beside_the_current_one_is_no_fault(self, amd):
        old = amd.listed(validity=(NOW - 2 * YEAR, NOW - YEAR))
        for lists in ([old, amd.listed()], [amd.listed(), old]):
            assert amd.verified(lists=lists)

    def test_a_list_that_does_not_say_until_when_is_not_read(self, amd):
        """The builder of lists writes the field always; here it is cut out of one, and signed."""
        with_end = amd.listed().tbs_certlist_bytes
        end = der_time(WEEK[1])
        assert with_end.count(end) == 1
        inner = with_end[with_end.index(b"\x02\x01\x01") :].replace(end, b"")
        tbs = der.sequence(inner)
        signature = amd.ark.key.sign(tbs, ec.ECDSA(SHA384()))
        algorithm = inner[3 : 3 + 2 + inner[4]]
        bits = b"\x03" + bytes([len(signature) + 1]) + b"\0" + signature
        revoked = x509.load_der_x509_crl(der.sequence(tbs, algorithm, bits))
        assert revoked.next_update_utc is None
        amd.refused("does not say until when", lists=[revoked], step=Step.FRESHNESS)


def der_time(time):
    return b"\x17\x0d" + f"{time:%y%m%d%H%M%S}Z".encode()
