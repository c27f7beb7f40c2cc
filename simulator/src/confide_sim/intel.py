"""Intel SGX and TDX, simulated: quotes, and the collateral that Intel publishes about machines.

The certificates follow Intel's *SGX PCK Certificate and Certificate Revocation List Profile
Specification*, §1.3; the layouts are in `quote`, the statements in `intel_statements`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, Unpack

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from confide_sim import pki, signing
from confide_sim.checks import moment
from confide_sim.emitted import Emitted
from confide_sim.events import BOOT, Event, extended, to_json
from confide_sim.intel_statements import Circumstances, ComponentStatus, IntelFault, Statements
from confide_sim.machine import Machine
from confide_sim.quote import (
    Domain,
    Enclave,
    Identity,
    SgxAttributes,
    Signers,
    TdAttributes,
    header,
    signature_data,
)
from confide_sim.vendor import Vendor

__all__ = ["IntelVendor"]

_YEAR: Final = timedelta(days=365)


def _default(what: str, bits: Literal[256, 384]) -> bytes:
    return hashlib.new(f"sha{bits}", f"confide simulator: {what}".encode()).digest()


_QE: Final = Identity(id="QE", mrsigner=_default("QE signer", 256), isv_prod_id=1, isv_svn=8)
_TD_QE: Final = Identity(id="TD_QE", mrsigner=_default("QE signer", 256), isv_prod_id=2, isv_svn=6)

_MRENCLAVE: Final = _default("an enclave", 256)
_MRSIGNER: Final = _default("its signer", 256)
_SGX_ATTRIBUTES: Final = SgxAttributes.INIT | SgxAttributes.MODE64BIT
_MRTD: Final = _default("a domain", 384)
_MRSEAM: Final = _default("a TDX module", 384)
_NO_REGISTERS: Final = (bytes(48),) * 4


class IntelVendor(Vendor):
    """A simulated Intel: root → Processor CA or Platform CA → PCK, and root → TCB signing.

    All keys are of P-256, as Intel's.

    Attributes:
        machine: The machine that attests unless another one is named.
    """

    def __init__(self) -> None:
        super().__init__(pki.found("Simulated Intel SGX Root CA", _p256(), path_length=1))
        self._issuers = {
            ca: pki.certify(
                f"Simulated Intel SGX PCK {ca.title()} CA", _p256(), self._root, path_length=0
            )
            for ca in ("platform", "processor")
        }
        self._tcb_key = _p256()
        self._tcb_certificate = pki.issue(
            "Simulated Intel SGX TCB Signing",
            self._tcb_key.public_key(),
            self._root,
            pki.LIFE,
            pki.leaf_extensions(self._tcb_key.public_key(), self._root),
        )
        self.machine = Machine()

    def attest_sgx(
        self,
        report_data: bytes,
        *,
        at: datetime,
        mrenclave: bytes = _MRENCLAVE,
        mrsigner: bytes = _MRSIGNER,
        isv_prod_id: int = 0,
        isv_svn: int = 0,
        attributes: int = _SGX_ATTRIBUTES,
        **circumstances: Unpack[Circumstances],
    ) -> Emitted:
        """A quote of version 3, with Intel's collateral for it.

        Args:
            report_data: What the enclave puts in, 64 bytes.
            at: The time at which all is valid, with a time zone. A quote itself has no time.
            mrenclave: Of the enclave's code, 32 bytes.
            mrsigner: Of who signed it, 32 bytes.
            isv_prod_id: Its product number.
            isv_svn: Its security version.
            attributes: ATTRIBUTES.FLAGS, see `SgxAttributes`; bit 1 is debugging.
            circumstances: See `Circumstances`.

        Returns:
            The quote, and one JSON document.

        Raises:
            ValueError: If an argument does not fit the layout.
        """
        statements = self._statements("SGX", _QE, at, circumstances)
        enclave = Enclave(
            cpu_svn=statements.machine.components,
            mrenclave=mrenclave,
            mrsigner=mrsigner,
            isv_prod_id=isv_prod_id,
            isv_svn=isv_svn,
            attributes=attributes,
            report_data=report_data,
        )
        return self._emitted(3, enclave.to_bytes(), statements)

    def attest_tdx(
        self,
        report_data: bytes,
        *,
        at: datetime,
        version: Literal[4, 5] = 4,
        mrtd: bytes = _MRTD,
        rtmrs: Sequence[bytes] | None = None,
        events: Sequence[Event] | None = None,
        td_attributes: int = TdAttributes.SEPT_VE_DISABLE,
        mrconfigid: bytes = bytes(48),
        mrowner: bytes = bytes(48),
        mrownerconfig: bytes = bytes(48),
        mrseam: bytes = _MRSEAM,
        mrsignerseam: bytes = bytes(48),
        seam_attributes: int = 0,
        mrservicetd: bytes = bytes(48),
        module_status: ComponentStatus = "UpToDate",
        **circumstances: Unpack[Circumstances],
    ) -> Emitted:
        """A quote of version 4 or 5, with Intel's collateral for it and perhaps an event log.

        Args:
            report_data: What the domain puts in, 64 bytes.
            at: The time at which all is valid, with a time zone. A quote itself has no time.
            version: Of the quote; 5 carries a report of TDX 1.5.
            mrtd: Of what the domain starts with, 48 bytes.
            rtmrs: RTMR0 to RTMR3, 48 bytes each, before any events. If not given, the domain has
                just started: a firmware, a kernel and a command line are in the first three.
            events: What is measured from then on; if given, even if empty, there is a log. The log
                leads from zeros to all registers, unless `rtmrs` says where they stood before.
            td_attributes: ATTRIBUTES, see `TdAttributes`: bit 0 is debugging, bit 28 keeps the host
                from inserting pages.
            mrconfigid: Configuration that the owner binds, 48 bytes.
            mrowner: Of the owner, 48 bytes.
            mrownerconfig: Of the owner's configuration, 48 bytes.
            mrseam: Of the TDX module, 48 bytes.
            mrsignerseam: Of who signed the module, zero for Intel.
            seam_attributes: Of the module, zero in production.
            mrservicetd: Of domains that serve this one, in version 5.
            module_status: The level of the module.
            circumstances: See `Circumstances`.

        Returns:
            The quote, one JSON document, and the log.

        Raises:
            ValueError: If an argument does not fit the layout.
        """
        statements = self._statements("TDX", _TD_QE, at, circumstances, module_status)
        started = BOOT if rtmrs is None else ()
        log = (*started, *(events or ()))
        domain = Domain(
            tee_tcb_svn=statements.machine.tee_tcb_svn,
            mrseam=mrseam,
            mrsignerseam=mrsignerseam,
            seam_attributes=seam_attributes,
            td_attributes=td_attributes,
            mrtd=mrtd,
            mrconfigid=mrconfigid,
            mrowner=mrowner,
            mrownerconfig=mrownerconfig,
            rtmrs=extended(_NO_REGISTERS if rtmrs is None else rtmrs, log),
            report_data=report_data,
            mrservicetd=mrservicetd,
        )
        emitted = self._emitted(version, domain.to_bytes(version), statements)
        if events is None:
            return emitted
        return Emitted(emitted.evidence, emitted.collateral, to_json(log))

    def _statements(
        self,
        kind: Literal["SGX", "TDX"],
        identity: Identity,
        at: datetime,
        circumstances: Circumstances,
        module_status: ComponentStatus = "UpToDate",
    ) -> Statements:
        given: Circumstances = {"machine": self.machine, **circumstances}
        if "issued" in given:
            given["issued"] = moment(given["issued"])
        return Statements(
            kind=kind, identity=identity, at=moment(at), module_status=module_status, **given
        )

    def _emitted(self, version: int, body: bytes, statements: Statements) -> Emitted:
        """A quote of the body, by a key certified here, and the collateral."""
        machine, has = statements.machine, statements.has
        platform_key, issuer = _p256(), self._issuers[machine.ca]
        forger = pki.forger_of(issuer, self._tcb_key)
        leaf = pki.issue(
            "Simulated Intel SGX PCK Certificate",
            platform_key.public_key(),
            forger if has(IntelFault.FORGED_LEAF) else issuer,
            _leaf_validity(statements),
            [
                *pki.leaf_extensions(platform_key.public_key(), issuer),
                (machine.extension(), False),
            ],
        )
        signed = header(version, statements.kind, hashlib.sha256(machine.ppid).digest()[:16]) + body
        signers = Signers(
            attestation_key=_p256(),
            platform_key=platform_key,
            identity=statements.identity,
            cpu_svn=machine.components,
            chain=pki.pem(leaf, issuer.certificate, self._root.certificate),
            valid=not has(IntelFault.BAD_SIGNATURE),
            qe_valid=not has(IntelFault.BAD_QE_SIGNATURE),
            bound=not has(IntelFault.BAD_QE_BINDING),
        )
        revoked = [leaf.serial_number] if has(IntelFault.REVOKED_LEAF) else []
        collateral = self._collateral(statements, issuer, revoked)
        return Emitted(signed + signature_data(signed, version, signers), (collateral,))

    def _collateral(
        self, statements: Statements, issuer: pki.Authority, revoked_leaves: Sequence[int]
    ) -> bytes:
        """The JSON document that `dcap-qvl` calls QuoteCollateralV3."""
        has, root = statements.has, self._root
        revoked = [issuer.certificate.serial_number] if has(IntelFault.REVOKED_INTERMEDIATE) else []
        root_dates = statements.validity(IntelFault.EXPIRED_ROOT_LIST, _YEAR)
        leaf_dates = statements.validity(IntelFault.EXPIRED_LEAF_LIST)
        tcb_info, qe_identity = statements.tcb_info(), statements.qe_identity()
        signing_chain = pki.pem(self._tcb_certificate, root.certificate).decode()
        document = {
            "pck_crl_issuer_chain": pki.pem(issuer.certificate, root.certificate).decode(),
            "root_ca_crl": _crl(root, revoked, root_dates),
            "pck_crl": _crl(issuer, revoked_leaves, leaf_dates),
            "tcb_info_issuer_chain": signing_chain,
            "tcb_info": tcb_info,
            "tcb_info_signature": self._signed(
                tcb_info, valid=not has(IntelFault.BAD_TCB_SIGNATURE)
            ),
            "qe_identity_issuer_chain": signing_chain,
            "qe_identity": qe_identity,
            "qe_identity_signature": self._signed(
                qe_identity, valid=not has(IntelFault.BAD_IDENTITY_SIGNATURE)
            ),
        }
        return json.dumps(document).encode()

    def _signed(self, statement: str, *, valid: bool) -> str:
        return signing.raw(self._tcb_key, statement.encode(), valid=valid).hex()


def _p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _crl(by: pki.Authority, serials: Sequence[int], validity: pki.Validity) -> str:
    return pki.revocation_list(by, serials, validity).public_bytes(Encoding.DER).hex()


def _leaf_validity(statements: Statements) -> pki.Validity:
    at = statements.at
    if statements.has(IntelFault.EXPIRED_LEAF):
        return pki.expired(at, _YEAR)
    if statements.has(IntelFault.FUTURE_LEAF):
        return pki.future(at, _YEAR)
    return at - _YEAR, at + _YEAR
