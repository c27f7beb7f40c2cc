from typing import Any

import pytest

from confide.errors import PlanError
from confide.plan.literals import Literal


class Inner(Literal):
    rounds: int = 1
    release: str = "everyone"


class Outer(Literal):
    name: str
    bound: float = 1.0
    inner: Inner = Inner()
    maybe: Inner | None = None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "plan.toml: 'name' is missing"),
        (
            {"name": "a", "bond": 2},
            "plan.toml: unknown key 'bond', did you mean 'bound'? known here",
        ),
        (
            {"name": "a", "xyz": 2},
            "plan.toml: unknown key 'xyz', known here: bound, inner, maybe, name",
        ),
        ({"name": "a", "inner": {"round": 2}}, "unknown key 'inner.round', did you mean 'rounds'?"),
        (
            {"name": "a", "maybe": {"releas": 2}},
            "unknown key 'maybe.releas', did you mean 'release'?",
        ),
        (
            {"name": "a", "inner": {"rounds": "two"}},
            "'inner.rounds' is 'two': input should be a valid",
        ),
        ({"name": "a", "bound": "20"}, "'bound' is '20': input should be a valid number"),
        ({"name": "a", "inner": {"rounds": True}}, "'inner.rounds' is True: input should be a"),
        ({"name": b"a"}, "plan.toml: a value of type bytes; use texts, numbers or lists"),
        ({"name": 5}, "'name' is 5: input should be a valid string"),
        ({"name": "a", "bound": float("nan")}, "'bound' is nan: input should be a finite number"),
        ({"name": "a", "bound": float("inf")}, "'bound' is inf: input should be a finite number"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(given, message):
    with pytest.raises(PlanError) as refused:
        Outer.read(given, "plan.toml")
    assert message in str(refused.value)


def test_everything_wrong_is_named_at_once():
    with pytest.raises(PlanError, match=r"'bound' is 'x': .*; unknown key 'nam'.*"):
        Outer.read({"bound": "x", "nam": "a"}, "plan.toml")


def test_what_is_right_is_read_and_frozen():
    read: Any = Outer.read({"name": "a", "inner": {"rounds": 3}}, "plan.toml")
    assert read.inner.rounds == 3
    with pytest.raises(ValueError, match="frozen"):
        read.name = "b"
