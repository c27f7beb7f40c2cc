"""The picture of a report: who sees which value in which form, as a grid of letters and colours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from confide.plan import Condition, Exposure, Form, Plan, Standing, Subject, What
from confide.plan.protections.base import CHANNEL
from confide.report.alike import Alike

__all__ = ["Cell", "Column", "Drawing", "Look", "Row", "drawing"]

_MOST_PARTIES: Final = 6
"""Up to this many parties have a column each; more share one column if they see the same."""


class Look(Enum):
    """How a value looks to an observer, from the most revealing form to nothing."""

    PLAINTEXT = "plaintext"
    SUM = "exact sum"
    NOISY = "noisy sum"
    MASKED = "masked"
    CIPHERTEXT = "ciphertext"
    ATTESTED = "attested"
    CHANNEL = "in transit"
    METADATA = "metadata"
    NOTHING = "nothing"

    @property
    def letter(self) -> str:
        """What stands in a cell."""
        return _TOLD[self][0]

    @property
    def meaning(self) -> str:
        """What the legend says, and a screen reader."""
        return f"{self.value}{_TOLD[self][1]}"


_TOLD: Final = {
    Look.PLAINTEXT: ("P", ": the value itself"),
    Look.SUM: ("S", ": of several parties together"),
    Look.NOISY: ("N", ": noise limits what it reveals"),
    Look.MASKED: ("M", ": random numbers without the masks"),
    Look.CIPHERTEXT: ("C", ": encrypted, also for those that relay it"),
    Look.ATTESTED: ("A", ": encrypted to an enclave that was verified"),
    Look.CHANNEL: ("T", ": the channel encrypts it"),
    Look.METADATA: ("W", ": who, when, how much"),
    Look.NOTHING: ("–", ""),
}


@dataclass(frozen=True)
class Cell:
    """What one observer has of one value.

    Attributes:
        look: In which form in every run.
        besides: What more it could learn, once a party is missing or by lying; empty if nothing.
    """

    look: Look
    besides: str = ""


@dataclass(frozen=True)
class Column:
    """One observer, or parties that see the same.

    Attributes:
        name: In short.
        trusted: Whether the plan trusts it with what it sees.
    """

    name: str
    trusted: bool


@dataclass(frozen=True)
class Row:
    """One value.

    Attributes:
        name: What it is.
        cells: What each column has of it.
    """

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Drawing:
    """Values as rows and observers as columns.

    Attributes:
        columns: The observers.
        rows: The values.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def marked(self) -> bool:
        """Whether an observer could learn more of any value."""
        return any(cell.besides for row in self.rows for cell in row.cells)

    @property
    def legend(self) -> tuple[Look, ...]:
        """The looks that occur, in order."""
        found = {cell.look for row in self.rows for cell in row.cells}
        return tuple(look for look in Look if look in found and look is not Look.NOTHING)


def drawing(plan: Plan, groups: Iterable[Alike]) -> Drawing:
    """Draws who sees which value in which form.

    Args:
        plan: The plan.
        groups: Its observers, those together that see the same.
    """
    shown = [g for g in groups if _alone(g) and g.first.standing is not Standing.BEYOND]
    parties = [g for g in shown if g.first.party is not None]
    each = sum(len(g.observers) for g in parties) <= _MOST_PARTIES
    columns = [c for g in shown for c in _columns(g, each=each)]
    rows = [
        *(_of_party(name, columns) for name in ([p.name for p in plan.parties] if each else ())),
        *(() if each else _of_many(columns)),
        _of_what("the sums", What.SUMS, columns),
        _of_what("the state", What.STATE, columns),
        *_of_messages(columns),
        _of_what("who, when, how long", What.METADATA, columns),
    ]
    return Drawing(
        columns=tuple(column for column, _, _ in columns),
        rows=tuple(row for row in rows if any(c.look is not Look.NOTHING for c in row.cells)),
    )


_Seen = tuple[Column, str, tuple[Exposure, ...]]
"""A column, the party's name if it is a single party, and what it sees."""


def _alone(group: Alike) -> bool:
    return group.first.party is not None or not group.first.parties


def _columns(group: Alike, *, each: bool) -> Iterator[_Seen]:
    trusted = group.first.standing is Standing.TRUSTED
    if group.first.party is None or each:
        for observer in group.observers:
            yield Column(observer.name, trusted), observer.party or "", group.seen
    else:
        count = len(group.observers)
        name = group.first.name if count == 1 else f"each of {count:,} parties"
        yield Column(name, trusted), name, group.seen


def _of_party(party: str, columns: list[_Seen]) -> Row:
    cells = []
    for _, name, seen in columns:
        own = name == party
        about = [
            e for e in seen
            if (e.what is What.OWN_DATA and own) or (_of_contribution(e) and not own)
        ]  # fmt: skip
        cells.append(_cell(about))
    return Row(f"data of {party}", tuple(cells))


def _of_many(columns: list[_Seen]) -> Iterator[Row]:
    own = [_cell(e for e in seen if e.what is What.OWN_DATA) for _, _, seen in columns]
    others = [_cell(e for e in seen if _of_contribution(e)) for _, _, seen in columns]
    yield Row("its own data", tuple(own))
    yield Row("data of another party", tuple(others))


def _of_contribution(e: Exposure) -> bool:
    return e.what is What.CONTRIBUTION and e.of in (Subject.EACH_PARTY, Subject.MISSING)


def _of_what(name: str, what: What, columns: list[_Seen]) -> Row:
    return Row(name, tuple(_cell(e for e in seen if e.what is what) for _, _, seen in columns))


def _of_messages(columns: list[_Seen]) -> Iterator[Row]:
    data = (What.CONTRIBUTION, What.RESULT)
    values = dict.fromkeys(
        (e.value, e.whose)
        for _, _, seen in columns
        for e in seen
        if e.of is Subject.NAMED and e.what in data and e.condition is Condition.EVERY_RUN
    )
    for value, whose in values:
        cells = (
            _cell(e for e in seen if (e.value, e.whose) == (value, whose)) for *_, seen in columns
        )
        yield Row(f"{value}, of {' and '.join(whose)}", tuple(cells))


_BESIDES: Final = {
    Condition.ONCE_MISSING: "known once a party is missing from a sum",
    Condition.BY_CHEATING: "more by lying",
}


def _cell(about: Iterable[Exposure]) -> Cell:
    look, besides = Look.NOTHING, ""
    order = list(Look)
    for e in about:
        if e.condition in _BESIDES:
            besides = besides or _BESIDES[e.condition]
        elif e.condition is Condition.EVERY_RUN:
            look = min(look, _look(e), key=order.index)
    return Cell(look, besides)


def _look(e: Exposure) -> Look:
    if e.what in (What.STATE, What.SUMS) and e.form is not Form.SEALED:
        return Look.SUM if e.guarantee.insiders is None else Look.NOISY
    if e.form is Form.SEALED:
        return Look.CHANNEL if e.assumption == CHANNEL else Look.ATTESTED
    return _LOOKS[e.form]


_LOOKS: Final = {
    Form.PLAINTEXT: Look.PLAINTEXT,
    Form.RESULT: Look.PLAINTEXT,
    Form.SUM: Look.SUM,
    Form.NOISY_SUM: Look.NOISY,
    Form.DIFFERENCE: Look.SUM,
    Form.MASKED: Look.MASKED,
    Form.CIPHERTEXT: Look.CIPHERTEXT,
    Form.SEALED: Look.CHANNEL,
    Form.SHARE: Look.MASKED,
    Form.PUBLIC_KEY: Look.METADATA,
    Form.METADATA: Look.METADATA,
}
