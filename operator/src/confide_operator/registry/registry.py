"""A registry of what may run where: proposed, accepted by the parties, attested, on the record.

It is a transparency log of signed statements; every holder of a copy can compute from them what is
accepted. The log operator can refuse to write and can stop; it cannot invent statements, and
readers who kept a head detect removed ones. Of machines the registry keeps the evidence too:
a reader who asks whether a machine may be used verifies it again under its own policy, so that no
member's statement or key makes a machine usable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from confide.clock import system_clock
from confide.errors import AttestationError, DataError, ProtocolError, Step, VerificationError
from confide.tee.evidence import Evidence
from confide.tee.heartbeat import Heartbeat
from confide.tee.release import Release, SignedRelease
from confide.tee.relying import RelyingParty
from confide.tee.verification import AttestedPeer, Expected
from confide.transparency.log import Entry, LogHead, TransparencyLog, check_heads
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide_operator.registry.heartbeats import Heartbeats
from confide_operator.registry.kept import Bundle, EvidenceStore
from confide_operator.registry.nodes import Found, NodeHealth, health_of
from confide_operator.registry.state import Proposal, State
from confide_operator.registry.statements import (
    Attested,
    BuildProposed,
    Decided,
    Fact,
    Founded,
    MemberProposed,
    NodeProposed,
    Role,
    Statement,
    Withdrawn,
)

__all__ = ["ENROL", "Registry"]

ENROL = "enrol"
"""What a node's claims to a registry say that it is for; nothing is sent to it under them."""

_REASON = 500


