"""Private SQL: queries of private tables, whose answers carry calibrated noise.

A query becomes a tree (`confide.query.tree`), from SQL or from frames. The stability analysis says
which rows one unit can change, or refuses; contributions are bounded inside the engine; exact whole
numbers get noise; and the ledger charges it all before anything is computed. Read in this order:
`catalog`, `tree`, `stability`, `parts`, `bounding`, `noise`, `release`, `session`.
"""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.query.catalog import (
        Catalog,
        Contribution,
        Declared,
        Field,
        Linked,
        Organisation,
        Person,
        PersonDay,
        PublicTable,
        Rows,
    )
    from confide.query.ddl import catalog_of
    from confide.query.duckdb_engine import DuckDbEngine
    from confide.query.frame import Frame, col
    from confide.query.noise import Budget
    from confide.query.prepare import prepared
    from confide.query.session import Answer, Price, Session
    from confide.query.tree import Aggregate, Kind, Query

__all__ = [
    "Aggregate",
    "Answer",
    "Budget",
    "Catalog",
    "Contribution",
    "Declared",
    "DuckDbEngine",
    "Field",
    "Frame",
    "Kind",
    "Linked",
    "Organisation",
    "Person",
    "PersonDay",
    "Price",
    "PublicTable",
    "Query",
    "Rows",
    "Session",
    "catalog_of",
    "col",
    "prepared",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.query.catalog": (
                "Catalog",
                "Contribution",
                "Declared",
                "Field",
                "Linked",
                "Organisation",
                "Person",
                "PersonDay",
                "PublicTable",
                "Rows",
            ),
            "confide.query.ddl": ("catalog_of",),
            "confide.query.duckdb_engine": ("DuckDbEngine",),
            "confide.query.frame": ("Frame", "col"),
            "confide.query.noise": ("Budget",),
            "confide.query.prepare": ("prepared",),
            "confide.query.session": ("Answer", "Price", "Session"),
            "confide.query.tree": ("Aggregate", "Kind", "Query"),
        },
    )
