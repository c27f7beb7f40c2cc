"""Exact noise: nanoseconds per sample, next to OpenDP's exact samplers and numpy's inexact ones."""

from benchmarks.noise.report import tables
from benchmarks.noise.runs import run
from benchmarks.suite import Suite

__all__ = ["NOISE"]

NOISE = Suite(name="noise", title="Exact noise", peers=(), run=run, tables=tables)
