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
    """An answer with noise, and its error.

    Errors are those of the noise. They follow from the release and the declaration, never from the
    data. They say how far the answer is from the exact answer on the same data, and nothing about
    the population that the data are a sample of.

    Attributes:
        value: The answer with noise.
        mechanism: What gave it, with its `event`.
        standard_error: Standard deviation of the noise; of each coordinate, where there are many.
        interval: Lower and upper end of a 95 % confidence interval, of the value's shape.
    """

    standard_error: float
    interval: tuple[Value_co, Value_co]
