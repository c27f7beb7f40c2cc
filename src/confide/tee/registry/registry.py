"""A registry of what may run where: proposed, accepted by the parties, attested, on the record.

It is a transparency log of signed statements and nothing else; what is accepted follows from them,
for whoever has a copy. Who keeps the file can refuse to write and can stop; it can invent nothing,
and what it takes away is missed by whoever kept a head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide.clock import system_clock
from confide.errors import AttestationError, DataError, ProtocolError, Step, VerificationError
from confide.tee.evidence import Evidence
from confide.tee.registry.heartbeat import Heartbeat, Heartbeats
from confide.tee.registry.nodes import NodeHealth, health_of
from confide.tee.registry.state import Proposal, State
from confide.tee.registry.statements import (
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
from confide.tee.release import Release, SignedRelease
from confide.tee.relying import RelyingParty
from confide.tee.verification import AttestedPeer, Expected
from confide.transparency.log import LAST_TIME, Entry, LogHead, TransparencyLog, check_heads

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
        VerificationError: If what it holds does not follow from signed statements.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime] = system_clock) -> None:
        if not path.is_file():
            raise DataError(f"there is no registry at {path}; found one")
        self.clock = clock
        self.log = TransparencyLog(path, clock)
        self._state, self._seen = State(), 0
        self._heartbeats = Heartbeats(path)
        self._catch_up()
        if self._state.founded is None:
            raise DataError(f"{path} holds no registry; found one in a file of its own")

    @classmethod
    def found(
        cls,
        path: Path,
        founding: Founded,
        by: str,
        key: Ed25519PrivateKey,
        clock: Callable[[], datetime] = system_clock,
    ) -> Registry:
        """Makes a registry.

        Args:
            path: A file that is not there yet.
            founding: Members and rules.
            by: Name of the member that founds it.
            key: Its key.
            clock: The time, with a time zone.

        Raises:
            DataError: If the file is there.
            ProtocolError: If the founder is no member with this key.
        """
        if path.exists():
            raise DataError(f"{path} is there already; found a registry in a file of its own")
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
        """Puts a build, a node or a member before the parties."""
        return self.state.proposals[self._say(subject, key).hash]

    def propose_build(self, release: Release, key: Ed25519PrivateKey) -> Proposal:
        """Puts a build before the parties."""
        return self.propose(BuildProposed(release.to_bytes()), key)

    def propose_node(
        self,
        name: str,
        evidence: bytes,
        relying: RelyingParty,
        nonce: bytes,
        key: Ed25519PrivateKey,
    ) -> Proposal:
        """Verifies a machine's evidence, and puts the machine before the parties.

        Args:
            name: What people call it.
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
        self._say(_held(proposal.id, nonce, relying, peer), key)
        return self.state.proposals[proposal.id]

    def expected(self, name: str, nonce: bytes) -> Expected:
        """What a node must claim to this registry."""
        return Expected(nonce, ENROL, self.id, name)

    def accept(self, proposal: Proposal, key: Ed25519PrivateKey, reason: str = "") -> Proposal:
        """Says that a party accepts; of a build, with its signature on the release."""
        signature = b""
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
            self._say(_failed(node.id, nonce, relying, evidence, error), key)
            raise
        self._say(_held(node.id, nonce, relying, peer), key)
        return peer

    def heartbeat(self, message: bytes) -> Heartbeat:
        """Takes a node's sign of life, by the instance that was attested last.

        Raises:
            ProtocolError: If it is malformed, older than the last one, or of no such node.
            VerificationError: If another than that instance signed it.
        """
        beat = Heartbeat.from_bytes(message)
        node = self.node(beat.node)
        last = node.attestations[-1][1] if node.attestations else None
        if beat.registry != self.id or last is None or last.failed:
            raise ProtocolError(
                f"a heartbeat of {beat.node!r}, which is not attested here: attest it first"
            )
        beat.verify(last.signing_key)
        self._heartbeats.keep(beat, int(self.clock().timestamp()))
        return beat

    def nodes(self, at: datetime | None = None) -> list[NodeHealth]:
        """Every node that was not taken back, and whether it may be used at a time."""
        state = self.state
        time = int((at or self.clock()).timestamp())
        return [
            health_of(state, proposal, self._alive(proposal, proposal.subject.name), time)
            for proposal in state.proposals.values()
            if isinstance(proposal.subject, NodeProposed) and proposal.withdrawn is None
        ]

    def _alive(self, node: Proposal, name: str) -> int | None:
        """When the instance that was attested last gave a sign of life."""
        good = [fact for _, fact in node.attestations if not fact.failed]
        return self._heartbeats.last(self.id, name, good[-1].signing_key) if good else None

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

    def verify(self, heads: list[LogHead], key: bytes | None) -> None:
        """Checks everything again, from the file, and against heads that were kept elsewhere.

        Args:
            heads: Kept from before.
            key: Public key of who keeps the registry; it must have signed them.

        Raises:
            VerificationError: If a statement may not have been made, or something was changed or
                taken away since a head was signed.
            ProtocolError: If the log has fewer entries than a head.
        """
        check_heads(heads)
        state = State()
        for entry in self.log.entries():
            _apply(state, entry)
        for head in heads:
            self.log.check_grew_from(head, head.key if key is None else key)

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
            self._state, self._seen = State(), 0  # what the file holds is read anew
            raise
        self._seen = entry.number + 1
        return entry

    def _say(self, fact: Fact, key: Ed25519PrivateKey) -> Entry:
        return self.record(self.next_statement(fact, self.member_of(key)).signed(key))

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


def _held(node: bytes, nonce: bytes, relying: RelyingParty, peer: AttestedPeer) -> Attested:
    return Attested(
        node=node,
        time=int(relying.clock().timestamp()),
        nonce=nonce,
        evidence=peer.evidence_hash,
        policy=relying.policy.hash,
        failed="",
        reason="",
        assurance=peer.assurance.value,
        instance=peer.claims.instance,
        signing_key=peer.claims.signing_key,
        expires=min(int(peer.attestation.expires.timestamp()), LAST_TIME),
    )


def _failed(
    node: bytes, nonce: bytes, relying: RelyingParty, evidence: bytes, error: AttestationError
) -> Attested:
    try:
        digest = Evidence.from_bytes(evidence).hash
    except AttestationError:
        digest = bytes(32)
    return Attested(
        node=node,
        time=int(relying.clock().timestamp()),
        nonce=nonce,
        evidence=digest,
        policy=relying.policy.hash,
        failed=error.step.value,
        reason=str(error)[:_REASON],
        assurance="",
        instance=b"",
        signing_key=b"",
        expires=0,
    )
