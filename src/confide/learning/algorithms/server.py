"""Server optimisers: how everybody moves the parameters, given the mean update Δ of a round.

Each is a pair of pure functions, `init` and `step`, over a state of its own (Reddi et al. 2021,
Algorithm 2; momentum is that of Hsu, Qi and Brown 2019, FedAvgM). -Δ stands in the place of a
gradient.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any
from typing import Literal as OneOf

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from confide.computation import State
from confide.plan.literals import Literal

__all__ = ["Adagrad", "Adam", "Momentum", "Server", "ServerOptimiser", "Yogi"]

Reals = NDArray[np.float64]

M, V = "server/m", "server/v"


class Server(Literal):
    """What every server optimiser has.

    Attributes:
        learning_rate: η of the server's step.
    """

    learning_rate: float = Field(default=1.0, gt=0)

    @abstractmethod
    def init(self, size: int) -> State:
        """Its state before the first round, for parameters of shape `(size,)`."""

    @abstractmethod
    def step(self, state: State, w: Reals, delta: Reals) -> tuple[Reals, State]:
        """The parameters after a round, and its next state.

        Args:
            state: Whatever it keeps, among others.
            w: The parameters before.
            delta: Δ, the mean update.
        """


class Momentum(Server):
    """m ← β m + Δ, w ← w + η m. With β = 0 it is the step of FedAvg.

    Attributes:
        momentum: β.

    Example:
        >>> server = Momentum(learning_rate=0.5, momentum=0.9)
        >>> w, state = server.step(server.init(1), np.zeros(1), np.ones(1))
        >>> server.step(state, w, np.ones(1))[0].tolist()
        [1.45]
    """

    kind: OneOf["momentum"] = "momentum"
    momentum: float = Field(default=0.0, ge=0, lt=1)

    def init(self, size: int) -> State:
        """See `Server.init`."""
        return {M: np.zeros(size)} if self.momentum else {}

    def step(self, state: State, w: Reals, delta: Reals) -> tuple[Reals, State]:
        """See `Server.step`."""
        if not self.momentum:
            return w + self.learning_rate * delta, {}
        m = self.momentum * state[M] + delta
        return w + self.learning_rate * m, {M: m}


class _Adaptive(Server):
    """m ← β₁ m + (1 - β₁) Δ, v as each says, w ← w + η m / (√v + τ).

    Attributes:
        beta1: β₁.
        tau: τ, the degree of adaptivity; v begins at τ².
    """

    beta1: float = Field(default=0.9, ge=0, lt=1)
    tau: float = Field(default=1e-3, gt=0)

    def init(self, size: int) -> State:
        """See `Server.init`."""
        return {M: np.zeros(size), V: np.full(size, self.tau**2)}

    def step(self, state: State, w: Reals, delta: Reals) -> tuple[Reals, State]:
        """See `Server.step`."""
        m = self.beta1 * state[M] + (1 - self.beta1) * delta
        v = self._v(state[V], delta**2)
        return w + self.learning_rate * m / (np.sqrt(v) + self.tau), {M: m, V: v}

    @abstractmethod
    def _v(self, v: Reals, squared: Reals) -> Reals:
        """The next v, given Δ²."""


class Adagrad(_Adaptive):
    """FedAdagrad: v ← v + Δ²."""

    kind: OneOf["adagrad"] = "adagrad"
    beta1: float = Field(default=0.0, ge=0, lt=1)

    def _v(self, v: Reals, squared: Reals) -> Reals:
        return v + squared


class Adam(_Adaptive):
    """FedAdam: v ← β₂ v + (1 - β₂) Δ².

    Attributes:
        beta2: β₂.
    """

    kind: OneOf["adam"] = "adam"
    beta2: float = Field(default=0.99, ge=0, lt=1)

    def _v(self, v: Reals, squared: Reals) -> Reals:
        return self.beta2 * v + (1 - self.beta2) * squared


class Yogi(_Adaptive):
    """FedYogi: v ← v - (1 - β₂) Δ² sign(v - Δ²).

    Attributes:
        beta2: β₂.
    """

    kind: OneOf["yogi"] = "yogi"
    beta2: float = Field(default=0.99, ge=0, lt=1)

    def _v(self, v: Reals, squared: Reals) -> Reals:
        return v - (1 - self.beta2) * squared * np.sign(v - squared)


ServerOptimiser = Annotated[Momentum | Adagrad | Adam | Yogi, Field(discriminator="kind")]
"""One of them in a plan file, by its `kind`."""


def server_settings(server: Any) -> dict[str, Any]:
    """A server optimiser as settings."""
    found: dict[str, Any] = server.model_dump(mode="json")
    return found
