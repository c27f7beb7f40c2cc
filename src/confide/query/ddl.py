"""Declarations of tables in lines like DDL.

```sql
CREATE TABLE loans (
    customer INTEGER,
    county TEXT VALUES ('1', '3', '5'),
    amount DOUBLE BETWEEN 0 AND 1000,
    approved BOOLEAN
) UNIT PERSON (customer) GROUPS 3 ROWS 2;

CREATE TABLE payments (payment INTEGER, customer INTEGER, paid DATE)
    UNIT LINK (customer) TO loans (customer) KEY (payment);

CREATE PUBLIC TABLE counties (county TEXT, region TEXT VALUES ('north', 'south')) KEY (county);
```

| unit | |
|---|---|
| `UNIT ROW`, `UNIT k ROWS` | one row, or up to k rows |
| `UNIT PERSON (id [IN space])`, `UNIT ORGANISATION (id [IN space])` | all rows with an ID |
| `UNIT PERSON DAY (id, date)` | all rows with an ID on a day |
| `UNIT LINK (column) TO table (key)` | the unit of the row that a column names |

`GROUPS g ROWS r [TOTAL t]` bound what one unit contributes to a query: in g groups, r rows in each,
t in all. `KEY (column)` tells a unit's rows from each other, and of a public table is unique.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from confide.errors import PlanError
from confide.query.catalog import (
    Catalog,
    Contribution,
    Declared,
    Field,
    Linked,
    Organisation,
    Person,
    PersonDay,
    PrivacyUnit,
    PublicTable,
    Rows,
)
from confide.query.tree import Kind

if TYPE_CHECKING:
    from sqlglot.tokens import Token  # type: ignore[attr-defined] # it is re-exported

__all__ = ["catalog_of"]

_KINDS: Final = {
    "DOUBLE": Kind.NUMBER, "FLOAT": Kind.NUMBER, "REAL": Kind.NUMBER, "NUMBER": Kind.NUMBER,
    "INTEGER": Kind.WHOLE, "INT": Kind.WHOLE, "BIGINT": Kind.WHOLE, "TEXT": Kind.TEXT,
    "VARCHAR": Kind.TEXT, "BOOLEAN": Kind.BOOLEAN, "DATE": Kind.DATE,
}  # fmt: skip


def catalog_of(text: str) -> Catalog:
    """The catalog that lines of DDL declare.

    Raises:
        PlanError: If they do not; the message says where.

    Example:
        >>> catalog = catalog_of("CREATE TABLE t (id INTEGER, x DOUBLE BETWEEN 0 AND 5) UNIT ROW")
        >>> catalog.tables["t"].columns["x"].bounds
        (0.0, 5.0)
    """
    from sqlglot.dialects.duckdb import DuckDB
    from sqlglot.errors import SqlglotError

    try:
        tokens = DuckDB().tokenize(text)
    except SqlglotError as error:
        raise PlanError("a declaration that is not SQL: a text or a comment is not closed") from (
            error
        )
    reader = _Words(tokens)
    tables: dict[str, Declared | PublicTable] = {}
    while not reader.done:
        if reader.takes(";"):
            continue
        name, table = _table(reader)
        if name in tables:
            raise PlanError(f"table {name!r} is declared twice; declare it once")
        tables[name] = table
    if not tables:
        raise PlanError("no table is declared; write CREATE TABLE name (column kind, …) UNIT …")
    return Catalog(tables)


class _Words:
    """Reads tokens one by one."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return self._at >= len(self._tokens)

    def takes(self, *words: str) -> bool:
        """Reads these words, if they are next."""
        after = self._tokens[self._at : self._at + len(words)]
        if [token.text.upper() for token in after] != list(words) or any(map(_is_text, after)):
            return False
        self._at += len(words)
        return True

    def needs(self, *words: str) -> None:
        """Reads these words.

        Raises:
            PlanError: If others are next.
        """
        for word in words:
            if not self.takes(word):
                raise PlanError(f"a declaration needs {word} {self._here}")

    def name(self) -> str:
        """Reads a name."""
        token = self._next()
        if _is_text(token) or not (token.text[:1].isalpha() or token.text[:1] == "_"):
            raise PlanError(f"a declaration needs a name {self._here}")
        return token.text

    def number(self) -> float:
        """Reads a number."""
        sign = -1 if self.takes("-") else 1
        token = self._next()
        try:
            return sign * float(token.text)
        except ValueError:
            raise PlanError(f"a declaration needs a number {self._here}") from None

    def count(self) -> int:
        """Reads a whole number."""
        found = self.number()
        if found % 1:
            raise PlanError(f"a declaration needs a whole number {self._here}")
        return int(found)

    def value(self) -> str | int:
        """Reads a public value."""
        if not self.done and _is_text(self._tokens[self._at]):
            return self._next().text
        return self.count()

    def listed(self, read: Callable[[], str | int]) -> tuple[str | int, ...]:
        """Reads (a, b, …)."""
        self.needs("(")
        found = [read()]
        while self.takes(","):
            found.append(read())
        self.needs(")")
        return tuple(found)

    def names(self) -> tuple[str, ...]:
        """Reads (name, name, …)."""
        return tuple(map(str, self.listed(self.name)))

    def _next(self) -> Token:
        if self.done:
            raise PlanError("a declaration ends too early; write CREATE TABLE name (…) UNIT …")
        token = self._tokens[self._at]
        self._at += 1
        return token

    @property
    def _here(self) -> str:
        before = self._tokens[max(0, self._at - 1)]
        return f"near {before.text!r} in line {before.line}"


