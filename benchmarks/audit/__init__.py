"""Audits: attacks on published tables and noisy answers, and the noise that ends them."""

from benchmarks.audit.report import tables
from benchmarks.audit.runs import run
from benchmarks.suite import Suite

__all__ = ["AUDIT"]

AUDIT = Suite(name="audit", title="Audits", peers=(), run=run, tables=tables, reads_folder=True)
