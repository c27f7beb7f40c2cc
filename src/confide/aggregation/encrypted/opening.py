"""From shares of the survivors' keys to their sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from confide.aggregation.encoding import Integers
from confide.aggregation.encrypted.gaussian import LARGEST
from confide.aggregation.encrypted.packing import CHECKED
from confide.aggregation.encrypted.parameters import DEGREE, ROW, Residues, SumParameters
from confide.errors import VerificationError

__all__ = ["OpenedKey", "combine", "decrypts", "lagrange", "open_sum"]

_PROBED: Final = 16
_MOST_CHOICES: Final = 1024
"""Choices of t shares that are tried: about three seconds at 128 parties."""


def lagrange(points: list[int], at: int, modulus: int) -> list[int]:
    """The factors λ_i with Σ λ_i f(x_i) = f(at) for every f of degree below the number of points.

    Args:
        points: Distinct, in [1, q).
        at: Where f is wanted; 0 for the secret.
        modulus: q.
    """
    factors = []
    for i, x in enumerate(points):
        others = points[:i] + points[i + 1 :]
        above = below = 1
        for y in others:
            above = above * (at - y) % modulus
            below = below * (x - y) % modulus
        factors.append(above * pow(below, -1, modulus) % modulus)
    return factors


@dataclass(frozen=True)
class OpenedKey:
    """The sum of the survivors' keys.

    Attributes:
        key: Shape `(1, 1, N)`.
        false: Numbers of the parties whose shares are not of it. Each of them lies, or got a false
            share from a party whose key is in the sum.
    """

    key: Residues
    false: tuple[int, ...]


def combine(
    parameters: SumParameters,
    shares: Mapping[int, Residues],
    threshold: int,
    decrypts: Callable[[Residues], bool],
) -> OpenedKey:
    """The sum of keys whose shares these are.

    Any t true shares give it. A false share among them gives another polynomial, which is long or
    does not decrypt. So t shares are tried, and if they fail, others: without one party, without
    two.

    Args:
        parameters: The sum's parameters.
        shares: By the number of the party that opened it, shape `(1, 1, N)` each.
        threshold: t, at most as many as there are shares.
        decrypts: Whether a sum of short keys is the one that the contributions decrypt under.

    Raises:
        VerificationError: If no t of the shares give a sum of short keys that decrypts.
    """
    for used in _choices(sorted(shares), threshold):
        if not _short(parameters, _probe(parameters, shares, used)):
            continue
        key = _interpolated(parameters, shares, used, at=0)
        if _short(parameters, key) and decrypts(key):
            return OpenedKey(key, _others(parameters, shares, used))
    raise VerificationError(
        f"the sum does not decrypt: no {threshold} of the {len(shares)} shares that survivors "
        "opened are of the sum of their keys. A party that opened one lies, or the sharer of a "
        "key lied, or a survivor encrypted under another state or key. No sum is released"
    )


def decrypts(parameters: SumParameters, total: Residues, key: Residues, shared: bytes) -> bool:
    """Whether the coefficients that every party leaves zero are zero under a key.

    Args:
        parameters: The sum's parameters.
        total: Sum of the contributions, shape `(blocks, 1, N)`; left as it is.
        key: What may be the sum of the keys.
        shared: The seed of `a`.
    """
    zeros = parameters.packing.coefficients - CHECKED
    first = zeros // DEGREE
    found = _decrypted(parameters, total[first:].copy(), key, shared, first)
    return not found[zeros - first * DEGREE :].any()


def open_sum(parameters: SumParameters, total: Residues, key: Residues, shared: bytes) -> Integers:
    """Decrypts a sum of contributions with the sum of their keys.

    Args:
        parameters: The sum's parameters.
        total: Sum of the contributions, shape `(blocks, 1, N)`; overwritten.
        key: Sum of the keys, from `combine`.
        shared: The seed of `a`.

    Returns:
        The sums' integers, shape `(layout.size,)`.
    """
    coefficients = _decrypted(parameters, total, key, shared, 0)
    return parameters.packing.unpack(coefficients)


def _decrypted(
    parameters: SumParameters, blocks: Residues, key: Residues, shared: bytes, first: int
) -> NDArray[np.int64]:
    """The coefficients of some blocks, of which the first has this number, in their place."""
    ring, transformed = parameters.ring, key.copy()
    ring.forward(transformed, ROW)
    found, numbers = blocks.view(np.int64), np.empty(DEGREE, np.int64)
    mask = np.empty((1, 1, DEGREE), np.uint64)
    low = np.int64((1 << parameters.packing.bits) - 1)
    for k in range(len(blocks)):
        block = blocks[k : k + 1]
        ring.uniform(mask, ROW, shared, first + k)
        ring.multiply(mask, mask, transformed, ROW)
        ring.inverse(mask, ROW)
        ring.subtract(block, block, mask, ROW)
        ring.to_residues(numbers, block, ROW, 1 << parameters.packing.bits)
        np.bitwise_and(numbers, low, out=found[k, 0])
    return found.reshape(-1)


def _choices(opened: list[int], threshold: int) -> Iterator[tuple[int, ...]]:
    """Which t shares to take: the first t, then the first t without one party, without two."""
    seen: set[tuple[int, ...]] = set()
    for count in range(len(opened) - threshold + 1):
        for left_out in combinations(opened, count):
            used = tuple([i for i in opened if i not in left_out][:threshold])
            if used not in seen:
                seen.add(used)
                yield used
            if len(seen) >= _MOST_CHOICES:
                return


def _probe(
    parameters: SumParameters, shares: Mapping[int, Residues], used: tuple[int, ...]
) -> Residues:
    """A few coefficients of what some shares give: a wrong key is long in nearly every one."""
    factors = lagrange([i + 1 for i in used], 0, parameters.modulus)
    columns = [shares[i][0, 0, :_PROBED].tolist() for i in used]
    values = [
        sum(factor * value for factor, value in zip(factors, row, strict=True)) % parameters.modulus
        for row in zip(*columns, strict=True)
    ]
    return np.array(values, np.uint64)


def _short(parameters: SumParameters, key: Residues) -> bool:
    """Whether all coefficients may be of a sum of short keys."""
    largest = parameters.packing.parties * LARGEST
    return not ((key > largest) & (key < parameters.modulus - largest)).any()


def _others(
    parameters: SumParameters, shares: Mapping[int, Residues], used: tuple[int, ...]
) -> tuple[int, ...]:
    """Whose shares are not on the polynomial of those that were used."""
    return tuple(
        index
        for index in sorted(shares.keys() - {*used})
        if not np.array_equal(_interpolated(parameters, shares, used, at=index + 1), shares[index])
    )


def _interpolated(
    parameters: SumParameters, shares: Mapping[int, Residues], used: Sequence[int], *, at: int
) -> Residues:
    """The polynomial through some shares, at a point."""
    factors = lagrange([i + 1 for i in used], at, parameters.modulus)
    ring, out = parameters.ring, np.zeros((1, 1, DEGREE), np.uint64)
    term = np.empty_like(out)
    for index, factor in zip(used, factors, strict=True):
        ring.scale(term, shares[index], [factor], ROW)
        ring.add(out, out, term, ROW)
    return out
