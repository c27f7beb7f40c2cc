"""Noise that is correlated over steps: DP-FTRL by trees and by banded matrices.

Learning needs the sums of all gradients so far, A·G for the lower-triangular matrix A of ones and
rows G of one step each. Instead of noise on each row, one releases B·(C·G + Z) for a factorisation
A = B·C and independent Gaussian rows Z. This is post-processing of C·G + Z, one Gaussian mechanism,
also where G depends on what was released before (Denisov, McMahan, Rush, Smith and Thakurta 2022,
Theorem 2.1). So the event is one Gaussian, whose multiplier is divided by the sensitivity of C.

Here C is lower-triangular Toeplitz: column j is the coefficients c from row j on, cut off at the
end. A unit takes part in at most k steps, which lie at least b apart. For c ≥ 0 that does not
increase, its worst steps are the earliest, 0, b, 2b, …, always in the same direction:

    sens(C) = ‖Σ_{i<k} C[:, i·b]‖₂   (Kalinin and Lampert 2024, Theorem 2),

which is √(Σ_{i<k} ‖C[:, i·b]‖²) where c has at most b bands, because the columns then have disjoint
supports (Choquette-Choo et al. 2023, §3).

References:
    Kairouz, McMahan, Song, Thakkar, Thakurta, Xu, "Practical and private (deep) learning without
    sampling or shuffling" (ICML 2021), Appendix D.
    Fichtenberger, Henzinger, Upadhyay, "Constant matters" (ICML 2023), §3: the square root of A.
    Choquette-Choo, Ganesh, McKenna, McMahan, Rush, Thakurta, Xu, "(Amplified) banded matrix
    factorization" (NeurIPS 2023), §3 and Theorem 4.
    Kalinin, Lampert, "Banded square root matrix factorization for differentially private model
    training" (NeurIPS 2024), Theorem 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import scipy
from numpy.typing import NDArray

from confide.errors import PlanError
from confide.numbers import check_real, check_whole, shown

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["ToeplitzStrategy", "tree_event", "tree_levels"]

_UP: Final = 1 + 1e-12
"""Sensitivities are rounded up by more than the sums of their squares can be off."""

_MOST_STEPS: Final = 1 << 22


def tree_levels(steps: int) -> int:
    """How many nodes of a binary tree over `steps` leaves one leaf is in: ⌈log₂(steps + 1)⌉."""
    _check_steps(steps)
    return steps.bit_length()


def tree_event(noise_multiplier: float, steps: int, *, restarts: int = 1) -> DpEvent:
    """DP-FTRL by tree aggregation: each node of a binary tree over the steps has its own noise.

    Args:
        noise_multiplier: z, a node's standard deviation ÷ the distance of neighbouring sums.
        steps: Of one tree.
        restarts: How many trees; a unit takes part in each at most once.

    Raises:
        PlanError: If a number is out of range.

    Example:
        >>> tree_event(1.13, 1600)
        SingleEpochTreeAggregationDpEvent(noise_multiplier=1.13, step_counts=1600)
    """
    import dp_accounting as dp

    _check_steps(steps)
    _check_multiplier(noise_multiplier)
    _check_count("restarts", restarts)
    tree: DpEvent = dp.SingleEpochTreeAggregationDpEvent(noise_multiplier, steps)
    return tree if restarts == 1 else dp.SelfComposedDpEvent(tree, restarts)


@dataclass(frozen=True)
class ToeplitzStrategy:
    """A strategy matrix C: lower-triangular, Toeplitz, banded.

    Attributes:
        steps: n, how many rows and columns C has.
        coefficients: c, the first column down to its last non-zero entry; positive at first, none
            negative, none above the one before.

    Raises:
        PlanError: If the coefficients are not of this form.

    Example:
        >>> strategy = ToeplitzStrategy.square_root(1000, bands=100)
        >>> round(strategy.sensitivity(participations=10, separation=100), 3)
        5.031
        >>> strategy.event(1.0, participations=10, separation=100)  # doctest: +ELLIPSIS
        GaussianDpEvent(noise_multiplier=0.198...)
    """

    steps: int
    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_steps(self.steps)
        given: object = self.coefficients
        if isinstance(given, str | bytes) or not isinstance(given, Iterable):
            raise PlanError(f"coefficients is {shown(given)}; give a tuple of numbers")
        limit = "a finite number of at least 0"
        reals = [
            check_real("a coefficient", each, least=0, most=1e100, limit=limit) for each in given
        ]
        object.__setattr__(self, "coefficients", tuple(reals))
        c = np.array(reals)
        if not 1 <= c.size <= self.steps:
            raise PlanError(f"{c.size} bands for {self.steps} steps; there is 1, and at most steps")
        falls = bool(np.all(np.diff(c) <= 0)) and bool(np.all(np.isfinite(c)))
        if not falls or c[0] <= 0 or c[-1] < 0:
            raise PlanError(
                "the coefficients of a strategy rise, or are negative or not finite; its "
                "sensitivity is known for those that start above 0 and never rise or turn negative"
            )

    @classmethod
    def square_root(cls, steps: int, *, bands: int | None = None) -> ToeplitzStrategy:
        """The square root of the matrix A of ones, cut off after some bands.

        c_i = C(2i, i)/4^i, the coefficients of (1 - x)^(-1/2).

        Args:
            steps: n.
            bands: How many coefficients are kept; all n if omitted.

        Raises:
            PlanError: If there are no steps or bands, or more bands than steps.
        """
        _check_steps(steps)
        kept = steps if bands is None else bands
        _check_count("bands", kept)
        i = np.arange(1, min(kept, steps + 1))
        c = np.concatenate([[1.0], np.cumprod((2 * i - 1) / (2 * i))])
        # Rounded, neighbouring coefficients far out might rise in their last digit.
        return cls(steps, tuple(map(float, np.minimum.accumulate(c))))

    @property
    def bands(self) -> int:
        """How many coefficients there are."""
        return len(self.coefficients)

    def sensitivity(self, *, participations: int = 1, separation: int | None = None) -> float:
        """How far C·G moves if one unit's rows, each of norm at most 1, are added or removed.

        Args:
            participations: k, in how many steps a unit takes part at most.
            separation: b, how many steps later it may take part again at the earliest. Needed for
                k > 1: without a bound on how often and how near, there is no sensitivity.

        Raises:
            PlanError: If a number is out of range, or the separation is missing.
        """
        places = self._places(participations, separation)
        c = np.asarray(self.coefficients, np.float64)
        moved = np.zeros(self.steps)
        for place in places:
            end = min(self.steps, place + c.size)
            moved[place:end] += c[: end - place]
        return float(np.linalg.norm(moved)) * _UP

    def event(
        self, noise_multiplier: float, *, participations: int = 1, separation: int | None = None
    ) -> DpEvent:
        """What all steps together release about a unit.

        Args:
            noise_multiplier: z, the standard deviation of a row of Z ÷ the distance between
                neighbouring rows of G, so the neighbouring relation is in it.
            participations: k, as in `sensitivity`.
            separation: b, as in `sensitivity`.

        Raises:
            PlanError: If a number is out of range, or the separation is missing.
        """
        import dp_accounting as dp

        _check_multiplier(noise_multiplier)
        moved = self.sensitivity(participations=participations, separation=separation)
        event: DpEvent = dp.GaussianDpEvent(noise_multiplier / moved)
        return event

    def sampled_event(self, noise_multiplier: float, rate: float) -> DpEvent:
        """The event where batches are secret Poisson samples of rotating parts of the data.

        The data are split into as many parts as there are bands, not looking at them. Step i
        samples part i modulo bands. What one unit moves in different rounds of the parts are
        disjoint rows of C·G, so the rounds compose as sampled Gaussians (Choquette-Choo et al.
        2023, Theorem 4).

        Args:
            noise_multiplier: z, the standard deviation of a row of Z ÷ the bound on one unit's
                contribution.
            rate: q, with what probability each unit of the part is in the batch.

        Raises:
            PlanError: If a number is out of range.
        """
        import dp_accounting as dp

        _check_multiplier(noise_multiplier)
        rate = check_real("rate", rate, above=0, most=1, limit="it is above 0 and at most 1")
        once = dp.GaussianDpEvent(noise_multiplier / self.sensitivity())
        rounds = -(-self.steps // self.bands)
        event: DpEvent = dp.SelfComposedDpEvent(dp.PoissonSampledDpEvent(rate, once), rounds)
        return event

    def error(self, *, participations: int = 1, separation: int | None = None) -> float:
        """Root-mean-square error of the running sums, for z = 1: ‖B‖_F/√n · sens(C).

        Multiply by the z of `event` without sensitivity: two strategies with the same sensitivity
        protect alike, so this is what to compare them by.

        Args:
            participations: k, as in `sensitivity`.
            separation: b, as in `sensitivity`.
        """
        rows = self._decoder() ** 2 @ np.arange(self.steps, 0, -1)
        moved = self.sensitivity(participations=participations, separation=separation)
        return math.sqrt(float(rows) / self.steps) * moved

    def largest_error(self, *, participations: int = 1, separation: int | None = None) -> float:
        """Standard deviation of the last running sum, the largest: ‖B‖_{2→∞} · sens(C), z = 1."""
        moved = self.sensitivity(participations=participations, separation=separation)
        return float(np.linalg.norm(self._decoder())) * moved

    def _decoder(self) -> NDArray[np.float64]:
        """The first column of B = A·C⁻¹, Toeplitz too: the coefficients of 1/((1 - x)·c(x))."""
        return np.asarray(
            scipy.signal.lfilter([1.0], self.coefficients, np.ones(self.steps)), np.float64
        )

    def _places(self, participations: int, separation: int | None) -> range:
        _check_count("participations", participations)
        if participations == 1:
            return range(1)
        if separation is None:
            raise PlanError(
                f"{participations} participations and no separation: a unit that takes part at "
                "any steps has no bounded sensitivity here; say how many steps lie between"
            )
        _check_count("separation", separation)
        return range(0, min(self.steps, participations * separation), separation)


def _check_steps(steps: int) -> None:
    _check_count("steps", steps)
    if steps > _MOST_STEPS:
        raise PlanError(f"steps are {steps:,}; at most {_MOST_STEPS:,} are accounted for")


def _check_count(name: str, value: int) -> None:
    check_whole(name, value, least=1, limit="a whole number of at least 1")


def _check_multiplier(noise_multiplier: float) -> None:
    check_real(
        "noise_multiplier", noise_multiplier, least=1e-100, most=1e100,
        limit="it is a positive finite number",
    )  # fmt: skip
