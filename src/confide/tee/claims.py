"""Run-time claims: what an attested workload says about itself, bound into its evidence.

The evidence has only 64 bytes of the workload's choice, so it contains a hash, and the claims are
sent with it. The keys are bound here, and not in TLS, so that a relayed quote is worthless: an
attacker who relays it does not hold the keys (draft-fossati-tls-attestation, CVE-2026-33697).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from confide import canonical
from confide.errors import AttestationError, ProtocolError, Step

__all__ = ["LONGEST_LIFETIME", "MAX_CLAIMS_BYTES", "NONCE_BYTES", "Claims"]

MAX_CLAIMS_BYTES: Final = 4096
NONCE_BYTES: Final = 32
LONGEST_LIFETIME: Final = timedelta(hours=24)
"""How far ahead claims may end: a workload whose clock is wrong would claim for years."""
_HASH_BYTES: Final = 32
_MAX_TEXT: Final = 200
_DOMAIN: Final = b"confide attested claims 1\0"
_LAST: Final = 1 << 53
_LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999, after which no calendar here goes."""


@dataclass(frozen=True)
class Claims:
    """What a workload claims; nothing of it is verified before evidence with its hash is.

    Attributes:
        purpose: What the workload is for, 'aggregate' for one that adds up.
        nonce: 32 bytes that the client chose for this question.
        hpke_key: The X25519 key that data is encrypted to, 32 bytes.
        signing_key: The Ed25519 key that receipts are signed with, 32 bytes.
        tls_key: SHA-256 of the public key (SPKI) of its TLS certificate, or zeros without TLS.
        workload: Hash of the build's manifest.
        plan: Hash of the plan it enforces.
        task: Name of the plan's task.
        instance: 32 random bytes, made when the workload started.
        epoch: Number of the keys, which a restart that cannot prove its state raises.
        expires: Seconds since 1970, after which the claims are nobody's.
    """

    purpose: str
    nonce: bytes
    hpke_key: bytes
    signing_key: bytes
    tls_key: bytes
    workload: bytes
    plan: bytes
    task: str
    instance: bytes
    epoch: int
    expires: int

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, bytes) and len(value) != _HASH_BYTES:
                raise _error(f"{item.name} of {len(value)} bytes; it has {_HASH_BYTES}")
            if isinstance(value, str) and not 1 <= len(value) <= _MAX_TEXT:
                raise _error(f"{item.name} of {len(value)} characters; 1 to {_MAX_TEXT} are read")
            if isinstance(value, int) and not 0 <= value <= _LAST:
                raise _error(f"{item.name} {value}; it is a number from 0 to 2^53")
        if self.expires > _LAST_SECOND:
            raise _error(f"expires {self.expires}; claims end before the year 10,000")

    def to_bytes(self) -> bytes:
        """Deterministic CBOR."""
        return canonical.encode({item.name: getattr(self, item.name) for item in fields(self)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote.

        Raises:
            AttestationError: If it is anything else, at the step `parse`.
        """
        try:
            values = canonical.decode(data, MAX_CLAIMS_BYTES, max_items=64)
        except ProtocolError as error:
            raise _error(str(error)) from error
        names = {item.name: item.type for item in fields(cls)}
        if not isinstance(values, dict) or values.keys() != names.keys():
            raise _error(f"a map with the keys {', '.join(names)} is expected")
        for name, kind in names.items():
            if type(values[name]).__name__ != kind:
                raise _error(f"{name} is a {type(values[name]).__name__}, not {kind}")
        return cls(**values)

    @property
    def report_data(self) -> bytes:
        """What evidence must carry: 64 bytes."""
        return hashlib.sha512(_DOMAIN + self.to_bytes()).digest()

    @property
    def digest(self) -> bytes:
        """SHA-256 of the claims, by which messages name them."""
        return hashlib.sha256(_DOMAIN + self.to_bytes()).digest()

    @property
    def expires_at(self) -> datetime:
        """When they end."""
        return datetime.fromtimestamp(self.expires, UTC)


def _error(problem: str) -> AttestationError:
    return AttestationError(Step.PARSE, f"the claims do not read: {problem}")
