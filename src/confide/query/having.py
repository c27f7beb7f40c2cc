"""Conditions on released values: they cost nothing, because they read nothing else."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from confide.errors import DataError, PlanError
from confide.plan.codec import nearest_column
from confide.query.tree import Call, Column, Expression, Literal

__all__ = ["check", "holds"]

_OPERATORS: Final[dict[str, Callable[..., Any]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "=": operator.eq, "<>": operator.ne, "+": operator.add, "-": operator.sub,
    "*": operator.mul, "/": lambda a, b: a / b if b else math.nan, "neg": operator.neg,
    "and": lambda a, b: a and b, "or": lambda a, b: a or b, "not": operator.not_,
    "in": lambda value, *listed: value in listed,
}  # fmt: skip


def holds(condition: Expression, row: Mapping[str, Any]) -> bool:
    """Whether a condition that was checked is true of a released row."""
    return bool(_value(condition, row))


def check(condition: Expression, example: Mapping[str, Any]) -> None:
    """Checks a condition before anything is charged.

    Args:
        condition: The condition.
        example: A made-up row of the answer.

    Raises:
        PlanError: If it uses a function that is not for released values, or mixes kinds.
        DataError: If it names a column that the answer does not have.
    """
    try:
        _value(condition, example)
    except TypeError as error:
        raise PlanError("having compares values of different kinds; compare like with like") from (
            error
        )


def _value(expression: Expression, row: Mapping[str, Any]) -> Any:
    if isinstance(expression, Literal):
        return expression.value
    if isinstance(expression, Column):
        if expression.name not in row:
            raise DataError(
                f"having names {expression.name!r}, which the answer lacks; "
                f"{nearest_column(expression.name, row)}"
            )
        return row[expression.name]
    if isinstance(expression, Call) and expression.function in _OPERATORS:
        given = [_value(argument, row) for argument in expression.arguments]
        return _OPERATORS[expression.function](*given)
    raise PlanError(
        f"having takes comparisons of released columns ({', '.join(sorted(_OPERATORS))})"
    )
