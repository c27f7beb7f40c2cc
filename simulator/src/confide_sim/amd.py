"""AMD SEV-SNP, simulated.

AMD, *Versioned Chip Endorsement Key Certificate and KDS Interface Specification* (57230), chapter
3: certificates and their extensions. The report is in `snp_report`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from confide_sim import der, pki, signing
from confide_sim.checks import moment, one_of, sized, some_of
from confide_sim.emitted import Emitted
from confide_sim.snp_report import GuestPolicy, Product, Report, Tcb, finished
from confide_sim.vendor import Vendor

__all__ = ["AmdFault", "AmdVendor"]

_MEASUREMENT: Final = hashlib.sha384(b"confide simulator: a guest").digest()
_POLICY: Final = GuestPolicy.SMT | GuestPolicy.ALWAYS_ONE
_TCB: Final = Tcb()
_CHIP_BYTES: Final[dict[Product, int]] = {"Milan": 64, "Genoa": 64, "Turin": 8}
_CHIP_FIELD_BYTES: Final = 64

_SMT_ENABLED, _ECC_ENABLED, _ALIAS_CHECK_COMPLETE = 1 << 0, 1 << 2, 1 << 5
"""Bits of PLATFORM_INFO; the latter two from version 3 on."""

_ARC: Final = "1.3.6.1.4.1.3704.1."
_RESERVED: Final = {"3.4": "", "3.5": "", "3.6": "", "3.7": ""}
_LEVELS: Final = {"3.1": "bootloader", "3.2": "tee", **_RESERVED, "3.3": "snp", "3.8": "microcode"}
_TURIN_LEVELS: Final = {"3.9": "fmc"} | {arc: name for arc, name in _LEVELS.items() if arc != "3.4"}
"""By extension, in the order of a real Milan's, whose level it is; nobody's if reserved."""

_CLOUD: Final = "confide simulator"

_DAY: Final = timedelta(days=1)
_YEAR: Final = timedelta(days=365)


class AmdFault(StrEnum):
    """Faults of evidence apart from its content; each case has exactly one.

    What a report says is chosen by the arguments of `AmdVendor.attest`.
    """

    BAD_SIGNATURE = "bad signature"
    """The report's signature is of another message."""
    EXPIRED_LEAF = "expired leaf"
    """The certificate of the VCEK or VLEK has ended."""
    FUTURE_LEAF = "future leaf"
    """It has not begun."""
    FORGED_LEAF = "forged leaf"
    """It is not signed by the issuer that it names."""
    REVOKED_INTERMEDIATE = "revoked intermediate"
    """The root's list names the ASK or ASVK."""
    EXPIRED_LIST = "expired list"
    """The list is to have been renewed."""
    FUTURE_LIST = "future list"
    """It is not issued yet."""


