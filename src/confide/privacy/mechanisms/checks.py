"""What every declaration is checked for."""

from __future__ import annotations

from confide.errors import PlanError
from confide.plan import Relation

__all__ = ["check_confidence", "check_count", "check_monotone", "check_pure_epsilon", "is_number"]

_LEAST, _MOST = 2.0**-30, 500.0


def is_number(value: object) -> bool:
    """Whether it is an int or a float, numpy's double included."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_pure_epsilon(epsilon: float) -> None:
    """Refuses an ε that is no number between 2^-30 and 500.

    Raises:
        PlanError: If it is one.
    """
    if not is_number(epsilon) or not _LEAST <= epsilon <= _MOST:
        raise PlanError(
            f"epsilon is {epsilon}; it is a positive number, from {_LEAST:.0g} to {_MOST:g}"
        )


def check_count(count: object, name: str, meaning: str) -> None:
    """Refuses what is no whole number of at least 1.

    Raises:
        PlanError: If it is such.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise PlanError(f"{name} is {count!r}; it is a whole number, at least 1: {meaning}")


def check_confidence(confidence: float) -> None:
    """Refuses a confidence that does not lie between 0 and 1.

    Raises:
        PlanError: If it is such.
    """
    if not is_number(confidence) or not 0 < confidence < 1:
        raise PlanError(f"confidence is {confidence}; it lies between 0 and 1")


def check_monotone(relation: Relation, *, monotone: bool) -> None:
    """Refuses to take for monotone what is not.

    Raises:
        PlanError: If units are replaced: one leaves and another comes, which move either way.
    """
    if monotone and relation is Relation.REPLACE_ONE:
        raise PlanError(
            "monotone=True between units that are replaced: what one moves down as it leaves, the "
            "other moves up. Leave it out"
        )
