"""Medians and other quantiles, exact to a declared resolution, by bisection on counts.

A quantile is no sum, and a quantile of the owners' quantiles means nothing. But how many values are
at most t is a sum. The first round counts all values; each further one asks for the middle of what
is left, for all quantiles at once, and the counts over all owners say which half holds the one
looked for. So after ⌈log2(range ÷ resolution)⌉ rounds each is known to the resolution, from that
many counts and nothing else. Under noise each count has an error, and the counts themselves bound
where the quantile lies.

References:
    G. Aggarwal, N. Mishra and B. Pinkas, "Secure Computation of the k-th Ranked Element",
    EUROCRYPT 2004, §3 (bisection on ranks; what the counts reveal follows from the result).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from pydantic import Field

from confide.analytics.reading import (
    Reals,
    TableSettings,
    bounds_in,
    check_name,
    chosen,
    columns_of,
    norm_of,
    read_columns,
    table_settings,
)
from confide.analytics.results import Quantiles
from confide.computation import Computation, Data, State, Totals
from confide.errors import PlanError
from confide.numbers import check_real, check_whole
from confide.plan import Norm, Sum, SumGroup, Task
from confide.plan.literals import Literal
from confide.tables import Date, Number, Schema

__all__ = ["QUARTILES", "quantiles", "rounds_of_quantiles"]

QUARTILES: Final = (0.25, 0.5, 0.75)

STEPS: Final = 16
"""Without a declared resolution a range has from 2^16 to 2^17 steps, each a power of two."""

_MOST_POINTS: Final = 1 << 40


def rounds_of_quantiles(
    table: Schema,
    columns: Sequence[str] | None = None,
    resolution: Mapping[str, float] | None = None,
    log2_steps: int = STEPS,
) -> int:
    """How many rounds `quantiles` takes: one to count, and the bisection."""
    names = chosen(table, columns, ordered(table), "numbers")
    steps = resolution or {}
    return 1 + max(_halvings(table, name, steps.get(name), log2_steps) for name in names)


def quantiles(
    table: Schema,
    *,
    capacity: int,
    columns: Sequence[str] | None = None,
    at: Sequence[float] = QUARTILES,
    resolution: Mapping[str, float] | None = None,
    log2_steps: int = STEPS,
    interpolate: bool = True,
    name: str = "quantiles",
) -> Computation:
    """Quantiles of columns over the rows of all owners, by bisection.

    Args:
        table: The table, by `statistics_table`.
        capacity: The most rows that a party counts; public, never the number of its rows.
        columns: Which columns; all numbers and dates if omitted.
        at: Which quantiles, from 0 to 1.
        resolution: By column how exact; a value that is a multiple of it, counted from the lower
            bound's, is found exactly. Without it a power of two, at most the range ÷ 2^log2_steps;
            at least a day for dates.
        log2_steps: How many rounds a column without a resolution takes, less two at most.
        interpolate: Whether a quantile between two values lies between them, as numpy's default;
            otherwise it is the lower value that has that share at or below it, for half the noise's
            variance.
        name: What its arrays in the state begin with.

    Returns:
        A computation of `rounds_of_quantiles` rounds.

    Raises:
        PlanError: If a column has no order, a share or a resolution is out of range.
    """
    names = chosen(table, columns, ordered(table), "numbers")
    shares = tuple(
        check_real("a quantile", q, least=0, most=1, limit="it is from 0 to 1, as 0.5") for q in at
    )
    if not shares:
        raise PlanError("no quantile; name some, as at=(0.25, 0.5, 0.75)")
    steps = _checked_resolutions(names, resolution or {})
    log2_steps = check_whole("log2_steps", log2_steps, least=1, most=30, limit="from 1 to 30")
    rounds = rounds_of_quantiles(table, names, steps, log2_steps)
    plan = _Targets(len(names), shares, interpolate=interpolate)
    counts = Sum(
        name="below", shape=(plan.size,), unit_bound=norm_of(*(1.0 for _ in range(plan.size))),
        norm=Norm.L2, capacity=capacity,
        meaning="how many rows have a value up to a limit, which each round halves the range by",
    )  # fmt: skip

    def init() -> State:
        empty = np.zeros((rounds, plan.size))
        return {f"{name} below": empty, f"{name} asked": empty, f"{name} done": np.array(0.0)}

    def grids(state: State) -> _Grid:
        return _Grid.of(
            bounds_in(table, names, state), _resolutions(table, names, steps, log2_steps, state)
        )

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, Any]:
        grid = grids(state)
        asked = _asked(grid, plan, state, name).reshape(len(names), -1)
        # Half a step more: a value counts at the point that is nearest to it.
        limits = grid.lower[:, np.newaxis] + (asked + 0.5) * grid.steps[:, np.newaxis]
        below = grid.kept(data["values"])[:, :, np.newaxis] < limits
        counted = below & ~data["missing"][:, :, np.newaxis]
        return {"below": counted.reshape(len(counted), -1).astype(np.float64)}

    def update(state: State, totals: Totals) -> State:
        done = int(state[f"{name} done"])
        asked, below = state[f"{name} asked"].copy(), state[f"{name} below"].copy()
        asked[done], below[done] = _asked(grids(state), plan, state, name), totals["below"]
        found = {f"{name} below": below, f"{name} asked": asked, f"{name} done": done + 1.0}
        return {**state, **{key: np.array(value) for key, value in found.items()}}

    return Computation(
        task=Task.of(
            "quantiles", table=table_settings(table), columns=list(names), at=list(shares),
            resolution=steps, log2_steps=log2_steps, interpolate=interpolate, capacity=capacity,
            name=check_name(name),
        ),
        sums=SumGroup((counts,)),
        columns=names,
        read=read_columns(table, names),
        init=init,
        contribute=contribute,
        update=update,
    )  # fmt: skip


class _Targets:
    """Which ranks are looked for, one or two for each quantile of each column.

    Of n values in order, numpy's quantile q lies at (n − 1)·q, between two ranks; the lower value
    with a share q at or below it has the count ⌈q·n⌉.
    """

    def __init__(self, columns: int, shares: tuple[float, ...], *, interpolate: bool) -> None:
        self.shares = np.tile(np.repeat(shares, 2 if interpolate else 1), columns)
        self.upper = np.tile([False, True], columns * len(shares)) if interpolate else None
        self.size = len(self.shares)

    def needed(self, n: Reals) -> Reals:
        """How many values are at most the one looked for, where all are n; shape `(size,)`."""
        if self.upper is None:
            return np.maximum(np.ceil(self.shares * n - 1e-9), 1.0)
        rank = np.maximum(n - 1, 0.0) * self.shares
        upper, lower = np.ceil(rank - 1e-9), np.floor(rank + 1e-9)
        return np.asarray(np.where(self.upper, upper, lower) + 1)


class _Grid:
    """The points that a quantile may be, for each column: the lower one, then step by step."""

    def __init__(self, lower: Reals, steps: Reals, points: Reals) -> None:
        self.lower, self.steps, self.points = lower, steps, points

    @classmethod
    def of(cls, bounds: Reals, steps: Reals) -> _Grid:
        # From a multiple of the step on, so that whole numbers are points of whole steps.
        lower = np.floor(bounds[:, 0] / steps) * steps
        return cls(lower, steps, np.ceil((bounds[:, 1] - lower) / steps) + 1)

    def kept(self, values: Reals) -> Reals:
        """Values within the grid."""
        return np.clip(values, self.lower, self.lower + (self.points - 1) * self.steps)


def _asked(grid: _Grid, plan: _Targets, state: State, name: str) -> Reals:
    """The point that a round counts up to, for each target: at first the last one of all."""
    done = int(state[f"{name} done"])
    last = np.repeat(grid.points - 1, plan.size // len(grid.points))
    if done == 0:
        return last
    low, high = _left(state, plan, name, last)
    return np.floor((low + high) / 2)


def _left(state: State, plan: _Targets, name: str, last: Reals) -> tuple[Reals, Reals]:
    """The points between which each target lies, by all counts so far."""
    done = int(state[f"{name} done"])
    asked, below = state[f"{name} asked"], state[f"{name} below"]
    needed = plan.needed(below[0])
    low, high = np.zeros(plan.size), last.astype(np.float64)
    for point, count in zip(asked[1:done], below[1:done], strict=True):
        enough = count >= needed
        high = np.where(enough, np.minimum(high, point), high)
        low = np.where(enough, low, np.maximum(low, np.minimum(point + 1, high)))
    return low, high


class QuantilesSettings(Literal):
    """Settings of task 'quantiles'."""

    table: TableSettings
    capacity: int
    columns: list[str] | None = None
    at: tuple[float, ...] = QUARTILES
    resolution: dict[str, float] = Field(default_factory=dict)
    log2_steps: int = STEPS
    interpolate: bool = True
    name: str = "quantiles"


def quantiles_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'quantiles'."""
    read = QuantilesSettings.read(settings, "task quantiles")
    return quantiles(
        read.table.table(), capacity=read.capacity, columns=read.columns, at=read.at,
        resolution=read.resolution, log2_steps=read.log2_steps, interpolate=read.interpolate,
        name=read.name,
    )  # fmt: skip


