"""The demonstration: five rival lenders train one model, and see who learns what."""

from confide.demo.experiment import Experiment, run_experiment, seed_spread
from confide.demo.findings import findings, write_report

__all__ = ["Experiment", "findings", "run_experiment", "seed_spread", "write_report"]
