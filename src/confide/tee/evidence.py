"""What an attested peer sends about itself: evidence, and what belongs to it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Self

from confide import canonical
from confide.errors import AttestationError, ProtocolError, Step
from confide.tee.claims import Claims
from confide.tee.collateral import Collateral
from confide.tee.nvidia import GpuEvidence

__all__ = ["MAX_EVIDENCE_BYTES", "Evidence"]

MAX_EVIDENCE_BYTES: Final = 4 << 20
_FORMAT: Final = "confide evidence 1"
_MAX_ITEMS: Final = 128


@dataclass(frozen=True)
class Evidence:
    """A vendor's evidence with the claims that it is to carry.

    No field says which vendor's it is: a verifier that its policy chose reads the bytes, or not.

    Attributes:
        document: The vendor's bytes: a quote, a report or a signed document.
        claims: What the workload says of itself; None where only a vendor's document is available.
        event_log: The event log of a TDX domain, as JSON.
        collateral: What the peer passes on of its vendor; it is signed, so anybody may.
        gpus: The answers of its GPUs to the nonce `nvidia.gpu_nonce`.
    """

    document: bytes
    claims: Claims | None = None
    event_log: bytes | None = None
    collateral: tuple[bytes, ...] = ()
    gpus: tuple[GpuEvidence, ...] = ()

    @property
    def hash(self) -> bytes:
        """SHA-256 of the vendor's bytes, for logs; two documents may well say the same."""
        return hashlib.sha256(self.document).digest()

    def with_collateral(self, others: Collateral) -> Collateral:
        """The available collateral together with what the peer sent."""
        own = Collateral.of(self.collateral)
        return Collateral(
            others.certificates + own.certificates,
            others.revocation_lists + own.revocation_lists,
            others.intel + own.intel,
            others.skipped,
            others.manifests + own.manifests,
        )

    def to_bytes(self) -> bytes:
        """Deterministic CBOR."""
        gpus = [[gpu.report, gpu.chain] for gpu in self.gpus]
        return canonical.encode(
            {
                **({"gpus": gpus} if gpus else {}),
                "format": _FORMAT,
                "document": self.document,
                "claims": self.claims.to_bytes() if self.claims else None,
                "event_log": self.event_log,
                "collateral": list(self.collateral),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote, or else a vendor's document by itself.

        Raises:
            AttestationError: If it is too large or malformed, at the step `parse`.
        """
        if len(data) > MAX_EVIDENCE_BYTES:
            raise AttestationError(
                Step.PARSE,
                f"evidence of {len(data):,} bytes; at most {MAX_EVIDENCE_BYTES:,} are read",
            )
        if not data[:1] or data[0] >> 5 != _MAP:
            return cls(data)
        try:
            values = canonical.decode(data, MAX_EVIDENCE_BYTES, max_items=_MAX_ITEMS)
        except ProtocolError as error:
            raise AttestationError(Step.PARSE, f"the evidence does not read: {error}") from error
        _check_types(values)
        claims = values["claims"]
        return cls(
            values["document"],
            None if claims is None else Claims.from_bytes(claims),
            values["event_log"],
            tuple(values["collateral"]),
            tuple(GpuEvidence(*pair) for pair in values.get("gpus", [])),
        )


_MAP: Final = 5
"""CBOR's major type of maps; no vendor's document begins with one."""


def _check_types(values: dict[str, object]) -> None:
    kinds: dict[str, tuple[type, ...]] = {
        "format": (str,),
        "document": (bytes,),
        "claims": (bytes, type(None)),
        "event_log": (bytes, type(None)),
        "collateral": (list,),
    }
    fitting = values.keys() - {"gpus"} == kinds.keys() and values["format"] == _FORMAT
    collateral = values.get("collateral")
    if not (
        fitting
        and all(isinstance(values[name], kind) for name, kind in kinds.items())
        and isinstance(collateral, list)
        and all(isinstance(item, bytes) for item in collateral)
        and _are_gpus(values.get("gpus", [[b"", b""]]))
    ):
        raise AttestationError(Step.PARSE, f"the evidence is no {_FORMAT!r} with its five fields")


def _are_gpus(found: object) -> bool:
    """A list that is left out where it is empty, so that evidence has one form."""
    return (
        isinstance(found, list)
        and bool(found)
        and all(
            isinstance(pair, list) and [type(part) for part in pair] == [bytes, bytes]
            for pair in found
        )
    )
