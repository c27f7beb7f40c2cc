"""From owners' tables to a model in one call, by an ordinary plan."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from confide.computation import Account, State, state_hash
from confide.engines import NoiseWarning, simulate
from confide.errors import DataError, PlanError
from confide.learning import TableModel, fitted_estimator
from confide.learning.algorithms.fed_metrics import SUMS, metrics_of
from confide.plan import PublicValue
from confide.plan.codec import nearest
from confide.tables import HoldOut, Schema, not_found
from confide.training.drafts import draft_schema
from confide.training.kinds import KINDS
from confide.training.margins import margins_of
from confide.training.owners import OwnerReport, read_owners, refuse_unfit
from confide.training.plans import CAPACITY, HOLD_OUT, Epsilon, Prepared, prepare, unused
from confide.training.result import Trained

__all__ = ["planned", "train", "warn_of_not_found"]


def train(
    kind: str,
    data: Mapping[str, Any],
    *,
    label: str | None = None,
    event: str | None = None,
    features: Sequence[str] | None = None,
    columns: Mapping[str, Any] | None = None,
    classes: Sequence[Any] | None = None,
    privacy: Epsilon | None = None,
    capacity: int = CAPACITY,
    metrics: bool = True,
    holdout: float | HoldOut = HOLD_OUT,
    test: Any = None,
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
        kind: 'logistic', 'linear', 'softmax', 'poisson', 'trees', 'naive_bayes', 'cox', 'k_means'
            or 'pca'.
        data: By owner its table: a frame (pandas, Polars, Arrow), a path (CSV of any kind, Parquet,
            Arrow) or a database's URL; three owners or more.
        label: The column to predict; a time for 'cox', none for 'k_means' and 'pca'.
        event: For 'cox', the column that says whether the event came (1) or the row was last seen
            then (0).
        features: The columns to predict from; all others if omitted.
        columns: What is known better than a type tells, as
            `{"ward": cf.Category(values=("A", "B")), "age": cf.Number(bounds=(0, 120))}`.
        classes: The label's values in order, if they are not 0 and 1; of two the last is the one
            whose probability is predicted.
        privacy: ε for each record; exact sums if omitted.
        capacity: The most rows that an owner counts: public, never the number of its rows.
        metrics: Whether the last stage measures the model, as charged sums, on the rows held out.
        holdout: The share of rows that are held out from training, or how they are chosen; 0 for
            none, and metrics of the training rows.
        test: Rows that everybody may see, to measure on instead: then none are held out.
        name: The plan's name.
        accounts: By owner, the ledger that the plan is charged to. Asked again, it is a plan of its
            own, with the next public seed, and is charged in full.
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
    tables, owners, prepared, public = _planned(
        kind, data, label=label, event=event, features=features, columns=columns, classes=classes,
        privacy=privacy, capacity=capacity, metrics=metrics, holdout=holdout, test=test, name=name,
        settings=settings,
    )  # fmt: skip
    plan = unused(prepared.plan, accounts)
    of = plan.rounds
    run = simulate(
        plan, tables, computation=prepared.computations, accounts=accounts,
        on_round=on_round and (lambda entry: on_round({**entry, "of": of})),
    )  # fmt: skip
    model = fitted_estimator(run.plan, run.state)
    warn_of_not_found(model.table, run.state)
    measured: Mapping[str, Any] = {}
    margins: Mapping[str, float] = {}
    if SUMS in run.state:
        margins = margins_of(run.plan, model.predictor, model.table, run.state[SUMS])
        measured = metrics_of(model.predictor, model.table, run.state[SUMS])
    elif public is not None and metrics:
        measured = model.metrics(public)
    model.about |= {"metrics": measured, "measured on": _measured_on(model, public)}
    at_owners = {
        owner: replace(report, metrics=_own(model, tables[owner]))
        for owner, report in owners.items()
    }
    return Trained(run=run, model=model, metrics=measured, owners=at_owners, margins=margins)


def planned(
    kind: str,
    data: Mapping[str, Any],
    *,
    label: str | None = None,
    event: str | None = None,
    features: Sequence[str] | None = None,
    columns: Mapping[str, Any] | None = None,
    classes: Sequence[Any] | None = None,
    privacy: Epsilon | None = None,
    capacity: int = CAPACITY,
    metrics: bool = True,
    holdout: float | HoldOut = HOLD_OUT,
    test: Any = None,
    name: str | None = None,
    parties: Sequence[str] | None = None,
    **settings: Any,
) -> Prepared:
    """The plan that `train` would run with these arguments, and its computations; runs nothing.

    `parties` are the plan's, where they are others than the owners of `data`; all else is as for
    `train`.

    Raises:
        PlanError, DataError: As `train`.
    """
    return _planned(
        kind, data, label=label, event=event, features=features, columns=columns, classes=classes,
        privacy=privacy, capacity=capacity, metrics=metrics, holdout=holdout, test=test, name=name,
        settings=settings, parties=parties,
    )[2]  # fmt: skip


def _planned(
    kind: str,
    data: Mapping[str, Any],
    *,
    label: str | None,
    privacy: Epsilon | None,
    capacity: int,
    metrics: bool,
    holdout: float | HoldOut,
    test: Any,
    name: str | None,
    settings: Mapping[str, Any],
    parties: Sequence[str] | None = None,
    **declared: Any,
) -> tuple[dict[str, pd.DataFrame], dict[str, OwnerReport], Prepared, pd.DataFrame | None]:
    """The owners' tables, what each is told of its own, the plan, and the public test rows."""
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
        tables, label=label, answer=made.answer, noise=privacy is not None,
        holdout=_held_out(holdout) if metrics and test is None else None, **declared,
    )  # fmt: skip
    owners = refuse_unfit(tables, schema, capacity)
    public = None if test is None else read_owners({"test": test})["test"]
    prepared = prepare(
        made, schema, chosen, name=name or (f"{kind} of {label}" if label else kind),
        parties=parties or list(tables), privacy=privacy, capacity=capacity,
        metrics=metrics and public is None,
        public=() if public is None else (_named(schema, public),),
    )  # fmt: skip
    return tables, owners, prepared, public


