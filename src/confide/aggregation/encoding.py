"""The one place where contributions are clipped, scaled and rounded to the lattice.

A party's units go in as real vectors; out comes one vector of whole numbers, the same for every
protection. What is added up is exact: a unit is clipped to its bound, rounded to the fine grid and
added in 64-bit integers; only the total is rounded to the lattice, once, with a public dither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.aggregation.forms import Placed, Summed
from confide.aggregation.numbers import Reals, person_identifiers, real_numbers
from confide.errors import DataError
from confide.plan.codec import nearest
from confide.plan.lattice import FINE_BITS
from confide.plan.parties import Unit
from confide.plan.sums import Norm, Sum, SumGroup
from confide.randomness import public_generator

__all__ = ["Accumulator", "Integers", "decode"]

_BLOCK: Final = 1 << 15
"""How many numbers are processed at a time: as many as fit a cache."""

Integers = NDArray[np.int64]

Rows = Reals | Placed | Summed
"""One sum's contributions, by units."""

Contributions = Mapping[str, ArrayLike | Placed | Summed]
"""Each sum's contributions by its name."""

_ROUNDING: Final = 1e-9
"""A unit that is longer than its bound by less than this part does not count as clipped."""


class Accumulator:
    """Adds up one party's units for one round, exactly.

    Args:
        group: The declared sums.

    Example:
        >>> group = SumGroup((Sum(name="total", unit_bound=10, capacity=3),))
        >>> ages = Accumulator(group)
        >>> ages.add({"total": [2.0, 70.0, 5.0, 9.0]})  # 70 is clipped, the fourth not counted
        >>> float(decode(group, ages.finish(seed=0, party="a", round_number=0))["total"])
        17.0
    """

    def __init__(self, group: SumGroup) -> None:
        self._group = group
        self._units = 0
        self._all = np.zeros(group.size, np.int64)
        ends = np.cumsum([s.size for s in group.sums])[:-1]
        parts = np.split(self._all, ends)
        self._totals = {s.name: part for s, part in zip(group.sums, parts, strict=True)}
        self._clipped = dict.fromkeys(self._totals, 0)
        self._beyond = dict.fromkeys(self._totals, 0)

    @property
    def room(self) -> int:
        """How many more units the sum with the most capacity counts."""
        return max(0, max(s.capacity for s in self._group.sums) - self._units)

    @property
    def clipped(self) -> dict[str, int]:
        """How many counted units were longer than their bound, for each sum.

        For the party alone: it is not sent and does not enter the sums.
        """
        return dict(self._clipped)

    @property
    def beyond_capacity(self) -> dict[str, int]:
        """How many added units a sum had no room for, for each sum; for the party alone."""
        return dict(self._beyond)

    def add(self, contributions: Contributions, persons: ArrayLike | None = None) -> None:
        """Adds units: clips each to its bound, ignores those beyond the capacity.

        Args:
            contributions: For each sum, an array of shape `(units, *shape)`, or `Placed` where most
                of it is zero; of shape `shape` if the unit is the party.
            persons: If the unit is the person, who each row is about, shape `(rows,)`; rows of one
                person are added before they are clipped, so all of a person's rows come in one
                call.

        Raises:
            DataError: If a sum is missing or unknown, a shape is wrong, or a value is not finite,
                is not a number, or is a whole number that a 64-bit float cannot hold.
        """
        self._check_names(contributions)
        rows = {s.name: _rows(s, contributions[s.name]) for s in self._group.sums}
        if len({len(r) for r in rows.values()}) > 1:
            counts = ", ".join(f"{name}: {len(r)}" for name, r in rows.items())
            raise DataError(f"the sums have different numbers of units ({counts}); give one each")
        if self._group.unit is Unit.PERSON:
            rows = {**_by_person({n: _dense(r, self._group[n]) for n, r in rows.items()}, persons)}
        for declared in self._group.sums:
            name = declared.name
            counted = _first(rows[name], max(0, declared.capacity - self._units))
            self._clipped[name] += _add_clipped(declared, counted, self._totals[name])
            self._beyond[name] += len(rows[name]) - len(counted)
        self._units += len(next(iter(rows.values())))

    def finish(self, *, seed: int, party: str, round_number: int) -> Integers:
        """Rounds the totals to the lattice.

        Args:
            seed: The plan's public seed.
            party: The party's name.
            round_number: Counted from zero.

        Returns:
            All sums' integers, concatenated in the order of the group, shape `(group.size,)`. This
            is the party's only vector, so nothing is added afterwards.
        """
        for declared in self._group.sums:
            generator = public_generator("dither", seed, party, round_number, declared.name)
            total = self._totals[declared.name]
            for block in _blocks(declared.size):
                part = total[block]
                part += generator.integers(0, 1 << FINE_BITS, len(part))
                # An arithmetic shift is ⌊(total + dither) / 2^FINE_BITS⌋, of negative totals too.
                part >>= FINE_BITS
        return self._all

    def _check_names(self, contributions: Contributions) -> None:
        known = [s.name for s in self._group.sums]
        for name in contributions:
            if name not in known:
                raise DataError(
                    f"a contribution to {name!r}, which is not a declared sum; "
                    f"{nearest(name, known)}"
                )
        for name in known:
            if name not in contributions:
                raise DataError(f"no contribution to the declared sum {name!r}")


