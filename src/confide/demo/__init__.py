"""The demonstration: five rival lenders train one model, and see who learns what."""

from confide.demo.experiment import Experiment, run_experiment
from confide.demo.report import findings, write_report
from confide.demo.spread import compute_spread, read_spread

__all__ = [
    "Experiment",
    "compute_spread",
    "findings",
    "read_spread",
    "run_experiment",
    "write_report",
]
