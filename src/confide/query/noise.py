"""How a query's budget becomes noise on its parts, from the declaration alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from confide.errors import PlanError
from confide.noise import LARGEST_SCALE, DiscreteNoise
from confide.numbers import check_real
from confide.privacy.mechanisms import AdditiveNoise, GaussianNoise, KeySelection, LaplaceNoise
from confide.privacy.mechanisms.lattice import FARTHEST_STEPS, Steps
from confide.query.catalog import Contribution
from confide.query.parts import LEVELS, Part
from confide.randomness import SecureRandom

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["Budget", "Noises", "NoisyPart", "Reach", "calibrated"]

_BITS: Final = 20
"""Steps to the largest value of a row, as a power of two: rounding is far below the noise."""
_LEAST_BITS: Final = 4


@dataclass(frozen=True)
class Budget:
    """What one query may spend.

    Attributes:
        epsilon: ε.
        delta: δ. With 0 all noise is Laplace, and keys must be public.

    Raises:
        PlanError: If one is out of range.
    """

    epsilon: float
    delta: float = 0.0

    def __post_init__(self) -> None:
        check_real("epsilon", self.epsilon, above=0, most=50, limit="it is above 0, up to 50")
        check_real(
            "delta", self.delta, least=0, most=0.01,
            limit="it is 0, or below 1 ÷ units and at most 0.01",
        )  # fmt: skip


@dataclass(frozen=True)
class Reach:
    """How far one unit moves a part, in rows: the sensitivity before values are looked at.

    Attributes:
        rows: Rows in all (L1).
        squares: The sum of squares of rows per group (L2 squared).
        groups: How many counters one unit moves.
    """

    rows: int
    squares: int
    groups: int

    @classmethod
    def of(cls, contribution: Contribution | None, factor: int, *, grouped: bool) -> Reach:
        """Of units with bounded contributions, or of `factor` rows, all of which may be alike."""
        if contribution is None:
            return cls(factor, factor**2, factor if grouped else 1)
        return cls(contribution.total, contribution.squares, contribution.groups)

    def of_part(self, part: Part) -> Reach:
        """Of one part: the number of units moves by one in each group, levels once on each."""
        if part.kind == "units":
            most = min(self.groups, self.rows)
            return Reach(most, most, most)
        if part.kind == "levels":
            # Rows of one group may move different counters, one on each level.
            moved = self.rows * LEVELS
            return Reach(moved, self.squares * LEVELS, moved)
        return Reach(self.rows, self.squares, min(self.groups, self.rows))


@dataclass(frozen=True)
class NoisyPart:
    """The noise of one part.

    Attributes:
        noise: Its kind and amount.
        reach: How far one unit moves the part, in rows.
        lattice: Its steps.
        row_steps: How far one row moves it, in steps.
    """

    noise: AdditiveNoise
    reach: Reach
    lattice: Steps
    row_steps: int

    @cached_property
    def drawn(self) -> DiscreteNoise:
        """The noise on each counter, in steps."""
        if isinstance(self.noise, LaplaceNoise):
            return self.noise.drawn_for(self.reach.rows * self.row_steps)
        return self.noise.drawn_for(math.sqrt(self.reach.squares) * self.row_steps)

    @property
    def event(self) -> DpEvent:
        """What it costs. If several counters move, all that is known of Laplace noise is ε."""
        if self.reach.groups == 1:
            return self.noise.event((self.reach.rows * self.row_steps,))
        return self.noise.event(None)

    @property
    def closeness(self) -> float:
        """Within how many nats of the event's likelihoods lie; only counters that move matter."""
        return self.noise.closeness(self.reach.groups)

    @property
    def stddev(self) -> float:
        """Of the noise, in the part's units."""
        return self.noise.deviation(self.drawn) * self.lattice.size

    @property
    def bound_95(self) -> float:
        """What 95 of 100 draws stay within, in the part's units."""
        return self.noise.reach(self.drawn) * self.lattice.size

    def noisy(self, exact: NDArray[np.int64], random: SecureRandom) -> NDArray[np.float64]:
        """Counters in steps with noise, in the part's units.

        Args:
            exact: Of any shape, at most 2^61 from zero.
            random: The source of the noise.
        """
        clipped = np.clip(exact, -FARTHEST_STEPS, FARTHEST_STEPS)
        return self.lattice.with_noise(clipped, self.drawn, random)


