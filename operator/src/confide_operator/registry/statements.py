"""What members of a registry say: each signed, numbered, and for this registry alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, Final

from confide import canonical
from confide.errors import PlanError, ProtocolError, VerificationError
from confide.tee.attestation import Assurance, Platform
from confide.tee.release import Release
from confide.transparency.log import LAST_TIME, MAX_BODY_BYTES
from confide.transparency.signatures import check_signature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = [
    "Attested",
    "BuildProposed",
    "Decided",
    "Fact",
    "Founded",
    "Member",
    "MemberProposed",
    "NodeProposed",
    "Role",
    "Statement",
    "Withdrawn",
]

_DOMAIN: Final = b"confide registry 2\0"
_KEY_BYTES = _HASH_BYTES = 32
_MAX_NAME: Final = 80
_MAX_REASON: Final = 500
_MAX_MEMBERS: Final = 256
_LONGEST_INTERVAL: Final = 366 * 24 * 3600


class Role(Enum):
    """What a member may do; readers need no key."""

    PARTY = "party"
    """Decides on builds, nodes and members, and may do what an operator may."""

    OPERATOR = "operator"
    """Proposes builds and nodes, and attests nodes."""

    NONE = "none"
    """Was a member."""


@dataclass(frozen=True)
class Member:
    """A member's public key, 32 bytes, and what it may do."""

    key: bytes
    role: Role

    def __post_init__(self) -> None:
        if len(self.key) != _KEY_BYTES:
            raise PlanError(f"a member's key of {len(self.key)} bytes; it has {_KEY_BYTES}")


@dataclass(frozen=True)
class Founded:
    """The first statement of a registry.

    Attributes:
        name: Of the registry.
        members: By name.
        threshold: How many parties must accept a build, a node or a member.
        reattest_seconds: How long an attestation of a node counts.
        heartbeat_seconds: How long a node may be silent; 0 if none are expected.

    Raises:
        PlanError: If it could accept nothing, or anything.
    """

    name: str
    members: Mapping[str, Member]
    threshold: int
    reattest_seconds: int
    heartbeat_seconds: int

    def __post_init__(self) -> None:
        _named(self.name, "a registry")
        for name in self.members:
            _named(name, "a member")
        parties = sum(member.role is Role.PARTY for member in self.members.values())
        if not 1 <= self.threshold <= parties or len(self.members) > _MAX_MEMBERS:
            raise PlanError(
                f"a threshold of {self.threshold} of {parties} parties among {len(self.members)} "
                f"members; it is at least 1, at most all, of at most {_MAX_MEMBERS} members"
            )
        if len({member.key for member in self.members.values()}) != len(self.members):
            raise PlanError("two members of one key: each signs with a key of its own")
        for seconds in (self.reattest_seconds, self.heartbeat_seconds):
            if not 0 <= seconds <= _LONGEST_INTERVAL:
                raise PlanError(
                    f"an interval of {seconds:,} seconds; it is at most a year, and not negative"
                )
        if not self.reattest_seconds:
            raise PlanError("an attestation that counts for no time; give at least a second")


@dataclass(frozen=True)
class BuildProposed:
    """A build for the parties to accept: the bytes of a `Release`."""

    release: bytes

    def __post_init__(self) -> None:
        _ = self.read

    @property
    def read(self) -> Release:
        """The release."""
        return Release.from_bytes(self.release)


@dataclass(frozen=True)
class NodeProposed:
    """A machine for the parties to accept.

    Attributes:
        name: Its name for readers.
        platform: Its hardware.
        identifier: What its evidence names it by.
    """

    name: str
    platform: str
    identifier: str

    def __post_init__(self) -> None:
        _named(self.name, "a node")
        _one_of(self.platform, Platform, "a platform")
        if not 1 <= len(self.identifier) <= 256:
            raise PlanError(
                f"node {self.name!r} has an identifier of {len(self.identifier)} characters; "
                "evidence that hides its machine cannot be enrolled"
            )


@dataclass(frozen=True)
class MemberProposed:
    """A member to be, or one to be with another key or role, or none."""

    name: str
    key: bytes
    role: str

    def __post_init__(self) -> None:
        _named(self.name, "a member")
        _one_of(self.role, Role, "a role")
        _ = self.member

    @property
    def member(self) -> Member:
        """The member."""
        return Member(self.key, Role(self.role))


@dataclass(frozen=True)
class Decided:
    """A party's decision on a proposal; the last one counts.

    Attributes:
        proposal: Hash of the entry that made it.
        accepted: Whether it accepts.
        reason: Why, for people.
        signature: Of an accepted build: the party's signature on its release.
    """

    proposal: bytes
    accepted: bool
    reason: str
    signature: bytes = b""

    def __post_init__(self) -> None:
        _reasoned(self.reason)


@dataclass(frozen=True)
class Withdrawn:
    """A proposal that its proposer, or a party, takes back for good."""

    proposal: bytes
    reason: str

    def __post_init__(self) -> None:
        _reasoned(self.reason)


