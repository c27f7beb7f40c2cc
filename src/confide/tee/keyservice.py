"""A key service: gives a secret to seal with to whoever shows the right evidence.

For machines whose processor derives no key for what it runs, or where sealed state is to outlive a
build or a machine. The service asks with a nonce, verifies the answer as a party does before it
sends, and encrypts the secret to the key that the evidence vouches for. The enclave accepts no
secret that the service it knows did not sign: a host that served one of its own could read whatever
is sealed under it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from confide import canonical
from confide.clock import system_clock
from confide.errors import PlanError, ProtocolError
from confide.randomness import SecureRandom, SystemRandom
from confide.tee.attestation import REQUIRED_MEASUREMENTS
from confide.tee.channel import seal
from confide.tee.claims import NONCE_BYTES
from confide.tee.evidence import MAX_EVIDENCE_BYTES
from confide.tee.relying import RelyingParty
from confide.tee.verification import AttestedPeer, Expected
from confide.tee.workload import Attester, Workload, WorkloadKeys
from confide.transparency.signatures import check_signature

__all__ = ["PURPOSE", "Bound", "KeyClient", "KeyService"]

PURPOSE: Final = "unseal"
"""What claims to a key service say that the workload is for; nothing is aggregated under them."""

_DOMAIN: Final = b"confide key service 1\0"
_SECRET_BYTES: Final = 32
_LEAST_MASTER: Final = 32
_MAX_WAITING: Final = 1024
_PATIENCE: Final = timedelta(minutes=5)
_MAX_REQUEST: Final = MAX_EVIDENCE_BYTES + 256
_MAX_REPLY: Final = 4096
_NOT_THE_SERVICE: Final = (
    "the secret to seal with is not from the key service that this enclave knows: its host may "
    "have served one of its own"
)


class Bound(Enum):
    """Who gets the same secret again."""

    MEASUREMENT = "measurement"
    """The same measured code only, on any machine that the policy accepts."""

    PLAN = "plan"
    """Every build that the service's policy accepts for the plan: sealed state outlives updates."""


@dataclass
class KeyService:
    """The service, run by a party or by somebody whom the parties trust with sealed state.

    Attributes:
        master: At least 32 secret bytes, kept for as long as what is sealed.
        key: Signs answers; enclaves know its public half from their measured build.
        relying: How it verifies who asks.
        plan: Hash of the plan that it serves.
        task: Name of the plan's task.
        bound: Who gets the same secret again.
        random: Where nonces and data keys come from.

    Raises:
        PlanError: If the master secret is too short.
    """

    master: bytes = field(repr=False)
    key: Ed25519PrivateKey = field(repr=False)
    relying: RelyingParty
    plan: bytes
    task: str
    bound: Bound
    random: SecureRandom = field(default_factory=SystemRandom, repr=False)
    _waiting: dict[bytes, datetime] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.master) < _LEAST_MASTER:
            raise PlanError(
                f"a key service's master secret of {len(self.master)} bytes; it has at least "
                f"{_LEAST_MASTER}"
            )

    def answer(self, request: bytes) -> bytes:
        """Gives a nonce, or the secret to who answers with one.

        Raises:
            ProtocolError: If the request is malformed, or its nonce is not one to be answered.
            AttestationError: If the evidence does not hold.
        """
        match canonical.decode(request, _MAX_REQUEST, max_items=4):
            case ["challenge"]:
                return canonical.encode([self._challenge()])
            case ["secret", bytes(nonce), bytes(evidence)]:
                return self._serve(nonce, evidence)
            case _:
                raise ProtocolError("a request to a key service that is none")

    def _challenge(self) -> bytes:
        now = self.relying.clock()
        self._waiting = {n: at for n, at in self._waiting.items() if now - at <= _PATIENCE}
        if len(self._waiting) >= _MAX_WAITING:
            raise ProtocolError(
                f"{_MAX_WAITING:,} questions of the key service wait for an answer; try again "
                f"within {_PATIENCE}"
            )
        nonce = self.relying.nonce()
        self._waiting[nonce] = now
        return nonce

    def _serve(self, nonce: bytes, evidence: bytes) -> bytes:
        asked = self._waiting.pop(nonce, None)
        now = self.relying.clock()
        if asked is None or now - asked > _PATIENCE:
            raise ProtocolError(
                "the key service did not ask with this nonce, or it was answered already, or too "
                "late: ask for another one"
            )
        expected = Expected(nonce, PURPOSE, self.plan, self.task)
        peer = self.relying.verify(evidence, expected)
        sealed = seal(peer, _header(nonce), self._secret(peer), at=now, random=self.random)
        return canonical.encode([sealed, self.key.sign(_covered(nonce, sealed))])

    def _secret(self, peer: AttestedPeer) -> bytes:
        to: list[object] = [self.bound.value, self.plan]
        if self.bound is Bound.MEASUREMENT:
            platform, measured = peer.attestation.platform, peer.attestation.measurements
            names = sorted(REQUIRED_MEASUREMENTS[platform])
            to += [platform.value, [measured[name] for name in names]]
        # What hardware protects and what a simulator pretends to are never one secret.
        to.append(peer.assurance.value)
        info = _DOMAIN + canonical.encode(to)
        return HKDF(SHA256(), _SECRET_BYTES, salt=None, info=info).derive(self.master)


