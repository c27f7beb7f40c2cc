"""AMD SEV-SNP: attestation reports of 1,184 bytes, signed by a key of the chip.

AMD, *SEV Secure Nested Paging Firmware ABI Specification* (56860), table ATTESTATION_REPORT, and
*Versioned Chip Endorsement Key Certificate and KDS Interface Specification* (57230), chapter 3. The
chain is VCEK → ASK → ARK, or VLEK → ASVK → ARK where a cloud provider's key signs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.x509 import ObjectIdentifier

from confide.errors import AttestationError, Step
from confide.tee import certificates
from confide.tee.attestation import Assurance, Attestation, Binding, Platform, Tcb
from confide.tee.certificates import Certificate, RevocationList, name_of
from confide.tee.reader import Reader

__all__ = ["LEVELS", "REPORT_BYTES", "SnpReport", "authenticate", "leaf_of", "parse"]

REPORT_BYTES: Final = 1184
_SIGNED_BYTES: Final = 0x2A0
_VERSIONS: Final = (2, 3, 4, 5)
_ECDSA_P384_SHA384: Final = 1

_PRIVILEGE_LEVELS: Final = range(4)
_SIGNERS: Final = {0: "VCEK", 1: "VLEK"}
_ONE_BIT, _MIGRATION_BIT, _DEBUG_BIT, _POLICY_BITS = 17, 18, 19, 26
_ABI_MASK: Final = 0xFFFF
_FIRST_WITH_MODEL: Final = 3

_MODELS: Final = {
    (0x19, 0x0): "Milan",
    (0x19, 0x1): "Genoa",
    (0x19, 0xA): "Genoa",
    (0x1A, 0x0): "Turin",
    (0x1A, 0x1): "Turin",
}
"""By family and upper half of the model, whose chip it is (AMD, 57230, §3.1)."""

_PARAVISOR_KEYS: Final = {
    bytes.fromhex(
        "0356215882a825279a85b300b0b742931d113bf7e32dde2e50ffde7ec743ca49"
        "1ecdd7f336dc28a6e0b2bb57af7a44a3"
    ),
    bytes.fromhex(
        "942fd93ebde6ea7a96efadeafc60f1c6b3d10e703b1dafd7555b92f7f3d32d0e"
        "006767648cba5b102af3d65756af4177"
    ),
}
"""ID_KEY_DIGEST of the keys that Microsoft signs Azure's paravisor with."""

_PARAVISOR_IMAGE: Final = b"\2" + bytes(15)

LEVELS: Final = {
    "Milan": {"bootloader": 0, "tee": 1, "snp": 6, "microcode": 7},
    "Genoa": {"bootloader": 0, "tee": 1, "snp": 6, "microcode": 7},
    "Turin": {"fmc": 0, "bootloader": 1, "tee": 2, "snp": 3, "microcode": 7},
}
"""By product, the byte of TCB_VERSION in which each component's level stands."""

_MOST_TRIED: Final = 16
"""Of certificates that fit by what they say of themselves."""

_AMD: Final = "1.3.6.1.4.1.3704.1."
_PRODUCT: Final = ObjectIdentifier(_AMD + "2")
_CHIP: Final = ObjectIdentifier(_AMD + "4")
_LEVEL: Final = {
    "bootloader": ObjectIdentifier(_AMD + "3.1"),
    "tee": ObjectIdentifier(_AMD + "3.2"),
    "snp": ObjectIdentifier(_AMD + "3.3"),
    "microcode": ObjectIdentifier(_AMD + "3.8"),
    "fmc": ObjectIdentifier(_AMD + "3.9"),
}