class Registry:
    """A registry in a file.

    Args:
        path: The file.
        clock: The time, with a time zone.

    Raises:
        DataError: If there is none.
        VerificationError: If its content does not follow from signed statements.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime] = system_clock) -> None:
        if not path.is_file():
            raise DataError(f"no registry at {path}; create one with `registry init`")
        self.clock = clock
        self.log = TransparencyLog(path, clock)
        self._state, self._seen = State(), 0
        self._heartbeats, self._evidence = Heartbeats(path), EvidenceStore(path)
        self._catch_up()
        if self._state.founded is None:
            raise DataError(
                f"{path} holds no registry; create one with `registry init` in a file of its own"
            )

    @classmethod
    def init(
        cls,
        path: Path,
        founding: Founded,
        by: str,
        key: Ed25519PrivateKey,
        clock: Callable[[], datetime] = system_clock,
    ) -> Registry:
        """Creates a registry.

        Args:
            path: A file that is not there yet.
            founding: Members and rules.
            by: Name of the member that creates it.
            key: Its key.
            clock: The time, with a time zone.

        Raises:
            DataError: If the file is there.
            ProtocolError: If the founder is not a member with this key.
        """
        if path.exists():
            raise DataError(f"{path} exists already; create a registry in a file of its own")
        statement = Statement(State().registry, by, 0, founding).signed(key)
        _check_first(statement)
        log = TransparencyLog(path, clock)
        log.append(statement.to_bytes())
        return cls(path, clock)

    @property
    def state(self) -> State:
        """What follows from all statements in the file now."""
        self.log.refresh()
        self._catch_up()
        return self._state

    @property
    def id(self) -> bytes:
        """Hash of the founding statement, which every statement and every node's claims name."""
        return self.state.registry

    def member_of(self, key: Ed25519PrivateKey) -> str:
        """The name of the member that has a key.

        Raises:
            DataError: If none has.
        """
        public = key.public_key().public_bytes_raw()
        for name, member in self.state.members.items():
            if member.key == public and member.role is not Role.NONE:
                return name
        raise DataError("no member of the registry has this key")

    def propose(
        self, subject: BuildProposed | NodeProposed | MemberProposed, key: Ed25519PrivateKey
    ) -> Proposal:
        """Proposes a build, a node or a member."""
        return self.state.proposals[self._say(subject, key).hash]

    def propose_build(self, release: Release, key: Ed25519PrivateKey) -> Proposal:
        """Proposes a build."""
        return self.propose(BuildProposed(release.to_bytes()), key)

    def propose_node(
        self,
        name: str,
        evidence: bytes,
        relying: RelyingParty,
        nonce: bytes,
        key: Ed25519PrivateKey,
    ) -> Proposal:
        """Verifies a machine's evidence, and proposes the machine.

        Args:
            name: Its name for readers.
            evidence: What it answered to the nonce: see `expected`.
            relying: How it is verified.
            nonce: What it was asked with.
            key: The member's.

        Raises:
            AttestationError: If the evidence does not hold; nothing is recorded.
        """
        peer = relying.verify(evidence, self.expected(name, nonce))
        identifier = peer.attestation.node or ""
        proposal = self.propose(
            NodeProposed(name, peer.attestation.platform.value, identifier), key
        )
        self._say(self._held(proposal.id, nonce, evidence, relying, peer), key)
        return self.state.proposals[proposal.id]

    def expected(self, name: str, nonce: bytes) -> Expected:
        """What a node must claim to this registry."""
        return Expected(nonce, ENROL, self.id, name)

    def accept(
        self,
        proposal: Proposal,
        key: Ed25519PrivateKey,
        reason: str = "",
        relying: RelyingParty | None = None,
    ) -> Proposal:
        """Says that a party accepts; of a build, with its signature on the release.

        Args:
            proposal: What it accepts.
            key: The party's.
            reason: Why, for people.
            relying: Of a machine: by what the party verifies its evidence itself.

        Raises:
            DataError: If a machine is to be accepted unverified.
            AttestationError: If the machine's evidence does not hold for the party.
        """
        signature = b""
        if isinstance(proposal.subject, NodeProposed):
            self._check_node(proposal, relying)
        if isinstance(proposal.subject, BuildProposed):
            signature = key.sign(proposal.subject.release)
        self._say(Decided(proposal.id, True, reason, signature), key)
        return self.state.proposals[proposal.id]

    def reject(self, proposal: Proposal, key: Ed25519PrivateKey, reason: str) -> Proposal:
        """Says that a party does not accept, or no longer."""
        self._say(Decided(proposal.id, False, reason), key)
        return self.state.proposals[proposal.id]

    def withdraw(self, proposal: Proposal, key: Ed25519PrivateKey, reason: str) -> Proposal:
        """Takes a proposal back: a build that is bad, a node that is gone."""
        self._say(Withdrawn(proposal.id, reason), key)
        return self.state.proposals[proposal.id]

    def attest(
        self,
        node: Proposal,
        evidence: bytes,
        relying: RelyingParty,
        nonce: bytes,
        key: Ed25519PrivateKey,
    ) -> AttestedPeer:
        """Verifies a node again, and records what was found, good or bad.

        Raises:
            AttestationError: If the evidence does not hold, or is another machine's; that is
                recorded.
        """
        subject = node.subject
        assert isinstance(subject, NodeProposed)  # noqa: S101 - `State` refuses others
        try:
            peer = relying.verify(evidence, self.expected(subject.name, nonce))
            _require_machine(peer, subject)
        except AttestationError as error:
            self._say(self._failed(node.id, nonce, evidence, relying, error), key)
            raise
        self._say(self._held(node.id, nonce, evidence, relying, peer), key)
        return peer

    def heartbeat(self, message: bytes) -> Heartbeat:
        """Records a node's heartbeat, by the instance that was attested last.

        Raises:
            ProtocolError: If it is malformed, older than the last one, or of no such node.
            VerificationError: If another than that instance signed it.
            AttestationError: If the evidence of that instance is not kept here.
        """
        beat = Heartbeat.from_bytes(message)
        node = self.node(beat.node)
        last = node.attestations[-1][1] if node.attestations else None
        if beat.registry != self.id or last is None or last.failed:
            raise ProtocolError(
                f"a heartbeat of {beat.node!r}, which is not attested here: attest it first"
            )
        beat.verify(self._signing_key(last))
        self._heartbeats.keep(beat, int(self.clock().timestamp()))
        return beat

    def nodes(
        self, relying: RelyingParty | None = None, at: datetime | None = None
    ) -> list[NodeHealth]:
        """Every node that was not taken back, and whether it may be used at a time.

        Args:
            relying: By what the evidence that is kept is verified again. Without it no node is
                usable.
            at: The time; now unless given.
        """
        state = self.state
        time = int((at or self.clock()).timestamp())
        return [
            self._health(state, proposal, relying, time)
            for proposal in state.proposals.values()
            if isinstance(proposal.subject, NodeProposed) and proposal.withdrawn is None
        ]

    def verified(self, node: Proposal, fact: Attested, relying: RelyingParty) -> AttestedPeer:
        """Verifies an attestation again, from the evidence that is kept.

        Args:
            node: The node.
            fact: The attestation.
            relying: By what it is verified, at the time that the attestation states.

        Raises:
            AttestationError: If the evidence is not kept, does not hold, or is another machine's.
        """
        subject = node.subject
        assert isinstance(subject, NodeProposed)  # noqa: S101 - `State` refuses others
        bundle = self._evidence.find(fact.evidence)
        expected = self.expected(subject.name, fact.nonce)
        peer = bundle.verify(relying.policy, expected, fact.time)
        _require_machine(peer, subject)
        return peer

    def _health(
        self, state: State, proposal: Proposal, relying: RelyingParty | None, time: int
    ) -> NodeHealth:
        fact, subject = proposal.last_held, proposal.subject
        assert isinstance(subject, NodeProposed)  # noqa: S101 - callers choose nodes
        found: Found = None
        heartbeat = None
        if fact is not None and relying is not None:
            try:
                found = self.verified(proposal, fact, relying)
                signing_key = found.claims.signing_key
                heartbeat = self._heartbeats.last(state.registry, subject.name, signing_key)
            except AttestationError as error:
                found = error
        return health_of(state, proposal, found, heartbeat, time)

    def _check_node(self, proposal: Proposal, relying: RelyingParty | None) -> None:
        fact = proposal.last_held
        if relying is None or fact is None:
            raise DataError(
                f"{proposal.title} is accepted by its evidence: give a policy to verify it by"
            )
        self.verified(proposal, fact, relying)

    def _signing_key(self, fact: Attested) -> bytes:
        """The key in the claims of kept evidence, which anyone who reads the registry verifies."""
        claims = Evidence.from_bytes(self._evidence.find(fact.evidence).evidence).claims
        if claims is None:
            raise AttestationError(Step.CLAIMS, "the evidence that is kept has no claims")
        return claims.signing_key

    def node(self, name: str) -> Proposal:
        """The node of a name that is proposed or accepted.

        Raises:
            DataError: If there is none.
        """
        for proposal in self.state.proposals.values():
            subject = proposal.subject
            alive = self._state.status(proposal) in ("pending", "accepted")
            if isinstance(subject, NodeProposed) and subject.name == name and alive:
                return proposal
        raise DataError(f"the registry has no node {name!r}; enrol it")

    def releases(self) -> list[SignedRelease]:
        """The accepted builds, signed by the parties that accept them."""
        state = self.state
        return [
            state.signed_release(proposal)
            for proposal in state.proposals.values()
            if isinstance(proposal.subject, BuildProposed) and state.status(proposal) == "accepted"
        ]

    def queue(self, party: str | None = None) -> list[Proposal]:
        """The proposals that are pending: of a party, those that it said nothing of yet."""
        state = self.state
        return [
            proposal
            for proposal in state.proposals.values()
            if state.status(proposal) == "pending" and party not in proposal.decisions
        ]

    def find(self, prefix: str) -> Proposal:
        """The proposal whose identifier begins so, in hexadecimal.

        Raises:
            DataError: If none does, or more than one.
        """
        found = [p for p in self.state.proposals.values() if p.id.hex().startswith(prefix.lower())]
        if len(found) != 1 or len(prefix) < 4:
            count = len(found) or "no"
            raise DataError(
                f"{count} proposals begin with {prefix!r}; give 4 digits or more of one"
            )
        return found[0]

    def statements(self) -> Iterator[tuple[Entry, Statement]]:
        """Everything that was said, in order."""
        for entry in self.log.entries():
            yield entry, Statement.from_bytes(entry.body)

    def verify(
        self, heads: list[LogHead], key: bytes | None, relying: Sequence[RelyingParty] = ()
    ) -> int:
        """Checks everything again, from the file, and against heads that were kept elsewhere.

        Each attestation that its member says held is verified again under the policy that the
        member names, if it is among those given. The last one of a node that was not taken back is
        verified under those given, whatever the member names.

        Args:
            heads: Kept from before.
            key: Public key of the log operator; it must have signed them.
            relying: By what attestations are verified.

        Returns:
            How many attestations were not verified, for want of their policy.

        Raises:
            VerificationError: If a statement may not have been made, an attestation does not hold,
                or something was changed or taken away since a head was signed.
            ProtocolError: If the log has fewer entries than a head.
        """
        check_heads(heads)
        state = State()
        for entry in self.log.entries():
            _apply(state, entry)
        for head in heads:
            self.log.check_grew_from(head, head.key if key is None else key)
        nodes = [p for p in state.proposals.values() if isinstance(p.subject, NodeProposed)]
        return sum(self._verify_node(node, relying) for node in nodes)

    def _verify_node(self, node: Proposal, relying: Sequence[RelyingParty]) -> int:
        unverified = 0
        for _, fact in node.attestations:
            named = [r for r in relying if r.policy.hash == fact.policy]
            current = fact is node.last_held and node.withdrawn is None
            candidates = named or (list(relying) if current else [])
            if fact.failed:
                continue
            if not candidates:
                unverified += 1
            elif (failure := self._failure(node, fact, candidates)) is not None:
                raise AttestationError(
                    failure.step, f"{node.title} was attested by evidence that fails: {failure}"
                )
        return unverified

    def _failure(
        self, node: Proposal, fact: Attested, relying: Sequence[RelyingParty]
    ) -> AttestationError | None:
        """Why an attestation holds under none of some policies; None if it does under one."""
        failure = None
        for one in relying:
            try:
                self.verified(node, fact, one)
            except AttestationError as error:
                failure = error
            else:
                return None
        return failure

    def next_statement(self, fact: Fact, by: str) -> Statement:
        """What a member would sign next, for keys that are elsewhere."""
        state = self.state
        return Statement(state.registry, by, state.said.get(by, 0), fact)

    def record(self, statement: Statement) -> Entry:
        """Records a signed statement.

        Raises:
            ProtocolError: If it says what its member may not say; nothing is recorded.
            VerificationError: If its member did not sign it.
        """
        try:
            with self.log.appending() as append:
                self._catch_up()
                entry = append(statement.to_bytes())
                self._state.apply(entry)
        except BaseException:
            self._state, self._seen = State(), 0  # the file's content is read again
            raise
        self._seen = entry.number + 1
        return entry

    def _say(self, fact: Fact, key: Ed25519PrivateKey) -> Entry:
        return self.record(self.next_statement(fact, self.member_of(key)).signed(key))

    def _held(
        self, node: bytes, nonce: bytes, evidence: bytes, relying: RelyingParty, peer: AttestedPeer
    ) -> Attested:
        return Attested(
            node=node,
            time=int(peer.verified_at.timestamp()),
            nonce=nonce,
            evidence=self._evidence.keep(Bundle.of(evidence, relying.collateral)),
            policy=relying.policy.hash,
            failed="",
            reason="",
            assurance=peer.assurance.value,
        )

    def _failed(
        self,
        node: bytes,
        nonce: bytes,
        evidence: bytes,
        relying: RelyingParty,
        error: AttestationError,
    ) -> Attested:
        return Attested(
            node=node,
            time=int(relying.clock().timestamp()),
            nonce=nonce,
            evidence=self._evidence.keep(Bundle.of(evidence, relying.collateral)),
            policy=relying.policy.hash,
            failed=error.step.value,
            reason=str(error)[:_REASON],
            assurance="",
        )

    def _catch_up(self) -> None:
        for entry in self.log.entries(self._seen):
            _apply(self._state, entry)
            self._seen = entry.number + 1


def _apply(state: State, entry: Entry) -> None:
    try:
        state.apply(entry)
    except ProtocolError as error:
        raise VerificationError(f"entry {entry.number} of the registry: {error}") from error


def _check_first(statement: Statement) -> None:
    State().apply(Entry(0, 0, bytes(32), statement.to_bytes()))


def _require_machine(peer: AttestedPeer, subject: NodeProposed) -> None:
    found = (peer.attestation.platform.value, peer.attestation.node)
    if found != (subject.platform, subject.identifier):
        raise AttestationError(
            Step.NODE,
            f"another machine answers for {subject.name!r} than the one that was enrolled",
        )