@dataclass(frozen=True)
class KeyClient:
    """The enclave's side, before it has anything to unseal.

    Attributes:
        service: Public key of the service, which belongs into the measured build.
        ask: Carries a request there and its answer back; the host's network, which may lie.
        attester: The hardware.
        build: Hash of the build's manifest.
        plan: Hash of the plan.
        task: Name of the plan's task.
        clock: The time, with a time zone.
        random: Where keys come from.
    """

    service: bytes
    ask: Callable[[bytes], bytes] = field(repr=False)
    attester: Attester
    build: bytes
    plan: bytes
    task: str
    clock: Callable[[], datetime] = system_clock
    random: SecureRandom = field(default_factory=SystemRandom, repr=False)

    def secret(self) -> bytes:
        """Asks for the secret to seal with, 32 bytes; the keys that it came under are forgotten.

        Raises:
            ProtocolError: If the service does not answer, or with something else.
            VerificationError: If another than the service answers.
            AttestationError: If the service refuses the evidence, or there is none.
        """
        match canonical.decode(self._send(["challenge"]), _MAX_REPLY, max_items=2):
            case [bytes(nonce)] if len(nonce) == NONCE_BYTES:
                pass
            case _:
                raise ProtocolError("the key service asks with something that is no nonce")
        workload = self._workload()
        evidence = workload.answer(nonce, self.clock())
        assert evidence.claims is not None  # noqa: S101 - a workload answers with claims
        reply = self._send(["secret", nonce, evidence.to_bytes()])
        match canonical.decode(reply, _MAX_REPLY, max_items=3):
            case [bytes(sealed), bytes(signature)]:
                check_signature(self.service, signature, _covered(nonce, sealed), _NOT_THE_SERVICE)
            case _:
                raise ProtocolError("the key service answers with something that is no secret")
        return workload.open(evidence.claims, _header(nonce), sealed, _SECRET_BYTES)

    def _workload(self) -> Workload:
        return Workload(
            attester=self.attester,
            keys=WorkloadKeys.generate(self.random),
            purpose=PURPOSE,
            build=self.build,
            plan=self.plan,
            task=self.task,
            instance=self.random.bytes(32),
            epoch=0,
            lifetime=_PATIENCE,
        )

    def _send(self, request: list[object]) -> bytes:
        try:
            return self.ask(canonical.encode(request))
        except OSError as error:
            raise ProtocolError(f"the key service does not answer: {error}") from error


def _header(nonce: bytes) -> bytes:
    return canonical.encode(["confide key 1", nonce])


def _covered(nonce: bytes, sealed: bytes) -> bytes:
    return _DOMAIN + canonical.encode([nonce, sealed])