@dataclass(frozen=True)
class SnpReport:
    """A report, as it stands in its bytes; nothing of it is verified.

    Attributes:
        signed: The bytes that the signature covers.
        signature: r and s.
        signer: 'VCEK' or 'VLEK'.
        policy: What the guest's owner allows the host.
        vmpl: The privilege level that asked for the report; 0 is the highest.
        fields: The vendor's fields that say what runs.
        report_data: What the guest put in, 64 bytes.
        chip: CHIP_ID, 64 bytes; zero if the host hides it.
        tcbs: The TCB_VERSIONs: reported, current, committed and at launch, 8 bytes each.
        processor: The processor's family and model; None in reports of version 2.
    """

    signed: bytes
    signature: tuple[int, int]
    signer: str
    policy: int
    vmpl: int
    fields: Mapping[str, bytes]
    report_data: bytes
    chip: bytes
    tcbs: tuple[bytes, bytes, bytes, bytes]
    processor: tuple[int, int] | None

    @property
    def numbers(self) -> Mapping[str, int]:
        """What a policy may ask least values or bits of."""
        return {
            "guest_svn": int.from_bytes(self.fields["guest_svn"], "big"),
            "guest_abi": self.policy & _ABI_MASK,
            "guest_policy": self.policy & ~_ABI_MASK & ~(1 << _ONE_BIT),
            "platform_info": int.from_bytes(self.fields["platform_info"], "big"),
        }

    @property
    def products(self) -> tuple[str, ...]:
        """What it may be of: one product line, several where it does not say, none if unknown."""
        if self.processor is None:
            return tuple(product for product in LEVELS if product != "Turin")
        family, model = self.processor
        product = _MODELS.get((family, model >> 4))
        return () if product is None else (product,)

    @property
    def paravisor(self) -> bool:
        """Whether Azure's paravisor asked for it, and not the virtual machine that it serves.

        It is known by Microsoft's keys; or by its image, which puts only a hash of 32 bytes in.
        """
        if self.fields["id_key_digest"] in _PARAVISOR_KEYS:
            return True
        return self.fields["image_id"] == _PARAVISOR_IMAGE and not any(self.report_data[32:])

    @property
    def debug(self) -> bool:
        """Whether the guest's owner lets the host look inside."""
        return bool(self.policy >> _DEBUG_BIT & 1)

    @property
    def migratable(self) -> bool:
        """Whether a migration agent may move it."""
        return bool(self.policy >> _MIGRATION_BIT & 1)


def parse(evidence: bytes) -> SnpReport:
    """Reads a report of version 2 to 5.

    Raises:
        AttestationError: If it is not exactly one, at the step `parse`.
    """
    reader = Reader(evidence, "the SEV-SNP report")
    version = reader.number(4)
    if version not in _VERSIONS:
        raise reader.error(f"is of version {version}; 2 to 5 are read")
    guest_svn, policy = reader.take(4), reader.number(8)
    family, image = reader.take(16), reader.take(16)
    vmpl, algorithm = reader.number(4), reader.number(4)
    current, platform_info, flags = reader.take(8), reader.take(8), reader.number(4)
    reader.zeros(4)
    report_data, measurement, host_data = reader.take(64), reader.take(48), reader.take(32)
    id_key, author_key = reader.take(48), reader.take(48)
    reader.take(64)  # REPORT_ID and REPORT_ID_MA, which only name this guest
    reported = reader.take(8)
    processor = reader.take(24)  # its family, model and stepping from version 3 on
    chip, committed = reader.take(64), reader.take(8)
    reader.take(8)  # the firmware's builds, which the levels speak for
    launch = reader.take(8)
    reader.take(_SIGNED_BYTES - reader.at)
    r, s = reader.number(72), reader.number(72)
    reader.zeros(REPORT_BYTES - reader.at)
    reader.end()
    if algorithm != _ECDSA_P384_SHA384:
        raise reader.error(f"is signed by algorithm {algorithm}, not ECDSA P-384 with SHA-384")
    signer = _SIGNERS.get(flags >> 2 & 7)
    if signer is None:
        raise reader.error("is signed by neither VCEK nor VLEK")
    if not policy >> _ONE_BIT & 1 or policy >> _POLICY_BITS:
        raise reader.error(f"has the policy {policy:#x}, which the specification does not know")
    if vmpl not in _PRIVILEGE_LEVELS:
        # The host may ask too, at 0xffffffff; its report is not the guest's.
        raise reader.error(f"was asked for at privilege level {vmpl:#x}; a guest has 0 to 3")
    fields = {
        "measurement": measurement,
        "host_data": host_data,
        "id_key_digest": id_key,
        "author_key_digest": author_key,
        "family_id": family,
        "image_id": image,
        "guest_svn": guest_svn[::-1],
        "vmpl": bytes([vmpl]),
        "platform_info": platform_info[::-1],
    }
    return SnpReport(
        signed=evidence[:_SIGNED_BYTES],
        signature=(r, s),
        signer=signer,
        policy=policy,
        vmpl=vmpl,
        fields=fields,
        report_data=report_data,
        chip=chip,
        tcbs=(reported, current, committed, launch),
        processor=(processor[0], processor[1]) if version >= _FIRST_WITH_MODEL else None,
    )


