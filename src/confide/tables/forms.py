"""How a column's texts are written: dates in their usual forms, and numbers with something beside.

A form is told from a whole column, never guessed cell by cell: 01/02/2026 is one day in Boston and
another in London, and a column says which only if some cell of it can be read in one way alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date
from enum import Enum
from typing import Final

from confide.errors import DataError

__all__ = ["day_reader", "is_day", "number_form"]

_TIME: Final = r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s?(?:Z|[+-]\d{2}:?\d{2})?)?"
_ISO: Final = re.compile(rf"(\d{{4}})[-/](\d{{1,2}})(?:[-/](\d{{1,2}}){_TIME})?")
_DOTTED: Final = re.compile(rf"(\d{{1,2}})\.(\d{{1,2}})\.(\d{{4}}){_TIME}")
_UNSURE: Final = re.compile(rf"(\d{{1,2}})[/-](\d{{1,2}})[/-](\d{{4}}){_TIME}")
_NAMED: Final = re.compile(r"(\d{1,2})[ -]([a-z]{3})[a-z]*[ -](\d{4})", re.IGNORECASE)
_NAMED_FIRST: Final = re.compile(r"([a-z]{3})[a-z]* (\d{1,2}),? (\d{4})", re.IGNORECASE)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov",
                  "dec")  # fmt: skip

_PLAIN: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_NUMBER: Final = r"[+-]?[\d.,'\s  ]*\d[\d.,'\s  ]*"
_FORMS: Final = {
    "a percent sign": re.compile(rf"{_NUMBER}%"),
    "a currency sign": re.compile(rf"[-+]?[$€£¥]\s*{_NUMBER}|{_NUMBER}\s*[$€£¥]"),
    "separators of thousands": re.compile(r"[+-]?\d{1,3}(?:[,'\s  ]\d{3})+(?:\.\d+)?|"
                                          r"[+-]?\d{1,3}(?:\.\d{3})+,\d+"),
    "a decimal comma": re.compile(r"[+-]?\d+,\d+"),
    "infinity": re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE),
}  # fmt: skip
_MOST: Final = 0.9


class _Order(Enum):
    DAY_FIRST = "day first"
    MONTH_FIRST = "month first"


def is_day(word: str) -> bool:
    """Whether a text is a date in one of the usual forms, in whichever order."""
    return any(_day(word, order) is not None for order in _Order)


def day_reader(words: Iterable[str], name: str) -> Callable[[str], date]:
    """What reads a column's dates: ISO, 31.01.2026, 31 Jan 2026, and 31/01/2026 or 01/31/2026.

    Args:
        words: The column's texts.
        name: The column.

    Returns:
        A function from a text to its day; it raises ValueError for what is no date.

    Raises:
        DataError: If slashed dates can be read in both orders, or in neither.
    """
    unsure = [w for w in set(words) if _UNSURE.fullmatch(w)]
    orders = [o for o in _Order if all(_day(w, o) is not None for w in unsure)]
    # What matches no order at all is refused cell by cell, with its row.
    if len(orders) == 2 and any(_day(w, orders[0]) != _day(w, orders[1]) for w in unsure):
        raise DataError(
            f"column {name!r} has dates like 01/02/2026, day or month first: write them as "
            "2026-02-01"
        )
    if not orders and all(is_day(w) for w in unsure):
        raise DataError(
            f"column {name!r} has dates with the day first and others with the month first: write "
            "them as 2026-01-31"
        )
    order = orders[0] if orders else _Order.DAY_FIRST

    def read(word: str) -> date:
        day = _day(word, order)
        if day is None:
            raise ValueError
        return day

    return read


def _day(word: str, order: _Order) -> date | None:
    parts = _parts(word, order)
    try:
        return date(*parts) if parts else None
    except ValueError:
        return None


def _parts(word: str, order: _Order) -> tuple[int, int, int] | None:
    """Year, month and day."""
    if found := _ISO.fullmatch(word):
        return int(found[1]), int(found[2]), int(found[3] or 1)
    if found := _DOTTED.fullmatch(word):
        return int(found[3]), int(found[2]), int(found[1])
    if found := _UNSURE.fullmatch(word):
        first, second = int(found[1]), int(found[2])
        month, day = (second, first) if order is _Order.DAY_FIRST else (first, second)
        return int(found[3]), month, day
    if found := _NAMED.fullmatch(word):
        return int(found[3]), _month(found[2]), int(found[1])
    if found := _NAMED_FIRST.fullmatch(word):
        return int(found[3]), _month(found[1]), int(found[2])
    return None


def _month(word: str) -> int:
    """A month's number; 0, which is none, for another word."""
    return _MONTHS.index(word.lower()) + 1 if word.lower() in _MONTHS else 0


def number_form(words: Iterable[str]) -> str:
    """What stands beside the numbers of a column of texts; empty if they are no numbers.

    Example:
        >>> number_form(["12 %", "3.5%"]), number_form(["1,234", "999"]), number_form(["A", "B"])
        ('a percent sign', 'separators of thousands', '')
    """
    distinct = set(words)
    plain = {word for word in distinct if _PLAIN.fullmatch(word)}
    counts = {
        form: sum(pattern.fullmatch(word) is not None for word in distinct - plain)
        for form, pattern in _FORMS.items()
    }
    form = max(counts, key=lambda name: counts[name])
    enough = counts[form] + len(plain) >= _MOST * len(distinct)
    return form if counts[form] and enough else ""
