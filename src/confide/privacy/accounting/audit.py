"""Audits: a lower bound of ε from an attack that was run.

Accounting bounds ε from above by proof. An audit bounds it from below by evidence: the auditor
includes or leaves out canaries by fair coins, and guesses from the release which were included. If
a mechanism is (ε, δ)-DP, the success of any guesser is bounded, so a better guesser refutes the ε.

References:
    Steinke, Nasr, Jagielski, "Privacy auditing with one (1) training run" (NeurIPS 2023, arXiv
    2305.08846), Theorem 5.2.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import scipy

from confide.errors import PlanError
from confide.numbers import check_real, check_whole

__all__ = ["audited_epsilon"]

_LARGEST: Final = 700.0


def audited_epsilon(
    *, canaries: int, guesses: int, correct: int, delta: float, error: float = 0.05
) -> float:
    """The largest ε that one run's guesses refute: the mechanism is not (ε, δ)-DP for less.

    Args:
        canaries: m, how many units were put in or left out by independent fair coins.
        guesses: r, about how many of them the attacker guessed; it may abstain.
        correct: v, how many guesses were right.
        delta: δ.
        error: With what probability the answer may be too large.

    Returns:
        A lower bound of ε, valid with probability 1 - error over the coins; 0 if the guesses show
        nothing. It says nothing about attacks that were not run.

    Raises:
        PlanError: If the numbers do not fit together.

    Example:
        >>> round(audited_epsilon(canaries=1000, guesses=1000, correct=700, delta=0), 4)
        0.732
    """
    canaries, guesses, correct = (
        check_whole(name, number, least=0, most=1 << 53, limit="a whole number, at least 0")
        for name, number in (("canaries", canaries), ("guesses", guesses), ("correct", correct))
    )
    if not 0 <= correct <= guesses <= canaries or canaries < 1:
        raise PlanError(
            f"{correct} of {guesses} guesses about {canaries} canaries were right; each number is "
            "at most the next, and there is a canary"
        )
    delta = check_real("delta", delta, least=0, below=1, limit="it lies between 0 and 1")
    error = check_real("error", error, above=0, below=1, limit="it lies between 0 and 1")

    def refuted(epsilon: float) -> bool:
        return _p_value(canaries, guesses, correct, epsilon, delta) < error

    if not refuted(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while refuted(high) and high < _LARGEST:
        low, high = high, 2 * high
    while high - low > 1e-9 * (1 + high):
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low


def _p_value(canaries: int, guesses: int, correct: int, epsilon: float, delta: float) -> float:
    """The largest probability of so many right guesses under (ε, δ).

    P[B ≥ v] + 2mδ·max_i (P[v - i ≤ B < v])/i with B ~ Binomial(r, e^ε/(1 + e^ε)).
    """
    right = 1 / (1 + math.exp(-epsilon))
    chance = float(scipy.stats.binom.sf(correct - 1, guesses, right))
    if delta == 0 or correct == 0:
        return min(1.0, chance)
    fewer = np.cumsum(scipy.stats.binom.pmf(np.arange(correct - 1, -1, -1), guesses, right))
    slope = float(np.max(fewer / np.arange(1, correct + 1)))
    return min(1.0, chance + 2 * canaries * delta * slope)