@dataclass(frozen=True)
class Noises:
    """The noise of all parts, and of naming keys.

    Attributes:
        parts: One for each part.
        selection: Names private keys; None where they are public.
        selections: How many selections one unit takes part in.
    """

    parts: tuple[NoisyPart, ...]
    selection: KeySelection | None = None
    selections: int = 1

    @property
    def event(self) -> DpEvent:
        """All of it, composed."""
        from dp_accounting import dp_event

        events = [part.event for part in self.parts]
        if self.selection is not None:
            events.append(dp_event.SelfComposedDpEvent(self.selection.event, self.selections))
        return events[0] if len(events) == 1 else dp_event.ComposedDpEvent(events)

    @property
    def delta(self) -> float:
        """The probability that naming keys is not covered by the event."""
        if self.selection is None:
            return 0.0
        return math.nextafter(self.selection.delta * self.selections, 1.0)

    @property
    def closeness(self) -> float:
        """Of all of it: likelihoods multiply."""
        total = math.fsum(part.closeness for part in self.parts)
        return math.nextafter(total, math.inf) if total else 0.0

    @property
    def name(self) -> str:
        """The mechanism, in words."""
        kind = "Laplace" if isinstance(self.parts[0].noise, LaplaceNoise) else "Gaussian"
        return f"discrete {kind} noise{', keys by partition selection' if self.selection else ''}"


def calibrated(
    parts: Sequence[Part], reach: Reach, budget: Budget, *, private_keys: bool, owned: bool
) -> Noises:
    """The noise that spends a budget, in equal shares; of two kinds the one with less noise.

    Pure ε is split over the parts. With δ, parts may have Gaussian noise, each √n times the
    multiplier of one. Naming keys takes a share of ε and, beside Gaussian noise, half of δ.

    Raises:
        PlanError: If the budget is too small for any lattice, or keys are private and δ is 0.
    """
    shares = len(parts) + private_keys
    epsilon = math.nextafter(budget.epsilon / shares, 0)
    reaches = [reach.of_part(part) for part in parts]
    kinds: list[AdditiveNoise] = [LaplaceNoise(epsilon)]
    delta = budget.delta / 2 if private_keys else budget.delta
    if delta:
        from confide.privacy.accounting import mu_of

        # Rounded up, so that the whole is never above the budget.
        multiplier = math.sqrt(len(parts)) / mu_of(epsilon * len(parts), delta) * (1 + 2.0**-40)
        kinds.append(GaussianNoise(multiplier))

    def expected(kind: AdditiveNoise) -> float:
        return math.fsum(
            math.log(math.sqrt(2) * r.rows / kind.epsilon) if isinstance(kind, LaplaceNoise)
            else math.log(math.sqrt(r.squares) * kind.relative_scale)
            for r in reaches
        )  # fmt: skip

    noise = min(kinds, key=expected)
    made = tuple(_on_lattice(p, r, noise) for p, r in zip(parts, reaches, strict=True))
    if not private_keys:
        return Noises(made)
    if isinstance(noise, LaplaceNoise):
        delta = budget.delta
    return Noises(made, *_selection(epsilon, delta, reach, owned=owned))


def _on_lattice(part: Part, reach: Reach, noise: AdditiveNoise) -> NoisyPart:
    """The finest useful lattice: 2^20 steps to a row's largest value, fewer for much noise."""
    spread = reach.rows if isinstance(noise, LaplaceNoise) else math.sqrt(reach.squares)
    room = math.log2(float(LARGEST_SCALE)) - math.log2(spread * noise.relative_scale) - 2
    bits = min(_BITS, math.floor(room))
    if bits < _LEAST_BITS:
        raise PlanError(
            f"noise of {noise.relative_scale:.3g} times the sensitivity of {spread:.3g} rows does "
            "not fit a lattice: allow fewer rows of a unit, or spend more"
        )
    if part.counts and isinstance(noise, LaplaceNoise) and spread * noise.relative_scale >= 2:
        # Whole numbers are fine enough, and stay whole.
        bits = 0
    lattice = Steps((math.frexp(part.most)[1] - 1) - bits)
    steps = part.most / lattice.size
    row_steps = max(math.floor(steps + 0.5), -math.floor(-steps + 0.5))
    return NoisyPart(noise, reach, lattice, row_steps)


def _selection(
    epsilon: float, delta: float, reach: Reach, *, owned: bool
) -> tuple[KeySelection, int]:
    """The mechanism that names keys, and how often one unit takes part."""
    if delta <= 0:
        raise PlanError(
            "keys that are not public need a delta: naming a key that one unit alone has must be "
            "improbable. Give delta, or declare the key column's values"
        )
    if owned:
        groups = reach.groups
        return KeySelection(epsilon=epsilon / groups, delta=delta / groups), groups
    # k rows may have one key, or k keys: k steps of one row each (Dwork and Roth 2014, Theorem 2.2
    # and its form for δ: k·e^((k-1)ε/k)·δ).
    rows = reach.rows
    each = delta / rows * math.exp(-epsilon)
    return KeySelection(epsilon=epsilon / rows, delta=each), rows
