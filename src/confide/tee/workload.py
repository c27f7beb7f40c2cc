"""The attested side: keys that never leave, claims about them, and evidence for who asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from confide.errors import AttestationError, PlanError, Step
from confide.randomness import SecureRandom
from confide.tee.channel import open_sealed
from confide.tee.claims import LONGEST_LIFETIME, NONCE_BYTES, Claims
from confide.tee.evidence import Evidence

__all__ = ["Attester", "Quoted", "Workload", "WorkloadKeys"]

_SEED_BYTES: Final = 32
_NO_TLS: Final = bytes(32)


@dataclass(frozen=True)
class Quoted:
    """What hardware gave.

    Attributes:
        document: The vendor's evidence.
        event_log: Of a TDX domain.
        collateral: What the platform can pass on of its vendor.
    """

    document: bytes
    event_log: bytes | None = None
    collateral: tuple[bytes, ...] = ()


class Attester(Protocol):
    """The hardware that a workload runs on, as the operating system offers it."""

    def attest(self, report_data: bytes, nonce: bytes, public_key: bytes) -> Quoted:
        """Asks for evidence.

        Args:
            report_data: 64 bytes for it to carry; Nitro's `user_data`.
            nonce: For Nitro's field of that name; elsewhere in the report data already.
            public_key: The same.

        Raises:
            AttestationError: If there is no such hardware, or it refuses.
        """


class WorkloadKeys:
    """The private keys of one instance and epoch; they leave it only as `seeds`, to be sealed.

    Args:
        hpke_seed: 32 secret bytes, of what data is encrypted to.
        signing_seed: 32 secret bytes, of what receipts are signed with.
    """

    def __init__(self, hpke_seed: bytes, signing_seed: bytes) -> None:
        self.hpke = X25519PrivateKey.from_private_bytes(hpke_seed)
        self.signing = Ed25519PrivateKey.from_private_bytes(signing_seed)

    @classmethod
    def generate(cls, random: SecureRandom) -> WorkloadKeys:
        """Fresh keys."""
        return cls(random.bytes(_SEED_BYTES), random.bytes(_SEED_BYTES))

    @property
    def seeds(self) -> tuple[bytes, bytes]:
        """What `__init__` takes: for sealing, and nothing else."""
        return self.hpke.private_bytes_raw(), self.signing.private_bytes_raw()

    def __repr__(self) -> str:
        return "WorkloadKeys(<hidden>)"


@dataclass(frozen=True)
class Workload:
    """One running instance of a measured build that enforces one plan.

    Attributes:
        attester: The hardware.
        keys: Made inside, or unsealed there.
        purpose: What it is for.
        build: Hash of the build's manifest.
        plan: Hash of the plan.
        task: Name of the plan's task.
        instance: 32 random bytes, made when it started.
        epoch: Number of the keys.
        lifetime: How long claims are good for, and so how often parties ask again.
        tls_key: SHA-256 of the public key (SPKI) of its TLS certificate, zeros without TLS.

    Raises:
        PlanError: If its claims would be good for longer than verifiers accept.
    """

    attester: Attester
    keys: WorkloadKeys
    purpose: str
    build: bytes
    plan: bytes
    task: str
    instance: bytes
    epoch: int
    lifetime: timedelta
    tls_key: bytes = _NO_TLS

    def __post_init__(self) -> None:
        if not timedelta(0) < self.lifetime <= LONGEST_LIFETIME:
            raise PlanError(
                f"claims for {self.lifetime}; they are good for more than nothing, and for at most "
                f"{LONGEST_LIFETIME}"
            )

    def answer(self, nonce: bytes, at: datetime) -> Evidence:
        """Evidence for who asks with a nonce.

        Args:
            nonce: 32 bytes of the client's choice.
            at: The time.

        Raises:
            AttestationError: If the nonce is of another length, or the hardware gives nothing.
        """
        if len(nonce) != NONCE_BYTES:
            raise AttestationError(
                Step.CLAIMS, f"a nonce of {len(nonce)} bytes; it has {NONCE_BYTES}"
            )
        claims = Claims(
            purpose=self.purpose,
            nonce=nonce,
            hpke_key=self.keys.hpke.public_key().public_bytes_raw(),
            signing_key=self.keys.signing.public_key().public_bytes_raw(),
            tls_key=self.tls_key,
            workload=self.build,
            plan=self.plan,
            task=self.task,
            instance=self.instance,
            epoch=self.epoch,
            expires=int((at + self.lifetime).timestamp()),
        )
        quoted = self.attester.attest(claims.report_data, nonce, claims.hpke_key)
        return Evidence(quoted.document, claims, quoted.event_log, quoted.collateral)

    def open(
        self, claims: Claims, header: bytes, sealed: bytes | memoryview, max_bytes: int
    ) -> bytes:
        """Decrypts a message to claims of this instance: see `channel.open_sealed`."""
        return open_sealed(self.keys.hpke, claims, header, sealed, max_bytes)
