"""From owners' tables to a model in one call, by an ordinary plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from confide.computation import Account
from confide.engines import simulate
from confide.errors import DataError, PlanError
from confide.learning import fitted_estimator
from confide.learning.algorithms.fed_metrics import SUMS, metrics_of
from confide.plan.codec import nearest
from confide.training.drafts import draft_schema
from confide.training.kinds import KINDS
from confide.training.owners import OwnerReport, read_owners, refuse_unfit
from confide.training.plans import CAPACITY, Epsilon, Prepared, prepare
from confide.training.result import Trained

__all__ = ["planned", "train"]


def train(
    kind: str,
    data: Mapping[str, Any],
    *,
    label: str,
    features: Sequence[str] | None = None,
    columns: Mapping[str, Any] | None = None,
    classes: Sequence[Any] | None = None,
    privacy: Epsilon | None = None,
    capacity: int = CAPACITY,
    metrics: bool = True,
    name: str | None = None,
    accounts: Mapping[str, Account] | None = None,
    on_round: Callable[[Mapping[str, Any]], None] | None = None,
    **settings: Any,
) -> Trained:
    """Trains a model on owners' tables that stay apart, here in simulation by the real protocol.

    The plan follows from the columns' names and types and from these arguments. Scales, bounds and,
    under noise, the values of text columns are found by sums; without noise the values are asked
    for. A missing value is one more input of its column.

    Args:
        kind: 'logistic', 'linear', 'softmax', 'poisson' or 'trees'.
        data: By owner its table: a frame (pandas, Polars, Arrow), a path (CSV of any kind, Parquet,
            Arrow) or a database's URL; three owners or more.
        label: The column to predict.
        features: The columns to predict from; all others if omitted.
        columns: What is known better than a type tells, as
            `{"ward": cf.Category(values=("A", "B")), "age": cf.Number(bounds=(0, 120))}`.
        classes: The label's values in order, if they are not 0 and 1; of two the last is the one
            whose probability is predicted.
        privacy: ε for each record; exact sums if omitted.
        capacity: The most rows that an owner counts: public, never the number of its rows.
        metrics: Whether the last stage measures the model on all rows, as charged sums.
        name: The plan's name.
        accounts: By owner, the ledger that the plan is charged to.
        on_round: Called after each round with its history entry, and `of`, how many there are.
        **settings: The kind's own: see `LinearSettings` and `TreeSettings`.

    Returns:
        The model, its metrics, the run and its plan with the verdicts.

    Raises:
        PlanError: If something must be declared, or the plan must not be made.
        DataError: If a table does not fit; naming owner and column, never a value.

    Example:
        >>> import numpy as np, pandas as pd
        >>> rng = np.random.default_rng(0)
        >>> def table(rows):
        ...     x = rng.normal(50, 10, rows)
        ...     return pd.DataFrame({"age": x, "ill": (x + rng.normal(0, 5, rows) > 50) * 1})
        >>> owners = {name: table(200) for name in ("north", "south", "west")}
        >>> result = train("logistic", owners, label="ill")
        >>> result.model.predict({"age": [30, 80]})
        array([0, 1])
        >>> result.metrics["auc"] > 0.9
        True
    """
    tables, owners, prepared = _planned(
        kind, data, label=label, features=features, columns=columns, classes=classes,
        privacy=privacy, capacity=capacity, metrics=metrics, name=name, settings=settings,
    )  # fmt: skip
    of = prepared.plan.rounds
    run = simulate(
        prepared.plan, tables, computation=prepared.computations, accounts=accounts,
        on_round=on_round and (lambda entry: on_round({**entry, "of": of})),
    )  # fmt: skip
    model = fitted_estimator(run.plan, run.state)
    measured = metrics_of(model.predictor, run.state[SUMS]) if SUMS in run.state else {}
    model.about["metrics"] = measured
    at_owners = {
        owner: replace(report, metrics=_own(model, tables[owner]))
        for owner, report in owners.items()
    }
    return Trained(run=run, model=model, metrics=measured, owners=at_owners)


def planned(
    kind: str,
    data: Mapping[str, Any],
    *,
    label: str,
    features: Sequence[str] | None = None,
    columns: Mapping[str, Any] | None = None,
    classes: Sequence[Any] | None = None,
    privacy: Epsilon | None = None,
    capacity: int = CAPACITY,
    metrics: bool = True,
    name: str | None = None,
    **settings: Any,
) -> Prepared:
    """The plan that `train` would run with these arguments, and its computations; runs nothing.

    Raises:
        PlanError, DataError: As `train`.
    """
    return _planned(
        kind, data, label=label, features=features, columns=columns, classes=classes,
        privacy=privacy, capacity=capacity, metrics=metrics, name=name, settings=settings,
    )[2]  # fmt: skip


def _planned(
    kind: str,
    data: Mapping[str, Any],
    *,
    label: str,
    privacy: Epsilon | None,
    capacity: int,
    metrics: bool,
    name: str | None,
    settings: Mapping[str, Any],
    **declared: Any,
) -> tuple[dict[str, pd.DataFrame], dict[str, OwnerReport], Prepared]:
    """The owners' tables, what each is told of its own, and the plan."""
    if kind not in KINDS:
        raise PlanError(f"kind {kind!r}; {nearest(str(kind), KINDS)}")
    if privacy is not None and not isinstance(privacy, Epsilon):
        raise PlanError(f"privacy is {privacy!r}; write privacy=cf.Epsilon(3.0), or leave it out")
    if not _counts_rows(capacity):
        raise PlanError(f"capacity is {capacity!r}; it is a whole number of rows, as 100_000")
    made = KINDS[kind]
    chosen = made.settings.read(settings, f"options of {kind!r}")
    tables = read_owners(data)
    schema = draft_schema(
        tables, label=label, answer=made.answer, noise=privacy is not None, **declared
    )
    owners = refuse_unfit(tables, schema, capacity)
    prepared = prepare(
        made, schema, chosen, name=name or f"{kind} of {label}", parties=list(tables),
        privacy=privacy, capacity=capacity, metrics=metrics,
    )  # fmt: skip
    return tables, owners, prepared


def _counts_rows(capacity: object) -> bool:
    return isinstance(capacity, int) and capacity > 0


def _own(model: Any, table: Any) -> dict[str, float]:
    """A model's metrics on an owner's own rows; none where it has too few of a class."""
    try:
        return dict(model.metrics(table))
    except DataError:
        return {}
