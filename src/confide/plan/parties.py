"""Who takes part, and what one neighbouring data set differs in."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide.errors import PlanError
from confide.plan.value import Value

__all__ = ["Neighbours", "Party", "Relation", "Unit", "simulation_key"]

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,62}[a-z0-9])?")
_KEY_BYTES: Final = 32


class Unit(Enum):
    """The unit of privacy: what one neighbour has more, less or other. From fine to coarse."""

    RECORD = "record"
    PERSON = "person"
    PARTY = "party"

    def covers(self, other: Unit) -> bool:
        """Whether a bound on this unit also bounds what one `other` unit can do."""
        order = list(Unit)
        return order.index(self) >= order.index(other)


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
        """How many unit bounds two neighbours' sums over such units lie apart.

        One if a unit comes or goes; two if one is replaced. A record more or less makes its
        person's or its party's unit another one, so for sums over coarser units it is two as well.
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
    """

    name: str
    key: bytes
    simulated: bool = False

    def _check(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise PlanError(
                f"a party named {self.name!r}; a name has 1 to 64 of a-z, 0-9, '_', '.', '-' and "
                "begins and ends with a letter or digit"
            )
        if len(self.key) != _KEY_BYTES:
            raise PlanError(
                f"party {self.name!r} has a key of {len(self.key)} bytes; an Ed25519 public key "
                f"has {_KEY_BYTES}"
            )
        simulated = self.key == _public(simulation_key(self.name))
        if self.simulated and not simulated:
            raise PlanError(f"party {self.name!r} is marked simulated, but its key is not")
        if simulated and not self.simulated:
            raise PlanError(
                f"party {self.name!r} has the key that anybody can make from its name: give it one "
                "of its own, or use Party.simulation"
            )

    @classmethod
    def simulation(cls, name: str) -> Party:
        """A party for simulations, with the key that everybody can make from its name."""
        return cls(name, _public(simulation_key(name)), simulated=True)


def simulation_key(name: str) -> Ed25519PrivateKey:
    """The private key of a simulated party. It is no secret: it follows from the name."""
    seed = hashlib.sha256(b"confide simulation key, known to all\0" + name.encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()
