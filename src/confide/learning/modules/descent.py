"""Local steps as an algorithm asks for them: of one party alone, or of several in step.

An algorithm says which steps it wants and gets the parameters after them. So a simulation may take
the steps of many small clients as one computation, and the algorithm reads the same.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from confide.learning.modules.model import Batch, Session

__all__ = ["Descends", "Descent", "Direction", "alone", "in_step"]

Direction = Callable[[Any, Any], Any]
"""From (w, gradient at w) to what a step goes against."""

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Descent:
    """The steps of one party: v ← ρ v + direction(w, ∇F(w)), w ← w - η v.

    Attributes:
        session: The model at the party.
        batches: The rows of each step.
        learning_rate: η.
        momentum: ρ, with v from zero.
        start: The first w.
        direction: What a step goes against; the gradient if None.
    """

    session: Session
    batches: Sequence[Batch]
    learning_rate: float
    momentum: float
    start: Any
    direction: Direction | None = None

    def run(self) -> Any:
        """The parameters after the steps, of this party alone."""
        if self.direction is None and isinstance(self.session, Descends):
            return self.session.descend(self)
        w, v = self.start, None
        for batch in self.batches:
            d = self.session.gradient(w, batch)
            if self.direction is not None:
                d = self.direction(w, d)
            v = d if v is None or not self.momentum else self.momentum * v + d
            w = w - self.learning_rate * v
        return w


@runtime_checkable
class Descends(Protocol):
    """A session that takes steps faster than one gradient at a time."""

    def descend(self, descent: Descent) -> Any:
        """What `Descent.run` gives, for a descent without a direction."""

    def descend_together(self, descents: Sequence[Descent]) -> Sequence[Any] | None:
        """What each descent gives, all taken in step, or None if the model cannot.

        The last bits may differ from those of each alone.
        """


def alone(asking: Generator[Descent, Any, Result]) -> Result:
    """What an algorithm gives for one party."""
    try:
        asked = next(asking)
        while True:
            asked = asking.send(asked.run())
    except StopIteration as done:
        result: Result = done.value
        return result


def in_step(asking: Sequence[Generator[Descent, Any, Result]]) -> list[Result]:
    """What an algorithm gives for each of several parties, whose steps are taken together."""
    results: dict[int, Result] = {}
    answers: dict[int, Any] = dict.fromkeys(range(len(asking)))
    while answers:
        asked: dict[int, Descent] = {}
        for place, answer in answers.items():
            try:
                asked[place] = asking[place].send(answer)
            except StopIteration as done:
                results[place] = done.value
        answers = dict(zip(asked, _taken(list(asked.values())), strict=True))
    return [results[place] for place in range(len(asking))]


def _taken(descents: Sequence[Descent]) -> Sequence[Any]:
    if len(descents) > 1 and isinstance(descents[0].session, Descends):
        together = descents[0].session.descend_together(descents)
        if together is not None:
            return together
    return [descent.run() for descent in descents]
