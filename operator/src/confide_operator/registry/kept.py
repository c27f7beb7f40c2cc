"""What a registry keeps so that anybody can verify again: evidence, its claims, and collateral.

Statements name it by its hash, so the log stays small and evidence cannot be replaced. It is in the
registry's file, next to the log; missing evidence counts as no evidence.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from confide import canonical
from confide.errors import AttestationError, ProtocolError, Step
from confide.tee import Collateral, Evidence, Platform, documents, snp
from confide.tee.certificates import Certificate
from confide.tee.evidence import MAX_EVIDENCE_BYTES
from confide.tee.intel import family_of
from confide.tee.policy import Policy
from confide.tee.quote import Quote
from confide.tee.verification import AttestedPeer, Expected, verify_peer
from cryptography.hazmat.primitives.serialization import Encoding

__all__ = ["Bundle", "EvidenceStore"]

_MAX_ITEMS: Final = 512
_MAX_BYTES: Final = 4 * MAX_EVIDENCE_BYTES
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS confide_evidence (hash BLOB PRIMARY KEY, data BLOB NOT NULL) STRICT
"""


@dataclass(frozen=True)
class Bundle:
    """An answer of a machine, and what it takes to verify it.

    Attributes:
        evidence: What it answered, as it came.
        collateral: What the member used of the vendors.
    """

    evidence: bytes
    collateral: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, evidence: bytes, at_hand: Collateral) -> Self:
        """Evidence with what belongs to it of all the available collateral."""
        try:
            read = Evidence.from_bytes(evidence)
            return cls(evidence, tuple(_relevant(read, at_hand)))
        except AttestationError:  # what does not verify is kept as it came
            return cls(evidence[:MAX_EVIDENCE_BYTES])

    @property
    def hash(self) -> bytes:
        """SHA-256 of it, by which statements name it."""
        return hashlib.sha256(self.to_bytes()).digest()

    def verify(self, policy: Policy, expected: Expected, time: int) -> AttestedPeer:
        """Verifies it again, at the time at which a member says that it did.

        Args:
            policy: Of anyone who verifies now.
            expected: What the member asked with.
            time: Seconds since 1970.

        Raises:
            AttestationError: If it does not hold.
        """
        return verify_peer(
            Evidence.from_bytes(self.evidence),
            policy,
            expected,
            collateral=Collateral.of(self.collateral),
            at=datetime.fromtimestamp(time, UTC),
        )

    def to_bytes(self) -> bytes:
        """Deterministic CBOR."""
        return canonical.encode([self.evidence, list(self.collateral)])

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote.

        Raises:
            ProtocolError: If it is anything else.
        """
        match canonical.decode(data, _MAX_BYTES, max_items=_MAX_ITEMS):
            case [bytes(evidence), list(items)] if all(isinstance(i, bytes) for i in items):
                return cls(evidence, tuple(items))
            case _:
                raise ProtocolError("kept evidence that is not a bundle")


class EvidenceStore:
    """Bundles by their hashes, in the registry's file.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, bundle: Bundle) -> bytes:
        """Keeps a bundle; returns its hash.

        Raises:
            ProtocolError: If it is too large, or the file cannot be written.
        """
        data = bundle.to_bytes()
        if len(data) > _MAX_BYTES:
            raise ProtocolError(
                f"evidence and collateral of {len(data):,} bytes; at most {_MAX_BYTES:,} are kept"
            )
        with self._connected() as connection:
            row = (bundle.hash, data)
            connection.execute("INSERT OR REPLACE INTO confide_evidence VALUES (?, ?)", row)
        return bundle.hash

    def find(self, digest: bytes) -> Bundle:
        """The bundle of a hash.

        Raises:
            AttestationError: If it is not kept, or something else is kept in its place.
        """
        with self._connected() as connection:
            row = connection.execute(
                "SELECT data FROM confide_evidence WHERE hash = ? AND length(data) <= ?",
                (digest, _MAX_BYTES),
            ).fetchone()
        data = row[0] if row else None
        if not isinstance(data, bytes) or hashlib.sha256(data).digest() != digest:
            raise AttestationError(
                Step.PARSE,
                f"the evidence {digest.hex()[:16]}… is not kept here: attest the machine again",
            )
        try:
            return Bundle.from_bytes(data)
        except ProtocolError as error:
            raise AttestationError(Step.PARSE, str(error)) from error

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, isolation_level=None, timeout=30)) as found:
                found.execute("PRAGMA trusted_schema=OFF")
                found.execute("PRAGMA synchronous=FULL")
                found.execute(_TABLE)
                yield found
        except sqlite3.Error as error:
            raise ProtocolError(f"cannot keep evidence in {self._path}: {error}") from error


def _relevant(evidence: Evidence, at_hand: Collateral) -> Iterator[bytes]:
    """Of all collateral what belongs to the evidence."""
    _, parsed = documents.read(evidence.document, tuple(Platform))
    if isinstance(parsed, Quote):
        family = family_of(parsed)
        yield from (
            document.text.encode()
            for document in at_hand.intel
            if str(document.tcb_info.get("fmspc")).upper() == family
        )
    elif isinstance(parsed, snp.SnpReport):
        yield from _amd(parsed, evidence.with_collateral(at_hand))


def _amd(report: snp.SnpReport, given: Collateral) -> Iterator[bytes]:
    leaf, _ = snp.leaf_of(report, given.certificates)
    chain: list[Certificate] = [leaf]
    chain += [c for c in given.certificates if c.subject in (leaf.issuer, c.issuer)]
    names = {certificate.subject for certificate in chain} | {leaf.issuer}
    names |= {certificate.issuer for certificate in chain}
    for certificate in dict.fromkeys(chain):
        yield certificate.public_bytes(Encoding.DER)
    for revoked in given.revocation_lists:
        if revoked.issuer in names:
            yield revoked.public_bytes(Encoding.DER)
