"""The rules of a registry: what follows from its statements."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from confide.errors import ProtocolError
from confide.tee.release import SignedRelease
from confide.transparency.log import Entry
from confide.transparency.signatures import check_signature

from confide_operator.registry.statements import (
    Attested,
    BuildProposed,
    Decided,
    Founded,
    Member,
    MemberProposed,
    NodeProposed,
    Role,
    Statement,
    Withdrawn,
)

__all__ = ["Proposal", "State", "Subject"]

Subject = BuildProposed | NodeProposed | MemberProposed

_FIRST: Final = bytes(32)


@dataclass
class Proposal:
    """Something for the parties to accept, and what became of it.

    Attributes:
        id: Hash of the entry that made it.
        by: Who proposed it.
        time: When, seconds since 1970.
        subject: What it is.
        decisions: Each party's last word.
        withdrawn: Why it was taken back; None if it was not.
        attestations: Of a node, with their times.
        settled: Of a member, whether it was accepted once: that is not undone by a later word.
    """

    id: bytes
    by: str
    time: int
    subject: Subject
    decisions: dict[str, Decided] = field(default_factory=dict)
    withdrawn: str | None = None
    attestations: list[tuple[int, Attested]] = field(default_factory=list)
    settled: bool = False

    @property
    def title(self) -> str:
        """What it is, in words."""
        match self.subject:
            case BuildProposed():
                release = self.subject.read
                return f"build {release.name} {release.version}"
            case NodeProposed():
                return f"node {self.subject.name} ({self.subject.platform})"
            case MemberProposed():
                return f"member {self.subject.name} as {self.subject.role}"

    @property
    def last_held(self) -> Attested | None:
        """Of a node: the last attestation that its member says held."""
        held = [fact for _, fact in self.attestations if not fact.failed]
        return held[-1] if held else None

    def accepting(self, parties: set[str]) -> list[str]:
        """Names of the parties that accept it."""
        return sorted(n for n, d in self.decisions.items() if d.accepted and n in parties)


@dataclass
class State:
    """A registry after some of its statements.

    Attributes:
        registry: Hash of the founding statement; zeros before it.
        founded: The founding statement's fact.
        members: By name, as they are now.
        said: How many statements each member made.
        proposals: By the hash of the entry that made them, in order.
    """

    registry: bytes = _FIRST
    founded: Founded | None = None
    members: dict[str, Member] = field(default_factory=dict)
    said: dict[str, int] = field(default_factory=dict)
    proposals: dict[bytes, Proposal] = field(default_factory=dict)

    def apply(self, entry: Entry) -> None:
        """Takes in an entry, or changes nothing.

        Raises:
            ProtocolError: If it says what its member may not say.
            VerificationError: If its member did not sign it.
        """
        statement = Statement.from_bytes(entry.body)
        self._check(statement)
        match statement.fact:
            case Founded() as fact:
                self.founded, self.registry = fact, statement.hash
                self.members = dict(fact.members)
            case BuildProposed() | NodeProposed() | MemberProposed() as fact:
                self._propose(Proposal(entry.hash, statement.by, entry.time, fact))
            case Decided() as fact:
                self._decide(statement.by, fact)
            case Withdrawn() as fact:
                self._withdraw(statement.by, fact)
            case Attested() as fact:
                self._attest(entry.time, fact)
        self.said[statement.by] = statement.sequence + 1

    @property
    def parties(self) -> set[str]:
        """Names of the members that decide."""
        return {name for name, member in self.members.items() if member.role is Role.PARTY}

    @property
    def threshold(self) -> int:
        """How many of them must accept."""
        return self.founded.threshold if self.founded else 0

    def status(self, proposal: Proposal) -> str:
        """'accepted', 'rejected', 'pending' or 'withdrawn'; a party's last word counts.

        It is rejected when those who do not reject it are too few to accept it.
        """
        if proposal.withdrawn is not None:
            return "withdrawn"
        enough = len(proposal.accepting(self.parties)) >= self.threshold
        # What a member is, it is once it was settled; words alone make none.
        if proposal.settled or (enough and not isinstance(proposal.subject, MemberProposed)):
            return "accepted"
        against = sum(not d.accepted for n, d in proposal.decisions.items() if n in self.parties)
        return "rejected" if len(self.parties) - against < self.threshold else "pending"

    def signed_release(self, proposal: Proposal) -> SignedRelease:
        """A build with the signatures of the parties that accept it, for policies."""
        assert isinstance(proposal.subject, BuildProposed)  # noqa: S101 - callers ask for builds
        signatures = {
            self.members[name].key: proposal.decisions[name].signature
            for name in proposal.accepting(self.parties)
        }
        return SignedRelease(proposal.subject.read, signatures)

    def _check(self, statement: Statement) -> None:
        if (self.founded is None) != isinstance(statement.fact, Founded):
            raise ProtocolError("a registry is founded by its first statement, and once")
        if isinstance(statement.fact, Founded):
            members: dict[str, Member] = dict(statement.fact.members)
        else:
            members = self.members
        member = members.get(statement.by)
        if member is None or member.role is Role.NONE:
            raise ProtocolError(f"{statement.by!r} is not a member of the registry")
        if statement.registry != self.registry:
            raise ProtocolError(f"{statement.by!r} says it of another registry")
        statement.verify(member.key)
        said = self.said.get(statement.by, 0)
        if statement.sequence != said:
            raise ProtocolError(
                f"statement {statement.sequence} of {statement.by!r}, who made {said} so far: it "
                "was said before, or one is missing"
            )

    def _propose(self, proposal: Proposal) -> None:
        for other in self.proposals.values():
            alive = self.status(other) in ("pending", "accepted")
            if alive and _same(other.subject, proposal.subject):
                raise ProtocolError(
                    f"{proposal.title} was proposed already, and is {self.status(other)}: "
                    f"{other.id.hex()[:16]}"
                )
        if isinstance(proposal.subject, MemberProposed):
            self._check_members(proposal.subject)
        self.proposals[proposal.id] = proposal

    def _decide(self, by: str, fact: Decided) -> None:
        proposal = self._proposal(fact.proposal)
        self._require_party(by, "decides")
        if proposal.withdrawn is not None or proposal.settled:
            raise ProtocolError(f"{proposal.title} was settled; propose it again")
        if fact.accepted and isinstance(proposal.subject, BuildProposed):
            otherwise = (
                f"{by!r} accepts a build without signing its release: no policy would take it"
            )
            key, release = self.members[by].key, proposal.subject.release
            check_signature(key, fact.signature, release, otherwise)
        elif fact.signature:
            raise ProtocolError("a signature on a release with what accepts no build")
        if isinstance(proposal.subject, MemberProposed):
            self._decide_on_member(by, fact, proposal, proposal.subject)
        else:
            proposal.decisions[by] = fact

    def _decide_on_member(
        self, by: str, fact: Decided, proposal: Proposal, subject: MemberProposed
    ) -> None:
        if fact.accepted:
            self._check_members(subject)
        proposal.decisions[by] = fact
        if fact.accepted and len(proposal.accepting(self.parties)) >= self.threshold:
            proposal.settled = True
            self._settle(subject)

    def _settle(self, subject: MemberProposed) -> None:
        """Gives a member its key and role; what it said as another it has to say again."""
        before = self.members.get(subject.name)
        self.members[subject.name] = subject.member
        if before is not None and before != subject.member:
            for proposal in self.proposals.values():
                proposal.decisions.pop(subject.name, None)

    def _withdraw(self, by: str, fact: Withdrawn) -> None:
        proposal = self._proposal(fact.proposal)
        if by != proposal.by:
            self._require_party(by, "withdraws what another proposed")
        if proposal.withdrawn is not None or proposal.settled:
            raise ProtocolError(f"{proposal.title} was settled already")
        proposal.withdrawn = fact.reason

    def _attest(self, time: int, fact: Attested) -> None:
        node = self._node(fact.node)
        if any(known.nonce == fact.nonce for _, known in node.attestations if not known.failed):
            raise ProtocolError(
                f"{node.title} was attested with this nonce before: ask it with another one"
            )
        node.attestations.append((time, fact))

    def _check_members(self, subject: MemberProposed) -> None:
        """That the registry could continue with such a member."""
        after = {**self.members, subject.name: subject.member}
        parties = sum(member.role is Role.PARTY for member in after.values())
        keys = [m.key for m in after.values() if m.role is not Role.NONE]
        if parties < self.threshold:
            raise ProtocolError(
                f"{parties} parties would be left, and {self.threshold} are needed to accept "
                "anything"
            )
        if len(set(keys)) != len(keys):
            raise ProtocolError(f"{subject.name!r} would have the key of another member")

    def _require_party(self, by: str, what: str) -> None:
        if self.members[by].role is not Role.PARTY:
            raise ProtocolError(f"{by!r} is an operator, and only a party {what}")

    def _proposal(self, id_: bytes) -> Proposal:
        if id_ not in self.proposals:
            raise ProtocolError(f"the registry has no proposal {id_.hex()[:16]}…")
        return self.proposals[id_]

    def _node(self, id_: bytes) -> Proposal:
        proposal = self._proposal(id_)
        if not isinstance(proposal.subject, NodeProposed):
            raise ProtocolError(f"{proposal.title} is not a node, and cannot be attested")
        return proposal


def _same(one: Subject, other: Subject) -> bool:
    """Whether two proposals are about one thing, so that one must be settled before the other."""
    match one, other:
        case BuildProposed(), BuildProposed():
            return one.read.hash == other.read.hash
        case NodeProposed(), NodeProposed():
            return other.name == one.name or other.identifier == one.identifier
        case _:
            return False
