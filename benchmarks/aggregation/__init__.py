"""Secure aggregation: what a masked sum costs the coordinator, each party and the wire."""

from benchmarks.aggregation.report import tables
from benchmarks.aggregation.runs import run
from benchmarks.suite import Suite

__all__ = ["AGGREGATION"]

AGGREGATION = Suite(
    name="aggregation",
    title="Masked aggregation",
    peers=("flower",),
    run=run,
    tables=tables,
    compares=True,
)