class AmdVendor(Vendor):
    """A simulated AMD: ARK → ASK → VCEK, and ARK → ASVK → VLEK.

    Keys are of the real kinds: RSA-4096 with PSS and SHA-384 for authorities, P-384 for chips.
    Making them takes about a second. One root serves all product lines, where AMD has one for each;
    the ASK and the ASVK have a certificate for each line, over one key.

    Attributes:
        chip_id: The identifier of the machine that attests unless another one is named, 64 bytes.
            Of a Turin it is the first 8.
    """

    def __init__(self) -> None:
        super().__init__(pki.found("ARK-Simulated", _rsa()))
        self._signers = {"vcek": _rsa(), "vlek": _rsa()}
        self._intermediates: dict[tuple[str, Product], pki.Authority] = {}
        self._report_id = secrets.token_bytes(32)
        self.chip_id: bytes = secrets.token_bytes(_CHIP_FIELD_BYTES)

    def attest(
        self,
        report_data: bytes,
        *,
        at: datetime,
        measurement: bytes = _MEASUREMENT,
        version: Literal[2, 3, 5] = 3,
        key: Literal["vcek", "vlek"] = "vcek",
        product: Product = "Milan",
        policy: int = _POLICY,
        host_data: bytes = bytes(32),
        family_id: bytes = bytes(16),
        image_id: bytes = bytes(16),
        id_key_digest: bytes = bytes(48),
        author_key_digest: bytes = bytes(48),
        vmpl: int = 0,
        guest_svn: int = 0,
        chip_id: bytes | None = None,
        mask_chip_id: bool = False,
        tcb: Tcb = _TCB,
        current_tcb: Tcb | None = None,
        committed_tcb: Tcb | None = None,
        launch_tcb: Tcb | None = None,
        platform_info: int | None = None,
        launch_mitigations: int = 0,
        current_mitigations: int = 0,
        certified_tcb: Tcb | None = None,
        certified_chip_id: bytes | None = None,
        faults: Collection[AmdFault] = (),
    ) -> Emitted:
        """A report, with the certificates of the key that signed it and the root's list.

        Args:
            report_data: What the guest puts in, 64 bytes.
            at: The time at which all is valid, with a time zone. A report itself has no time.
            measurement: Of the guest at its launch, 48 bytes.
            version: Of the report. Turin writes 3 and 5.
            key: Whose key signs: the chip's, or the cloud provider's.
            product: The chip's product line.
            policy: POLICY, see `GuestPolicy`: bit 19 allows debugging, bit 18 a migration agent.
            host_data: What the host put in at launch, 32 bytes.
            family_id: Of the guest, from its ID block, 16 bytes.
            image_id: The same.
            id_key_digest: SHA-384 of the key that signed the ID block.
            author_key_digest: SHA-384 of the key that certified that key; zero for none.
            vmpl: The privilege level that asks, 0 being the highest.
            guest_svn: The guest's own version of security.
            chip_id: Of the machine: 64 bytes, 8 for Turin; `self.chip_id` unless given.
            mask_chip_id: Whether the host hides it, so that the report has zeros.
            tcb: The reported patch levels.
            current_tcb: Those of the running firmware; `tcb` unless given, as the next two.
            committed_tcb: Those below which it cannot go back.
            launch_tcb: Those when the guest was launched.
            platform_info: PLATFORM_INFO; SMT, and from version 3 on also error correction and a
                completed alias check, unless given.
            launch_mitigations: LAUNCH_MIT_VECTOR, in version 5.
            current_mitigations: CURRENT_MIT_VECTOR, in version 5.
            certified_tcb: Levels in the certificate, if not those reported: a bad case.
            certified_chip_id: Identifier in the certificate, if not the chip's: a bad case.
            faults: What else is wrong.

        Returns:
            The report of 1,184 bytes; PEM of leaf, intermediate, root, and the root's list.

        Raises:
            ValueError: If an argument does not fit the layout.
        """
        time, has = moment(at), some_of(AmdFault, faults)
        one_of("product", product, _CHIP_BYTES)
        one_of("key", key, self._signers)
        size = _CHIP_BYTES[product]
        chip = sized("chip_id", self.chip_id[:size] if chip_id is None else chip_id, size)
        certified = chip if certified_chip_id is None else certified_chip_id
        sized("certified_chip_id", certified, size)
        report = Report(
            version=version,
            product=product,
            report_data=report_data,
            measurement=measurement,
            policy=policy,
            host_data=host_data,
            family_id=family_id,
            image_id=image_id,
            id_key_digest=id_key_digest,
            author_key_digest=author_key_digest,
            report_id=self._report_id,
            chip_id=(b"" if mask_chip_id else chip).ljust(_CHIP_FIELD_BYTES, b"\0"),
            vmpl=vmpl,
            guest_svn=guest_svn,
            vlek=key == "vlek",
            reported=tcb,
            current=current_tcb or tcb,
            committed=committed_tcb or tcb,
            launch=launch_tcb or tcb,
            platform_info=_platform_info(version) if platform_info is None else platform_info,
            launch_mitigations=launch_mitigations,
            current_mitigations=current_mitigations,
        ).signed()
        signer = ec.generate_private_key(ec.SECP384R1())
        signature = signing.ecdsa(signer, report, valid=AmdFault.BAD_SIGNATURE not in has)
        by = self._intermediate(key, product)
        other = self._signers["vlek" if key == "vcek" else "vcek"]
        leaf = pki.issue(
            f"SEV-{key.upper()}",
            signer.public_key(),
            pki.forger_of(by, other) if AmdFault.FORGED_LEAF in has else by,
            _leaf_validity(time, has),
            _extensions(product, key, certified_tcb or tcb, certified),
        )
        revoked = [by.certificate.serial_number] if AmdFault.REVOKED_INTERMEDIATE in has else []
        listed = pki.revocation_list(self._root, revoked, _list_validity(time, has))
        chain = (leaf, by.certificate, self._root.certificate)
        collateral = (*(pki.pem(certificate) for certificate in chain), pki.pem(listed))
        return Emitted(finished(report, signature), collateral)

    def _intermediate(self, key: Literal["vcek", "vlek"], product: Product) -> pki.Authority:
        name = f"SEV-{product}" if key == "vcek" else f"SEV-VLEK-{product}"
        if (key, product) not in self._intermediates:
            made = pki.certify(name, self._signers[key], self._root, path_length=0)
            self._intermediates[key, product] = made
        return self._intermediates[key, product]


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=4096)


def _platform_info(version: int) -> int:
    return _SMT_ENABLED | (_ECC_ENABLED | _ALIAS_CHECK_COMPLETE if version >= 3 else 0)


def _leaf_validity(at: datetime, faults: Collection[AmdFault]) -> pki.Validity:
    if AmdFault.EXPIRED_LEAF in faults:
        return pki.expired(at, _YEAR)
    if AmdFault.FUTURE_LEAF in faults:
        return pki.future(at, _YEAR)
    return at - _YEAR, at + _YEAR


def _list_validity(at: datetime, faults: Collection[AmdFault]) -> pki.Validity:
    if AmdFault.EXPIRED_LIST in faults:
        return pki.expired(at, _YEAR)
    if AmdFault.FUTURE_LIST in faults:
        return pki.future(at, _YEAR)
    return at - _DAY, at + _YEAR


def _extensions(product: Product, key: str, tcb: Tcb, chip: bytes) -> Iterator[pki.Extension]:
    """Of a VCEK or VLEK (57230, tables 8 to 11).

    The hardware identifier is bare bytes, without a tag of DER, as in AMD's own certificates. On
    Turin there is a level of fmc, and no reserved one at 3.4.
    """
    turin = product == "Turin"
    # A certificate of one chip names its stepping; one of a cloud provider stands for many.
    yield _extension("1", der.integer(int(turin)))
    yield _extension("2", der.ia5_string(f"{product}-B0" if key == "vcek" else product))
    for arc, component in (_TURIN_LEVELS if turin else _LEVELS).items():
        yield _extension(arc, der.integer(getattr(tcb, component) if component else 0))
    if key == "vcek":
        yield _extension("4", chip)
    else:
        yield _extension("5", der.ia5_string(_CLOUD))


def _extension(arc: str, value: bytes) -> pki.Extension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(_ARC + arc), value), False
