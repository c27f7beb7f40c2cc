"""From shares of the survivors' keys to their sum."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from confide.aggregation.encoding import Integers
from confide.aggregation.encrypted.gaussian import LARGEST
from confide.aggregation.encrypted.packing import CHECKED
from confide.aggregation.encrypted.parameters import DEGREE, ROW, Residues, SumParameters
from confide.errors import VerificationError

__all__ = ["combine", "lagrange", "open_sum"]


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


def combine(parameters: SumParameters, shares: Mapping[int, Residues], threshold: int) -> Residues:
    """The sum of keys whose shares these are, from t of them; the others must agree.

    Args:
        parameters: The sum's parameters.
        shares: By the number of the party that opened it, shape `(1, 1, N)` each.
        threshold: t, at most as many as there are shares.

    Raises:
        VerificationError: If the shares are of no one polynomial, or of no sum of short keys.
    """
    used, others = sorted(shares)[:threshold], sorted(shares)[threshold:]
    for index in others:
        expected = _interpolated(parameters, shares, used, at=index + 1)
        if not np.array_equal(expected, shares[index]):
            raise VerificationError(
                "the shares that survivors opened contradict each other: one of them lies, or the "
                "sharer of a key did. No sum is released"
            )
    key = _interpolated(parameters, shares, used, at=0)
    largest = parameters.packing.parties * LARGEST
    beyond = (key > largest) & (key < parameters.modulus - largest)
    if beyond.any():
        raise VerificationError(
            "the shares that survivors opened are of no sum of their keys: one of them lies, or "
            "the sharer of a key did. No sum is released"
        )
    return key


def open_sum(parameters: SumParameters, total: Residues, key: Residues, shared: bytes) -> Integers:
    """Decrypts a sum of contributions with the sum of their keys.

    Args:
        parameters: The sum's parameters.
        total: Sum of the contributions, shape `(blocks, 1, N)`; overwritten.
        key: Sum of the keys.
        shared: The seed of `a`.

    Returns:
        The sums' integers, shape `(layout.size,)`.

    Raises:
        VerificationError: If coefficients that every party leaves zero are not.
    """
    ring, transformed = parameters.ring, key.copy()
    ring.forward(transformed, ROW)
    found = np.empty((parameters.blocks, DEGREE), np.int64)
    mask = np.empty((1, 1, DEGREE), np.uint64)
    for k in range(parameters.blocks):
        block = total[k : k + 1]
        ring.uniform(mask, ROW, shared, k)
        ring.multiply(mask, mask, transformed, ROW)
        ring.inverse(mask, ROW)
        ring.subtract(block, block, mask, ROW)
        ring.to_residues(found[k], block, ROW, 1 << parameters.packing.bits)
    coefficients = found.reshape(-1) & np.int64((1 << parameters.packing.bits) - 1)
    if coefficients[parameters.packing.coefficients - CHECKED :].any():
        raise VerificationError(
            "the sum does not decrypt: a survivor encrypted under another state or key, or opened "
            "a false share. No sum is released"
        )
    return parameters.packing.unpack(coefficients)


def _interpolated(
    parameters: SumParameters, shares: Mapping[int, Residues], used: list[int], *, at: int
) -> Residues:
    """The polynomial through some shares, at a point."""
    factors = lagrange([i + 1 for i in used], at, parameters.modulus)
    ring, out = parameters.ring, np.zeros((1, 1, DEGREE), np.uint64)
    term = np.empty_like(out)
    for index, factor in zip(used, factors, strict=True):
        ring.scale(term, shares[index], [factor], ROW)
        ring.add(out, out, term, ROW)
    return out
