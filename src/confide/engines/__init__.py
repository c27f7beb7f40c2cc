"""Engines: a plan run in simulation."""

from confide.engines.local import Drop, EnclaveHost, Run, simulate

__all__ = ["Drop", "EnclaveHost", "Run", "simulate"]
