"""A simulated machine of Intel's, as the certificate of its key (PCK) describes it.

Intel, *SGX PCK Certificate and Certificate Revocation List Profile Specification*, §1.3.5: the
extension 1.2.840.113741.1.13.1.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final, Literal

from cryptography import x509

from confide_sim import der
from confide_sim.checks import one_of, sized, unsigned

__all__ = ["Machine"]

_ARC: Final = "1.2.840.113741.1.13.1"
_STANDARD, _SCALABLE = 0, 1
"""SGXType: with and without protection of memory against replay."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One machine.

    Attributes:
        ca: Who certifies its key: the Platform CA for those with several processors, which have an
            instance identifier and a configuration in their certificates; else the Processor CA.
        ppid: Its processor's identifier, 16 bytes.
        instance_id: The identifier of this set of processors, 16 bytes.
        fmspc: The kind of machine that TCB levels are stated for, 6 bytes.
        pce_id: Of its provisioning enclave, 2 bytes.
        components: Security versions of its parts, CPUSVN, 16 bytes.
        pce_svn: Security version of its provisioning enclave.
        tee_tcb_svn: Security versions of its TDX module and what loads it, 16 bytes: minor and
            major version, microcode, ...
        dynamic_platform: Whether processors may be added.
        cached_keys: Whether Intel keeps keys of it.
        smt_enabled: Whether a core's threads are shared by strangers.

    Raises:
        ValueError: If a size or the name of the issuer is wrong.
    """

    ca: Literal["platform", "processor"] = "platform"
    ppid: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    instance_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    fmspc: bytes = bytes.fromhex("C0FFEE000000")
    pce_id: bytes = bytes(2)
    components: bytes = bytes((3, 3, 2, 2, 4, 1, 0, 5)) + bytes(8)
    pce_svn: int = 13
    tee_tcb_svn: bytes = bytes((6, 1, 3)) + bytes(13)
    dynamic_platform: bool = False
    cached_keys: bool = False
    smt_enabled: bool = False

    def __post_init__(self) -> None:
        one_of("ca", self.ca, ("platform", "processor"))
        sizes = {
            "ppid": 16,
            "instance_id": 16,
            "fmspc": 6,
            "pce_id": 2,
            "components": 16,
            "tee_tcb_svn": 16,
        }
        for name, size in sizes.items():
            sized(name, getattr(self, name), size)
        unsigned("pce_svn", self.pce_svn, 2)

    def extension(self) -> x509.UnrecognizedExtension:
        """The extension of its certificate."""
        entries = [
            _entry("1", der.octets(self.ppid)),
            _entry("2", self._tcb()),
            _entry("3", der.octets(self.pce_id)),
            _entry("4", der.octets(self.fmspc)),
            _entry("5", der.enumerated(_SCALABLE if self.ca == "platform" else _STANDARD)),
        ]
        if self.ca == "platform":
            entries += [
                _entry("6", der.octets(self.instance_id)),
                _entry("7", self._configuration()),
            ]
        return x509.UnrecognizedExtension(x509.ObjectIdentifier(_ARC), der.sequence(*entries))

    def _tcb(self) -> bytes:
        parts = [
            _entry(f"2.{index}", der.integer(svn)) for index, svn in enumerate(self.components, 1)
        ]
        parts.append(_entry("2.17", der.integer(self.pce_svn)))
        parts.append(_entry("2.18", der.octets(self.components)))
        return der.sequence(*parts)

    def _configuration(self) -> bytes:
        flags = (self.dynamic_platform, self.cached_keys, self.smt_enabled)
        return der.sequence(
            *(_entry(f"7.{index}", der.boolean(value=flag)) for index, flag in enumerate(flags, 1))
        )


def _entry(arc: str, value: bytes) -> bytes:
    return der.sequence(der.oid(f"{_ARC}.{arc}"), value)
