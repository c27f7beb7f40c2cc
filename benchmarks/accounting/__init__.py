"""Accounting: how long ε and calibration take, and next to dp-accounting."""

from benchmarks.accounting.report import tables
from benchmarks.accounting.runs import run
from benchmarks.suite import Suite

__all__ = ["ACCOUNTING"]

ACCOUNTING = Suite(name="accounting", title="Accounting", peers=(), run=run, tables=tables)
