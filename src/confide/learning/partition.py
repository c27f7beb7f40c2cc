"""Partitioners: one table dealt out to simulated clients, as papers on federated learning do it.

Each takes the columns of all rows and gives `ClientData`, which `simulate` takes by `data()`.
Clients are called `client-000`, `client-001` and so on; equal seeds deal equally.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.errors import DataError, PlanError
from confide.learning.client_data import ClientData, columns_of
from confide.plan.codec import nearest
from confide.randomness import public_generator

if TYPE_CHECKING:
    import pandas as pd

    Source = Mapping[str, Any] | pd.DataFrame

__all__ = ["by_column", "dirichlet_labels", "dirichlet_sizes", "iid", "shards", "synthetic"]

_TRIES: Final = 1000


def iid(source: Source, clients: int, *, seed: int = 0) -> ClientData:
    """Rows at random, in equal parts: their sizes differ by one row at most.

    Args:
        source: The columns of all rows.
        clients: How many clients.
        seed: Of the deal.

    Raises:
        DataError: If there are fewer rows than clients.

    Example:
        >>> iid({"x": np.arange(10)}, 3).sizes
        {'client-000': 4, 'client-001': 3, 'client-002': 3}
    """
    columns, total, rng = _begin(source, clients, "iid", seed)
    return _dealt(columns, np.array_split(rng.permutation(total), clients))


def dirichlet_labels(
    source: Source,
    clients: int,
    *,
    label: str,
    alpha: float,
    least_rows: int = 1,
    seed: int = 0,
) -> ClientData:
    """Label skew (Yurochkin et al. 2019; Li et al. 2022, NIID-Bench, §4.1).

    Of each class, client k gets the share p_k with p ~ Dirichlet(α): a small α gives each client
    few classes. Clients that have their part of all rows get no more of the classes to come, as in
    NIID-Bench; and the deal is repeated until every client has `least_rows`.

    Args:
        source: The columns of all rows.
        clients: How many clients.
        label: The column of classes.
        alpha: α.
        least_rows: The fewest rows of a client.
        seed: Of the deal.

    Raises:
        DataError: If there is no such column, or no deal gives every client `least_rows`.
    """
    columns, total, rng = _begin(source, clients, "dirichlet labels", seed)
    _check_alpha(alpha)
    classes = _classes(columns, label)

    def deal() -> list[NDArray[np.intp]]:
        parts: list[list[NDArray[np.intp]]] = [[] for _ in range(clients)]
        sizes = np.zeros(clients)
        for members in classes:
            shares = rng.dirichlet(np.full(clients, alpha)) * (sizes < total / clients)
            ends = _ends(shares, len(members))
            for client, part in enumerate(np.split(rng.permutation(members), ends)):
                parts[client].append(part)
                sizes[client] += len(part)
        return [np.concatenate(part) for part in parts]

    return _dealt(columns, _with_least(deal, least_rows, f"alpha = {alpha:g}"))


def dirichlet_sizes(
    source: Source, clients: int, *, alpha: float, least_rows: int = 1, seed: int = 0
) -> ClientData:
    """Quantity skew (NIID-Bench, §4.3): client k gets the share p_k of rows, p ~ Dirichlet(α).

    Args:
        source: The columns of all rows.
        clients: How many clients.
        alpha: α.
        least_rows: The fewest rows of a client.
        seed: Of the deal.

    Raises:
        DataError: If no deal gives every client `least_rows`.
    """
    columns, total, rng = _begin(source, clients, "dirichlet sizes", seed)
    _check_alpha(alpha)

    def deal() -> list[NDArray[np.intp]]:
        ends = _ends(rng.dirichlet(np.full(clients, alpha)), total)
        return np.split(rng.permutation(total), ends)

    return _dealt(columns, _with_least(deal, least_rows, f"alpha = {alpha:g}"))


def shards(
    source: Source, clients: int, *, label: str, shards_per_client: int = 2, seed: int = 0
) -> ClientData:
    """Pathological label skew (McMahan et al. 2017, §3).

    Rows in the order of their labels are cut into shards of equal size, and each client gets a few.

    Args:
        source: The columns of all rows.
        clients: How many clients.
        label: The column of classes.
        shards_per_client: How many shards each client gets.
        seed: Of the deal.

    Raises:
        DataError: If there is no such column, or there are fewer rows than shards.
    """
    columns, total, rng = _begin(source, clients, "shards", seed)
    count = clients * shards_per_client
    if not shards_per_client >= 1 or count > total:
        raise DataError(f"{count} shards of {total} rows; from 1 a client to a row each")
    cut = np.array_split(np.concatenate(_classes(columns, label)), count)
    order = rng.permutation(count).reshape(clients, shards_per_client)
    return _dealt(columns, [np.concatenate([cut[shard] for shard in mine]) for mine in order])


def by_column(source: Source, column: str) -> ClientData:
    """The natural partition: a client for each value of a column, as a writer or a hospital.

    Args:
        source: The columns of all rows; the column itself is left out of the clients' data.
        column: The column that says whose a row is.

    Raises:
        DataError: If there is no such column.

    Example:
        >>> by_column({"hospital": ["b", "a", "b"], "x": [1, 2, 3]}, "hospital").sizes
        {'a': 1, 'b': 2}
    """
    columns = columns_of(source)
    if column not in columns:
        raise DataError(f"no column {column!r}; {nearest(column, columns)}")
    values, number = np.unique(columns.pop(column), return_inverse=True)
    return ClientData(
        columns, {str(v): np.flatnonzero(number == place) for place, v in enumerate(values)}
    )


def synthetic(
    clients: int,
    *,
    alpha: float,
    beta: float,
    features: int = 60,
    classes: int = 10,
    most_rows: int | None = None,
    seed: int = 0,
) -> ClientData:
    """The generated data `synthetic(α, β)` of FedProx (Li et al. 2020, §5.1 and appendix C.1).

    Client k has rows x ~ N(v_k, Σ), Σ_jj = j^-1.2, with v_k ~ N(B_k, 1), B_k ~ N(0, β), and labels
    argmax(softmax(W_k x + b_k)) with W_k, b_k ~ N(u_k, 1), u_k ~ N(0, α): α says how much models
    differ, β how much data do. As in the authors' code, α and β are standard deviations, and a
    client has 50 rows and a log-normal number (4, 2) more.

    Args:
        clients: How many clients.
        alpha: α, from 0.
        beta: β, from 0.
        features: Numbers of a row, in the column 'x', shape `(rows, features)`.
        classes: Values of the column 'y'.
        most_rows: The most rows of a client; None for no limit.
        seed: Of all of it.

    Raises:
        PlanError: If a number is out of its range.

    Example:
        >>> data = synthetic(3, alpha=1, beta=1, most_rows=100)
        >>> data.client("client-000")["x"].shape[1], max(data.sizes.values()) <= 100
        (60, True)
    """
    if clients < 1 or not (alpha >= 0 and beta >= 0):
        raise PlanError(f"{clients} clients, alpha {alpha}, beta {beta}; from 1, 0 and 0")
    rng = public_generator("synthetic", seed, clients)
    sizes = rng.lognormal(4, 2, clients).astype(np.int64) + 50
    sizes = np.minimum(sizes, most_rows or sizes.max())
    spread = np.arange(1, features + 1) ** -0.6
    inputs, labels = [], []
    for size in sizes:
        u, b = rng.normal(0, alpha), rng.normal(0, beta)
        weights, bias = rng.normal(u, 1, (features, classes)), rng.normal(u, 1, classes)
        centre = rng.normal(b, 1, features)
        x = centre + spread * rng.standard_normal((size, features))
        inputs.append(x.astype(np.float32))
        labels.append((x @ weights + bias).argmax(axis=1))
    columns = {"x": np.concatenate(inputs), "y": np.concatenate(labels)}
    return _dealt(columns, np.split(np.arange(sizes.sum()), np.cumsum(sizes)[:-1]))


def _begin(
    source: Source, clients: int, how: str, seed: int
) -> tuple[dict[str, NDArray[Any]], int, np.random.Generator]:
    columns = columns_of(source)
    total = len(next(iter(columns.values())))
    if not 1 <= clients <= total:
        raise DataError(f"{clients} clients for {total} rows; from 1 to a row each")
    return columns, total, public_generator("partition", how, seed, clients)


def _classes(columns: Mapping[str, NDArray[Any]], label: str) -> list[NDArray[np.intp]]:
    """The rows of each class."""
    if label not in columns:
        raise DataError(f"no column {label!r}; {nearest(label, columns)}")
    values, number = np.unique(columns[label], return_inverse=True)
    return [np.flatnonzero(number == place) for place in range(len(values))]


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < np.inf:
        raise PlanError(f"alpha is {alpha}; it is positive, and large for equal parts")


def _ends(shares: NDArray[np.float64], rows: int) -> NDArray[np.intp]:
    """Where rows are cut so that each part has about its share."""
    total = shares.sum()
    even = np.full(len(shares), 1 / len(shares))
    return (np.cumsum(shares / total if total > 0 else even)[:-1] * rows).astype(np.intp)


def _with_least(
    deal: Callable[[], list[NDArray[np.intp]]], least: int, how: str
) -> list[NDArray[np.intp]]:
    for _ in range(_TRIES):
        parts = deal()
        if min(map(len, parts)) >= least:
            return parts
    raise DataError(
        f"no deal of {_TRIES} with {how} gives every client {least} rows; take a larger alpha, "
        "fewer clients or a smaller least_rows"
    )


def _dealt(columns: Mapping[str, NDArray[Any]], parts: list[NDArray[np.intp]]) -> ClientData:
    digits = max(3, len(str(len(parts) - 1)))
    return ClientData(
        columns, {f"client-{k:0{digits}}": np.sort(part) for k, part in enumerate(parts)}
    )
