"""Several mechanisms that are fixed in advance and released together, as one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confide.errors import DataError, PlanError
from confide.numbers import shown
from confide.plan import Relation
from confide.privacy.mechanisms.mechanism import OneShot
from confide.privacy.mechanisms.released import Released
from confide.randomness import SecureRandom

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["Composition"]


@dataclass(frozen=True)
class Composition(OneShot[Released[dict[str, Released[Any]]]]):
    """Named mechanisms, all declared before the first answers: one event, composed exactly.

    A ledger that charges them one after the other must assume that each may depend on the answers
    before it, which costs more.

    Args:
        parts: The mechanisms by name, of one relation.

    Raises:
        PlanError: If there is none, or they differ in their relation.

    Example:
        >>> from confide.privacy.mechanisms import ClampedMean, GaussianNoise, Histogram
        >>> both = Composition({
        ...     "age": ClampedMean(lower=18, upper=100, noise=GaussianNoise(8.0)),
        ...     "smokes": Histogram(keys=("yes", "no"), noise=GaussianNoise(8.0)),
        ... })
        >>> found = both.release({"age": [34.0, 51.0] * 500, "smokes": ["no"] * 1000}).value
        >>> sorted(found), 30 < found["age"].value < 60
        (['age', 'smokes'], True)
    """

    parts: Mapping[str, OneShot[Any]]

    def __post_init__(self) -> None:
        if not isinstance(self.parts, Mapping):
            raise PlanError(f"parts is {shown(self.parts)}; give a mapping of names to mechanisms")
        object.__setattr__(self, "parts", dict(self.parts))
        if not self.parts:
            raise PlanError("a composition of no mechanism; name at least one")
        for name, part in self.parts.items():
            if not isinstance(part, OneShot):
                raise PlanError(
                    f"part {name!r} is a {type(part).__name__}; a composition holds mechanisms "
                    "that answer once (OneShot)"
                )
        if len({part.relation for part in self.parts.values()}) > 1:
            raise PlanError(
                "the parts differ in their relation; a composition is accounted for one: declare "
                "all with the same"
            )

    def __hash__(self) -> int:
        return hash(tuple(self.parts.items()))

    @property
    def relation(self) -> Relation:  # type: ignore[override] # that of its parts
        """That of its parts."""
        return next(iter(self.parts.values())).relation

    @property
    def delta(self) -> float:  # type: ignore[override] # that of its parts
        """With what probability one of the parts' events does not describe it, at most."""
        return _sum_up(part.delta for part in self.parts.values())

    @property
    def event(self) -> DpEvent:
        """The parts' events, composed."""
        from dp_accounting import dp_event

        return dp_event.ComposedDpEvent([part.event for part in self.parts.values()])

    @property
    def closeness(self) -> float:
        """Likelihoods multiply, so distances between their logarithms add up."""
        return _sum_up(part.closeness for part in self.parts.values())

    def release(
        self, values: Any, *, random: SecureRandom | None = None
    ) -> Released[dict[str, Released[Any]]]:
        """Answers all of them.

        Args:
            values: A mapping: by name, what each part takes.
            random: The operating system's if it is omitted.

        Raises:
            DataError: If a name is missing or unknown, or a part refuses its values. Nothing was
                released.
        """
        if not isinstance(values, Mapping) or set(values) != set(self.parts):
            raise DataError(
                f"a composition takes a mapping with values for: {', '.join(self.parts)}"
            )
        found = {
            name: part.release(values[name], random=random) for name, part in self.parts.items()
        }
        return Released(found, self)


def _sum_up(numbers: Any) -> float:
    total = math.fsum(numbers)
    return math.nextafter(total, math.inf) if total else 0.0
