"""Questions to private tables: what they would cost, and their answers through the ledger."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from confide.errors import DataError
from confide.numbers import check_whole
from confide.plan import Unit
from confide.privacy.ledger import Ledger
from confide.query.catalog import Catalog, Contribution, PersonDay
from confide.query.dialects import Dialect
from confide.query.estimators import estimated
from confide.query.noise import Budget
from confide.query.parse import parse
from confide.query.prepare import prepared
from confide.query.release import Engine, QueryMechanism
from confide.query.tree import Query, plain
from confide.randomness import SecureRandom

if TYPE_CHECKING:
    import pyarrow as pa
    from dp_accounting import DpEvent

    from confide.privacy.mechanisms import Released

__all__ = ["Answer", "Price", "Session", "TableEngine"]

_VERSION: Final = 1
"""Of what a query means: answers of another version are not this one's."""


class TableEngine(Engine, Protocol):
    """An engine over declared tables."""

    dialect: Dialect

    def digest(self) -> bytes:
        """SHA-256 of the content of all tables."""


@dataclass(frozen=True)
class Price:
    """What a query would cost and how good its answer would be, without reading data.

    Attributes:
        epsilon: ε of the budget.
        delta: δ of the budget.
        event: What the ledger would charge.
        unit: What is protected, in words.
        mechanism: The noise, in words.
        standard_errors: Of each column; for ratios as if each group had `rows` rows, and values in
            the middle of their bounds.
        interval_widths: The widths of the 95 % intervals, in the same way.
        rows: How many rows of a group they are about.
    """

    epsilon: float
    delta: float
    event: DpEvent
    unit: str
    mechanism: str
    standard_errors: dict[str, float]
    interval_widths: dict[str, float]
    rows: int


@dataclass(frozen=True)
class Answer:
    """A released answer.

    Attributes:
        table: The keys, and for each aggregate its value, `_standard_error`, and the ends of a 95 %
            interval, `_low` and `_high`. Its metadata say the mechanism and the guarantee.
        charged: Whether it was charged now; False if it was released before.
        mechanism: The noise, in words.
        unit: What is protected, in words.
        epsilon: ε of this query.
        delta: δ of this query.
        spent_epsilon: ε of all charges on the dataset together, at `spent_delta`.
        spent_delta: The δ that this is stated at.
    """

    table: pa.Table
    charged: bool
    mechanism: str
    unit: str
    epsilon: float
    delta: float
    spent_epsilon: float
    spent_delta: float