def decode(group: SumGroup, integers: Integers) -> dict[str, Reals]:
    """Turns lattice integers into real sums, exactly: a power of two times an integer.

    Args:
        group: The declared sums.
        integers: Shape `(group.size,)`.

    Returns:
        Each sum's array, in its shape.
    """
    ends = np.cumsum([s.size for s in group.sums])[:-1]
    parts = np.split(integers, ends)
    return {
        s.name: np.ldexp(part, s.lattice.log2_resolution, dtype=np.float64).reshape(s.shape)
        for s, part in zip(group.sums, parts, strict=True)
    }


def _first(rows: Rows, units: int) -> Rows:
    if isinstance(rows, Summed):
        if rows.units > units:
            raise DataError(f"a sum of {rows.units:,} units, and {units:,} more are counted")
        return rows
    return rows.first(units) if isinstance(rows, Placed) else rows[:units]


def _rows(declared: Sum, values: ArrayLike | Placed | Summed) -> Rows:
    """The contributions to one sum as rows of units, shape `(units, size)`."""
    if isinstance(values, Placed | Summed):
        if declared.unit is Unit.PARTY or (
            declared.unit is Unit.PERSON and isinstance(values, Summed)
        ):
            raise DataError(
                f"a contribution to sum {declared.name!r} as {type(values).__name__}; over "
                f"{declared.unit.value}s it takes an array"
            )
        return values.checked(declared)
    array = real_numbers(values, f"a contribution to sum {declared.name!r}")
    if declared.unit is Unit.PARTY:
        array = array[np.newaxis]
    if array.shape[1:] != declared.shape or array.ndim == 0:
        expected = ", ".join(["units", *map(str, declared.shape)])
        wanted = declared.shape if declared.unit is Unit.PARTY else f"({expected})"
        given = array.shape[1:] if declared.unit is Unit.PARTY else array.shape
        raise DataError(
            f"a contribution of shape {given} to sum {declared.name!r}; it takes {wanted}"
        )
    flat = array.reshape(len(array), declared.size)
    if not np.isfinite(flat).all():
        unit = int(np.argmin(np.isfinite(flat).all(axis=1)))
        raise DataError(
            f"a contribution to sum {declared.name!r} is NaN or infinite (unit {unit}); clean the "
            "data, or lower the learning rate if the model diverges"
        )
    return flat


def _dense(rows: Rows, declared: Sum) -> Reals:
    assert not isinstance(rows, Summed)  # noqa: S101 - refused before, for persons
    return rows.dense(declared.size) if isinstance(rows, Placed) else rows