def authenticate(
    report: SnpReport,
    certificates_: Iterable[Certificate],
    lists: Iterable[RevocationList],
    roots: Mapping[str, Sequence[tuple[Certificate, Assurance]]],
    at: datetime,
    *,
    revocation: bool = True,
) -> Attestation:
    """Verifies a report's signature and the chain of its key, then their dates.

    Args:
        report: What `parse` read.
        certificates_: Collateral: the chip's certificate and its issuer's, and any others.
        lists: Collateral: the root's revocation lists, and any others.
        roots: The pinned roots of each product line, by the product's name.
        at: The time of the verification, with a time zone.
        revocation: Whether a revocation list is asked for.

    Raises:
        AttestationError: At the steps `root` and `freshness`.
    """
    given = tuple(certificates_)
    leaf, product = leaf_of(report, given)
    if product not in roots:
        raise AttestationError(
            Step.ROOT, f"no root is pinned for AMD's product {product!r}: {', '.join(roots)} are"
        )
    chain = [leaf, _issuer_of(leaf, given, roots[product])]
    root, assurance = _root_of(chain, roots[product])
    certificates.check_chain(chain, root)
    dated = [leaf, chain[1], root]
    expires = min(c.not_valid_after_utc for c in dated)
    latest = _check_revocation(lists, chain, root)
    if revocation:
        if latest is None:
            raise AttestationError(
                Step.ROOT, f"the collateral has no revocation list that {name_of(root)} signed"
            )
        certificates.check_list_dates(latest, root, at)
        expires = min(expires, latest.next_update_utc or expires)
    certificates.check_dates(dated, at)
    return Attestation(
        platform=Platform.SNP,
        assurance=assurance,
        measurements={**report.fields, "product": product.encode()},
        numbers=report.numbers,
        binding=Binding(report.report_data),
        node=report.chip.hex() if any(report.chip) else None,
        tcb=Tcb(levels=_least_levels(report, product)),
        debug="the guest's policy allows debugging" if report.debug else "",
        migratable=report.migratable,
        expires=expires,
    )


def leaf_of(report: SnpReport, given: Iterable[Certificate]) -> tuple[Certificate, str]:
    """The certificate of the key that signed, and the product it is of.

    Providers' keys of one level are distinguished by nothing but what they signed.

    Raises:
        AttestationError: If none of those given signed, at the step `root`.
    """
    signers = [c for c in given if name_of(c) == f"'SEV-{report.signer}'"]
    fitting = [
        (certificate, product)
        for certificate in signers
        if (product := _product(certificate)) in LEVELS and _is_of(certificate, product, report)
    ]
    for certificate, product in fitting[:_MOST_TRIED]:
        if _has_signed(certificate, report):
            return certificate, product
    if fitting:
        raise AttestationError(
            Step.ROOT,
            "the SEV-SNP report is not signed by the chip's key, of curve P-384: it was altered",
        )
    what = f"{report.signer} certificate of this chip at the TCB that it reports"
    found = f"{len(signers)} of others are" if signers else "none is"
    raise AttestationError(
        Step.ROOT, f"the collateral has no {what}; {found}. Fetch it from AMD's key server"
    )


