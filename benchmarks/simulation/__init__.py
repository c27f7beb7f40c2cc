"""Simulation of federated averaging: seconds a round beside the loop that one writes by hand."""

from benchmarks.simulation.report import tables
from benchmarks.simulation.runs import run
from benchmarks.suite import Suite

__all__ = ["SIMULATION"]

SIMULATION = Suite(
    name="simulation",
    title="Simulated rounds of federated averaging",
    peers=(),
    run=run,
    tables=tables,
)