def _by_person(rows: Mapping[str, Reals], persons: ArrayLike | None) -> dict[str, Reals]:
    if persons is None:
        raise DataError(
            "the unit of privacy is the person, but no column identifies the person of a row"
        )
    identifiers = person_identifiers(persons)
    if any(len(r) != len(identifiers) for r in rows.values()):
        raise DataError(f"{len(identifiers)} person identifiers for another number of rows")
    _, person = np.unique(identifiers, return_inverse=True)
    together = {}
    for name, values in rows.items():
        together[name] = np.zeros((int(person.max(initial=-1)) + 1, values.shape[1]))
        with np.errstate(over="ignore"):
            np.add.at(together[name], person, values)
        if not np.isfinite(together[name]).all():
            raise DataError(f"the rows of one person add up to infinity in {name!r}: scale them")
    return together


def _blocks(size: int, units: int = 1) -> Iterator[slice]:
    """Consecutive coordinates, few enough that the memory for a block stays small."""
    step = max(1, _BLOCK // max(units, 1))
    return (slice(start, min(start + step, size)) for start in range(0, size, step))


def _add_clipped(declared: Sum, rows: Rows, total: Integers) -> int:
    """Clips rows to the unit bound, rounds them to the fine grid and adds them to a total.

    Returns:
        How many rows were longer than the bound by more than rounding.
    """
    if isinstance(rows, Summed):
        shift = FINE_BITS - declared.lattice.log2_resolution
        for block in _blocks(declared.size):
            total[block] += np.rint(np.ldexp(rows.total[block], shift)).astype(np.int64)
        return 0
    if isinstance(rows, Placed):
        whole = np.zeros(rows.places.shape, np.int64)
        longer = _clip(declared, rows.values, lambda block, part: _put(whole, block, part))
        np.add.at(total, rows.places, whole)
        return longer

    def add(block: slice, part: Integers) -> None:
        total[block] += part.sum(axis=0)

    return _clip(declared, rows, add)


def _put(whole: Integers, block: slice, part: Integers) -> None:
    whole[:, block] = part


def _clip(declared: Sum, rows: Reals, take: Callable[[slice, Integers], None]) -> int:
    """Clips rows and rounds them to the fine grid, block by block; how many were too long."""
    bound, shift = declared.unit_bound, FINE_BITS - declared.lattice.log2_resolution
    blocks = list(_blocks(rows.shape[1], len(rows)))
    largest = np.zeros((len(rows), 1))
    for block in blocks:
        np.maximum(largest, np.abs(rows[:, block]).max(axis=1, keepdims=True), out=largest)
    if declared.norm is Norm.LINF:
        for block in blocks:
            clipped = np.clip(rows[:, block], -bound, bound)
            take(block, np.rint(np.ldexp(clipped, shift)).astype(np.int64))
        return int(np.count_nonzero(largest > bound * (1 + _ROUNDING)))
    # Dividing by the largest coordinate first keeps squares of huge values from overflowing.
    divisor = np.where(largest == 0, 1.0, largest)
    length = _lengths(rows, divisor, declared.norm)
    factor = np.minimum(divisor, bound / np.where(length == 0, 1.0, length))
    for block in blocks:
        clipped = rows[:, block] / divisor * factor
        take(block, np.rint(np.ldexp(clipped, shift)).astype(np.int64))
    # The largest coordinate times the length of the rest may overflow: so it is divided.
    return int(np.count_nonzero(largest > bound * (1 + _ROUNDING) / np.maximum(length, 1.0)))


def _lengths(rows: Reals, divisor: Reals, norm: Norm) -> Reals:
    """The L1 or L2 norm of each row ÷ its divisor, shape `(units, 1)`."""
    order = 1 if norm is Norm.L1 else 2
    parts = [
        np.linalg.norm(rows[:, block] / divisor, ord=order, axis=1, keepdims=True)
        # The same blocks for any number of rows: how rows are chunked must not show in the bits.
        for block in _blocks(rows.shape[1])
    ]
    lengths: Reals = np.linalg.norm(np.hstack(parts), ord=order, axis=1, keepdims=True)
    return lengths
