"""Tables: how good models are by default, beside others' on all rows in one place, and how fast."""

from benchmarks.suite import Suite
from benchmarks.tabular.report import picture, tables
from benchmarks.tabular.runs import run

__all__ = ["TABULAR"]

TABULAR = Suite(
    name="tables", title="Tables", peers=("pooled",), run=run, tables=tables, picture=picture,
    reads_folder=True,
)  # fmt: skip
