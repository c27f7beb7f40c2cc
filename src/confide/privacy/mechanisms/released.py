"""What a mechanism gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["Estimate", "Released"]

Value_co = TypeVar("Value_co", covariant=True)


@dataclass(frozen=True)
class Released(Generic[Value_co]):
    """An answer that may leave.

    Attributes:
        value: The answer.
        mechanism: What gave it, with its `event`.
    """

    value: Value_co
    mechanism: Any


@dataclass(frozen=True)
class Estimate(Released[Value_co]):
    """An answer with noise, and how far it can be trusted.

    Errors are those that the noise makes, found from what is released and declared, never from the
    data: they say how far the answer is from that on the same data without noise, and nothing about
    whom the data stand for.

    Attributes:
        value: The answer with noise.
        mechanism: What gave it, with its `event`.
        standard_error: Standard deviation of the noise; of each coordinate, where there are many.
        interval: Lower and upper end of a 95 % confidence interval, of the value's shape.
    """

    standard_error: float
    interval: tuple[Value_co, Value_co]
