"""How far apart a dataset's neighbours lie in the terms of a charge."""

from itertools import product

import pytest

from confide.errors import DataError
from confide.plan import Relation, Unit
from confide.privacy.ledger.lineage import Dataset, steps

ADD, REPLACE = Relation.ADD_OR_REMOVE_ONE, Relation.REPLACE_ONE
RECORD, PERSON, PARTY = Unit.RECORD, Unit.PERSON, Unit.PARTY

STEPS = {
    **{((unit, relation), (unit, relation)): 1 for unit in Unit for relation in Relation},
    **{((unit, REPLACE), (unit, ADD)): 2 for unit in Unit},
    **{
        ((unit, relation), (PARTY, REPLACE)): 1
        for unit in (RECORD, PERSON)
        for relation in Relation
    },
    **{((unit, relation), (PARTY, ADD)): 2 for unit in (RECORD, PERSON) for relation in Relation},
    ((RECORD, ADD), (PERSON, ADD)): 2,
    ((RECORD, REPLACE), (PERSON, ADD)): 4,
}


def dataset(unit, relation):
    return Dataset(name="loans", unit=unit, relation=relation)


@pytest.mark.parametrize(("protected", "charged"), STEPS, ids=str)
def test_steps(protected, charged):
    assert steps(dataset(*protected), *charged) == STEPS[protected, charged]


@pytest.mark.parametrize(
    ("protected", "charged"),
    [pair for pair in product(product(Unit, Relation), repeat=2) if pair not in STEPS],
    ids=str,
)
def test_everything_else_is_refused(protected, charged):
    with pytest.raises(DataError, match="the first does not bound the second"):
        steps(dataset(*protected), *charged)


@pytest.mark.parametrize(("protected", "charged"), STEPS, ids=str)
def test_are_enough_for_two_records_of_two_persons(protected, charged):
    """Counts what comes and goes between neighbours, where it is most."""
    if PARTY in (protected[0], charged[0]):
        return
    for before, after in _neighbours(*protected):
        assert _distance(before, after, *charged) <= STEPS[protected, charged]


def _neighbours(unit, relation):
    """Small data sets (person, value) that differ as the relation says, at its worst."""
    base = frozenset({("ann", 1), ("ann", 2), ("bob", 1)})
    if unit is RECORD:
        yield from (
            [(base, base | {("bob", 2)}), (base, base - {("ann", 1)})]
            if relation is ADD
            else [(base, base - {("ann", 1)} | {("bob", 2)})]
        )
    elif relation is ADD:
        yield base, base - {("bob", 1)}
    else:
        yield base, base - {("bob", 1)} | {("cat", 1), ("cat", 2)}


def _distance(before, after, unit, relation):
    """How many units come, go or are replaced."""
    keys = {key for key, _ in before | after} if unit is PERSON else before | after
    went = came = 0
    for key in keys:
        old = {r for r in before if key in (r, r[0])}
        new = {r for r in after if key in (r, r[0])}
        if old != new:
            went, came = went + bool(old), came + bool(new)
    return went + came if relation is ADD else max(went, came)
