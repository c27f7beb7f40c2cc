"""Tables: what their columns are, how files are read, and constants found by sums."""

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
    Target,
)
from confide.tables.files import read_table
from confide.tables.found import rounds_of, summaries
from confide.tables.schema import Schema
from confide.tables.words import vocabularies

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
    "TableCheck",
    "Target",
    "check_table",
    "read_table",
    "rounds_of",
    "summaries",
    "vocabularies",
]
