"""Which of a stream of answers lie above a threshold: the sparse vector technique.

Written after Lyu, Su and Li 2017, "Understanding the sparse vector technique for differential
privacy" (PVLDB 10(6)), Algorithm 1, which is the one of six in the literature that is private and
answers for all its budget. What the broken ones do, the tests do: no noise on the answers, noise
that does not grow with the number of positives, answers put out with the noise of the comparison,
and no end of positives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from threading import Lock
from typing import Any

from numpy.typing import NDArray

from confide.errors import DataError, PlanError, PrivacyBudgetError
from confide.noise import LARGEST_SCALE, DiscreteLaplace
from confide.plan import Relation
from confide.privacy.mechanisms.checks import (
    check_count,
    check_declared,
    check_monotone,
    check_pure_epsilon,
)
from confide.privacy.mechanisms.lattice import Steps, finite, log2_step
from confide.privacy.mechanisms.mechanism import Interactive, PureMechanism
from confide.process_bound import ProcessBound
from confide.randomness import SecureRandom, SystemRandom

__all__ = ["AboveThreshold", "ThresholdSession"]

_MOST_LOG2_STEPS, _LEAST_LOG2_STEPS = 20, 7


@dataclass(frozen=True, kw_only=True)
class AboveThreshold(PureMechanism, Interactive["ThresholdSession"]):
    """Tells whether each answer is above a threshold; only positive answers cost budget.

    Args:
        epsilon: ε, of a whole session.
        sensitivity: How far one unit moves any one answer at most.
        max_above: c, how many positives a session gives before it ends.
        monotone: Whether a unit that comes moves no answer down, or none up; counts are so, between
            units that are added or removed. Never true between units that are replaced.
        relation: How neighbours differ.

    Raises:
        PlanError: If a number is out of range.

    Example:
        >>> session = AboveThreshold(epsilon=1.0, sensitivity=1, max_above=1).start()
        >>> [session.is_above(count, threshold=1000) for count in (10, 20, 5000)]
        [False, False, True]
        >>> session.is_above(10, threshold=1000)
        Traceback (most recent call last):
            ...
        confide.errors.PrivacyBudgetError: all 1 positives of this session were given; \
start another, which is charged again
    """

    epsilon: float
    sensitivity: float
    max_above: int = 1
    monotone: bool = False
    relation: Relation = Relation.ADD_OR_REMOVE_ONE

    def __post_init__(self) -> None:
        check_pure_epsilon(self.epsilon)
        check_declared(self, "epsilon", up=("sensitivity",))
        check_monotone(self.relation, monotone=self.monotone)
        log2_step(self.sensitivity, _MOST_LOG2_STEPS)
        check_count(self.max_above, "max_above", "how many positives a session gives")
        _ = self.threshold_noise, self.answer_noise

    def start(self, *, random: SecureRandom | None = None) -> ThresholdSession:
        """Starts a session, which is one event.

        Args:
            random: The operating system's if it is omitted.
        """
        return ThresholdSession(self, SystemRandom() if random is None else random)

    @cached_property
    def threshold_noise(self) -> DiscreteLaplace:
        """Of scale Δ/ε₁, in steps, drawn once a session."""
        return DiscreteLaplace(self._apart / self._split[0])

    @cached_property
    def answer_noise(self) -> DiscreteLaplace:
        """Of scale 2cΔ/ε₂, or cΔ/ε₂ if answers are monotone, in steps, drawn for each answer."""
        return DiscreteLaplace(self._apart * self._positives / self._split[1])

    @cached_property
    def steps(self) -> Steps:
        """The lattice of answers and thresholds."""
        relative = 8 * self.max_above / self.epsilon
        most = math.floor(math.log2(LARGEST_SCALE) - math.log2(relative))
        if most < _LEAST_LOG2_STEPS:
            raise PlanError(
                f"epsilon is {self.epsilon:g} for {self.max_above:,} positives; that takes more "
                "noise than fits a lattice: raise epsilon or lower max_above"
            )
        return Steps(log2_step(self.sensitivity, min(_MOST_LOG2_STEPS, most)))

    @property
    def _apart(self) -> int:
        """How many steps answers of neighbours lie apart, rounding included."""
        return math.floor(math.ldexp(self.sensitivity, -self.steps.log2_size)) + 1

    @property
    def _positives(self) -> int:
        return self.max_above if self.monotone else 2 * self.max_above

    @cached_property
    def _split(self) -> tuple[Fraction, Fraction]:
        """ε₁ : ε₂ = 1 : (2c)^(2/3), the best there is (Lyu, Su and Li 2017, §4.2)."""
        share = Fraction(1 / (1 + self._positives ** (2 / 3))).limit_denominator(1 << 20)
        first = Fraction(self.epsilon) * share
        return first, Fraction(self.epsilon) - first


def _single(value: object, name: str) -> NDArray[Any]:
    numbers = finite(value, name)
    if numbers.size != 1:
        raise DataError(f"{name} has shape {numbers.shape}; it is one number")
    return numbers.reshape(1)


class ThresholdSession(
    ProcessBound,
    what="a threshold session",
    instead="start another, which is charged again",
    error=PrivacyBudgetError,
):
    """One run over a stream of answers, of one process: a fork or copy would repeat its noise.

    Args:
        mechanism: What it runs.
        random: Where noise comes from.
    """

    def __init__(self, mechanism: AboveThreshold, random: SecureRandom) -> None:
        self._mechanism = mechanism
        self._random = random
        self._left = mechanism.max_above
        self._noise = int(mechanism.threshold_noise.sample(1, random)[0])
        self._one_at_a_time = Lock()

    @property
    def left(self) -> int:
        """How many positives it will still give."""
        return self._left

    def is_above(self, answer: float, *, threshold: float) -> bool:
        """Whether an answer, with noise, reaches a threshold, with noise.

        Args:
            answer: The exact answer to a query, which may depend on what was said before.
            threshold: A number that does not depend on the data.

        Raises:
            PrivacyBudgetError: If all positives were given, or the process is a fork of the one
                that started the session. Nothing is said about the answer.
            DataError: If a number is not finite. Nothing is said about the answer.
        """
        self.check_process()
        lattice = self._mechanism.steps
        exact, limit = (
            int(lattice.nearest(_single(value, name))[0])
            for value, name in ((answer, "the answer"), (threshold, "the threshold"))
        )
        with self._one_at_a_time:
            if not self._left:
                raise PrivacyBudgetError(
                    f"all {self._mechanism.max_above:,} positives of this session were given; "
                    "start another, which is charged again"
                )
            noise = int(self._mechanism.answer_noise.sample(1, self._random)[0])
            above = exact + noise >= limit + self._noise
            self._left -= above
        return above

    def __repr__(self) -> str:
        return f"ThresholdSession({self._mechanism}, left={self._left})"
