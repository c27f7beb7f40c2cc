"""What a simulated Intel states about its machines: TCB levels, and the quoting enclave's identity.

Intel, *Provisioning Certification Service for ECDSA Attestation API*, version 4: TCB Info V3 and
Enclave Identity V2, as JSON, signed byte by byte.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal, TypedDict, get_args

from confide_sim import pki
from confide_sim.checks import one_of, sized, some_of, unsigned
from confide_sim.machine import Machine
from confide_sim.quote import Identity

__all__ = ["Circumstances", "IntelFault", "Statements", "TcbStatus"]

TcbStatus = Literal[
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "Revoked",
]
"""Intel's words for the level of a machine."""

ComponentStatus = Literal["UpToDate", "OutOfDate", "Revoked"]
"""Those for the level of a quoting enclave or a TDX module."""

_BEHIND: Final = frozenset({"OutOfDate", "OutOfDateConfigurationNeeded", "Revoked"})
"""Levels above which there is a better one."""

_DAY: Final = timedelta(days=1)
_MONTH: Final = timedelta(days=30)
_EVALUATION: Final = 17


class IntelFault(StrEnum):
    """Faults of evidence apart from its content; each case has exactly one.

    What a quote says, and what Intel states about its machine, is chosen by the arguments of
    `IntelVendor` and by `Circumstances`.
    """

    BAD_SIGNATURE = "bad signature"
    """The quote's signature is of another message."""
    BAD_QE_SIGNATURE = "bad QE signature"
    """That of the quoting enclave's report is."""
    BAD_QE_BINDING = "bad QE binding"
    """The quoting enclave's report names another key than the one that signed the quote."""
    BAD_TCB_SIGNATURE = "bad TCB signature"
    """The signature of the TCB levels is of another statement."""
    BAD_IDENTITY_SIGNATURE = "bad identity signature"
    """That of the quoting enclave's identity is."""
    IDENTITY_MISMATCH = "identity mismatch"
    """The quoting enclave is signed by somebody else than Intel states."""
    EXPIRED_LEAF = "expired leaf"
    """The certificate of the machine's key (PCK) has ended."""
    FUTURE_LEAF = "future leaf"
    """It has not begun."""
    FORGED_LEAF = "forged leaf"
    """It is not signed by the issuer that it names."""
    REVOKED_LEAF = "revoked leaf"
    """The list of the PCKs' issuer names it."""
    REVOKED_INTERMEDIATE = "revoked intermediate"
    """The root's list names that issuer."""
    EXPIRED_TCB = "expired TCB"
    """The statement of TCB levels should have been renewed; all others hold, here and below."""
    EXPIRED_IDENTITY = "expired identity"
    """The quoting enclave's identity is."""
    EXPIRED_LEAF_LIST = "expired leaf list"
    """The list of the PCKs' issuer is."""
    EXPIRED_ROOT_LIST = "expired root list"
    """The root's list is."""


class Circumstances(TypedDict, total=False):
    """The state of a machine, apart from what runs on it.

    Attributes:
        machine: The machine; `IntelVendor.machine` unless given.
        tcb_status: The level at which it is.
        advisories: Names of advisories about that level, as 'INTEL-SA-00615'.
        qe_status: The level of its quoting enclave.
        evaluation_number: Of Intel's evaluation of TCB levels, `tcbEvaluationDataNumber`.
        stated_fmspc: The kind of machine that the levels are stated for, if not its own, 6 bytes.
        issued: When the statements and lists were made, one day before unless given. Statements
            and the list of PCKs hold for 30 days, the root's list for a year.
        faults: What else is wrong.
    """

    machine: Machine
    tcb_status: TcbStatus
    advisories: Collection[str]
    qe_status: ComponentStatus
    evaluation_number: int
    stated_fmspc: bytes
    issued: datetime
    faults: Collection[IntelFault]


