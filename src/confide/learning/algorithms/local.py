"""Local training: mini-batch SGD on one party's rows, as most algorithms of the field take it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from confide.errors import PlanError
from confide.learning.modules.descent import Descent, Direction
from confide.learning.modules.model import Session

__all__ = ["LocalSGD"]


@dataclass(frozen=True, kw_only=True)
class LocalSGD:
    """How a party trains in a round.

    Attributes:
        steps: Steps, each on a mini-batch drawn without replacement; 10 if `epochs` is None.
        epochs: Passes over the rows in a random order instead; a last batch may be smaller.
        batch_rows: Rows of a mini-batch; all rows if None.
        learning_rate: η.
        momentum: ρ of heavy-ball momentum, from zero in each round.

    Raises:
        PlanError: If a number is out of its range, or both steps and epochs are given.

    Example:
        >>> local = LocalSGD(epochs=2, batch_rows=3)
        >>> [len(batch) for batch in local.batches(7, np.random.default_rng(0))]
        [3, 3, 1, 3, 3, 1]
        >>> local.steps_of(7)
        6
    """

    steps: int | None = None
    epochs: int | None = None
    batch_rows: int | None = None
    learning_rate: float = 0.5
    momentum: float = 0.0

    def __post_init__(self) -> None:
        if self.steps is not None and self.epochs is not None:
            raise PlanError("both local_steps and local_epochs; give one of them")
        if self.steps is None and self.epochs is None:
            object.__setattr__(self, "steps", 10)
        for name, value in (
            ("local_steps", self.steps),
            ("local_epochs", self.epochs),
            ("batch_rows", self.batch_rows),
            ("learning_rate", self.learning_rate),
        ):
            if value is not None and not value > 0:
                raise PlanError(f"{name} is {value}; it is positive")
        if not 0 <= self.momentum < 1:
            raise PlanError(f"momentum is {self.momentum}; it is from 0 to less than 1")

    def steps_of(self, rows: int) -> int:
        """How many steps a party with so many rows takes."""
        if self.epochs is None:
            assert self.steps is not None  # noqa: S101 - there is one of the two
            return self.steps
        return self.epochs * math.ceil(rows / min(self.batch_rows or rows, rows))

    def batches(self, rows: int, rng: np.random.Generator) -> Iterator[Any]:
        """The rows of each step: a slice, or row numbers of shape `(batch,)`."""
        size = self.batch_rows or rows
        if size >= rows:
            yield from [slice(None)] * self.steps_of(rows)
        elif self.epochs is None:
            for _ in range(self.steps_of(rows)):
                yield rng.choice(rows, size, replace=False)
        else:
            for _ in range(self.epochs):
                order = rng.permutation(rows)
                yield from (order[start : start + size] for start in range(0, rows, size))

    def descent(
        self,
        session: Session,
        rng: np.random.Generator,
        *,
        start: Any = None,
        direction: Direction | None = None,
        most_steps: int | None = None,
    ) -> Descent:
        """The party's steps, to be taken: w ← w - η v, v ← ρ v + direction(w, ∇F(w)).

        Args:
            session: The model at the party.
            rng: Public randomness, for the order of rows.
            start: Where to begin; as the round does if None.
            direction: What a step goes against; the gradient if None.
            most_steps: How many steps are taken at most.
        """
        return Descent(
            session=session,
            batches=tuple(islice(self.batches(session.rows, rng), most_steps)),
            learning_rate=self.learning_rate,
            momentum=self.momentum,
            start=session.start if start is None else start,
            direction=direction,
        )