def _is_of(certificate: Certificate, product: str, report: SnpReport) -> bool:
    reported = report.tcbs[0]
    for component, place in LEVELS[product].items():
        if _integer(certificate, _LEVEL[component]) != reported[place]:
            return False
    # A host may hide CHIP_ID (MASK_CHIP_ID). Then only the signature tells whose report it is, and
    # only a policy that takes any machine accepts it.
    if report.signer == "VLEK":
        return True
    chip = _extension(certificate, _CHIP)
    hidden = not any(report.chip)
    return any(chip) and (hidden or report.chip == chip.ljust(len(report.chip), b"\0"))


def _issuer_of(
    leaf: Certificate,
    given: Iterable[Certificate],
    roots: Sequence[tuple[Certificate, Assurance]],
) -> Certificate:
    """Of the certificates with the issuer's name the one that stands between leaf and a root.

    Where only one has the name, or none fits, `check_chain` says what does not hold.
    """
    named = [c for c in given if c.subject == leaf.issuer]
    if len(named) == 1:
        return named[0]
    for certificate in named[:_MOST_TRIED]:
        if certificates.is_issued_by(leaf, certificate) and any(
            certificates.is_issued_by(certificate, root) for root, _ in roots
        ):
            return certificate
    if named:
        return named[0]
    raise AttestationError(
        Step.ROOT, f"the collateral lacks {leaf.issuer.rfc4514_string()}, who issued the chip's key"
    )


def _root_of(
    chain: Sequence[Certificate], roots: Sequence[tuple[Certificate, Assurance]]
) -> tuple[Certificate, Assurance]:
    """The root whose name the chain ends with; whether it signed, `check_chain` finds out."""
    for root, assurance in roots:
        if root.subject == chain[-1].issuer:
            return root, assurance
    raise AttestationError(
        Step.ROOT, f"the chain ends at {chain[-1].issuer.rfc4514_string()}, which is not pinned"
    )


def _check_revocation(
    lists: Iterable[RevocationList], chain: Sequence[Certificate], root: Certificate
) -> RevocationList | None:
    """Checks the chain against all lists that its issuers signed; returns the root's latest list.

    Anyone who is verified may pass on an older one, which does not undo what a newer one revokes.
    """
    latest = None
    for revoked in lists:
        for issuer in (chain[1], root):
            if certificates.check_revocation(revoked, issuer, chain) and issuer is root:
                newer = latest is None or revoked.last_update_utc > latest.last_update_utc
                latest = revoked if newer else latest
    return latest


def _has_signed(leaf: Certificate, report: SnpReport) -> bool:
    key = leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        return False
    try:
        key.verify(encode_dss_signature(*report.signature), report.signed, ec.ECDSA(SHA384()))
    except InvalidSignature:
        return False
    return True


def _least_levels(report: SnpReport, product: str) -> dict[str, int]:
    """By component, the least of what is reported, committed and was there at launch."""
    reported, _, committed, launch = report.tcbs
    return {
        component: min(tcb[place] for tcb in (reported, committed, launch))
        for component, place in LEVELS[product].items()
    }


def _product(certificate: Certificate) -> str:
    """The product line, as 'Milan' of the extension's 'Milan-B0'."""
    value = _extension(certificate, _PRODUCT)
    if len(value) < 2 or value[0] != 0x16 or value[1] != len(value) - 2:
        return ""
    return value[2:].decode("ascii", "replace").split("-")[0]


def _integer(certificate: Certificate, oid: ObjectIdentifier) -> int | None:
    value = _extension(certificate, oid)
    if len(value) < 3 or value[0] != 0x02 or value[1] != len(value) - 2:
        return None
    return int.from_bytes(value[2:], "big")


def _extension(certificate: Certificate, oid: ObjectIdentifier) -> bytes:
    """The raw value of an extension, or nothing."""
    try:
        value = certificate.extensions.get_extension_for_oid(oid).value
    except (x509.ExtensionNotFound, ValueError):
        return b""
    return value.value if isinstance(value, x509.UnrecognizedExtension) else b""
