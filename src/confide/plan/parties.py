"""Who takes part, and in what two neighbouring data sets differ."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide.errors import PlanError
from confide.plan.fields import in_file
from confide.plan.value import Value

__all__ = [
    "COORDINATOR",
    "Coordinator",
    "Neighbours",
    "Party",
    "Relation",
    "Unit",
    "fewest_owners",
    "largest_owners",
    "simulation_key",
]

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,62}[a-z0-9])?")
_KEY_BYTES: Final = 32

COORDINATOR: Final = "coordinator"
"""The coordinator's name in messages; no party may have it."""


class Unit(Enum):
    """The unit of privacy: what two neighbouring data sets differ in, from fine to coarse.

    A party stands for its ownership group: all parties of one owner together.
    """

    RECORD = "record"
    PERSON = "person"
    PARTY = "party"

    def covers(self, other: Unit) -> bool:
        """Whether a bound on this unit also bounds what one `other` unit can do."""
        order = list(Unit)
        return order.index(self) >= order.index(other)

    @property
    def plural(self) -> str:
        """Several of them, in words."""
        return "parties" if self is Unit.PARTY else f"{self.value}s"


class Relation(Enum):
    """The neighbouring relation."""

    ADD_OR_REMOVE_ONE = "add-or-remove-one"
    REPLACE_ONE = "replace-one"


@dataclass(frozen=True, kw_only=True)
class Neighbours(Value):
    """What is protected: two data sets are neighbours if they differ in one `unit`.

    Attributes:
        unit: A record, a person (all records with one person's identifier) or a whole party.
        relation: One unit more or less, or one unit replaced.
        person_at_several_parties: Whether one person's records may lie with several parties.
    """

    unit: Unit = Unit.RECORD
    relation: Relation = Relation.ADD_OR_REMOVE_ONE
    person_at_several_parties: bool = False

    def _check(self) -> None:
        if self.person_at_several_parties and self.unit is not Unit.PERSON:
            raise PlanError(
                f"person_at_several_parties with unit {self.unit.value!r}; it is about persons: "
                "set unit = 'person' or leave it out"
            )

    def distance(self, unit: Unit) -> int:
        """The distance of two neighbours' sums over such units, in unit bounds.

        It is one if a unit is added or removed, and two if a unit is replaced. Adding or removing a
        record changes the unit of its person or party, so for sums over coarser units it is two as
        well.
        """
        comes_or_goes = self.relation is Relation.ADD_OR_REMOVE_ONE and unit is self.unit
        return 1 if comes_or_goes else 2


@dataclass(frozen=True, order=True)
class Party(Value):
    """One party: the name that messages carry and the key that signs them.

    Attributes:
        name: 1 to 64 of a-z, 0-9, `_`, `.` and `-`.
        key: The raw Ed25519 public key, 32 bytes.
        simulated: True if the key was made from the name by `Party.simulation`; anybody knows the
            private half, so no network service accepts such a party.
        group: The ownership group, for parties that one owner controls: they count as one colluder,
            and as one member of a sum. If omitted, the party is a group by itself.
    """

    name: str
    key: bytes = field(metadata=in_file(left_out=True))
    simulated: bool = field(default=False, metadata=in_file(follows=True))
    group: str | None = None

    def _check(self) -> None:
        for what, text in (("a party", self.name), ("an ownership group", self.group)):
            if text is not None and not _NAME.fullmatch(text):
                raise PlanError(
                    f"{what} named {text!r}; a name has 1 to 64 of a-z, 0-9, '_', '.', '-' and "
                    "begins and ends with a letter or digit"
                )
        if self.name == COORDINATOR:
            raise PlanError(f"a party named {self.name!r}; that name is the coordinator's own")
        _check_key(f"party {self.name!r}", self.name, self.key, simulated=self.simulated)

    @property
    def owner(self) -> str:
        """The ownership group, or the party's own name."""
        return self.name if self.group is None else self.group

    @classmethod
    def simulation(cls, name: str, group: str | None = None) -> Party:
        """A party for simulations, with the key that everybody can make from its name."""
        return cls(name, _public_simulation_key(name), simulated=True, group=group)


@dataclass(frozen=True)
class Coordinator(Value):
    """Who relays, adds up and announces: the key that signs its announcements.

    Attributes:
        key: The raw Ed25519 public key, 32 bytes.
        simulated: True if anybody can make the private half: good for simulations only.
    """

    key: bytes
    simulated: bool = field(default=False, metadata=in_file(follows=True))

    def _check(self) -> None:
        _check_key("the coordinator", COORDINATOR, self.key, simulated=self.simulated)

    @classmethod
    def simulation(cls) -> Coordinator:
        """A coordinator for simulations, with a key that everybody can make."""
        return cls(_public_simulation_key(COORDINATOR), simulated=True)


def fewest_owners(parties: Iterable[Party], missing: int) -> int:
    """How many ownership groups are left at least when so many parties are missing.

    Args:
        parties: All parties.
        missing: How many of them are missing, whichever they are.
    """
    left = missing
    sizes = sorted(Counter(p.owner for p in parties).values())
    for gone, size in enumerate(sizes):
        left -= size
        if left < 0:
            return len(sizes) - gone
    return 0


def largest_owners(parties: Iterable[Party], owners: int) -> int:
    """How many parties so many ownership groups have at most."""
    return sum(n for _, n in Counter(p.owner for p in parties).most_common(owners))


def simulation_key(name: str) -> Ed25519PrivateKey:
    """The private key of a simulated party or coordinator: derived from the name, not secret.

    Args:
        name: The party's name, or `COORDINATOR`.
    """
    seed = hashlib.sha256(b"confide simulation key, known to all\0" + name.encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def _check_key(who: str, name: str, key: bytes, *, simulated: bool) -> None:
    if len(key) != _KEY_BYTES:
        raise PlanError(
            f"{who} has a key of {len(key)} bytes; an Ed25519 public key has {_KEY_BYTES}"
        )
    known = key == _public_simulation_key(name)
    if simulated and not known:
        raise PlanError(f"{who} is marked simulated, but its key is not")
    if known and not simulated:
        raise PlanError(
            f"{who} has the key that anybody can make from its name: give it one of its own, or "
            "use the class method simulation(…)"
        )


@lru_cache(maxsize=32_768)  # A plan of many parties checks each key more than once.
def _public_simulation_key(name: str) -> bytes:
    return simulation_key(name).public_key().public_bytes_raw()
