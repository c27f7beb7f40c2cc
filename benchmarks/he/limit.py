"""How far from the machine: what an operation must do, and how fast this core can do it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from confide import he
from confide.he.tracer import Tracer, Work

__all__ = ["floor_seconds", "rates", "work_of"]


def work_of(literal: he.Literal, operation: str) -> Work:
    """Butterflies and multiplications of an operation at the top level."""
    parameters = literal.checked()
    tracer = Tracer(parameters.scheme, parameters.degree, parameters)
    x = tracer.fresh(1.0, public=False)
    tracer.work.butterflies = tracer.work.products = 0
    if operation == "rotate":
        tracer.rotate(x, [1])
    else:
        tracer.relinearise(tracer.products([x], [x]))
    return tracer.work


@lru_cache
def rates(instructions: str) -> tuple[float, float]:
    """Seconds of a butterfly and of a multiply-add on data that stays in the caches of a core."""
    literal = he.Literal(
        scheme=he.Scheme.CKKS,
        degree=4096,
        depth=0,
        level_bits=40,
        base_bits=(46,),
        special_bits=(46,),
    )
    ring = he.Context(literal.checked(), instructions=instructions).ring
    degree, polys, terms = ring.degree, 8, 32
    x = np.ones((polys, 1, degree), np.uint64)
    out = np.ones_like(x)
    butterflies = polys * degree // 2 * (degree.bit_length() - 1)
    return (
        _fastest(lambda: ring.forward(out, [0])) / butterflies,
        _fastest(lambda: ring.weighted(out, [x] * terms, [x[:1]] * terms, [0]))
        / (polys * terms * degree),
    )


def floor_seconds(work: Work, instructions: str) -> float:
    """What the operation would take if all data stayed in the caches of the core."""
    butterfly, product = rates(instructions)
    return work.butterflies * butterfly + work.products * product


def _fastest(call: Callable[[], object]) -> float:
    """Of many, in batches that outweigh the call itself."""
    best = float("inf")
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(50):
            call()
        best = min(best, (time.perf_counter() - start) / 50)
    return best
