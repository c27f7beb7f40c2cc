"""The best of several candidates, without saying by how much.

Both mechanisms draw exactly in proportion to irrational weights, with the coins of
`confide.privacy.mechanisms.coins`; comparing floating-point numbers, or adding Gumbel noise in
floating point, would not.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import DataError
from confide.noise.stream import KeyStream
from confide.plan import Relation
from confide.privacy.mechanisms.checks import (
    check_confidence,
    check_count,
    check_declared,
    check_monotone,
    check_pure_epsilon,
)
from confide.privacy.mechanisms.coins import below, exponential_choice, succeeds
from confide.privacy.mechanisms.lattice import Steps, finite, log2_step
from confide.privacy.mechanisms.mechanism import OneShot, PureMechanism
from confide.privacy.mechanisms.released import Released
from confide.randomness import SecureRandom, SystemRandom

__all__ = ["ExponentialMechanism", "PermuteAndFlip", "Selection"]

_LOG2_STEPS = 20


@dataclass(frozen=True, kw_only=True)
class Selection(PureMechanism, OneShot[Released[int]]):
    """Chooses a candidate whose score is near the best, with ε-DP.

    Args:
        epsilon: ε.
        sensitivity: How far one unit moves any one score at most.
        candidates: How many there are. They are fixed in advance: a candidate that exists because
            of somebody's data would reveal it.
        monotone: Whether a unit that comes moves no score down, or none up; counts are so, between
            units that are added or removed. Then the same ε chooses as sharply as twice as much
            otherwise. Never true between units that are replaced.
        relation: How neighbours differ.

    Raises:
        PlanError: If a number is out of range.
    """

    epsilon: float
    sensitivity: float
    candidates: int
    monotone: bool = False
    relation: Relation = Relation.ADD_OR_REMOVE_ONE

    def __post_init__(self) -> None:
        check_pure_epsilon(self.epsilon)
        check_declared(self, "epsilon", up=("sensitivity",))
        check_monotone(self.relation, monotone=self.monotone)
        check_count(self.candidates, "candidates", "how many there are to choose from")
        log2_step(self.sensitivity, _LOG2_STEPS)

    def release(self, scores: ArrayLike, *, random: SecureRandom | None = None) -> Released[int]:
        """Chooses.

        Args:
            scores: (candidates,) numbers; the larger, the better.
            random: The operating system's if it is omitted.

        Returns:
            The index of the candidate.

        Raises:
            DataError: If a score is not finite or one is missing. Nothing was released.
        """
        exact = finite(scores, "the scores")
        if exact.shape != (self.candidates,):
            raise DataError(
                f"the scores have shape {exact.shape}; the selection has ({self.candidates},)"
            )
        steps = self._lattice.nearest(exact)
        stream = KeyStream(random or SystemRandom())
        return Released(self._drawn(steps.max() - steps, stream), self)

    def shortfall(self, confidence: float = 0.95) -> float:
        """A bound on how far a choice's score is below the best, at a confidence.

        (2Δ/ε)·log(n/(1 - c)) for both: a candidate that is s below the best is chosen with
        probability at most exp(-εs/2Δ).

        Args:
            confidence: c, between 0 and 1.

        Raises:
            PlanError: If it is not.
        """
        check_confidence(confidence)
        nats = math.log(self.candidates / (1 - confidence))
        return nats / float(self._rate) * self._lattice.size

    @abstractmethod
    def _drawn(self, distances: NDArray[np.int64], stream: KeyStream) -> int:
        """Draws, given by how many steps each score falls short of the best."""

    @cached_property
    def _lattice(self) -> Steps:
        return Steps(log2_step(self.sensitivity, _LOG2_STEPS))

    @cached_property
    def _rate(self) -> Fraction:
        """ε/2Δ, or ε/Δ, in nats for a step; rounding moves two scores apart by a step more."""
        apart = math.floor(math.ldexp(self.sensitivity, -self._lattice.log2_size)) + 1
        return Fraction(self.epsilon) / (apart if self.monotone else 2 * apart)


@dataclass(frozen=True, kw_only=True)
class ExponentialMechanism(Selection):
    """P[i] ∝ exp(ε·score_i/2Δ) (McSherry and Talwar 2007, Definition 2).

    Args:
        epsilon: ε.
        sensitivity: How far one unit moves any one score at most.
        candidates: How many there are.
        monotone: Whether a unit moves all scores one way.
        relation: How neighbours differ.

    Example:
        >>> mechanism = ExponentialMechanism(epsilon=1.0, sensitivity=1, candidates=3)
        >>> mechanism.release([0, 500, 20]).value
        1
    """

    def _drawn(self, distances: NDArray[np.int64], stream: KeyStream) -> int:
        return exponential_choice(np.ones_like(distances), distances, self._rate, stream)


@dataclass(frozen=True, kw_only=True)
class PermuteAndFlip(Selection):
    """Asks the candidates in random order; each accepts with exp(-ε·shortfall/2Δ).

    Never further from the best, on average, than the exponential mechanism with the same ε, and up
    to half as far (McKenna and Sheldon 2020, Algorithm 1 and Theorem 2). It is accounted as ε-DP
    only: the better bound of concentrated differential privacy for the exponential mechanism does
    not hold for it (opendp/opendp#2911).

    Args:
        epsilon: ε.
        sensitivity: How far one unit moves any one score at most.
        candidates: How many there are.
        monotone: Whether a unit moves all scores one way.
        relation: How neighbours differ.

    Example:
        >>> mechanism = PermuteAndFlip(epsilon=1.0, sensitivity=1, candidates=3)
        >>> mechanism.release([0, 500, 20]).value
        1
    """

    def _drawn(self, distances: NDArray[np.int64], stream: KeyStream) -> int:
        waiting = list(range(len(distances)))
        while len(waiting) > 1:
            at = below(len(waiting), stream)
            waiting[at], waiting[-1] = waiting[-1], waiting[at]
            asked = waiting.pop()
            if succeeds(self._rate * int(distances[asked]), stream):
                return asked
        return waiting[0]
