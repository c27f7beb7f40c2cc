"""Trusted execution: verifications a second, and what an enclave adds to a round."""

from benchmarks.suite import Suite
from benchmarks.tee.report import tables
from benchmarks.tee.runs import run

__all__ = ["TEE"]

TEE = Suite(
    name="tee",
    title="Attestation and attested sums",
    peers=(),
    run=run,
    tables=tables,
)
