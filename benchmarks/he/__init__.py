"""Encryption: primitives and a matrix product, next to Microsoft SEAL in the same process."""

from benchmarks.he.report import tables
from benchmarks.he.runs import run
from benchmarks.suite import Suite

__all__ = ["HE"]

HE = Suite(
    name="he",
    title="Homomorphic encryption",
    peers=("helayers", "desilo"),
    run=run,
    tables=tables,
)