def _is_text(token: Token) -> bool:
    return token.token_type.name == "STRING"


def _table(words: _Words) -> tuple[str, Declared | PublicTable]:
    words.needs("CREATE")
    public = words.takes("PUBLIC")
    words.needs("TABLE")
    name = words.name()
    words.needs("(")
    columns = dict([_column(words)])
    while words.takes(","):
        column, field = _column(words)
        if column in columns:
            raise PlanError(f"column {column!r} of table {name!r} is declared twice")
        columns[column] = field
    words.needs(")")
    unit: PrivacyUnit | None = None
    contribution: Contribution | None = None
    key: tuple[str, ...] = ()
    while not words.done and not words.takes(";"):
        if words.takes("UNIT"):
            unit = _unit(words)
        elif words.takes("GROUPS"):
            contribution = _contribution(words)
        else:
            words.needs("KEY")
            key = words.names()
    if public:
        if unit is not None or contribution is not None:
            raise PlanError(f"public table {name!r} has a unit; leave it out, or leave out PUBLIC")
        return name, PublicTable(columns=columns, key=key)
    if unit is None:
        raise PlanError(
            f"table {name!r} does not say whose rows it has; add UNIT PERSON (id), UNIT ROW or "
            "another unit, or declare it PUBLIC"
        )
    if len(key) > 1:
        raise PlanError(f"table {name!r} has a key of {len(key)} columns; a private table has one")
    row_key = key[0] if key else ""
    return name, Declared(unit=unit, columns=columns, row_key=row_key, contribution=contribution)


def _column(words: _Words) -> tuple[str, Field]:
    name, kind = words.name(), words.name().upper()
    if kind not in _KINDS:
        raise PlanError(f"column {name!r} is a {kind}; kinds are {', '.join(sorted(_KINDS))}")
    bounds: tuple[float, float] | None = None
    values: tuple[str | int, ...] | None = None
    while True:
        if words.takes("BETWEEN"):
            low = words.number()
            words.needs("AND")
            bounds = (low, words.number())
        elif words.takes("VALUES"):
            values = words.listed(words.value)
        else:
            return name, Field(kind=_KINDS[kind], bounds=bounds, values=values)


def _unit(words: _Words) -> PrivacyUnit:
    if words.takes("ROW"):
        return Rows(1)
    if words.takes("PERSON", "DAY"):
        return PersonDay(*words.names())
    if words.takes("PERSON"):
        return Person(*_identified(words, Person.space))
    if words.takes("ORGANISATION"):
        return Organisation(*_identified(words, Organisation.space))
    if words.takes("LINK"):
        (column,) = words.names()
        words.needs("TO")
        table = words.name()
        (key,) = words.names()
        return Linked(column, table, key)
    most = words.count()
    words.needs("ROWS")
    return Rows(most)


def _identified(words: _Words, space: str) -> tuple[str, str]:
    words.needs("(")
    column = words.name()
    if words.takes("IN"):
        space = words.name()
    words.needs(")")
    return column, space


def _contribution(words: _Words) -> Contribution:
    groups = words.count()
    words.needs("ROWS")
    rows = words.count()
    total = words.count() if words.takes("TOTAL") else None
    return Contribution(groups=groups, rows_per_group=rows, rows=total)
