"""SQL to trees, by sqlglot's parser. What a private query cannot use is refused by name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from confide.errors import PlanError
from confide.query.tree import (
    Aggregate,
    Call,
    Column,
    Compute,
    Expression,
    Join,
    Literal,
    NamedAggregate,
    PerUnit,
    Query,
    Relation,
    Table,
    Where,
)

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["parse"]

_MOST_TEXT: Final = 1 << 16

_OPERATORS: Final = {
    "Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "EQ": "=", "NEQ": "<>", "LT": "<", "LTE": "<=",
    "GT": ">", "GTE": ">=", "And": "and", "Or": "or",
}  # fmt: skip
_ONE: Final = {
    "Abs": "abs", "Floor": "floor", "Ceil": "ceil", "Year": "year", "Month": "month", "Day": "day",
    "Not": "not",
}  # fmt: skip
_MANY: Final = {"Coalesce": "coalesce", "Greatest": "greatest", "Least": "least"}
_NAMED: Final = {"clamp": "clamp", "bin": "bin"}
_AGGREGATES: Final = {
    "Count": ("count", False), "Sum": ("sum", False), "Avg": ("mean", False),
    "Variance": ("variance", True), "VariancePop": ("variance", False),
    "CovarSamp": ("covariance", True), "CovarPop": ("covariance", False),
    "Quantile": ("quantile", False), "PercentileCont": ("quantile", False),
    "Median": ("quantile", False), "Min": ("min", False), "Max": ("max", False),
}  # fmt: skip


def parse(text: str) -> Query:
    """The tree of a SELECT.

    Args:
        text: `SELECT keys, aggregates FROM … [JOIN …] [WHERE …] [GROUP BY …] [HAVING …] [ORDER BY
            …] [LIMIT n]`, with subqueries and WITH. Beside standard functions there are
            `clamp(x, low, high)` and `bin(x, low, high, bins)`.

    Raises:
        PlanError: If it is not SQL, or uses what a private query cannot.

    Example:
        >>> query = parse("SELECT county, count(*) AS n FROM loans GROUP BY county")
        >>> query.keys, query.aggregates[0][1].function
        ((('county', Column('county')),), 'count')
    """
    import sqlglot
    from sqlglot import exp

    if len(text) > _MOST_TEXT:
        raise PlanError(f"a query of {len(text):,} characters; at most {_MOST_TEXT:,}")
    try:
        statements = sqlglot.parse(text, read="duckdb")
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        first = next(iter(str(error).splitlines()), "it nests too deep")
        raise PlanError(f"not SQL: {first}") from None
    statements = [each for each in statements if each is not None]
    if len(statements) != 1 or not isinstance(statements[0], exp.Select):
        raise PlanError("a private query is one SELECT; write one")
    try:
        return _Reader().query(statements[0])
    except RecursionError:
        raise PlanError("a query nests too deep; make it from fewer parts") from None


@dataclass(frozen=True)
class _Clause:
    """A WITH clause, and those that it can see."""

    select: Any
    known: Mapping[str, _Clause]


class _Reader:
    """Reads one statement; it knows the WITH clauses that are in force."""

    def __init__(self, known: Mapping[str, _Clause] | None = None) -> None:
        self._known = dict(known or {})

    def query(self, select: exp.Select) -> Query:
        """The root."""
        reader, source = self._begun(select)
        keys, aggregates = reader.selected(select)
        return Query(
            source,
            keys,
            aggregates,
            having=reader.condition(select, "having"),
            order=_order(select),
            limit=_limit(select),
        )

    def _begun(self, select: exp.Select) -> tuple[_Reader, Relation]:
        """What rows a SELECT starts from."""
        _check_clauses(select)
        reader = _Reader(self._known)
        with_ = select.args.get("with_")
        if with_ is not None:
            if with_.args.get("recursive"):
                raise PlanError("WITH RECURSIVE has no bound on rows; write it without")
            for clause in with_.expressions:
                # A clause sees those before it.
                reader._known[clause.alias] = _Clause(clause.this, dict(reader._known))
        source = select.args.get("from_")
        if source is None:
            raise PlanError("a SELECT without FROM; name a table")
        rows = reader._source(source.this)
        for join in select.args.get("joins") or ():
            rows = reader._join(rows, join)
        condition = reader.condition(select, "where")
        return reader, rows if condition is None else Where(rows, condition)

    def _source(self, node: exp.Expression) -> Relation:
        from sqlglot import exp

        if isinstance(node, exp.Subquery):
            return self.subquery(node.this, node.alias)
        if not isinstance(node, exp.Table) or node.args.get("joins"):
            raise PlanError(f"FROM {node.sql()}; name a declared table or a subquery")
        if not isinstance(node.this, exp.Identifier) or node.args.get("db") is not None:
            raise PlanError(f"FROM {node.sql()}; name a declared table, without a schema")
        if node.name in self._known:
            clause = self._known[node.name]
            return _Reader(clause.known).subquery(clause.select, node.alias or node.name)
        return Table(node.name, node.alias)

    def subquery(self, select: Any, alias: str) -> Relation:
        """The rows of a subquery."""
        from sqlglot import exp

        if not isinstance(select, exp.Select):
            raise PlanError("a subquery is one SELECT; UNION and the like have no bound here")
        for clause in ("having", "order", "limit"):
            if select.args.get(clause) is not None:
                raise PlanError(
                    f"{clause.upper()} in a subquery chooses rows by other rows; filter with WHERE "
                    "in the outer query"
                )
        reader, source = self._begun(select)
        if select.args.get("group") is None and not select.find(exp.AggFunc):
            return reader.computed(select, source, alias)
        keys, aggregates = reader.selected(select)
        return PerUnit(source, keys, aggregates, alias)

    def computed(self, select: exp.Select, source: Relation, alias: str) -> Relation:
        """The rows of a subquery without aggregates."""
        from sqlglot import exp

        stars = [node for node in select.expressions if isinstance(node, exp.Star)]
        if any(node.args.get("except_") or node.args.get("replace") for node in stars):
            raise PlanError("* EXCEPT and * REPLACE; list the columns instead")
        named = tuple(
            (_name(node), self._expression(_bare(node)))
            for node in select.expressions
            if not isinstance(node, exp.Star)
        )
        return Compute(source, named, keep=bool(stars), alias=alias)

    def _join(self, left: Relation, join: exp.Join) -> Relation:
        side, kind = (str(join.args.get(key) or "").upper() for key in ("side", "kind"))
        if (
            side not in ("", "LEFT")
            or kind not in ("", "INNER", "OUTER")
            or join.args.get("method")
        ):
            raise PlanError(
                f"a {' '.join(filter(None, (side, kind)))} join; there are inner and left joins on "
                "columns that are equal"
            )
        right = self._source(join.this)
        using = join.args.get("using") or ()
        pairs = [(Column(column.name), Column(column.name)) for column in using]
        on = join.args.get("on")
        if on is not None:
            pairs += _pairs(on, _alias(right))
        return Join(left, right, tuple(pairs), outer=side == "LEFT")

    def condition(self, select: exp.Select, clause: str) -> Expression | None:
        """The condition of WHERE or HAVING, if there is one."""
        found = select.args.get(clause)
        return None if found is None else self._expression(found.this)

    def selected(
        self, select: exp.Select
    ) -> tuple[tuple[tuple[str, Expression], ...], tuple[NamedAggregate, ...]]:
        """Keys and aggregates of a SELECT with GROUP BY."""
        from sqlglot import exp

        group = select.args.get("group")
        if group is not None and any(
            group.args.get(key) for key in ("rollup", "cube", "grouping_sets", "all", "totals")
        ):
            raise PlanError("GROUP BY ROLLUP, CUBE, SETS or ALL; ask one query for each grouping")
        grouped = (
            [] if group is None else [self._grouped(node, select) for node in group.expressions]
        )
        keys: dict[str, Expression] = {}
        aggregates: dict[str, Aggregate] = {}
        for node in select.expressions:
            bare, name = _bare(node), _name(node)
            if name in keys or name in aggregates:
                raise PlanError(f"column {name!r} occurs twice; name one of them by AS")
            if bare.find(exp.AggFunc):
                aggregates |= self._aggregates(name, bare)
                continue
            expression = self._expression(bare)
            if expression not in grouped:
                raise PlanError(
                    f"{bare.sql()} is selected, and neither an aggregate nor in GROUP BY: it would "
                    "release rows. Aggregate it, or group by it"
                )
            keys[name] = expression
        for number, expression in enumerate(grouped):
            if expression not in keys.values():
                keys[getattr(expression, "name", f"key_{number}")] = expression
        return tuple(keys.items()), tuple(aggregates.items())

    def _grouped(self, node: exp.Expression, select: exp.Select) -> Expression:
        """A key: an expression, the place of a selected one, or its name."""
        from sqlglot import exp

        if isinstance(node, exp.Literal) and not node.is_string:
            place = int(node.this) if str(node.this).isdigit() else 0
            if not 1 <= place <= len(select.expressions):
                raise PlanError(f"GROUP BY {node.sql()}; it counts selected columns from 1")
            return self._expression(_bare(select.expressions[place - 1]))
        if isinstance(node, exp.Column) and not node.table:
            for selected in select.expressions:
                if isinstance(selected, exp.Alias) and selected.alias == node.name:
                    return self._expression(selected.this)
        return self._expression(node)

    def _aggregates(self, name: str, node: exp.Expression) -> dict[str, Aggregate]:
        """One aggregate, or several quantiles at once."""
        from sqlglot import exp

        condition = None
        if isinstance(node, exp.Filter):
            condition = self._expression(node.expression.this)
            node = node.this
        kind = type(node).__name__
        if kind not in _AGGREGATES:
            raise PlanError(
                f"{node.sql()}: an answer's column is one aggregate (count, sum, avg, variance, "
                "covar_pop, quantile, …); combine released columns afterwards, at no cost"
            )
        function, sample = _AGGREGATES[kind]
        given = [node.this] if node.args.get("this") is not None else []
        if function == "covariance":
            given.append(node.expression)
        if function == "count":
            function, given = _counted(node)
        arguments = tuple(_only(self._expression(each), condition) for each in given)
        if function == "count" and not arguments and condition is not None:
            arguments = (_only(Literal(1), condition),)
        shares = _shares(node) if function == "quantile" else [0.5]
        if len(shares) == 1:
            return {name: Aggregate(function, arguments, shares[0], sample)}
        return {
            f"{name}_{round(share * 100, 4):g}": Aggregate(function, arguments, share)
            for share in shares
        }

    def _expression(self, node: exp.Expression) -> Expression:
        kind = type(node).__name__
        reads: dict[str, Callable[[Any], Expression]] = {
            "Anonymous": self._named, "Between": self._between, "Case": self._case,
            "Cast": self._cast, "Column": self._column, "If": self._if, "In": self._in,
            "Is": self._is, "Literal": _literal, "Neg": self._neg, "Boolean": _boolean,
            "Null": lambda _: Literal(None), "Paren": lambda inner: self._expression(inner.this),
        }  # fmt: skip
        if kind in reads:
            return reads[kind](node)
        if kind in _OPERATORS:
            return Call(_OPERATORS[kind], self._each(node.this, node.expression))
        if kind in _ONE:
            if node.args.get("decimals") is not None:
                raise PlanError(f"{node.sql()}; floor and ceil take one argument")
            return Call(_ONE[kind], (self._expression(node.this),))
        if kind in _MANY:
            return Call(_MANY[kind], self._each(node.this, *node.expressions))
        raise PlanError(
            f"{node.sql()} ({kind}) is not one of the functions that a private query may use: it "
            "could fail for some rows, or differ between engines"
        )

    def _each(self, *nodes: exp.Expression) -> tuple[Expression, ...]:
        return tuple(self._expression(node) for node in nodes)

    def _column(self, node: Any) -> Expression:
        if node.args.get("db") is not None:
            raise PlanError(f"{node.sql()}; name a column, or table.column")
        return Column(node.name, node.table)

    def _named(self, node: Any) -> Expression:
        function = _NAMED.get(node.name.lower())
        if function is None:
            raise PlanError(
                f"function {node.name!r} is not one that a private query may use; beside SQL's own "
                f"there are {', '.join(_NAMED)}"
            )
        return Call(function, self._each(*node.expressions))

    def _between(self, node: Any) -> Expression:
        value, low, high = self._each(node.this, node.args["low"], node.args["high"])
        return (value >= low) & (value <= high)

    def _case(self, node: Any) -> Expression:
        default = node.args.get("default")
        found = Literal(None) if default is None else self._expression(default)
        subject = node.args.get("this")
        for branch in reversed(node.args["ifs"]):
            condition, then = self._each(branch.this, branch.args["true"])
            if subject is not None:
                condition = self._expression(subject).equals(condition)
            found = Call("if", (condition, then, found))
        return found

    def _if(self, node: Any) -> Expression:
        otherwise = node.args.get("false")
        last = Literal(None) if otherwise is None else self._expression(otherwise)
        return Call("if", (*self._each(node.this, node.args["true"]), last))

    def _cast(self, node: Any) -> Expression:
        if node.args["to"].sql() == "DATE" and node.this.is_string:
            try:
                return Literal(dt.date.fromisoformat(node.this.this))
            except ValueError:
                raise PlanError(f"{node.sql()}; a date is like DATE '2020-12-31'") from None
        raise PlanError(f"{node.sql()}; columns have the kinds of their declaration, do not cast")

    def _in(self, node: Any) -> Expression:
        if not node.expressions:
            raise PlanError(f"{node.sql()}; IN takes a list of constants, else write a join")
        return Call("in", self._each(node.this, *node.expressions))

    def _is(self, node: Any) -> Expression:
        value, other = self._each(node.this, node.expression)
        if not isinstance(other, Literal) or not (
            other.value is None or other.value in (True, False)
        ):
            raise PlanError(f"{node.sql()}; IS takes NULL, TRUE or FALSE")
        if other.value is None:
            return value.is_missing()
        return Call("coalesce", (value.equals(other), Literal(False)))

    def _neg(self, node: Any) -> Expression:
        value = self._expression(node.this)
        if isinstance(value, Literal) and type(value.value) in (int, float):
            return Literal(-value.value)  # type: ignore[operator] # a number
        return -value


def _check_clauses(select: exp.Select) -> None:
    known = {"with_", "expressions", "from_", "joins", "where", "group", "having", "order", "limit",
             "kind", "hint"}  # fmt: skip
    for clause, value in select.args.items():
        if value and clause not in known:
            raise PlanError(f"{clause.strip('_').upper()} is not for private queries; leave it out")


def _counted(node: exp.Expression) -> tuple[str, list[exp.Expression]]:
    from sqlglot import exp

    inside = node.this
    if node.expressions:
        raise PlanError(f"{node.sql()}; count takes *, one expression, or DISTINCT and one")
    if inside is None or isinstance(inside, exp.Star):
        return "count", []
    if isinstance(inside, exp.Distinct):
        if len(inside.expressions) != 1:
            raise PlanError(f"{node.sql()}; count DISTINCT of one expression")
        return "distinct", list(inside.expressions)
    return "count", [inside]


def _only(value: Expression, condition: Expression | None) -> Expression:
    """A value where a FILTER holds, and missing elsewhere."""
    return value if condition is None else Call("if", (condition, value, Literal(None)))


def _shares(node: exp.Expression) -> list[float]:
    from sqlglot import exp

    if isinstance(node, exp.Median):
        return [0.5]
    given = node.args.get("quantile") or node.args.get("expression")
    listed: list[Any] = given.expressions if isinstance(given, exp.Array) else [given]
    try:
        shares = [float(each.this) for each in listed]
    except (AttributeError, TypeError, ValueError):
        raise PlanError(f"{node.sql()}; a quantile is a constant between 0 and 1") from None
    if not shares or not all(0 < share < 1 for share in shares):
        raise PlanError(f"{node.sql()}; a quantile is between 0 and 1")
    return shares


def _order(select: exp.Select) -> tuple[tuple[str, bool], ...]:
    order = select.args.get("order")
    found = []
    for each in order.expressions if order is not None else ():
        if type(each.this).__name__ != "Column":
            raise PlanError(f"ORDER BY {each.this.sql()}; name columns of the answer")
        found.append((each.this.name, bool(each.args.get("desc"))))
    return tuple(found)


def _limit(select: exp.Select) -> int | None:
    limit = select.args.get("limit")
    if limit is None:
        return None
    text = str(getattr(limit.expression, "this", ""))
    if not text.isdigit():
        raise PlanError(f"{limit.sql()}; LIMIT takes a whole number")
    return int(text)


def _pairs(on: exp.Expression, right: str) -> list[tuple[Column, Column]]:
    """Equal columns, of the left and of the right side."""
    from sqlglot import exp

    found = []
    for part in on.flatten() if isinstance(on, exp.And) else [on]:
        part = part.unnest()  # noqa: PLW2901 - the same condition
        one, other = part.args.get("this"), part.args.get("expression")
        if not (
            isinstance(part, exp.EQ)
            and isinstance(one, exp.Column)
            and isinstance(other, exp.Column)
        ):
            raise PlanError(f"ON {on.sql()}; join on columns that are equal: a.id = b.id AND …")
        columns = [Column(each.name, each.table) for each in (one, other)]
        if columns[0].table == right:
            columns.reverse()
        if columns[1].table != right or columns[0].table == right:
            raise PlanError(f"ON {on.sql()}; write which table each column is of, as a.id = b.id")
        found.append((columns[0], columns[1]))
    return found


def _alias(relation: Relation) -> str:
    if isinstance(relation, Table):
        return relation.alias or relation.name
    return getattr(relation, "alias", "")


def _bare(node: exp.Expression) -> exp.Expression:
    from sqlglot import exp

    inside: exp.Expression = node.this if isinstance(node, exp.Alias) else node
    return inside


def _name(node: exp.Expression) -> str:
    """The name of a selected column: its alias, its column, or the function."""
    from sqlglot import exp

    if node.alias_or_name and isinstance(node, exp.Alias | exp.Column):
        return node.alias_or_name
    return node.sql().lower().partition("(")[0] or "value"


def _literal(node: Any) -> Expression:
    if node.is_string:
        return Literal(node.this)
    text = node.this
    return Literal(int(text) if text.isdigit() else float(text))


def _boolean(node: Any) -> Expression:
    return Literal(bool(node.this))
