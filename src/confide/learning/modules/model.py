"""What an algorithm asks of a model: named parameters, and a gradient over some of a party's rows.

An algorithm computes with one vector, so a model is anything that turns named arrays of the state
into a vector, and a vector and rows into a gradient: a generalised linear model, a PyTorch module,
an estimator of scikit-learn, or whatever another package writes. The vector may be of the model's
own kind (a tensor on a GPU), as long as it adds, subtracts and scales.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from confide.computation import Data, State
from confide.learning.modules.layout import Layout
from confide.plan.literals import Literal

__all__ = ["Averaged", "Buffers", "Model", "Session"]

Reals = NDArray[np.float64]

Batch = Any
"""Which rows: a slice, or their numbers, shape `(batch,)`."""


class Averaged(Literal):
    """Buffers, such as BatchNorm's statistics, are averaged by a sum of their own.

    Attributes:
        clip_norm_l2: Bound on how far a party's weighted buffers move in a round.
    """

    clip_norm_l2: float = Field(gt=0)


Buffers = str | Averaged
"""What becomes of the arrays that training changes without gradients: 'frozen', 'local' (each party
keeps its own) or `Averaged`."""


class Session(Protocol):
    """A model at one party in one round.

    Attributes:
        rows: How many rows the party has.
        start: The parameters as the round begins, shape `(size,)`.
    """

    @property
    def rows(self) -> int:
        """How many rows the party has."""

    @property
    def start(self) -> Any:
        """The parameters as the round begins."""

    def gradient(self, w: Any, batch: Batch) -> Any:
        """The gradient of the mean loss over a batch, shape `(size,)`.

        Raises:
            DataError, PlanError: If the rows do not fit the model.
        """

    def loss(self, w: Any) -> float:
        """The mean loss over all rows."""

    def vector(self, flat: Reals) -> Any:
        """A numpy vector as one that the session computes with."""

    def array(self, w: Any) -> Reals:
        """And back."""

    def buffers(self) -> State:
        """The buffers as training left them."""


@runtime_checkable
class Model(Protocol):
    """A model that the algorithms train.

    Attributes:
        layout: The parameters that are trained.
        kept: The buffers that training changes; empty if there are none.
        buffers: What becomes of them.
        columns: The data columns that it reads.
        read: Makes numeric arrays of a party's columns, if they are none.
        simulation_only: Why a plan with real keys cannot have it, in words; empty if it can.
    """

    @property
    def layout(self) -> Layout:
        """The parameters that are trained."""

    @property
    def kept(self) -> Layout:
        """The buffers that training changes."""

    @property
    def buffers(self) -> Buffers:
        """What becomes of them."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The data columns that it reads."""

    @property
    def simulation_only(self) -> str:
        """Why a plan with real keys cannot have it."""

    @property
    def read(self) -> Callable[[Any], Data] | None:
        """From a party's columns to named numeric arrays; None if the columns are that already."""

    def init(self) -> State:
        """The first parameters and buffers, by name."""

    def open(self, state: State, data: Data, rng: np.random.Generator) -> Session:
        """The model at a party.

        Args:
            state: Parameters and buffers by name, whatever else there is.
            data: The party's rows.
            rng: Public randomness, for dropout.
        """

    def settings(self) -> Mapping[str, Any]:
        """What a plan says of it, for the task's settings."""