@dataclass(frozen=True, kw_only=True)
class Statements:
    """What Intel states about one machine at one time; see `Circumstances`.

    Attributes:
        kind: Of the quote.
        identity: Its quoting enclave.
        at: The time of the verification.
        module_status: The level of a TDX module.
    """

    kind: Literal["SGX", "TDX"]
    identity: Identity
    at: datetime
    machine: Machine
    tcb_status: TcbStatus = "UpToDate"
    advisories: Collection[str] = ()
    qe_status: ComponentStatus = "UpToDate"
    module_status: ComponentStatus = "UpToDate"
    evaluation_number: int = _EVALUATION
    stated_fmspc: bytes | None = None
    issued: datetime | None = None
    faults: Collection[IntelFault] = ()

    def __post_init__(self) -> None:
        one_of("tcb_status", self.tcb_status, get_args(TcbStatus))
        for name in ("qe_status", "module_status"):
            one_of(name, getattr(self, name), get_args(ComponentStatus))
        some_of(IntelFault, self.faults)

    def has(self, fault: IntelFault) -> bool:
        """Whether it is wrong in this way."""
        return fault in self.faults

    def validity(self, fault: IntelFault, period: timedelta = _MONTH) -> pki.Validity:
        """From when to when a statement holds.

        Args:
            fault: By which it has expired.
            period: For how long it holds.
        """
        if self.has(fault):
            return pki.expired(self.at, period)
        issued = self.at - _DAY if self.issued is None else self.issued
        return issued, issued + period

    def tcb_info(self) -> str:
        """TCB Info, version 3.

        Raises:
            ValueError: If a value does not fit.
        """
        machine = self.machine
        fmspc = machine.fmspc if self.stated_fmspc is None else self.stated_fmspc
        unsigned("evaluation_number", self.evaluation_number, 4)
        return _text(
            {
                "id": self.kind,
                "version": 3,
                **_dates(self.validity(IntelFault.EXPIRED_TCB)),
                "fmspc": _hex(sized("stated_fmspc", fmspc, 6)),
                "pceId": _hex(machine.pce_id),
                "tcbType": 0,
                "tcbEvaluationDataNumber": self.evaluation_number,
                **(self._module() if self.kind == "TDX" else {}),
                "tcbLevels": list(self._levels()),
            }
        )

    def qe_identity(self) -> str:
        """Enclave Identity, version 2."""
        signer = self.identity.mrsigner
        if self.has(IntelFault.IDENTITY_MISMATCH):
            signer = bytes(byte ^ 0xFF for byte in signer)
        return _text(
            {
                "id": self.identity.id,
                "version": 2,
                **_dates(self.validity(IntelFault.EXPIRED_IDENTITY)),
                "tcbEvaluationDataNumber": self.evaluation_number,
                "miscselect": "00000000",
                "miscselectMask": "FFFFFFFF",
                "attributes": "11000000000000000000000000000000",
                "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
                "mrsigner": _hex(signer),
                "isvprodid": self.identity.isv_prod_id,
                "tcbLevels": list(self._component(self.identity.isv_svn, self.qe_status)),
            }
        )

    def _levels(self) -> Iterator[dict[str, Any]]:
        """The machine's level, below a better one if there must be one, and above a worse one."""
        if self.tcb_status in _BEHIND:
            yield self._level(1, "UpToDate", ())
        yield self._level(0, self.tcb_status, self.advisories)
        yield self._level(-1, "OutOfDate", ("INTEL-SA-00000",))

    def _level(self, step: int, status: str, advisories: Collection[str]) -> dict[str, Any]:
        machine = self.machine
        tcb: dict[str, Any] = {
            "sgxtcbcomponents": [
                {"svn": min(max(svn + step, 0), 255)} for svn in machine.components
            ],
            "pcesvn": machine.pce_svn,
        }
        if self.kind == "TDX":
            tcb["tdxtcbcomponents"] = [{"svn": svn} for svn in machine.tee_tcb_svn]
        return self._judged(tcb, status, advisories)

    def _module(self) -> dict[str, Any]:
        """The TDX module's identities: by major version, as the machine's module has one."""
        minor, major = self.machine.tee_tcb_svn[:2]
        identity = {
            "mrsigner": "00" * 48,
            "attributes": "00" * 8,
            "attributesMask": "FF" * 8,
        }
        levels = list(self._component(minor, self.module_status))
        return {
            "tdxModule": identity,
            "tdxModuleIdentities": [{"id": f"TDX_{major:02X}", **identity, "tcbLevels": levels}],
        }

    def _component(self, svn: int, status: ComponentStatus) -> Iterator[dict[str, Any]]:
        if status in _BEHIND:
            yield self._judged({"isvsvn": svn + 1}, "UpToDate", ())
        yield self._judged({"isvsvn": svn}, status, ())

    def _judged(
        self, tcb: dict[str, Any], status: str, advisories: Collection[str]
    ) -> dict[str, Any]:
        level = {"tcb": tcb, "tcbDate": _date(self.at - 3 * _MONTH), "tcbStatus": status}
        return level | ({"advisoryIDs": list(advisories)} if advisories else {})


def _dates(validity: pki.Validity) -> dict[str, str]:
    return {"issueDate": _date(validity[0]), "nextUpdate": _date(validity[1])}


def _date(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _hex(value: bytes) -> str:
    return value.hex().upper()


def _text(statement: dict[str, Any]) -> str:
    return json.dumps(statement, separators=(",", ":"))
