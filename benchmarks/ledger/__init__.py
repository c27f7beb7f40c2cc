"""The ledger: how much of exact composition a cap admits, and how long opening takes."""

from benchmarks.ledger.report import tables
from benchmarks.ledger.runs import run
from benchmarks.suite import Suite

__all__ = ["LEDGER"]

LEDGER = Suite(name="ledger", title="The ledger", peers=(), run=run, tables=tables)
