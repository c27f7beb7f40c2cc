"""Bounded sums: the only way in which data leaves a party.

A `Sum` declares what one unit can move and how many units a party counts; sensitivity, range,
lattice, modulus and bytes follow from the declaration.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from confide.errors import PlanError
from confide.plan.lattice import MAX_SIZE, Lattice, derive_lattice
from confide.plan.parties import Neighbours, Unit
from confide.plan.value import Value

__all__ = ["Norm", "Sum", "SumGroup"]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")

_LEAST_BOUND, _LARGEST_BOUND = 1e-150, 1e150
"""Between these limits, bounds, resolutions, totals and their squares fit ordinary floats."""


class Norm(Enum):
    """The norm in which a unit's contribution is bounded."""

    L1 = "l1"
    L2 = "l2"
    LINF = "linf"

    def of_ones(self, size: int) -> float:
        """The norm of the all-ones vector: the length of a step of one in each coordinate."""
        return {Norm.L1: float(size), Norm.L2: math.sqrt(size), Norm.LINF: 1.0}[self]


@dataclass(frozen=True, kw_only=True)
class Sum(Value):
    """One bounded sum over the units of all parties.

    A unit u contributes a vector v_u of `shape` with ‖v_u‖ ≤ `unit_bound` (longer ones are scaled
    down to it); a party counts its first `capacity` units and ignores the rest; the sum is
    Σ_parties Σ_units v_u.

    Attributes:
        name: Lower-case identifier, unique within its group.
        shape: The contribution's shape; `()` for a number.
        unit: The unit of privacy that the bound is about.
        unit_bound: B, the most that one unit can move the sum: its sensitivity to adding one.
        norm: The norm of the bound.
        capacity: Public cap on units per party, in the order of its rows; 1 for sums over parties.
        meaning: What the sum is, in words for the view report.
        cells: What its coordinates are, in words, if one may hold a single unit, such as a bin of a
            histogram or a group's row; None if each coordinate covers all units.

    Raises:
        PlanError: If a bound is zero, negative or not finite, or the lattice does not fit 62 bits.

    Example:
        >>> gradient = Sum(name="gradient", shape=(100,), unit_bound=1.0, capacity=5000)
        >>> gradient.party_range, gradient.lattice.log2_resolution
        (5000.0, -10)
    """

    name: str
    shape: tuple[int, ...] = ()
    unit: Unit = Unit.RECORD
    unit_bound: float
    norm: Norm = Norm.L2
    capacity: int
    meaning: str = ""
    cells: str | None = None

    def _check(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise PlanError(
                f"a sum named {self.name!r}; a name is like 'gradient' or 'cell_counts'"
            )
        if any(side < 1 for side in self.shape) or not 1 <= self.size <= MAX_SIZE:
            raise PlanError(f"sum {self.name!r} has shape {self.shape}; sides are at least 1 and "
                            f"coordinates at most {MAX_SIZE:,}")  # fmt: skip
        if not _LEAST_BOUND <= self.unit_bound <= _LARGEST_BOUND:
            raise PlanError(
                f"sum {self.name!r} has unit_bound {self.unit_bound}; it must be a positive number "
                f"from {_LEAST_BOUND} to {_LARGEST_BOUND}: how far one unit can move the sum"
            )
        if self.capacity < 1:
            raise PlanError(
                f"sum {self.name!r} has capacity {self.capacity}; count at least 1 unit"
            )
        if self.unit is Unit.PARTY and self.capacity != 1:
            raise PlanError(
                f"sum {self.name!r} has unit 'party' and capacity {self.capacity}; a party is one "
                "unit of itself: leave capacity at 1"
            )
        _ = self.lattice

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return math.prod(self.shape)

    @property
    def party_range(self) -> float:
        """The most that one party can move the sum: unit_bound × capacity."""
        return self.unit_bound * self.capacity

    @property
    def lattice(self) -> Lattice:
        """The integers that the sum is computed in."""
        return derive_lattice(
            name=self.name,
            unit_bound=self.unit_bound,
            capacity=self.capacity,
            ones_norm=self.norm.of_ones(self.size),
        )

    def sensitivity(self, neighbours: Neighbours, parties: int = 1) -> float:
        """The distance of two neighbours' lattice sums, rounding included, in units of the norm.

        At most 1 % above parties × unit_bound × `neighbours.distance`. This is for parties that
        have fewer than `capacity` units. At a party that has as many or more, adding or removing a
        unit moves another one in or out, so there it counts as replacing one.

        Args:
            neighbours: What two data sets differ in.
            parties: At how many parties one unit may have data; each counts and rounds by itself.
        """
        lattice = self.lattice
        rounding = (lattice.resolution + lattice.fine_resolution) * self.norm.of_ones(self.size)
        return parties * (neighbours.distance(self.unit) * self.unit_bound + rounding)


@dataclass(frozen=True)
class SumGroup(Value):
    """The sums that one round releases together: one event, with one joint sensitivity.

    Example:
        >>> group = SumGroup((Sum(name="total", unit_bound=10, capacity=100),
        ...                   Sum(name="count", unit_bound=1, capacity=100)))
        >>> group.size, round(group.joint_sensitivity(Neighbours()), 2)
        (2, 1.42)
    """

    sums: tuple[Sum, ...]

    def _check(self) -> None:
        names = [s.name for s in self.sums]
        if not names:
            raise PlanError("a group without sums; declare at least one")
        if len(set(names)) != len(names):
            raise PlanError(f"sums named {', '.join(names)}; use each name once")
        units = {s.unit for s in self.sums}
        if len(units) > 1:
            raise PlanError(
                "one group mixes the units " + ", ".join(sorted(u.value for u in units))
                + "; its joint sensitivity needs one unit: declare all sums over the same unit"
            )  # fmt: skip
        if self.size > MAX_SIZE:
            raise PlanError(f"the sums have {self.size:,} coordinates; at most {MAX_SIZE:,} fit")

    def __getitem__(self, name: str) -> Sum:
        for declared in self.sums:
            if declared.name == name:
                return declared
        raise KeyError(name)

    @property
    def unit(self) -> Unit:
        """The unit that all the sums are bounded over."""
        return self.sums[0].unit

    @property
    def size(self) -> int:
        """Number of coordinates of all sums together."""
        return sum(s.size for s in self.sums)

    def joint_sensitivity(self, neighbours: Neighbours, parties: int = 1) -> float:
        """L2 sensitivity of all sums together, in clip-normalised units (each sum ÷ its bound).

        A sum bounded in L1 or L2 counts with that bound, which dominates its L2 norm; one bounded
        in L∞ counts √size times. Rounding is included.

        Args:
            neighbours: What two data sets differ in.
            parties: At how many parties one unit may have data.
        """
        return math.hypot(*(_normalised(s, neighbours, parties) for s in self.sums))


def _normalised(declared: Sum, neighbours: Neighbours, parties: int) -> float:
    spread = math.sqrt(declared.size) if declared.norm is Norm.LINF else 1.0
    return declared.sensitivity(neighbours, parties) / declared.unit_bound * spread