class Session:
    """Answers queries about private tables, each charged to the owner's ledger before it runs.

    Args:
        ledger: The owner's.
        dataset: What queries are charged to. Its unit must be the tables' or one that it covers.
        catalog: The declared tables.
        engine: The engine with the data, as `DuckDbEngine(catalog, {"loans": "loans.parquet"})`.
        observers: Who sees the answers.

    Raises:
        DataError: If a table's unit is a person's day and the dataset protects persons.

    Example:
        >>> import pandas as pd, tempfile
        >>> from confide.privacy.ledger import Cap
        >>> from confide.query import DuckDbEngine, catalog_of
        >>> declared = catalog_of('''
        ...     CREATE TABLE visits (patient INTEGER, ward TEXT VALUES ('A', 'B'), days DOUBLE)
        ...     UNIT PERSON (patient) GROUPS 1 ROWS 1;
        ... ''')
        >>> visits = pd.DataFrame({"patient": range(600), "ward": ["A", "B", "A"] * 200, "days": 3})
        >>> with tempfile.TemporaryDirectory() as folder, Ledger.open(f"{folder}/l.db") as ledger:
        ...     _ = ledger.open_dataset("visits", unit=Unit.PERSON)
        ...     ledger.cap("visits", Cap(epsilon=2, delta=1e-6))
        ...     engine = DuckDbEngine(declared, {"visits": visits})
        ...     session = Session(ledger, "visits", declared, engine, observers=["analyst"])
        ...     sql = "SELECT ward, count(*) AS n FROM visits GROUP BY ward"
        ...     answer = session.run(sql, epsilon=1)
        ...     again = session.run(sql, epsilon=1)
        >>> answer.table["ward"].to_pylist(), answer.charged, again.charged
        (['A', 'B'], True, False)
        >>> answer.table.equals(again.table), abs(answer.table["n"][0].as_py() - 400) < 40
        (True, True)
    """

    def __init__(
        self,
        ledger: Ledger,
        dataset: str,
        catalog: Catalog,
        engine: TableEngine,
        *,
        observers: Iterable[str],
    ) -> None:
        self._ledger = ledger
        self._catalog = catalog
        self._engine = engine
        self._observers = tuple(observers)
        known = {each.name: each for each in ledger.datasets()}
        if dataset not in known:
            raise DataError(
                f"dataset {dataset!r} is not in the ledger; declare it with open_dataset"
            )
        self._dataset = known[dataset]

    def estimate(
        self,
        query: str | Query,
        *,
        epsilon: float,
        delta: float = 0.0,
        contribution: Contribution | None = None,
        rows: int = 1000,
    ) -> Price:
        """What a query would cost, and how wide its intervals would be. It reads no data.

        Args:
            query: SQL, or a tree.
            epsilon: ε.
            delta: δ.
            contribution: How much of one unit enters; what the table declares if None.
            rows: The size of a group that errors of ratios are stated for; a guess, not from data.

        Raises:
            PlanError: If the query is refused.
            DataError: If a table or column is unknown.
        """
        check_whole("rows", rows, least=1, most=1 << 50, limit="a group's size, at least 1")
        mechanism = self._prepared(query, Budget(epsilon, delta), contribution)
        expected = _expected(mechanism, rows)
        return Price(
            epsilon=epsilon,
            delta=delta,
            event=mechanism.event,
            unit=self._unit(mechanism),
            mechanism=mechanism.noises.name,
            standard_errors={name: error for name, (error, _) in expected.items()},
            interval_widths={name: width for name, (_, width) in expected.items()},
            rows=rows,
        )

    def run(
        self,
        query: str | Query,
        *,
        epsilon: float,
        delta: float = 0.0,
        contribution: Contribution | None = None,
        random: SecureRandom | None = None,
    ) -> Answer:
        """Charges a query, runs it, and returns its answer; or the answer that was released before.

        Args:
            query: SQL, or a tree.
            epsilon: ε.
            delta: δ.
            contribution: How much of one unit enters; what the table declares if None.
            random: The source of noise and sampling; the operating system's if omitted.

        Raises:
            PlanError: If the query is refused. Nothing was charged.
            PrivacyBudgetError: If a cap is exceeded. Nothing was charged or released.
            DataError: If a table or column is unknown (nothing was charged), or the engine fails
                (it was).
        """
        budget = Budget(epsilon, delta)
        mechanism = self._prepared(query, budget, contribution)
        kept, charged = self._ledger.answer(
            self._dataset.name,
            mechanism,
            self._engine,
            observers=self._observers,
            written=_written,
            data_digest=self._engine.digest(),
            plan_hash=self._hash(mechanism, budget),
            meaning=query if isinstance(query, str) and len(query) <= _LONGEST else "a query",
            unit=self._charged_unit(mechanism),
            random=random,
        )
        table = _read(kept)
        spent, spent_delta = self._spent(delta or _DELTA)
        unit = self._unit(mechanism)
        facts = json.loads(table.schema.metadata[b"confide"]) | {
            "unit": unit, "epsilon": epsilon, "delta": delta,
            "spent_epsilon": spent, "spent_delta": spent_delta,
        }  # fmt: skip
        table = table.replace_schema_metadata({"confide": json.dumps(facts)})
        return Answer(table, charged, facts["mechanism"], unit, epsilon, delta, spent, spent_delta)

    def _spent(self, delta: float) -> tuple[float, float]:
        """The (ε, δ) of all charges together."""
        total = self._ledger.spent(self._dataset.name, delta=delta)
        if total.pure_epsilon <= total.renyi_epsilon:
            return total.pure_epsilon + total.closeness, total.approximate_delta
        return total.renyi_epsilon + total.closeness, delta + total.approximate_delta

    def _prepared(
        self, query: str | Query, budget: Budget, contribution: Contribution | None
    ) -> QueryMechanism:
        tree = parse(query) if isinstance(query, str) else query
        mechanism = prepared(
            tree, self._catalog, budget, contribution=contribution, dialect=self._engine.dialect
        )
        self._charged_unit(mechanism)
        return mechanism

    def _charged_unit(self, mechanism: QueryMechanism) -> Unit:
        owner = self._catalog.owner(mechanism.bounded.rows.tables[0])
        if isinstance(owner, PersonDay) and self._dataset.unit is not Unit.RECORD:
            raise DataError(
                f"dataset {self._dataset.name!r} protects each {self._dataset.unit.value}, and the "
                "query protects a person's day only; declare the table's unit as the person, or "
                "charge a dataset of records"
            )
        return owner.unit

    def _unit(self, mechanism: QueryMechanism) -> str:
        return str(self._catalog.owner(mechanism.bounded.rows.tables[0]))

    def _hash(self, mechanism: QueryMechanism, budget: Budget) -> bytes:
        """Everything that an answer depends on, besides the data and the noise."""
        tables = sorted(self._catalog.tables.items(), key=lambda item: item[0])
        text = json.dumps([
            "confide query", _VERSION, plain(mechanism.query),
            [[name, plain(_sorted(table))] for name, table in tables],
            plain(mechanism.bounded.contribution), plain(budget),
        ])  # fmt: skip
        return hashlib.sha256(text.encode()).digest()


_LONGEST: Final = 500
_DELTA: Final = 1e-6
"""What ε is stated at if a query has no δ."""


def _sorted(table: Any) -> tuple[Any, ...]:
    """A declaration as a tuple, its columns by name."""
    rest = [getattr(table, name) for name in table.__dataclass_fields__ if name != "columns"]
    return (type(table).__name__, *rest, *sorted(table.columns.items(), key=lambda item: item[0]))


def _expected(mechanism: QueryMechanism, rows: int) -> dict[str, tuple[float, float]]:
    """Each column's standard error and width of interval in a group of so many rows."""
    noisy = []
    for part in mechanism.bounded.parts:
        if part.kind == "levels":
            # Rows spread evenly over the grid.
            tree = [0.0] + [rows / (1 << (node.bit_length() - 1)) for node in range(1, 2048)]
            noisy.append(np.array([tree]))
        else:
            noisy.append(np.array([float(rows) if part.counts else 0.0]))
    found = {}
    for output in mechanism.outputs:
        column = estimated(output, noisy, mechanism.noises.parts)
        width = float(column.high[0] - column.low[0])
        found[output.name] = (float(column.standard_error[0]), width)
    return found


def _written(released: Released[pa.Table]) -> bytes:
    import pyarrow as pa

    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, released.value.schema) as writer:
        writer.write_table(released.value)
    return sink.getvalue()


def _read(data: bytes) -> pa.Table:
    import pyarrow as pa

    return pa.ipc.open_stream(data).read_all()