@dataclass(frozen=True)
class Attested:
    """What a member found when it asked a node for evidence.

    Attributes:
        node: Hash of the entry that proposed it.
        time: When the member verified it, seconds since 1970, by its clock.
        nonce: What the member asked with, which counts once.
        evidence: SHA-256 of what the registry keeps to verify it again: see `Bundle`.
        policy: Hash of the policy that it was verified under.
        failed: The step that did not hold, or empty.
        reason: Why it did not.
        assurance: 'hardware' or 'simulated', as the member states; empty if it failed. It does not
            decide: a reader of the registry verifies the evidence again.
    """

    node: bytes
    time: int
    nonce: bytes
    evidence: bytes
    policy: bytes
    failed: str
    reason: str
    assurance: str

    def __post_init__(self) -> None:
        _reasoned(self.reason)
        if not 0 <= self.time <= LAST_TIME:
            raise PlanError(f"an attestation at {self.time}; times go from 0 to {LAST_TIME}")
        if self.failed:
            return
        _one_of(self.assurance, Assurance, "an assurance")
        for what in ("nonce", "evidence", "policy"):
            size = len(getattr(self, what))
            if size != _HASH_BYTES:
                raise PlanError(f"an attestation whose {what} has {size} bytes, not {_HASH_BYTES}")


Fact = Founded | BuildProposed | NodeProposed | MemberProposed | Decided | Withdrawn | Attested

_KINDS: Final[Mapping[str, type[Fact]]] = {
    "founded": Founded,
    "build proposed": BuildProposed,
    "node proposed": NodeProposed,
    "member proposed": MemberProposed,
    "decided": Decided,
    "withdrawn": Withdrawn,
    "attested": Attested,
}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}


@dataclass(frozen=True)
class Statement:
    """A fact, and who says it.

    Attributes:
        registry: Hash of the founding statement; zeros in that itself.
        by: Name of the member.
        sequence: How many statements the member made before, so that none counts twice.
        fact: What it says.
        signature: By the member's key, over the rest.
    """

    registry: bytes
    by: str
    sequence: int
    fact: Fact
    signature: bytes = field(default=b"", repr=False)

    @property
    def kind(self) -> str:
        """What is said, in words."""
        return _NAMES[type(self.fact)]

    @property
    def hash(self) -> bytes:
        """SHA-256 of what is signed, by which a founding statement names its registry."""
        return hashlib.sha256(self._covered()).digest()

    def signed(self, key: Ed25519PrivateKey) -> Statement:
        """The statement with a signature."""
        return Statement(
            self.registry, self.by, self.sequence, self.fact, key.sign(self._covered())
        )

    def verify(self, key: bytes) -> None:
        """Checks who says it.

        Raises:
            VerificationError: If the key did not sign it.
        """
        otherwise = f"{self.by!r} did not sign what the registry has it say ({self.kind})"
        check_signature(key, self.signature, self._covered(), otherwise)

    def to_bytes(self) -> bytes:
        """Deterministic CBOR."""
        return canonical.encode({**self._fields(), "signature": self.signature})

    @classmethod
    def from_bytes(cls, data: bytes) -> Statement:
        """What `to_bytes` wrote.

        Raises:
            ProtocolError: If it is anything else.
        """
        match canonical.decode(data, MAX_BODY_BYTES, max_items=16 + 8 * _MAX_MEMBERS):
            case {
                "registry": bytes(registry),
                "by": str(by),
                "sequence": int(sequence),
                "kind": str(kind),
                "said": dict(said),
                "signature": bytes(signature),
            } if kind in _KINDS and canonical.are_integers(sequence):
                pass
            case _:
                raise ProtocolError("an entry of a registry that is not a statement")
        statement = cls(registry, by, sequence, _fact(_KINDS[kind], said), signature)
        if statement.to_bytes() != data:
            raise ProtocolError("a statement of a registry with more in it than it says")
        return statement

    def _fields(self) -> dict[str, object]:
        return {
            "registry": self.registry,
            "by": self.by,
            "sequence": self.sequence,
            "kind": self.kind,
            "said": {f.name: _plain(getattr(self.fact, f.name)) for f in fields(self.fact)},
        }

    def _covered(self) -> bytes:
        return _DOMAIN + canonical.encode(self._fields())


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: [member.key, member.role.value] for name, member in value.items()}
    return value


def _fact(kind: type[Fact], said: dict[str, Any]) -> Fact:
    types = {f.name: str(f.type) for f in fields(kind)}
    if said.keys() != types.keys():
        raise ProtocolError(f"a statement ({_NAMES[kind]}) that lacks a field, or has another one")
    for name, wanted in types.items():
        if wanted.startswith("Mapping"):
            said[name] = _members(said[name])
        elif type(said[name]).__name__ != wanted:
            raise ProtocolError(f"a statement whose {name} is of another type than {wanted}")
    try:
        return kind(**said)
    except (PlanError, VerificationError) as error:
        raise ProtocolError(
            f"a statement ({_NAMES[kind]}) that nobody may make: {error}"
        ) from error


def _members(value: object) -> dict[str, Member]:
    members = {}
    for name, given in value.items() if isinstance(value, dict) else ():
        match given:
            case [bytes(key), str(role)] if role in {r.value for r in Role}:
                members[name] = Member(key, Role(role))
            case _:
                raise ProtocolError("a founding statement with a member that is not valid")
    return members


def _named(name: str, what: str) -> None:
    if not 1 <= len(name) <= _MAX_NAME or not name.isprintable():
        raise PlanError(
            f"{what} named {name[:_MAX_NAME]!r}; a name has 1 to {_MAX_NAME} printable characters"
        )


def _reasoned(reason: str) -> None:
    if len(reason) > _MAX_REASON:
        raise PlanError(f"a reason of {len(reason)} characters; at most {_MAX_REASON} are kept")


def _one_of(value: str, kinds: type[Enum], what: str) -> None:
    known = [kind.value for kind in kinds]
    if value not in known:
        raise PlanError(f"{what} {value[:20]!r}; known are {', '.join(known)}")
