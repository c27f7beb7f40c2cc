"""Means, variances, covariances and missing values, as one sum.

A row adds, for each column, 1 if it has a value, the value and its square, scaled by the column's
bounds; a weight multiplies all of them. So every owner's rows count alike: the mean is the sum of
all values over the number of all values, never a mean of the owners' means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from confide.analytics.reading import (
    Reals,
    TableSettings,
    bounds_in,
    check_digits,
    check_name,
    chosen,
    digit_limits,
    digits_of,
    limits_of,
    norm_of,
    numbers_of,
    of_digits,
    read_columns,
    scaled,
    scaling,
    table_settings,
)
from confide.analytics.results import Covariances, Moments
from confide.computation import Computation, Data, State, Totals
from confide.errors import PlanError
from confide.plan import Norm, Sum, SumGroup, Task
from confide.plan.literals import Literal
from confide.tables import Schema

__all__ = ["covariances", "moments"]


def moments(
    table: Schema,
    *,
    capacity: int,
    columns: Sequence[str] | None = None,
    weight: str | None = None,
    digits: int = 1,
    name: str = "moments",
) -> Computation:
    """Rows, missing values, mean and variance of columns, in one round.

    Args:
        table: The table, by `statistics_table`.
        capacity: The most rows that a party counts; public, never the number of its rows.
        columns: Which columns; all numbers, dates and booleans if omitted.
        weight: A column of weights from 0 to its upper bound, which must be declared; a row
            without one does not count. Each row weighs 1 if omitted.
        digits: How exact sums of numbers are, in digits of six bits: each makes them 64 times as
            exact, and under noise less so.
        name: What its arrays in the state begin with.

    Returns:
        A computation whose state has `name`, the sums that `read_moments` reads.

    Raises:
        PlanError: If a column has no mean, or the weight's bounds are not declared from 0.
    """
    names = chosen(table, columns, _without(numbers_of(table), weight), "numbers")
    heaviest = _heaviest(table, weight)
    limits, digits = limits_of(table, names), check_digits(digits)
    size = 1 + (2 + 2 * digits) * len(names)
    squares = digit_limits(limits**2, digits)
    ones = [1.0] * (1 + 2 * len(names))
    bound = norm_of(*ones, *digit_limits(limits, digits), *squares)
    total = Sum(
        name="moments", shape=(size,), unit_bound=bound, norm=Norm.L2, capacity=capacity,
        meaning="rows, and for each column how many values it has, their sum and their squares",
    )  # fmt: skip
    read = (*names, weight) if weight else names

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, Any]:
        values, weights = _weighed(data, len(names), heaviest)
        here = ~values["missing"] & (weights > 0)[:, np.newaxis]
        x = np.where(here, scaled(values, scaling(table, names, state)), 0.0)
        counted = here * weights[:, np.newaxis]
        numbers = [digits_of(counted * term, digits) for term in (x, x**2)]
        return {"moments": np.hstack([np.ones((len(x), 1)), here, counted, *numbers])}

    def update(state: State, totals: Totals) -> State:
        return {**state, name: totals["moments"]}

    return Computation(
        task=Task.of(
            "moments", table=table_settings(table), columns=list(names), weight=weight,
            digits=digits, capacity=capacity, name=check_name(name),
        ),
        sums=SumGroup((total,)),
        columns=read,
        read=read_columns(table, read),
        init=dict,
        contribute=contribute,
        update=update,
    )  # fmt: skip


def covariances(
    table: Schema,
    *,
    capacity: int,
    columns: Sequence[str] | None = None,
    digits: int = 1,
    name: str = "covariances",
) -> Computation:
    """Covariances and correlations of columns, over the rows that have all of them; one round.

    Args:
        table: The table, by `statistics_table`.
        capacity: The most rows that a party counts; public, never the number of its rows.
        columns: Which columns; all numbers, dates and booleans if omitted.
        digits: As of `moments`.
        name: What its arrays in the state begin with.

    Raises:
        PlanError: If a column has no mean, or there are fewer than two.
    """
    names = chosen(table, columns, numbers_of(table), "numbers")
    if len(names) < 2:
        raise PlanError(f"a covariance of column {names[0]!r} alone; name two columns or more")
    upper = np.triu_indices(len(names))
    limits, digits = limits_of(table, names), check_digits(digits)
    terms = digit_limits(np.append(limits, limits[upper[0]] * limits[upper[1]]), digits)
    total = Sum(
        name="products", shape=(1 + len(terms),), unit_bound=norm_of(1.0, *terms), norm=Norm.L2,
        capacity=capacity,
        meaning="how many rows have all columns, the sums of columns and of products of two",
    )  # fmt: skip

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, Any]:
        x = scaled(data, scaling(table, names, state))
        whole = ~data["missing"].any(axis=1, keepdims=True)
        numbers = digits_of(np.hstack([x, x[:, upper[0]] * x[:, upper[1]]]), digits)
        return {"products": np.where(whole, np.hstack([np.ones((len(x), 1)), numbers]), 0.0)}

    def update(state: State, totals: Totals) -> State:
        return {**state, name: totals["products"]}

    return Computation(
        task=Task.of(
            "covariances", table=table_settings(table), columns=list(names), digits=digits,
            capacity=capacity, name=check_name(name),
        ),
        sums=SumGroup((total,)),
        columns=names,
        read=read_columns(table, names),
        init=dict,
        contribute=contribute,
        update=update,
    )  # fmt: skip


class MomentsSettings(Literal):
    """Settings of task 'moments'."""

    table: TableSettings
    capacity: int
    columns: list[str] | None = None
    weight: str | None = None
    digits: int = 1
    name: str = "moments"


class CovariancesSettings(Literal):
    """Settings of task 'covariances'."""

    table: TableSettings
    capacity: int
    columns: list[str] | None = None
    digits: int = 1
    name: str = "covariances"


def moments_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'moments'."""
    read = MomentsSettings.read(settings, "task moments")
    return moments(
        read.table.table(), capacity=read.capacity, columns=read.columns, weight=read.weight,
        digits=read.digits, name=read.name,
    )  # fmt: skip


