"""Trusted execution: verify a peer's evidence before anything is sent to it.

    peer = verify_peer(evidence, policy, expected, collateral=collateral, at=now)

`AttestedPeer` is what data is encrypted to, and is made in no other way.
"""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.errors import AttestationError, Step
    from confide.tee.attestation import Assurance, Attestation, Binding, Platform, Tcb
    from confide.tee.claims import Claims
    from confide.tee.collateral import Collateral
    from confide.tee.evidence import Evidence
    from confide.tee.inspection import inspect, warnings
    from confide.tee.policy import Policy
    from confide.tee.policyfile import read_policy
    from confide.tee.release import Reference, Release, SignedRelease
    from confide.tee.roots import Roots
    from confide.tee.verification import AttestedPeer, Expected, verify, verify_peer

__all__ = [
    "Assurance",
    "Attestation",
    "AttestationError",
    "AttestedPeer",
    "Binding",
    "Claims",
    "Collateral",
    "Evidence",
    "Expected",
    "Platform",
    "Policy",
    "Reference",
    "Release",
    "Roots",
    "SignedRelease",
    "Step",
    "Tcb",
    "inspect",
    "read_policy",
    "verify",
    "verify_peer",
    "warnings",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.errors": ("AttestationError", "Step"),
            "confide.tee.attestation": ("Assurance", "Attestation", "Binding", "Platform", "Tcb"),
            "confide.tee.claims": ("Claims",),
            "confide.tee.collateral": ("Collateral",),
            "confide.tee.evidence": ("Evidence",),
            "confide.tee.inspection": ("inspect", "warnings"),
            "confide.tee.policy": ("Policy",),
            "confide.tee.policyfile": ("read_policy",),
            "confide.tee.release": ("Reference", "Release", "SignedRelease"),
            "confide.tee.roots": ("Roots",),
            "confide.tee.verification": ("AttestedPeer", "Expected", "verify", "verify_peer"),
        },
    )
