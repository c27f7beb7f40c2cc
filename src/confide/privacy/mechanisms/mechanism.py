"""The interface of all mechanisms: how they are accounted."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from confide.plan import Relation
from confide.privacy.mechanisms.released import Released
from confide.randomness import SecureRandom

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["Interactive", "Mechanism", "OneShot", "PureMechanism", "pure_event"]

Answer_co = TypeVar("Answer_co", bound=Released[Any], covariant=True)
Session_co = TypeVar("Session_co", covariant=True)

_DOWN: Final = 1 - 2.0**-50
"""Covers the rounding of the few floating-point operations on the way to a probability."""


class Mechanism(ABC):
    """A value that says, before any data are read, what one release of it costs.

    Attributes:
        relation: The neighbouring relation that it is accounted under.
        delta: The probability that the event does not describe a release; mostly 0.
    """

    relation: Relation
    delta: float = 0.0

    @property
    @abstractmethod
    def event(self) -> DpEvent:
        """What an accountant or a ledger charges for one release."""

    @property
    @abstractmethod
    def closeness(self) -> float:
        """Within how many nats of the event's the likelihoods of a release lie."""


class OneShot(Mechanism, Generic[Answer_co]):
    """A mechanism that gives one answer. `Ledger.release` charges it, then runs it once."""

    @abstractmethod
    def release(self, values: Any, *, random: SecureRandom | None = None) -> Answer_co:
        """Answers once. Nothing counts it here: where a ledger is kept, use `Ledger.release`.

        Args:
            values: What the mechanism takes.
            random: The operating system's if it is omitted.

        Raises:
            DataError: If the values are not what was declared. Nothing was released.
        """


class Interactive(Mechanism, Generic[Session_co]):
    """A mechanism that answers one question after the other, for one charge in all.

    `Ledger.start` charges a session, then starts it.
    """

    @abstractmethod
    def start(self, *, random: SecureRandom | None = None) -> Session_co:
        """Starts a session. Nothing counts it here: where a ledger is kept, use `Ledger.start`.

        Args:
            random: The operating system's if it is omitted.
        """


class PureMechanism(Mechanism):
    """A mechanism that is accounted as ε-DP or (ε, δ)-DP only.

    Attributes:
        epsilon: ε.
    """

    epsilon: float

    @property
    def event(self) -> DpEvent:
        """The worst ε-DP event; (ε, δ)-DP is the same except with probability δ."""
        return pure_event(self.epsilon)

    @property
    def closeness(self) -> float:
        """0: the probabilities are the stated ones."""
        return 0.0


def pure_event(epsilon: float) -> DpEvent:
    """The worst of all that is ε-DP: randomised response that tells the truth e^ε times as often.

    Whatever is ε-DP is a post-processing of it (Kairouz, Oh and Viswanath 2015, Theorem 3.1).

    Args:
        epsilon: ε.
    """
    from dp_accounting import dp_event

    # The library's parameter is the probability of a uniform answer: log((2 - p)/p) = ε.
    return dp_event.RandomizedResponseDpEvent(2 / (1 + math.exp(epsilon)) * _DOWN, 2)
