"""Tables: what their columns are, how files are read, and constants found by sums."""

from confide.tables.columns import (
    Boolean,
    Category,
    Column,
    Date,
    Label,
    Missing,
    Number,
    Scale,
    Target,
)
from confide.tables.schema import Schema

__all__ = [
    "Boolean",
    "Category",
    "Column",
    "Date",
    "Label",
    "Missing",
    "Number",
    "Scale",
    "Schema",
    "Target",
]
