"""Measures on this machine what `confide.he.costs` holds: `python -m benchmarks.he.costs`."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from confide.he import primes
from confide.he.costs import Cost
from confide.he.kernel import make_ring
from confide.he.security import DEGREES

__all__ = ["measured"]


def measured(degree: int) -> Cost:
    """The costs of a ring, on one core, in some milliseconds."""
    ring, rows = make_ring(degree, primes.largest(4, 46, degree, frozenset()), 1), range(4)
    x = np.ones((2, 4, degree), np.uint64)
    out, line = np.empty_like(x), np.ones(degree // 2)
    butterflies = 4 * degree * (degree.bit_length() - 1)
    return Cost(
        butterfly=_fastest(lambda: ring.forward(out, rows)) / butterflies,
        product=_fastest(lambda: ring.weighted(out, [x] * 4, [x[:1]] * 4, rows)) / (32 * degree),
        encoding=_fastest(lambda: ring.from_reals(out[:1], np.fft.fft(line).real.repeat(2), rows)),
        byte=_fastest(lambda: np.ones_like(x)) / x.nbytes,
    )


def _fastest(work: Callable[[], object]) -> float:
    times = []
    for _ in range(15):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    for ring_degree in DEGREES:
        fields = (f"{name}={value:.1e}" for name, value in measured(ring_degree)._asdict().items())
        print(f"{ring_degree}: Cost({', '.join(fields)}),")
