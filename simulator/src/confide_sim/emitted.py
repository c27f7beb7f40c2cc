"""What a simulated machine returns."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Emitted"]


@dataclass(frozen=True)
class Emitted:
    """Evidence, and what a verifier of it gets from elsewhere.

    Attributes:
        evidence: The vendor's bytes: a quote, a report or a signed document.
        collateral: What the vendor publishes about the machine. Intel: one JSON document, as
            `dcap_qvl.QuoteCollateralV3.from_json` reads it. AMD: four PEM files, of the key that
            signed, its issuer, the root, and the root's revocation list. AWS: nothing.
        event_log: Of a TDX domain whose events were given: a JSON list of maps with imr,
            event_type, digest, event and event_payload.
    """

    evidence: bytes
    collateral: tuple[bytes, ...] = ()
    event_log: bytes | None = None
