"""Tables: what their columns are, how files are read, and constants found by sums."""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.tables.check import TableCheck, check_table
    from confide.tables.columns import (
        Boolean,
        Category,
        Column,
        Date,
        Label,
        Missing,
        Number,
        Scale,
        Survival,
        Target,
    )
    from confide.tables.files import read_table
    from confide.tables.found import not_found, rounds_of, summaries
    from confide.tables.holdout import HoldOut, Part
    from confide.tables.schema import Schema
    from confide.tables.words import vocabularies

__all__ = [
    "Boolean",
    "Category",
    "Column",
    "Date",
    "HoldOut",
    "Label",
    "Missing",
    "Number",
    "Part",
    "Scale",
    "Schema",
    "Survival",
    "TableCheck",
    "Target",
    "check_table",
    "not_found",
    "read_table",
    "rounds_of",
    "summaries",
    "vocabularies",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.tables.check": (
                "TableCheck",
                "check_table",
            ),
            "confide.tables.columns": (
                "Boolean",
                "Category",
                "Column",
                "Date",
                "Label",
                "Missing",
                "Number",
                "Scale",
                "Survival",
                "Target",
            ),
            "confide.tables.files": ("read_table",),
            "confide.tables.found": (
                "not_found",
                "rounds_of",
                "summaries",
            ),
            "confide.tables.holdout": ("HoldOut", "Part"),
            "confide.tables.schema": ("Schema",),
            "confide.tables.words": ("vocabularies",),
        },
    )