def read_quantiles(settings: Mapping[str, Any], state: State, noise: float) -> Quantiles:
    """The quantiles in a state.

    Args:
        settings: The task's.
        state: The state after the stage.
        noise: The standard deviation of each count's noise; 0 without.
    """
    read = QuantilesSettings.read(settings, "task quantiles")
    table, names = read.table.table(), tuple(read.columns or ())
    steps = _resolutions(table, names, read.resolution, read.log2_steps, state)
    grid = _Grid.of(bounds_in(table, names, state), steps)
    plan = _Targets(len(names), tuple(read.at), interpolate=read.interpolate)
    each = plan.size // len(names)
    last = np.repeat(grid.points - 1, each)
    _, found = _left(state, plan, read.name, last)
    values = np.repeat(grid.lower, each) + found * np.repeat(grid.steps, each)
    total = state[f"{read.name} below"][0]
    lowest, highest = _interval(state, plan, read.name, noise, last)
    lowest, highest = (np.repeat(grid.lower, each) + p * np.repeat(grid.steps, each)
                       for p in (lowest, highest))  # fmt: skip
    shape = (len(names), len(read.at))
    if plan.upper is not None:
        rank = np.maximum(total - 1, 0.0) * plan.shares
        part = (rank - np.floor(rank + 1e-9))[::2].clip(0.0)
        values = values[::2] + part * (values[1::2] - values[::2])
        lowest, highest, total = lowest[::2], highest[1::2], total[::2]
    values, nothing = values.reshape(shape), total.reshape(shape) < 0.5
    return Quantiles(
        columns=names,
        at=tuple(read.at),
        values=np.where(nothing, np.nan, values),
        interval=np.stack([lowest.reshape(shape), highest.reshape(shape)], axis=-1),
        resolution=steps,
        counts=total.reshape(shape)[:, 0],
        rank_error=_sure(state, read.name) * noise,
        noise=noise,
    )


