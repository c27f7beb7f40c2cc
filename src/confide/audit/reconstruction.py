"""Reconstruction of a secret bit for each person from noisy counts (Dinur and Nissim 2003).

A query counts the people of a public subset whose bit is one. Enough answers whose errors are small
beside √n determine almost all bits: a linear program finds bits between 0 and 1 whose answers are
close to those given, and rounding them recovers the data (Dwork, McSherry and Talwar 2007,
Section 3; Cohen and Nissim 2020, Section 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from confide.errors import DataError
from confide.numbers import check_real, check_whole
from confide.randomness import public_generator

__all__ = ["Recovery", "attack_noise", "reconstruct_bits"]

Reals = NDArray[np.float64]
Bits = NDArray[np.int64]

_MOST_BITS: Final = 4096


@dataclass(frozen=True)
class Recovery:
    """How much an attack recovered.

    Attributes:
        noise: The largest error of an answer, in √n.
        recovered: The share of bits that were recovered; a coin recovers half.
        people: n.
        queries: How many answers the attack had.
    """

    noise: float
    recovered: float
    people: int
    queries: int


def reconstruct_bits(
    queries: Any, answers: Any, *, loss: str = "largest", bound: float | None = None
) -> Bits:
    """Guesses each person's bit from noisy counts over public subsets.

    Args:
        queries: `(queries, people)`: 1 where a person is in a query's subset, else 0; an array, or
            a sparse one.
        answers: `(queries,)`: the noisy counts.
        loss: What is minimised of the errors: "largest", where noise is bounded, or "total", where
            some errors are large; "any" takes any bits whose answers lie within `bound`, which is
            Dinur and Nissim's own attack and recovers less.
        bound: The largest error, for "any".

    Returns:
        `(people,)`: zeros and ones.

    Raises:
        DataError: If shapes do not fit, a number is not finite, or the loss is another.

    Example:
        >>> queries = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
        >>> reconstruct_bits(queries, queries @ [1, 0, 1] + 0.2).tolist()
        [1, 0, 1]
    """
    matrix = sparse.csr_array(queries, dtype=np.float64)
    given = np.asarray(answers, np.float64)
    count, people = matrix.shape
    if given.shape != (count,) or not count or not people:
        raise DataError(
            f"queries have shape {matrix.shape} and answers {given.shape}; give (queries, people) "
            "and (queries,)"
        )
    if not (np.isfinite(given).all() and np.isfinite(matrix.data).all()):
        raise DataError("queries and answers must be finite numbers; leave out what is missing")
    if loss not in ("any", "largest", "total"):
        raise DataError(f"loss is {loss!s:.40}; it is 'largest', 'total' or 'any'")
    if (loss == "any") != (bound is not None):
        raise DataError("a bound belongs to loss='any', and to no other: give both or neither")
    if bound is not None:
        fractions = _within(matrix, given, bound)
    else:
        fractions = _closest(matrix, given, each=loss == "total")
    return np.asarray(fractions > 0.5, np.int64)


def _within(matrix: sparse.csr_array, answers: Reals, bound: float) -> Reals:
    """Any bits between 0 and 1 whose answers are within a bound of those given."""
    limits = np.concatenate([answers + bound, bound - answers]) * (1 + 1e-12)
    made = linprog(
        np.zeros(matrix.shape[1]), A_ub=sparse.vstack([matrix, -matrix]), b_ub=limits,
        bounds=(0, 1), method="highs",
    )  # fmt: skip
    if made.x is None:
        raise DataError("no bits answer within the bound; state a larger one")
    return np.asarray(made.x)


def _closest(matrix: sparse.csr_array, answers: Reals, *, each: bool) -> Reals:
    """Bits between 0 and 1 whose answers are closest to those given."""
    count, people = matrix.shape
    errors = sparse.eye_array(count) if each else sparse.csr_array(np.ones((count, 1)))
    system = sparse.vstack([
        sparse.hstack([matrix, -errors]),
        sparse.hstack([-matrix, -errors]),
    ]).tocsr()  # fmt: skip
    cost = np.concatenate([np.zeros(people), np.ones(errors.shape[1])])
    bounds = [(0, 1)] * people + [(0, None)] * errors.shape[1]
    made = linprog(
        cost, A_ub=system, b_ub=np.concatenate([answers, -answers]), bounds=bounds,
        method="highs-ipm",
    )  # fmt: skip
    if made.x is None:
        raise DataError("the linear program was not solved; use fewer answers")
    return np.asarray(made.x[:people])


def attack_noise(
    people: int,
    noises: Sequence[float],
    *,
    queries: int | None = None,
    loss: str = "largest",
    seed: int = 0,
) -> tuple[Recovery, ...]:
    """Attacks random subset counts of random bits, at several levels of noise.

    Each answer has an error uniform between ±noise·√n, as in Dinur and Nissim's model.

    Args:
        people: n, at most 4,096.
        noises: The largest errors, in √n.
        queries: How many random subsets are asked for; 4·n if omitted.
        loss: As `reconstruct_bits` takes it.
        seed: Of the bits, subsets and errors: they are public, and nobody's.

    Raises:
        PlanError: If a number is out of range.
    """
    check_whole("people", people, least=1, most=_MOST_BITS,
                limit=f"it is a whole number from 1 to {_MOST_BITS:,}")  # fmt: skip
    asked = 4 * people if queries is None else queries
    check_whole("queries", asked, least=1, most=1 << 20, limit="it is a whole number from 1")
    found = []
    for noise in noises:
        check_real("noise", noise, least=0, most=1e6, limit="it is a number from 0, in √n")
        generator = public_generator("reconstruction", people, asked, seed)
        bits = generator.integers(0, 2, people)
        subsets = generator.integers(0, 2, (asked, people))
        bound = noise * np.sqrt(people)
        answers = subsets @ bits + generator.uniform(-1, 1, asked) * bound
        guess = reconstruct_bits(
            subsets, answers, loss=loss, bound=bound if loss == "any" else None
        )  # fmt: skip
        found.append(Recovery(float(noise), float((guess == bits).mean()), people, asked))
    return tuple(found)