def _held_out(given: object) -> HoldOut | None:
    """The rows held out; none for a share of 0."""
    if isinstance(given, HoldOut):
        return given
    return None if given == 0 else HoldOut(share=given)  # type: ignore[arg-type]  # it checks


def _named(schema: Schema, public: pd.DataFrame) -> PublicValue:
    """The public test rows, as a plan names them.

    Raises:
        DataError: If they do not fit the schema.
    """
    try:
        rows = schema.rows(public)
    except DataError as error:
        raise DataError(f"test rows: {error}") from None
    return PublicValue(
        name="test-rows", digest=state_hash(rows), rows=len(public),
        meaning="rows that everybody may see, to measure the model on",
    )  # fmt: skip


def warn_of_not_found(table: object, state: State) -> None:
    """Warns of columns whose bounds the noise hid: a model of them is of no use."""
    if isinstance(table, Schema) and (names := not_found(table, state)):
        shown = ", ".join(map(repr, names[:5])) + f" and {len(names) - 5} more" * (len(names) > 5)
        warnings.warn(
            f"no bounds were found of {shown}: too few rows for so much noise. Declare them, as "
            f"columns={{{names[0]!r}: {_as_declared(table, names[0])}}}, or allow a larger ε",
            NoiseWarning, stacklevel=3,
        )  # fmt: skip


def _as_declared(table: Schema, name: str) -> str:
    kind = "Target" if name == table.label else type(table.features[name]).__name__
    return f"cf.{kind}(bounds=(…, …))"


def _measured_on(model: TableModel, public: pd.DataFrame | None) -> str:
    if public is not None:
        return "public test rows"
    held = model.table.holdout if isinstance(model.table, Schema) else None
    return "the training rows" if held is None else f"the {held.share:.0%} of rows held out"


def _counts_rows(capacity: object) -> bool:
    return isinstance(capacity, int) and capacity > 0


def _own(model: Any, table: Any) -> dict[str, float]:
    """A model's metrics on an owner's own rows; none where it has too few of a class."""
    try:
        return dict(model.metrics(table))
    except DataError:
        return {}
