"""Receipts: what an enclave signs about each round it releases; anybody can verify them offline.

A receipt names the one before, so a chain of them has no gaps; it contains each contributor's
signature on the instance that it verified, so contributors who met two instances find out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Self

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide import canonical
from confide.aggregation.enclave.wire import MET, expected_of
from confide.aggregation.encoding import Integers
from confide.aggregation.envelope import SIGNATURE_BYTES, Round
from confide.aggregation.witness import Link
from confide.errors import ProtocolError, VerificationError
from confide.plan.plan import Plan
from confide.tee import Claims, Collateral, Evidence, Policy, verify_peer
from confide.transparency.merkle import leaf_hash, root_of
from confide.transparency.signatures import check_signature

__all__ = [
    "Receipt",
    "check_chain",
    "hash_of_evidence",
    "hash_of_totals",
    "inputs_root",
    "own_nonce",
    "verify_receipts",
]

_DOMAIN: Final = b"confide receipt 1\0"
_MAX_BYTES: Final = 64 << 20
_BLOCK: Final = 1 << 15


@dataclass(frozen=True)
class Receipt:
    """What an enclave says of a round.

    Attributes:
        plan: Hash of the plan it enforced.
        number: The round.
        attempt: The attempt at it.
        instance: Identifier of the enclave's instance.
        epoch: Number of its keys.
        sequence: How many receipts this instance signed before.
        previous: Hash of the one before, zeros for the first.
        survivors: Names of the parties in the sum, in order.
        met: Each survivor's signature on the instance that it verified, in the same order.
        inputs: Root of the Merkle tree over what the survivors sent (RFC 9162, §2.1.1).
        totals: SHA-256 of what was released.
        evidence: SHA-256 of what the instance answered to its own question when it started
            (`Aggregator.evidence`): others verify the receipt with it.
        epsilon: ε of all rounds of the plan up to this one, also those that an instance before may
            have released, as a decimal text; 'inf' without noise.
        delta: δ at which it is stated, as a decimal text.
        assurance: 'hardware', or 'simulated'.
        signature: By the key in the enclave's claims, over everything else.
    """

    plan: bytes
    number: int
    attempt: int
    instance: bytes
    epoch: int
    sequence: int
    previous: bytes
    survivors: tuple[str, ...]
    met: tuple[bytes, ...]
    inputs: bytes
    totals: bytes
    evidence: bytes
    epsilon: str
    delta: str
    assurance: str
    signature: bytes = b""

    def signed(self, key: Ed25519PrivateKey) -> Receipt:
        """The receipt with a signature."""
        return Receipt(**{**vars(self), "signature": key.sign(self._covered())})

    def verify(self, plan: Plan, claims: Claims) -> None:
        """Verifies that an enclave with these claims signed it, and that all met this instance.

        Args:
            plan: The plan.
            claims: Of the enclave, from evidence that was verified.

        Raises:
            VerificationError: If it is another enclave's, or a contributor met another instance.
        """
        otherwise = "the receipt is not signed by the enclave that was verified"
        check_signature(claims.signing_key, self.signature, self._covered(), otherwise)
        named = (self.plan, self.instance, self.epoch)
        if named != (plan.hash, claims.instance, claims.epoch):
            raise VerificationError("the receipt is of another plan, instance or epoch")
        round_ = Round(plan, self.number, self.attempt)
        if len(self.met) != len(self.survivors):
            raise VerificationError("the receipt does not say which instance each survivor met")
        for name, signature in zip(self.survivors, self.met, strict=True):
            round_.verify(name, MET, self.instance, signature)

    def check_totals(self, totals: Integers) -> None:
        """Checks that these sums are what was released.

        Raises:
            VerificationError: If they differ, or are not a vector of lattice integers.
        """
        if totals.dtype != np.int64 or totals.ndim != 1:
            raise VerificationError(
                f"sums of shape {totals.shape} and type {totals.dtype}; what an enclave releases "
                "is one vector of int64"
            )
        if hash_of_totals(totals) != self.totals:
            raise VerificationError(
                f"the sums of round {self.number} are not those that the enclave released: "
                "somebody changed them on the way"
            )

    @property
    def spent(self) -> str:
        """What all rounds up to this one spent, in words."""
        if self.epsilon == "inf":
            return "without noise"
        return f"ε = {self.epsilon} at δ = {self.delta} so far"

    @property
    def hash(self) -> bytes:
        """SHA-256 of the whole receipt, which the next one names."""
        return hashlib.sha256(self.to_bytes()).digest()

    @property
    def link(self) -> Link:
        """Where it stands in its chain."""
        return Link(self.instance, self.sequence, self.previous, self.hash)

    def to_bytes(self) -> bytes:
        """Deterministic CBOR."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return canonical.encode(values)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote.

        Raises:
            ProtocolError: If it is anything else.
        """
        kinds = {f.name: f.type for f in fields(cls)}
        # A survivor is two values, a name and a signature, of which the second has 64 bytes.
        most = 1 + 2 * len(kinds) + 2 * (len(data) // SIGNATURE_BYTES)
        values = canonical.decode(data, _MAX_BYTES, max_items=most)
        if not isinstance(values, dict) or values.keys() != kinds.keys():
            raise ProtocolError("a receipt that lacks a field, or has another one")
        for name, kind in kinds.items():
            wanted = "list" if str(kind).startswith("tuple") else kind
            if type(values[name]).__name__ != wanted:
                raise ProtocolError(f"a receipt whose {name} is of another type")
        given: dict[str, Any] = {
            n: tuple(v) if isinstance(v, list) else v for n, v in values.items()
        }
        return cls(**given)

    def _covered(self) -> bytes:
        unsigned = Receipt(**{**vars(self), "signature": b""})
        return _DOMAIN + unsigned.to_bytes()


def check_chain(receipts: Sequence[Receipt]) -> None:
    """Checks that receipts of one instance follow each other from its first on.

    Raises:
        VerificationError: If one is missing or out of order, or a round is released twice.
    """
    previous, released = bytes(32), set()
    for sequence, receipt in enumerate(receipts):
        if receipt.sequence != sequence or receipt.previous != previous:
            raise VerificationError(
                f"receipt {receipt.sequence} does not follow the one before: one is missing, or "
                "the enclave was rolled back"
            )
        if receipt.number in released:
            raise VerificationError(f"round {receipt.number} was released twice")
        previous = receipt.hash
        released.add(receipt.number)


def verify_receipts(
    receipts: Sequence[Receipt],
    plan: Plan,
    evidence: Sequence[tuple[Evidence, datetime]],
    policy: Policy,
    *,
    collateral: Collateral,
) -> None:
    """Verifies a chain of receipts after the run: evidence, signatures, order.

    Args:
        receipts: Of one instance, from its first on.
        plan: The plan.
        evidence: The evidence for the instance's own nonce, of each of its starts, and the time to
            verify it at: certificates and claims may have expired since.
        policy: The verifier's policy.
        collateral: The vendors' collateral of that time.

    Raises:
        AttestationError: If the evidence does not hold.
        VerificationError: If a receipt does not, or names evidence that is not given.
    """
    claims = {}
    for answer, at in evidence:
        nonce = own_nonce(plan, answer.claims.instance) if answer.claims else b""
        expected = expected_of(plan, nonce)
        peer = verify_peer(answer, policy, expected, collateral=collateral, at=at)
        claims[hash_of_evidence(answer)] = peer.claims
    for receipt in receipts:
        if receipt.evidence not in claims:
            raise VerificationError(
                f"the receipt of round {receipt.number} names evidence {receipt.evidence.hex()}, "
                "which is not given"
            )
        receipt.verify(plan, claims[receipt.evidence])
    check_chain(receipts)


def own_nonce(plan: Plan, instance: bytes) -> bytes:
    """The nonce that an instance asks itself when it starts; it is different for each instance."""
    return canonical.sha256(["confide receipts 1", plan.hash, instance])


def hash_of_evidence(evidence: Evidence) -> bytes:
    """SHA-256 of evidence with its claims, by which receipts name it."""
    return hashlib.sha256(evidence.to_bytes()).digest()


def hash_of_totals(totals: Integers) -> bytes:
    """SHA-256 of released lattice integers: their width in bytes, then all of them, little-endian.

    The width is 4 if all fit, else 8: half of the bytes is half of the time.
    """
    fits = not len(totals) or (totals.min() >= -(1 << 31) and totals.max() < 1 << 31)
    digest = hashlib.sha256(b"\4" if fits else b"\10")
    # In blocks that fit the processor's cache.
    for start in range(0, len(totals), _BLOCK):
        block = totals[start : start + _BLOCK].astype("<i4" if fits else "<i8")
        digest.update(block.data)
    return digest.digest()


def inputs_root(inputs: Iterable[bytes]) -> bytes:
    """The Merkle root of what survivors sent, in the order of their names."""
    return root_of([leaf_hash(item) for item in inputs])
