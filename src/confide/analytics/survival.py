"""Survival curves over the rows of all owners: Kaplan and Meier's estimate from one sum.

A row counts once: in the step of a declared time grid that its time falls into, as an event or as
censored. How many were at risk at each step follows by adding up what comes later, so one row
moves the sum by 1, not once a step. An event between two grid times counts at the later one, and a
row censored in a step is at risk in it: where all times are on the grid the curve is the pooled
one, exactly.

References:
    E. L. Kaplan and P. Meier, "Nonparametric Estimation from Incomplete Observations", JASA 53,
    1958, §2. M. Greenwood, "The Natural Duration of Cancer", 1926 (the variance).
    J. D. Kalbfleisch and R. L. Prentice, "The Statistical Analysis of Failure Time Data", 2nd ed.,
    2002, §1.4 (the interval on the scale log(−log S)).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from confide.aggregation import Placed
from confide.analytics.counts import cells_of_values, labels_of, value_places
from confide.analytics.reading import (
    Reals,
    TableSettings,
    check_name,
    chosen,
    columns_of,
    numbers_of,
    read_columns,
    table_settings,
)
from confide.analytics.results import Curve, SurvivalCurves
from confide.computation import Computation, Data, State, Totals
from confide.errors import PlanError
from confide.plan import Norm, Sum, SumGroup, Task
from confide.plan.literals import Literal
from confide.tables import Boolean, Schema

__all__ = ["survival_curve"]

_MOST_TIMES: Final = 10_000


def survival_curve(
    table: Schema,
    *,
    time: str,
    event: str,
    times: Sequence[float],
    capacity: int,
    by: str | None = None,
    name: str = "survival",
) -> Computation:
    """Survival curves on a time grid, one for each group; one round.

    Args:
        table: The table, by `statistics_table`.
        time: The column of times.
        event: The column, of booleans, that says whether the event came then; if not, the row was
            last seen at that time. Rows without time or event do not count.
        times: The grid, in rising order above 0; a later time counts as censored at the last one.
        capacity: The most rows that a party counts; public, never the number of its rows.
        by: The column of groups, a category with declared values or a boolean; all rows in one
            curve if omitted.
        name: What its arrays in the state begin with.

    Raises:
        PlanError: If a column is of the wrong kind, or the grid does not rise.
    """
    chosen(table, [time], numbers_of(table), "numbers")
    booleans = columns_of(table, Boolean)
    chosen(table, [event], booleans, "booleans")
    grid = _checked_grid(times)
    if by is not None:
        others = (*numbers_of(table), *table.found_categories)
        keyed = [n for n in table.features if n not in others or n in booleans]
        chosen(table, [by], keyed, "booleans or categories with declared values")
    groups = 1 if by is None else cells_of_values(table, by)
    steps = len(grid) + 1
    counts = Sum(
        name="times", shape=(groups * 2 * steps,), unit_bound=1.0, norm=Norm.L2, capacity=capacity,
        meaning="how many rows had the event, or were last seen, in each step of the time grid",
        cells="steps of the time grid" + (f" by {by!r}" if by else ""),
    )  # fmt: skip
    read = (time, event) if by is None else (time, event, by)

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, Any]:
        values, missing = data["values"], data["missing"]
        step: Any = np.searchsorted(grid, values[:, 0], side="left")
        # Beyond the grid nothing is known of a row but that it was there at the last step.
        came = (values[:, 1] > 0.5) & (step < len(grid))
        group: Any = np.zeros(len(step), np.intp)
        if by is not None:
            group = value_places(table, by, values[:, 2], missing[:, 2], state)
        place = (group * 2 + came) * steps + step
        counted: Any = (~missing[:, :2].any(axis=1)).astype(np.float64)
        return {"times": Placed(place[:, np.newaxis], counted[:, np.newaxis])}

    def update(state: State, totals: Totals) -> State:
        return {**state, name: totals["times"]}

    return Computation(
        task=Task.of(
            "survival-curve", table=table_settings(table), time=time, event=event,
            times=grid.tolist(), by=by, capacity=capacity, name=check_name(name),
        ),
        sums=SumGroup((counts,)),
        columns=read,
        read=read_columns(table, read),
        init=dict,
        contribute=contribute,
        update=update,
    )  # fmt: skip


class SurvivalSettings(Literal):
    """Settings of task 'survival-curve'."""

    table: TableSettings
    time: str
    event: str
    times: list[float]
    capacity: int
    by: str | None = None
    name: str = "survival"


def survival_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'survival-curve'."""
    read = SurvivalSettings.read(settings, "task survival-curve")
    return survival_curve(
        read.table.table(), time=read.time, event=read.event, times=read.times, by=read.by,
        capacity=read.capacity, name=read.name,
    )  # fmt: skip


