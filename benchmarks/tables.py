"""Tables of records: one value, shown in a terminal or written as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.record import Record

__all__ = ["Table", "mebibytes", "provenance", "ratio", "seconds", "show", "to_markdown"]


@dataclass(frozen=True)
class Table:
    """Rows of text under a title.

    Attributes:
        title: What the rows compare.
        columns: Heads; the first column is text, the others are numbers.
        rows: One cell for each column.
        note: What a reader must know to read it rightly.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def seconds(value: float) -> str:
    """Three significant digits, in seconds or milliseconds."""
    return f"{value * 1e3:.3g} ms" if value < 0.1 else f"{value:.3g} s"


def mebibytes(value: float) -> str:
    """Bytes for people."""
    return f"{value / 2**20:.3g} MiB"


def ratio(ours: float, theirs: float) -> str:
    """Ours divided by theirs: below one is better, where less is better."""
    return f"{ours / theirs:.2g}×" if theirs else "–"


def show(tables: Sequence[Table], console: Console) -> None:
    """Prints tables."""
    for table in tables:
        shown = RichTable(title=table.title, title_justify="left", caption=table.note or None)
        shown.caption_justify = "left"
        for place, column in enumerate(table.columns):
            shown.add_column(column, justify="right" if place else "left", no_wrap=True)
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)


def provenance(records: Sequence[Record]) -> str:
    """When, of which commit and on what the records were measured."""
    first, last = records[0], records[-1]
    libraries = ", ".join(f"{name} {number}" for name, number in first.versions.items())
    return (
        f"Measured {first.date} to {last.date} at commit `{first.commit}` on "
        f"{first.machine['cores']} cores of {first.machine['cpu']} "
        f"({first.machine['system']}, {first.machine['memory_gib']} GiB), with {libraries}. "
        f"Load before the first case: {first.machine['load_before']}, before the last: "
        f"{last.machine['load_before']}."
    )


def to_markdown(title: str, tables: Sequence[Table], records: Sequence[Record]) -> str:
    """A page of tables, made of the records alone."""
    parts = [f"# {title}", provenance(records)]
    for table in tables:
        rules = ["---", *["---:"] * (len(table.columns) - 1)]
        lines = [table.columns, rules, *table.rows]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts += [f"## {table.title}", body, *([table.note] if table.note else [])]
    return "\n\n".join(parts) + "\n"
