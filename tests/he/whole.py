"""Polynomials modulo X^N + 1 in Python's own whole numbers: what the ring is compared with."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray


def is_prime(q: int) -> bool:
    """Fermat's test, enough for fixed numbers."""
    return all(pow(base, q - 1, q) == 1 for base in (2, 3, 5, 7))


def primes(bits: int, degree: int) -> Iterator[int]:
    """The largest primes of so many bits that are 1 modulo twice the degree, falling."""
    top = (1 << bits) - 2 * degree + 1
    for q in itertools.count(top, -2 * degree):
        if q < 1 << (bits - 1):
            return
        if is_prime(q):
            yield q


def take(bits: int, degree: int, count: int) -> list[int]:
    """So many of them."""
    return list(itertools.islice(primes(bits, degree), count))


def random_rows(
    rng: np.random.Generator, moduli: Sequence[int], degree: int, polys: int = 1
) -> NDArray[np.uint64]:
    """Residues of random polynomials: (polys, rows, N)."""
    rows = [rng.integers(0, q, (polys, degree), dtype=np.uint64) for q in moduli]
    return np.ascontiguousarray(np.stack(rows, axis=1))


def product(x: Sequence[int], y: Sequence[int]) -> list[int]:
    """The negacyclic product, by the definition."""
    degree = len(x)
    result = [0] * degree
    for i, j in itertools.product(range(degree), repeat=2):
        sign = 1 if i + j < degree else -1
        result[(i + j) % degree] += sign * x[i] * y[j]
    return result


def automorphism(x: Sequence[int], g: int) -> list[int]:
    """X -> X^g."""
    degree = len(x)
    result = [0] * degree
    for i, coefficient in enumerate(x):
        power = i * g % (2 * degree)
        result[power % degree] += coefficient if power < degree else -coefficient
    return result


def residues(x: Sequence[int], moduli: Sequence[int]) -> NDArray[np.uint64]:
    """(1, rows, N)."""
    return np.array([[[c % q for c in x] for q in moduli]], np.uint64)


def lifted(rows: NDArray[np.uint64], moduli: Sequence[int]) -> list[int]:
    """The numbers about zero whose residues the rows are (Chinese remainders)."""
    total = math.prod(moduli)
    weights = [total // q * pow(total // q, -1, q) for q in moduli]
    numbers = (
        sum(w * int(r) for w, r in zip(weights, column, strict=True)) % total for column in rows.T
    )
    return [x - total if 2 * x > total else x for x in numbers]
