"""The least and the most that each cell can be, given the published sums.

Linear programs would settle every bound, one each. Most need none:

1. Bounds propagate: a cell is at most its sum less the least of the others, and at least its sum
   less the most of the others.
2. A bound is sharp if some table that agrees with all sums reaches it, and one table may do so for
   thousands of cells at once: all of them are fixed at their bounds, and iterative proportional
   fitting (Deming and Stephan 1940), clipped where a sum is an interval, fills in the rest. If it
   finds no table the cells are tried in halves.
3. What is left is a linear program each (HiGHS), over the cells that are connected with it. Its
   solution is a table too, and may settle others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds as Box
from scipy.optimize import LinearConstraint, linprog, milp
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import lsmr

from confide.audit.joint import Block
from confide.errors import DataError
from confide.randomness import public_generator

__all__ = ["Bounds", "Program", "bounds_of"]

Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]

_SWEEPS: Final = 60
_FITTED: Final = 1e-9
"""How well a fitted table agrees with the sums, relative to the largest."""
_SHARP: Final = 1e-6
_MOST_PROGRAM: Final = 1e6
"""Cells of all linear programs together; beyond it a bound is reported as not sharp."""
_PROGRAM_OVERHEAD: Final = 800
"""What a small program takes beside its cells, in cells."""
_MOST_FAILED: Final = 64
_MANY_SUMS: Final = 6000
"""With more a linear program takes minutes, so what it would settle is reported as not sharp."""
_MOST_WHOLE: Final = 500
"""Cells of a connected part that is settled in whole numbers."""
_MOST_FITTED: Final = 3e7
"""Cells of all fits together; beyond it what is left goes to linear programs."""


@dataclass(frozen=True, eq=False)
class _System:
    """Sums as a matrix `(sums, cells)` and intervals `(sums,)`."""

    matrix: sparse.csr_array
    low: Reals
    high: Reals

    def part(self, cells: Places) -> _System:
        """The sums of some cells, which share none with others."""
        matrix = self.matrix[:, cells]
        rows = np.flatnonzero(np.diff(matrix.indptr) > 0)
        return _System(matrix[rows], self.low[rows], self.high[rows])


@dataclass(frozen=True, eq=False)
class Bounds:
    """Intervals of cells.

    Attributes:
        low: `(cells,)`: the least value.
        high: `(cells,)`: the most; ∞ without limit.
        sharp: `(cells,)`: whether both ends can occur. Elsewhere the true interval lies within.
        programs: How many linear programs were solved.
    """

    low: Reals
    high: Reals
    sharp: Flags
    programs: int


@dataclass(eq=False)
class Program:
    """Sums of cells from 0 up, and the best bounds known so far.

    Attributes:
        blocks: The sums.
        low: `(cells,)`: proven lower bounds.
        high: `(cells,)`: proven upper bounds.
        least: `(cells,)`: the least value in a table that agrees with the sums.
        most: `(cells,)`: the most.
    """

    blocks: list[Block]
    low: Reals
    high: Reals
    least: Reals = field(init=False)
    most: Reals = field(init=False)
    programs: int = 0
    fits: int = 0
    failed: int = 0
    _work: float = 0.0

    def __post_init__(self) -> None:
        self.least = np.full(len(self.low), np.inf)
        self.most = np.full(len(self.low), -np.inf)
        finite = [b.high[np.isfinite(b.high)] for b in self.blocks]
        self.scale = max(1.0, *(float(np.abs(f).max(initial=0.0)) for f in finite))

    def seen(self, table: Reals) -> None:
        """Takes note of a table that agrees with the sums."""
        np.minimum(self.least, table, out=self.least)
        np.maximum(self.most, table, out=self.most)

    def forget(self) -> None:
        """Drops all tables, because they are not of whole numbers."""
        self.least[:], self.most[:] = np.inf, -np.inf

    def settle_points(self) -> None:
        """Takes note that an interval of one point is sharp, since some table agrees."""
        point = self.high - self.low <= _FITTED * self.scale
        self.least[point], self.most[point] = self.low[point], self.high[point]

    def open_low(self) -> Flags:
        """Which lower bounds no table has reached."""
        return np.asarray(self.least > self.low + _SHARP * self._size(self.low))

    def open_high(self) -> Flags:
        """Which upper bounds no table has reached."""
        known = np.isfinite(self.high)
        size = self._size(np.where(known, self.high, 0.0))
        return np.asarray(known & (self.most < self.high - _SHARP * size))

    def _size(self, bound: Reals) -> Reals:
        return np.asarray(np.maximum(np.abs(bound), 1e-3 * min(self.scale, 1e3)))

    def propagate(self) -> None:
        """Tightens the bounds by each sum, until nothing moves.

        Raises:
            DataError: If no table agrees with the sums.
        """
        for _ in range(200):
            before = self.low.copy(), self.high.copy()
            for block in self.blocks:
                self._by_block(block)
            self._check()
            moved = max(_moved(before[0], self.low), _moved(before[1], self.high))
            if moved <= _FITTED * self.scale:
                return

    def _by_block(self, block: Block) -> None:
        inside = block.row >= 0
        rows = block.row[inside]
        low, high = self.low[inside], self.high[inside]
        count = len(block.low)
        endless = np.isinf(high)
        least = np.bincount(rows, low, count)
        most = np.bincount(rows, np.where(endless, 0.0, high), count)
        without_end = np.bincount(rows, endless, count)
        self.high[inside] = np.minimum(high, block.high[rows] - (least[rows] - low))
        others = most[rows] - np.where(endless, 0.0, high)
        bounded = without_end[rows] == endless
        self.low[inside] = np.where(bounded, np.maximum(low, block.low[rows] - others), low)

    def _check(self) -> None:
        crossed = self.low > self.high
        if (self.low > self.high + 1e-7 * self.scale).any():
            raise DataError(contradiction(self.blocks))
        middle = (self.low[crossed] + self.high[crossed]) / 2
        self.low[crossed] = self.high[crossed] = middle

    def fit(self, fixed: Flags, at: Reals) -> bool:
        """Looks for a table with some cells fixed, and takes note of it.

        Args:
            fixed: `(cells,)`: which cells are fixed.
            at: `(cells,)`: at what.
        """
        self.fits += 1
        table = np.where(fixed, at, self.low)
        room = np.where(fixed, 0.0, np.minimum(self.high, self.scale) - self.low)
        free = room > 0
        rest = [(b.row[free & (b.row >= 0)], np.flatnonzero((free & (b.row >= 0))[free]),
                 *_left(b, table)) for b in self.blocks]  # fmt: skip
        tolerance = _FITTED * self.scale
        if any((high < -tolerance).any() for *_, high in rest):
            return False
        free_room = room[free]
        z = free_room / 2
        for sweep in range(_SWEEPS):
            worst = 0.0
            for rows, cells, low, high in rest:
                total = np.bincount(rows, z[cells], len(low))
                wanted = np.clip(total, np.maximum(low, 0.0), np.maximum(high, 0.0))
                worst = max(worst, float(np.abs(wanted - total).max(initial=0.0)))
                if ((total <= 0) & (low > tolerance)).any():
                    return False
                z[cells] *= (wanted / np.where(total > 0, total, 1.0))[rows]
            over = z - free_room
            worst = max(worst, float(over.max(initial=0.0)))
            if worst <= tolerance:
                table[free] += np.minimum(z, free_room)
                self.seen(table)
                return True
            np.minimum(z, free_room, out=z)
            if sweep == 25 and worst > 1e-2 * self.scale:
                return False
        return False

    def settle_low(self) -> None:
        """Finds tables in which many cells are at their lower bounds."""
        cells = np.flatnonzero(self.open_low())
        order = public_generator("order", len(cells)).permutation(len(cells))
        halves = [cells[order][::2], cells[order][1::2]]
        self._halve([h for h in halves if len(h)], self.low)

    def settle_high(self) -> None:
        """Finds tables in which many cells are at their upper bounds."""
        cells = np.flatnonzero(self.open_high())
        generator = public_generator("packing", len(cells))
        while len(cells) and self._fitting_pays:
            batch = self._packed(generator.permutation(cells))
            self._halve([batch], self.high)
            tried = np.zeros(len(self.low), np.bool_)
            tried[batch] = True
            cells = cells[~tried[cells] & self.open_high()[cells]]

    @property
    def _fitting_pays(self) -> bool:
        """Whether fitting goes on: within its work, and unless most fits find no table."""
        return self.fits * len(self.low) < _MOST_FITTED and (
            self.failed < _MOST_FAILED or 2 * self.failed < self.fits
        )

    def _halve(self, batches: list[Places], at: Reals) -> None:
        while batches and self._fitting_pays:
            batch = batches.pop()
            fixed = np.zeros(len(self.low), np.bool_)
            fixed[batch] = True
            if self.fit(fixed, at):
                continue
            self.failed += 1
            # A batch that fails at every size costs its number of cells; small ones are left.
            if len(batch) > (8 if len(self.low) > 2000 else 1):
                middle = len(batch) // 2
                batches += [batch[:middle], batch[middle:]]

    def _packed(self, cells: Places) -> Places:
        """Cells whose upper bounds fit into all of their sums together; the first of them fits."""
        # Lists, because reading numbers one by one from arrays takes five times as long.
        room = [(b.high - np.bincount(b.row[b.row >= 0], self.low[b.row >= 0], len(b.high))
                 + _FITTED * self.scale).tolist() for b in self.blocks]  # fmt: skip
        rows = [b.row[cells].tolist() for b in self.blocks]
        sums = list(zip(room, rows, strict=True))
        needs = (self.high - self.low)[cells].tolist()
        missed, chosen = 0, []
        for place, need in enumerate(needs):
            if all(at[place] < 0 or need <= left[at[place]] for left, at in sums):
                for left, at in sums:
                    if at[place] >= 0:
                        left[at[place]] -= need
                chosen.append(place)
                missed = 0
            elif chosen and (missed := missed + 1) > 400:
                break
        return cells[chosen] if chosen else cells[:1]

    def solve(self, *, whole: bool) -> Flags:
        """Settles what is left by linear programs.

        Args:
            whole: Whether cells are whole numbers.

        Returns:
            `(cells,)`: which cells have both bounds settled.
        """
        system = self._system()
        part = _parts(system.matrix)
        sizes = np.bincount(part)
        sums = np.bincount(part[system.matrix.indices[system.matrix.indptr[:-1][
            np.diff(system.matrix.indptr) > 0]]], minlength=len(sizes))  # fmt: skip
        sharp = np.ones(len(self.low), np.bool_)
        for sign, still in ((1.0, self.open_low), (-1.0, self.open_high)):
            for cell in np.flatnonzero(still()):
                if not still()[cell]:
                    continue
                size = _cost(int(sizes[part[cell]]))
                if sums[part[cell]] > _MANY_SUMS:
                    size = np.inf
                if self._work + size > _MOST_PROGRAM or (whole and sizes[part[cell]] > _MOST_WHOLE):
                    sharp[cell] = False
                    continue
                self._work += size
                self._one(int(cell), sign, system, part == part[cell], whole=whole)
        return sharp

    def _one(self, cell: int, sign: float, system: _System, inside: Flags, *, whole: bool) -> None:
        cells = np.flatnonzero(inside)
        cost = np.where(cells == cell, sign, 0.0)
        limits = self.low[cells], self.high[cells]
        found = _program(system.part(cells), limits, cost, whole=whole)
        if found is None:
            raise DataError(contradiction(self.blocks))
        self.programs += 1
        self.least[cells] = np.minimum(self.least[cells], found)
        self.most[cells] = np.maximum(self.most[cells], found)
        bound = self.low if sign > 0 else self.high
        bound[cell] = found[cells == cell].item()

    def _system(self, *, known: bool = True) -> _System:
        parts, low, high = [], [], []
        for block in self.blocks:
            inside = np.flatnonzero(block.row >= 0)
            shape = (len(block.low), len(self.low))
            parts.append(sparse.csr_array((np.ones(len(inside)), (block.row[inside], inside)),
                                          shape=shape))  # fmt: skip
            low.append(block.low)
            high.append(block.high)
        # Cells that are known connect nothing.
        fixed = known & (self.low == self.high)
        matrix = sparse.csr_array(sparse.vstack(parts))
        taken = matrix @ np.where(fixed, self.low, 0.0)
        matrix = sparse.csr_array(matrix @ sparse.diags_array((~fixed).astype(float)))
        matrix.eliminate_zeros()
        return _System(matrix, np.concatenate(low) - taken, np.concatenate(high) - taken)

    def shortest(self) -> Reals:
        """The shortest vector with the exact sums: right where they determine a cell.

        Raises:
            DataError: If the sums contradict each other.
        """
        system = self._system(known=False)
        exact = np.flatnonzero(system.low == system.high)
        sums = system.low[exact]
        found = lsmr(system.matrix[exact], sums, atol=1e-13, btol=1e-13, maxiter=20_000)[0]
        if np.abs(system.matrix[exact] @ found - sums).max(initial=0.0) > 1e-6 * self.scale:
            raise DataError(contradiction(self.blocks))
        return np.asarray(found)

    def first_table(self) -> Reals:
        """A table that agrees with all sums.

        Raises:
            DataError: If there is none.
        """
        limits = self.low, self.high
        found = _program(self._system(), limits, np.zeros(len(self.low)))
        if found is None:
            raise DataError(contradiction(self.blocks))
        self.programs += 1
        return found


def bounds_of(
    blocks: list[Block],
    cells: int,
    *,
    determined: Flags,
    whole: bool = False,
    network: bool = True,
    signed: bool = False,
    known: Reals | None = None,
) -> Bounds:
    """Finds what each cell can be.

    Args:
        blocks: The sums.
        cells: How many cells there are.
        determined: `(cells,)`: which cells the sums determine by themselves.
        whole: Whether cells are whole numbers.
        network: Whether the cells are edges of a bipartite graph. Then the ends of an interval are
            whole where all sums are (Hoffman and Kruskal 1956).
        signed: Whether cells may be negative. Then a cell that is not determined has no bound.
        known: `(cells,)`: what is known in advance, NaN where nothing is.

    Raises:
        DataError: If no table agrees with the sums.
    """
    if signed:
        return _signed(blocks, cells, determined, known)
    program = Program(blocks, np.zeros(cells), _tops(blocks, cells))
    if known is not None:
        program.low = np.where(np.isnan(known), program.low, known)
        program.high = np.where(np.isnan(known), program.high, known)
    program.propagate()
    table = program.low
    fitted = program.fit(np.zeros(cells, np.bool_), program.low)
    if sum(len(b.low) for b in blocks) > _MANY_SUMS:
        table = program.shortest()
    elif determined.any() or not fitted:
        program.seen(table := program.first_table())
    if determined.any():
        program.low[determined] = program.high[determined] = _tidy(table[determined])
    if whole:
        program.low = np.ceil(program.low - 1e-6)
        program.high = np.floor(program.high + 1e-6)
    if whole and not network:
        program.forget()
    program.settle_points()
    if network or not whole:
        program.settle_low()
        program.settle_high()
    sharp = program.solve(whole=whole and not network)
    low, high = _tidy(program.low), _tidy(program.high)
    if whole:
        low, high = np.ceil(low - 1e-6), np.floor(high + 1e-6)
    return Bounds(low, np.maximum(low, high), sharp, program.programs)


def _tops(blocks: list[Block], cells: int) -> Reals:
    high = np.full(cells, np.inf)
    for block in blocks:
        inside = block.row >= 0
        high[inside] = np.minimum(high[inside], block.high[block.row[inside]])
    return high


def _signed(blocks: list[Block], cells: int, determined: Flags, known: Reals | None) -> Bounds:
    given = np.full(cells, np.nan) if known is None else known
    free = np.isnan(given)
    program = Program(blocks, np.where(free, -np.inf, given), np.where(free, np.inf, given))
    table = _tidy(program.first_table())
    return Bounds(
        np.where(determined, table, -np.inf), np.where(determined, table, np.inf),
        np.ones(cells, np.bool_), 1,
    )  # fmt: skip


def _program(
    system: _System, limits: tuple[Reals, Reals], cost: Reals, *, whole: bool = False
) -> Reals | None:
    """The cheapest table with each cell within its limits, or None if there is none."""
    matrix, low, high = system.matrix, system.low, system.high
    if whole:
        made = milp(cost, constraints=LinearConstraint(matrix, low, high), bounds=Box(*limits),
                    integrality=np.ones(len(cost)))  # fmt: skip
        return None if made.x is None else np.asarray(np.rint(made.x))
    same = low == high
    above, below = ~same & np.isfinite(high), ~same & np.isfinite(low)
    upper = sparse.vstack([matrix[above], -matrix[below]]) if (above | below).any() else None
    made = linprog(
        cost, A_eq=matrix[same] if same.any() else None, b_eq=low[same] if same.any() else None,
        A_ub=upper, b_ub=None if upper is None else np.concatenate([high[above], -low[below]]),
        bounds=np.stack(limits, axis=1), method="highs",
    )  # fmt: skip
    return None if made.x is None else np.asarray(made.x)


def _cost(cells: int) -> float:
    """What a linear program takes; large ones take more than in proportion."""
    return _PROGRAM_OVERHEAD + cells * (1 + cells / 2000)


def _parts(matrix: sparse.csr_array) -> Places:
    """The connected part of each cell."""
    rows, cells = matrix.shape
    joined = sparse.block_array([[None, matrix], [matrix.T, None]])
    _, part = connected_components(joined, directed=False)
    return np.asarray(part[rows:], np.int64) if cells else np.zeros(0, np.int64)


def _left(block: Block, table: Reals) -> tuple[Reals, Reals]:
    inside = block.row >= 0
    taken = np.bincount(block.row[inside], table[inside], len(block.low))
    return block.low - taken, block.high - taken


def _moved(before: Reals, after: Reals) -> float:
    finite = np.isfinite(after)
    new = finite & ~np.isfinite(before)
    return np.inf if new.any() else float(np.abs(after - before)[finite].max(initial=0.0))


def _tidy(values: Reals) -> Reals:
    """Without what solvers add in the last digits: nine digits after the point at most."""
    nearest = np.round(values, 6)
    return np.where(np.abs(values - nearest) < 1e-6 * np.maximum(1.0, np.abs(values)), nearest,
                    values) + 0.0  # fmt: skip


def contradiction(blocks: list[Block]) -> str:
    """Why no table agrees with the sums: the tables whose sums have to change most."""
    names = list(dict.fromkeys(b.table for b in blocks))
    for one in blocks:
        for other in blocks:
            if one is not other and _totals_differ(one, other):
                return (
                    f"{one.table} and {other.table} contradict each other: their sums over the "
                    "same cells differ. Correct one of them, or state how values are rounded "
                    "(--rounding) or what noise they have (--noise)"
                )
    return (
        f"the tables contradict each other: no cells have all sums of {', '.join(names)}. Correct "
        "one of them, or state rounding (--rounding), noise (--noise) or that cells may be "
        "negative (--signed)"
    )


def _totals_differ(one: Block, other: Block) -> bool:
    covered = [bool((b.row >= 0).all()) for b in (one, other)]
    if not all(covered):
        return False
    highest, least = min(one.high.sum(), other.high.sum()), max(one.low.sum(), other.low.sum())
    return bool(least > highest + 1e-6 * max(1.0, abs(least)))
