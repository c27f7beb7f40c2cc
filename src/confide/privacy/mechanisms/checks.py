"""Checks of every declaration."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from confide.errors import PlanError
from confide.numbers import as_float, check_real, check_whole, exact, is_number, shown
from confide.plan import Relation

__all__ = [
    "check_confidence",
    "check_count",
    "check_declared",
    "check_monotone",
    "check_pure_epsilon",
]

_LEAST, _MOST = 2.0**-30, 500.0
_MOST_COUNT = 1 << 40


def check_declared(mechanism: Any, *reals: str, up: tuple[str, ...] = ()) -> None:
    """Turns the numbers of a declaration into floats, and checks its relation.

    Args:
        mechanism: A frozen value.
        *reals: Names of its real fields; a field that is not a number is left to its own check.
        up: The fields that are rounded up if floats do not hold them: sensitivities.

    Raises:
        PlanError: If its relation is no `Relation`.
    """
    for name in (*reals, *up):
        value = getattr(mechanism, name)
        if is_number(value) and type(value) not in (int, float):
            object.__setattr__(mechanism, name, _as_float(value, up=name in up))
    for name in ("integer", "monotone"):
        if not isinstance(getattr(mechanism, name, True), bool):
            raise PlanError(f"{name} is {shown(getattr(mechanism, name))}; it is True or False")
    relation = getattr(mechanism, "relation", Relation.ADD_OR_REMOVE_ONE)
    if not isinstance(relation, Relation):
        raise PlanError(
            f"relation is {shown(relation)}; it is Relation.ADD_OR_REMOVE_ONE or "
            "Relation.REPLACE_ONE"
        )


def _as_float(value: object, *, up: bool) -> float:
    given, found = exact(value), as_float(value)
    below = given is not None and math.isfinite(found) and Fraction(found) < Fraction(given)
    return math.nextafter(found, math.inf) if up and below else found


def check_pure_epsilon(epsilon: float) -> None:
    """Refuses an ε that is not a number between 2^-30 and 500.

    Raises:
        PlanError: If it is one.
    """
    check_real(
        "epsilon", epsilon, least=_LEAST, most=_MOST,
        limit=f"it is a positive number, from {_LEAST:.0g} to {_MOST:g}",
    )  # fmt: skip


def check_count(count: object, name: str, meaning: str) -> None:
    """Refuses a value that is not a whole number of at least 1.

    Raises:
        PlanError: If it is such.
    """
    check_whole(
        name, count, least=1, most=_MOST_COUNT, limit=f"it is a whole number, at least 1: {meaning}"
    )


def check_confidence(confidence: float) -> None:
    """Refuses a confidence that does not lie between 0 and 1.

    Raises:
        PlanError: If it is such.
    """
    check_real("confidence", confidence, above=0, below=1, limit="it lies between 0 and 1")


def check_monotone(relation: Relation, *, monotone: bool) -> None:
    """Refuses to take for monotone what is not.

    Raises:
        PlanError: If units are replaced: one leaves and another comes, which move either way.
    """
    if monotone and relation is Relation.REPLACE_ONE:
        raise PlanError(
            "monotone=True for replaced units: removing one may move a score down, and adding "
            "the other may move it up. Leave it out"
        )
