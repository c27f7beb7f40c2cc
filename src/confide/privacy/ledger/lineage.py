"""Datasets and where they come from, so that a copy of a table has no budget of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from confide.errors import DataError
from confide.plan import Relation, Unit

__all__ = ["Dataset", "may_share_rows", "steps"]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset: data whose charges add up.

    Attributes:
        name: What the owner calls it.
        unit: The unit that its caps protect.
        relation: How two neighbours differ.
        parent: The dataset that it was made from, one unit at a time; "" for none.
        key: If it is a cell of a partition, the column that says which record belongs to it.
    """

    name: str
    unit: Unit
    relation: Relation
    parent: str = ""
    key: str = ""


def may_share_rows(one: Sequence[Dataset], other: Sequence[Dataset]) -> bool:
    """Whether two datasets may have rows in common.

    They may if they were made from one dataset, except through two cells of one partition: a row is
    in only one cell.

    Args:
        one: A dataset, what it was made from, and so on to the first.
        other: The same of another dataset.
    """
    if one[-1] != other[-1]:
        return False
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            return not (a.key and a.key == b.key)
    return True


def steps(protected: Dataset, unit: Unit, relation: Relation) -> int:
    """How many neighbouring steps of a charge make one neighbouring step of a dataset.

    Replacing a unit is removing one and adding one. Adding or removing a record changes its person:
    that person is removed and added again. Replacing a record may change two persons. The party of
    a record is its owner, always the same one.

    | protected          | charged             | steps |
    |--------------------|---------------------|-------|
    | any                | the same            | 1     |
    | unit, replace      | same unit, add      | 2     |
    | record, add        | person, add         | 2     |
    | record, replace    | person, add         | 4     |
    | record or person   | party, replace      | 1     |
    | record or person   | party, add          | 2     |

    Everything else is refused: a bound for a finer unit says nothing about a coarser one. A bound
    for replacements says nothing about adding or removing a unit, which happens when a record
    changes its owner.

    Args:
        protected: The dataset.
        unit: The unit that the charge's accounting is about.
        relation: What that accounting calls neighbours.

    Raises:
        DataError: If no number of steps leads from one to the other.

    Example:
        >>> loans = Dataset(name="loans", unit=Unit.RECORD, relation=Relation.REPLACE_ONE)
        >>> steps(loans, Unit.RECORD, Relation.ADD_OR_REMOVE_ONE)
        2
    """
    replaced = protected.relation is Relation.REPLACE_ONE
    found = 0
    if unit is protected.unit:
        found = _same_unit(replaced=replaced, charged=relation)
    elif unit is Unit.PARTY:
        found = 1 if relation is Relation.REPLACE_ONE else 2
    elif unit.covers(protected.unit):
        found = {Relation.ADD_OR_REMOVE_ONE: 4 if replaced else 2}.get(relation, 0)
    if not found:
        raise DataError(
            f"a charge per {unit.value} ({relation.value}) on dataset {protected.name!r}, which "
            f"protects each {protected.unit.value} ({protected.relation.value}); the first does "
            "not bound the second. Account for the dataset's own unit and relation"
        )
    return found


def _same_unit(*, replaced: bool, charged: Relation) -> int:
    if charged is Relation.ADD_OR_REMOVE_ONE:
        return 2 if replaced else 1
    return 1 if replaced else 0
