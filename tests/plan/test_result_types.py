"""A result type that a later release adds, such as a hidden subtotal, needs no other schema.

The toy below is what a hierarchy would add: a family of results, of which a stage of sums has one
or, as today, none. What has none keeps its bytes; what has one is refused by releases without it.
"""

from dataclasses import dataclass, make_dataclass, replace

import pytest
from tests.plan.examples import make_plan

from confide import canonical
from confide.errors import PlanError
from confide.plan import Plan, Sums
from confide.plan.codec import from_plain, to_plain
from confide.plan.value import Family


class Result(Family):
    """What a stage of sums gives."""


@dataclass(frozen=True, kw_only=True)
class OpenedSum(Result):
    """What sums give today."""


@dataclass(frozen=True, kw_only=True)
class HiddenSubtotal(Result):
    """A sum that stays masked, for a cell that passes it up."""

    cell: str


def later_sums() -> type:
    """`Sums` of a later release: the same fields and name, and a result."""
    made = make_dataclass(
        "Sums", [("result", Result | None, None)], bases=(Sums,), frozen=True, kw_only=True
    )
    made.__module__ = __name__
    return made


LATER = later_sums()


def later(stage, **fields):
    """A stage as the later release has it."""
    return LATER(**{name: getattr(stage, name) for name in stage.__dataclass_fields__} | fields)


def plan_bytes(stage):
    """The bytes of a plan of this stage, as the later release writes them."""
    plain = to_plain(make_plan())
    return canonical.encode(plain | {"stages": [to_plain(stage)]})


STAGE = make_plan().stages[0]
ASKED = later(STAGE, result=HiddenSubtotal(cell="north"))


def test_a_stage_without_it_has_the_bytes_of_today():
    assert plan_bytes(later(STAGE)) == make_plan().canonical()


def test_a_stage_with_it_is_read_back_by_the_later_release():
    plain = to_plain(ASKED)
    assert plain["result"] == {"type": "HiddenSubtotal", "cell": "north"}
    assert from_plain(LATER, plain, "stage") == ASKED
    assert from_plain(LATER, to_plain(STAGE), "stage") == later(STAGE)


def test_a_plan_that_asks_for_it_is_refused_by_this_release_with_one_error():
    with pytest.raises(PlanError, match=r"stages\[0\] has an unknown key 'result'"):
        Plan.from_canonical(plan_bytes(ASKED))


def test_another_result_is_refused_by_name():
    plain = to_plain(ASKED) | {"result": {"type": "HiddenSubtotals", "cell": "north"}}
    with pytest.raises(PlanError, match="'HiddenSubtotals'; did you mean 'HiddenSubtotal'"):
        from_plain(LATER, plain, "stage")


def test_another_kind_of_stage_is_refused_by_name():
    plain = to_plain(make_plan())
    assert isinstance(plain, dict)
    plain["stages"][0]["type"] = "Cell"
    with pytest.raises(
        PlanError, match=r"stages\[0\] is of type 'Cell'; known here: Exchange, Sums"
    ):
        Plan.from_canonical(canonical.encode(plain))


def test_the_hash_depends_on_it():
    other = replace(ASKED, result=HiddenSubtotal(cell="south"))
    assert len({plan_bytes(stage) for stage in (later(STAGE), ASKED, other)}) == 3
