"""How many different values a column has over all owners, as one sum of presences.

At each owner a value counts once, however many rows have it: in its own cell if the values are
declared, else in the cell that its hash falls into. What is opened is how many owners have
something in each cell. With declared values the number of cells that anybody has is the answer;
with hashes it is estimated from the share of empty cells (linear counting). One record more changes
at most one presence, so the sensitivity is 1. Noise hides single presences, and the shares are
fitted to what the noise leaves.

References:
    K.-Y. Whang, B. T. Vander-Zanden and H. M. Taylor, "A Linear-Time Probabilistic Counting
    Algorithm for Database Applications", ACM TODS 15(2), 1990, §3 (the estimate and its error).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.aggregation import Placed
from confide.analytics.reading import (
    Reals,
    TableSettings,
    check_name,
    chosen,
    statistics_table,
    table_settings,
)
from confide.analytics.results import Distinct
from confide.computation import Computation, Data, State, Totals
from confide.numbers import check_whole
from confide.plan import Norm, Sum, SumGroup, Task
from confide.plan.literals import Literal
from confide.tables import Category, Schema
from confide.tables.schema import present
from confide.tables.values import words

__all__ = ["BUCKETS", "distinct"]

BUCKETS: Final = 4096
"""Cells of the hash; a public default, good for up to about 20,000 values."""

_MOST_BUCKETS: Final = 1 << 22


def distinct(
    column: str,
    *,
    values: tuple[str, ...] | None = None,
    buckets: int = BUCKETS,
    name: str = "distinct",
) -> Computation:
    """The number of different values of a column; one round.

    Args:
        column: The column, of anything; missing values do not count.
        values: The values that there may be, to count them exactly; others do not count.
        buckets: Cells of the hash, if no values are given. n values are estimated with a standard
            error of about √(buckets·(e^t − t − 1)) for t = n ÷ buckets.
        name: What its arrays in the state begin with.

    Raises:
        PlanError: If a number is out of range, or the values are no texts.
    """
    table = statistics_table({column: Category(values=values, most=None if values else 1)})
    buckets = check_whole("buckets", buckets, least=16, most=_MOST_BUCKETS,
                          limit=f"16 to {_MOST_BUCKETS:,}")  # fmt: skip
    size = len(values) if values else buckets
    presences = Sum(
        name="presences", shape=(size,), unit_bound=1.0, norm=Norm.L2, capacity=size + 1,
        meaning=f"how many parties have each {'value' if values else 'hash'} of {column!r}",
        cells=f"{'values' if values else 'hashes'} of {column!r}",
    )  # fmt: skip

    def read(cells: Any) -> Data:
        return {"cell": _cells_of(table, column, cells, size)}

    def contribute(_: State, data: Data, __: np.random.Generator) -> Mapping[str, Any]:
        places = data["cell"].astype(np.intp)[:, np.newaxis]
        return {"presences": Placed(places, np.ones(places.shape))}

    def update(state: State, totals: Totals) -> State:
        return {**state, name: totals["presences"]}

    return Computation(
        task=Task.of(
            "distinct", table=table_settings(table), buckets=buckets, name=check_name(name)
        ),
        sums=SumGroup((presences,)),
        columns=(column,),
        read=read,
        init=dict,
        contribute=contribute,
        update=update,
    )


class DistinctSettings(Literal):
    """Settings of task 'distinct'."""

    table: TableSettings
    buckets: int = BUCKETS
    name: str = "distinct"


def distinct_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'distinct'."""
    read = DistinctSettings.read(settings, "task distinct")
    column, values = _declared(read.table.table())
    return distinct(column, values=values, buckets=read.buckets, name=read.name)


def read_distinct(
    settings: Mapping[str, Any], state: State, noise: float, parties: int
) -> Distinct:
    """The number of different values in a state.

    Args:
        settings: The task's.
        state: The state after the stage.
        noise: The standard deviation of each presence's noise; 0 without.
        parties: How many parties have one presence each at most.
    """
    read = DistinctSettings.read(settings, "task distinct")
    column, values = _declared(read.table.table())
    counts = state[read.name]
    if noise:
        empty, error = _empty_share(counts, noise, parties)
    else:
        empty, error = float(np.mean(counts < 0.5)), 0.0
    size = len(counts)
    if values is not None:
        found, deviation = size * (1 - empty), size * error
    else:
        # With no empty cell left there is no estimate, but a least one.
        share = max(empty, 1 / (2 * size))
        found = -size * math.log(share)
        load = found / size
        deviation = math.hypot(
            math.sqrt(size * max(math.exp(load) - load - 1, 0.0)), size * error / share
        )
    return Distinct(
        column=column, count=found, error=deviation, exact=values is not None and not noise,
        full=values is None and empty < 1 / size, noise=noise,
    )  # fmt: skip


def _declared(table: Schema) -> tuple[str, tuple[str, ...] | None]:
    ((column, kind),) = table.features.items()
    chosen(table, [column], (column,), "values")
    assert isinstance(kind, Category)  # noqa: S101 - `distinct` makes it
    return column, kind.values


def _cells_of(table: Schema, column: str, cells: Any, size: int) -> NDArray[np.float64]:
    """The different cells that an owner's values fall into, in order.

    In the order of the cells and not of the rows, and each once: a record that comes or goes adds
    or takes away one of them at most, and moves no other.
    """
    texts, missing = words(present(cells, column), column)
    found = set(texts[~missing])
    _, declared = _declared(table)
    if declared is not None:
        return np.array([float(i) for i, value in enumerate(declared) if value in found])
    return np.unique([float(_bucket(column, text, size)) for text in found])


def _bucket(column: str, text: str, size: int) -> int:
    digest = hashlib.sha256(f"{column}\0{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % size


def _empty_share(counts: Reals, noise: float, parties: int) -> tuple[float, float]:
    """The share of cells that nobody has anything in, and its standard error.

    A cell holds how many of the parties have it, from none to all, plus Gaussian noise of a known
    size: the shares of all these numbers are fitted by maximum likelihood (expectation
    maximisation), the error is from the observed information.
    """
    likelihood = np.exp(-((counts[:, np.newaxis] - np.arange(parties + 1)) ** 2) / (2 * noise**2))
    likelihood = np.maximum(likelihood, 1e-300)
    shares = np.full(parties + 1, 1 / (parties + 1))
    for _ in range(2000):
        joint = likelihood * shares
        again = (joint / joint.sum(axis=1, keepdims=True)).mean(axis=0)
        settled = np.abs(again - shares).max() < 1e-9
        shares = again
        if settled:
            break
    # The score of each cell by the shares but the last, which is what the others leave.
    ratio = likelihood / (likelihood @ shares)[:, np.newaxis]
    score = ratio[:, :-1] - ratio[:, -1:]
    variance = np.linalg.pinv(score.T @ score)[0, 0]
    return float(shares[0]), float(min(math.sqrt(max(variance, 0.0)), 1.0))