def read_survival(settings: Mapping[str, Any], state: State, noise: float) -> SurvivalCurves:
    """The curves in a state.

    Args:
        settings: The task's.
        state: The state after the stage.
        noise: The standard deviation of each count's noise; 0 without.
    """
    read = SurvivalSettings.read(settings, "task survival-curve")
    table, grid = read.table.table(), np.array(read.times)
    labels = [""]
    if read.by is not None:
        rest = ["missing"] if isinstance(table.features[read.by], Boolean) else ["other", "missing"]
        labels = [*labels_of(table, read.by, state), *rest]
    counts = state[read.name].reshape(len(labels), 2, len(grid) + 1)
    curves = {
        label: _curve(grid, censored, events[:-1], noise)
        for label, (censored, events) in zip(labels, counts, strict=True)
        if label not in ("other", "missing") or censored.sum() + events.sum() > 4.5 * noise
    }
    return SurvivalCurves(time=read.time, by=read.by, curves=curves, noise=noise)


def _curve(grid: Reals, censored: Reals, events: Reals, noise: float) -> Curve:
    """Kaplan and Meier's curve and its variance, of the sample and of the noise."""
    leaving = censored.copy()
    leaving[:-1] += events
    at_risk = np.cumsum(leaving[::-1])[::-1][:-1]
    n = np.maximum(at_risk, 1e-9)
    d = np.clip(events, 0.0, n)
    # Noise can leave fewer at risk than events; all that are left then have it.
    share = np.minimum(d / n, 1 - 1e-9)
    hazard = -np.log1p(-share)
    sample = np.cumsum(share / (n * (1 - share)))
    return Curve(
        times=grid,
        survival=np.exp(-np.cumsum(np.where(d >= n, np.inf, hazard))),
        at_risk=at_risk,
        events=events,
        variance=sample + noise**2 * _noise_factor(n, share),
    )


def _noise_factor(n: Reals, share: Reals) -> Reals:
    """How a unit of noise in every count moves −log S at each step, squared, shape `(steps,)`.

    −log S(t_J) = Σ_{j ≤ J} −log(1 − d_j / n_j), where n_j is the sum of all counts from j on.
    """
    by_event = 1 / (n * (1 - share))
    by_risk = -share / (n * (1 - share))
    reach = np.cumsum(by_risk)  # what a count in step i moves by being at risk in all steps to i
    steps = np.arange(len(n))
    factors = np.empty(len(n))
    for last in range(len(n)):
        risk = reach[np.minimum(steps, last)]
        events = risk + np.where(steps <= last, by_event, 0.0)
        # Events, censored, and those that were last seen beyond the grid.
        factors[last] = (events**2).sum() + (risk**2).sum() + reach[last] ** 2
    return factors


def _checked_grid(times: Sequence[float]) -> Reals:
    grid = np.asarray(times, np.float64)
    rising = grid.ndim == 1 and len(grid) > 0 and bool((np.diff(grid) > 0).all())
    if not rising or not np.isfinite(grid).all() or grid[0] <= 0 or len(grid) > _MOST_TIMES:
        raise PlanError(
            f"times are no grid; give 1 to {_MOST_TIMES:,} rising times above 0, as "
            "range(1, 61) for months"
        )
    return grid