def covariances_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'covariances'."""
    read = CovariancesSettings.read(settings, "task covariances")
    return covariances(
        read.table.table(), capacity=read.capacity, columns=read.columns, digits=read.digits,
        name=read.name,
    )  # fmt: skip


def read_moments(settings: Mapping[str, Any], state: State, noise: float) -> Moments:
    """The moments in a state.

    Args:
        settings: The task's.
        state: The state after the stage.
        noise: The standard deviation of each coordinate's noise; 0 without.
    """
    read = MomentsSettings.read(settings, "task moments")
    table = read.table.table()
    names = tuple(read.columns or ())
    how = scaling(table, names, state)
    sums = state[read.name]
    present, counted = sums[1 : 1 + 2 * len(names)].reshape(2, len(names))
    first, second = of_digits(sums[1 + 2 * len(names) :].reshape(2, -1), read.digits)
    n = np.maximum(counted, 1.0 if noise else 1e-12)
    mean, square = first / n, second / n
    variance = np.maximum(square - mean**2, 0.0)
    # d(s/n) and d(p/n − (s/n)²), each sum with independent noise of one size.
    of_mean = noise * np.sqrt(1 + mean**2) / n
    of_variance = noise * np.sqrt(1 + 4 * mean**2 + (square - 2 * mean**2) ** 2) / n
    # Bessel's correction belongs to rows that are a sample, not to weights.
    free = 1.0 if read.weight else n / np.maximum(n - 1, 1.0)
    heaviest = _heaviest(table, read.weight)
    nothing = counted <= 0
    return Moments(
        columns=names,
        rows=float(sums[0]),
        counts=present,
        weights=counted * heaviest,
        mean=np.where(nothing, np.nan, how.centres + how.scales * mean),
        variance=np.where(nothing, np.nan, free * variance * how.scales**2),
        mean_error=how.scales * of_mean,
        variance_error=free * of_variance * how.scales**2,
        bounds=bounds_in(table, names, state),
        noise=noise,
    )


def read_covariances(settings: Mapping[str, Any], state: State, noise: float) -> Covariances:
    """The covariances in a state; arguments as of `read_moments`."""
    read = CovariancesSettings.read(settings, "task covariances")
    names = tuple(read.columns or ())
    how = scaling(read.table.table(), names, state)
    sums, k = state[read.name], len(names)
    n = max(float(sums[0]), 2.0)
    numbers = of_digits(sums[1:], read.digits)
    mean = numbers[:k] / n
    upper = np.triu_indices(k)
    square: NDArray[np.float64] = np.zeros((k, k))
    square[upper] = numbers[k:] / n
    square[upper[::-1]] = numbers[k:] / n
    outer = np.outer(how.scales, how.scales)
    covariance = (square - np.outer(mean, mean)) * n / (n - 1)
    variances = np.maximum(np.diag(covariance), 0.0)
    np.fill_diagonal(covariance, variances)
    # d(p/n − s·t/n²) by p, s, t and n.
    both = np.outer(mean, mean)
    spread = 1 + np.add.outer(mean**2, mean**2) + (square - 2 * both) ** 2
    return Covariances(
        columns=names,
        rows=float(sums[0]),
        mean=how.centres + how.scales * mean,
        covariance=covariance * outer,
        covariance_error=noise * np.sqrt(spread) / n * outer,
        noise=noise,
    )


def _without(names: Sequence[str], weight: str | None) -> tuple[str, ...]:
    return tuple(name for name in names if name != weight)


def _heaviest(table: Schema, weight: str | None) -> float:
    """The largest weight, which is declared."""
    if weight is None:
        return 1.0
    chosen(table, [weight], numbers_of(table), "numbers")
    bounds = table.declared_bounds(weight)
    if bounds is None or bounds[0] != 0:
        raise PlanError(
            f"weight {weight!r} has bounds {bounds}; declare the heaviest, as "
            f"{{{weight!r}: cf.Number(bounds=(0, 10))}}"
        )
    return bounds[1]


def _weighed(data: Data, columns: int, heaviest: float) -> tuple[Data, Reals]:
    """The columns without the weight's, and each row's share of the heaviest weight."""
    values = {key: array[:, :columns] for key, array in data.items()}
    if data["values"].shape[1] == columns:
        return values, np.ones(len(data["values"]))
    weights = np.clip(data["values"][:, columns] / heaviest, 0.0, 1.0)
    return values, np.where(data["missing"][:, columns], 0.0, weights)
