"""Engines: a plan run in simulation."""

from confide.engines.local import Drop, Run, simulate

__all__ = ["Drop", "Run", "simulate"]
