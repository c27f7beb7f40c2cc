"""Other ways to check a masked sum, measured for what they would cost a party beyond the round."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.aggregation.cases import SEED, Case
from benchmarks.meter import Stopwatch
from benchmarks.record import Record
from confide.aggregation import Layout
from confide.aggregation.masked.ring_hash import RingHash
from confide.aggregation.masked.streams import MaskAdder
from confide.plan import Plan

__all__ = ["alternatives"]

_SIGNATURE_BYTES = 64
_SEED_BYTES = 32


def alternatives(case: Case, params: Mapping[str, Any]) -> Iterator[Record]:
    """What a party would do to check a sum, beyond what it does in a round that nobody checks."""
    plan = case.plan()
    ways: list[_Way] = [_Fetching(case, plan)]
    if case.dropping:
        ways.append(_HashingMasks(case, plan))
    for way in ways:
        clocks = [_timed(way.run) for _ in range(params["repeats"])]
        yield Record(
            suite="aggregation",
            case=case.name,
            subject=way.subject,
            params=params,
            measured={
                "extra_wall_s": statistics.median(c.wall_ns for c in clocks) / 1e9,
                "extra_cpu_s": statistics.median(c.cpu_ns for c in clocks) / 1e9,
                "extra_least_cpu_s": min(c.cpu_ns for c in clocks) / 1e9,
                "received_bytes": way.received_bytes,
            },
        )


def _timed(work: Callable[[], object]) -> Stopwatch:
    clock = Stopwatch()
    with clock.running():
        work()
    return clock


class _Way:
    """One way, with what both take: the sum's masks come off."""

    subject: str

    def __init__(self, case: Case, plan: Plan) -> None:
        self._survivors = case.parties - case.dropping
        self._dropped = case.dropping
        self._layout, self._hash = Layout.of_sum(plan), RingHash.of_plan(plan)
        rng = np.random.default_rng(SEED)
        words = rng.integers(0, 1 << self._layout.bits[0], self._layout.size)
        self._words = words.astype(self._layout.dtype)
        self._adder = MaskAdder(self._layout.dtype)

    @property
    def received_bytes(self) -> int:
        raise NotImplementedError

    def run(self) -> object:
        raise NotImplementedError

    def _take_off(self, count: int) -> None:
        for i in range(count):
            self._adder.subtract(self._words, i.to_bytes(_SEED_BYTES, "big"))


class _Fetching(_Way):
    """Each party fetches all signed masked vectors and adds them up."""

    subject = "fetching all vectors"

    @property
    def received_bytes(self) -> int:
        return self._survivors * (self._layout.wire_bytes + _SIGNATURE_BYTES + _SEED_BYTES)

    def run(self) -> object:
        packed, total = self._layout.pack(self._words), np.zeros_like(self._words)
        for _ in range(self._survivors):
            hashlib.sha256(packed).digest()  # what the signature is on
            total += self._layout.unpack(packed)
        self._take_off(self._survivors * (1 + self._dropped))
        return self._layout.to_integers(self._words)


class _HashingMasks(_Way):
    """Before the opening, survivors sign hashes of their masks with those who dropped out.

    The sum that is shown is then without these masks, so nobody makes all of them again.
    """

    subject = "hashing masks with the dropped"

    @property
    def received_bytes(self) -> int:
        carry = (2 * self._survivors).bit_length()
        shown = (self._layout.bits[0] + carry) * self._layout.size // 8
        signed = 2 * self._hash.parameters.wire_bytes + 2 * _SIGNATURE_BYTES + _SEED_BYTES
        return shown + self._survivors * signed

    def run(self) -> object:
        self._hash(self._words)  # of the own masked vector
        self._take_off(self._dropped)
        self._hash(self._words)  # of the own masks with the dropped
        self._take_off(self._survivors)
        carries = np.ones(self._layout.size, np.uint8)
        self._hash(self._words, carries)  # of the sum that is shown
        return self._layout.to_integers(self._words)
