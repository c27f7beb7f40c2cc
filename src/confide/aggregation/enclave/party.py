"""A party's side of an attested round: ask, verify, and only then send."""

from __future__ import annotations

from dataclasses import replace

from confide import canonical
from confide.aggregation.enclave.consent import ConsentingParty, consents_needed
from confide.aggregation.enclave.receipts import Receipt
from confide.aggregation.enclave.wire import MET, expected_of, header, join, opening_bytes
from confide.aggregation.encoding import Integers
from confide.aggregation.envelope import Round, fields_of
from confide.aggregation.inner import inner_party
from confide.aggregation.session import (
    Contribution,
    Identity,
    PartySession,
    Released,
    totals_of,
)
from confide.errors import PlanError, ProtocolError, VerificationError
from confide.plan.protection import Enclave
from confide.tee.channel import seal
from confide.tee.evidence import MAX_EVIDENCE_BYTES
from confide.tee.relying import RelyingParty
from confide.tee.verification import AttestedPeer

__all__ = ["EnclaveParty"]

_ASK_BYTES = 1024


class EnclaveParty:
    """A party's side: see `confide.aggregation.session.PartySession`.

    Args:
        round_: The attempt; it is claimed from the identity's register once the enclave is
            verified.
        identity: Name, key, register and randomness of the party, and how it verifies an enclave.
        state_hash: Hash of the state that the party itself computed and contributes to.
        contribution: Called once, when the vector is due, and after the enclave was verified.

    Raises:
        PlanError: If the party has no policy to verify an enclave, or another one than the plan's.
    """

    def __init__(
        self, round_: Round, identity: Identity, state_hash: bytes, contribution: Contribution
    ) -> None:
        self._relying = _relying(round_, identity)
        self._round, self._identity = round_, identity
        self._state_hash, self._contribution = state_hash, contribution
        self._inner: PartySession | None = None
        self._nonce = b""
        self._peer: AttestedPeer | None = None
        self._step = -1
        self._over = False

    def __repr__(self) -> str:
        return f"EnclaveParty({self._identity.name!r}, {self._round})"

    @property
    def peer(self) -> AttestedPeer | None:
        """The enclave, once it was verified."""
        return self._peer

    def receive(self, message: bytes) -> bytes:
        """Answers the next announcement; see `confide.aggregation.session.PartySession`."""
        if self._over:
            raise ProtocolError(f"a message after the end of {self._round}")
        try:
            if not self._nonce:
                return self._challenge(message)
            if self._inner is None:
                message = self._verify(message)
            return self._sealed(message)
        except BaseException:
            self._over = True
            raise

    def accept(self, result: Released) -> Integers:
        """Verifies the enclave's receipt, of these sums, and after those that were seen before."""
        if self._peer is None or result.receipt is None:
            raise VerificationError(f"{self._round} comes without a receipt of the enclave")
        receipt = Receipt.from_bytes(result.receipt)
        receipt.verify(self._round.plan, self._peer.claims)
        if (receipt.number, receipt.attempt) != (self._round.number, self._round.attempt):
            raise VerificationError(
                f"the receipt is of another round or attempt than {self._round}"
            )
        if receipt.survivors != result.survivors or self._identity.name not in receipt.survivors:
            raise VerificationError("the receipt is of a sum over other parties")
        totals = totals_of(result)
        receipt.check_totals(totals)
        self._identity.witness.saw(receipt.link)
        return totals

    def _challenge(self, message: bytes) -> bytes:
        """Asks the enclave with a nonce."""
        fields_of(self._round.read_announcement(message, "ask", _ASK_BYTES, signed=False))
        self._nonce = self._relying.nonce()
        payload = canonical.encode({"nonce": self._nonce})
        return self._round.seal(self._identity.key, self._identity.name, "challenge", payload)

    def _verify(self, message: bytes) -> bytes:
        """Verifies the enclave's answer; what comes with it begins the inner protocol."""
        most = 2 * MAX_EVIDENCE_BYTES + opening_bytes(self._round.plan)
        said = self._round.read_announcement(message, "attested", most, signed=False)
        evidence, opening = fields_of(said, evidence=bytes, message=bytes)
        self._peer = self._relying.verify(evidence, expected_of(self._round.plan, self._nonce))
        self._identity.witness.met(self._peer.claims.instance)
        # From here on the enclave announces, with the key in its evidence.
        inner = replace(self._round, announcer=self._peer.claims.signing_key)
        consents = consents_needed(inner.plan, inner.plan.min_survivors) > 0
        make = ConsentingParty if consents else inner_party
        self._inner = make(inner, self._identity, self._state_hash, self._contribution)
        return bytes(opening)

    def _sealed(self, message: bytes) -> bytes:
        """The inner protocol's answer, encrypted to the enclave."""
        peer, inner = self._peer, self._inner
        assert peer is not None and inner is not None  # noqa: S101, PT018 - `_verify` made both
        answer = inner.receive(message)
        self._step += 1
        name, key = self._identity.name, self._identity.key
        sealed = seal(
            peer,
            header(self._round, name, self._step),
            answer,
            at=self._relying.clock(),
            random=self._identity.random,
        )
        met = b"" if self._step else self._round.sign(key, name, MET, peer.claims.instance)
        return join(name, met, sealed)


def _relying(round_: Round, identity: Identity) -> RelyingParty:
    protection, relying = round_.plan.aggregation, identity.relying
    assert isinstance(protection, Enclave)  # noqa: S101 - the plan's protection chose this session
    if relying is None:
        raise PlanError(
            f"{identity.name!r} has no policy to verify the enclave of plan "
            f"{round_.plan.name!r}, so it sends nothing: give it a RelyingParty"
        )
    policy = relying.policy
    if policy.hash != protection.policy:
        raise PlanError(
            f"{identity.name!r} verifies enclaves by policy {policy.hash.hex()[:16]}…, and plan "
            f"{round_.plan.name!r} is for {protection.policy.hex()[:16]}…: take the plan's policy"
        )
    if policy.allow_simulated != protection.simulated:
        raise PlanError(
            f"the policy of {identity.name!r} {'accepts' if policy.allow_simulated else 'refuses'} "
            f"simulators and plan {round_.plan.name!r} says otherwise: they must agree"
        )
    return relying