def _sure(state: State, name: str) -> float:
    """So many standard deviations no count of a target's rounds is off by, 19 times in 20."""
    rounds = max(int(state[f"{name} done"]), 1)
    return NormalDist().inv_cdf(1 - 0.05 / (2 * rounds))


def _interval(
    state: State, plan: _Targets, name: str, noise: float, last: Reals
) -> tuple[Reals, Reals]:
    """The points between which each target lies, 19 times in 20: no noise explains the counts."""
    done, slack = int(state[f"{name} done"]), _sure(state, name) * noise
    asked, below = state[f"{name} asked"][1:done], state[f"{name} below"][1:done]
    total = state[f"{name} below"][0]
    surely_less = below + slack < plan.needed(total - slack)
    surely_enough = below - slack >= plan.needed(total + slack)
    low = np.where(surely_less, asked + 1, 0.0).max(axis=0, initial=0.0)
    high = np.where(surely_enough, asked, last).min(axis=0, initial=np.inf)
    return np.minimum(low, last), np.minimum(high, last)


def ordered(table: Schema) -> tuple[str, ...]:
    """The columns that have quantiles: numbers and dates."""
    return columns_of(table, Number, Date)


def _checked_resolutions(names: Sequence[str], resolution: Mapping[str, float]) -> dict[str, float]:
    for name in resolution:
        if name not in names:
            raise PlanError(f"resolution of {name!r}, which is not among {', '.join(names)}")
    return {
        name: check_real(
            f"resolution of {name!r}", value, above=0, limit="it is a positive number, as 0.1"
        )
        for name, value in resolution.items()
    }


def _resolutions(
    table: Schema,
    names: Sequence[str],
    declared: Mapping[str, float],
    log2_steps: int,
    state: State,
) -> Reals:
    """The steps of each column's grid, shape `(columns,)`."""
    bounds = bounds_in(table, names, state)
    return np.array(
        [
            declared.get(n, _usual_step(table, n, upper - lower, log2_steps))
            for n, (lower, upper) in zip(names, bounds, strict=True)
        ]
    )


def _usual_step(table: Schema, name: str, width: float, log2_steps: int) -> float:
    step = 2.0 ** math.floor(math.log2(width / 2**log2_steps))
    return max(step, 1.0) if isinstance(table.features[name], Date) else step


def _halvings(table: Schema, name: str, resolution: float | None, log2_steps: int) -> int:
    """Rounds that a column's bisection takes at most."""
    bounds = table.declared_bounds(name)
    if bounds is None:
        if resolution is not None:
            raise PlanError(
                f"column {name!r} has a resolution of {resolution:g} and no bounds: declare them, "
                "so that the number of rounds follows"
            )
        return log2_steps + 2
    step = resolution or _usual_step(table, name, bounds[1] - bounds[0], log2_steps)
    points = (bounds[1] - bounds[0]) / step + 2
    if points > _MOST_POINTS:
        raise PlanError(f"resolution {step:g} of {name!r} takes {points:.0g} steps; at most 2^40")
    return math.ceil(math.log2(points + 1))
