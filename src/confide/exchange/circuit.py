"""What an evaluator computes on encrypted rows, and the encryption parameters that this needs.

w·x + b takes one multiplication. The sigmoid is a polynomial on the interval that the declared
bounds leave for w·x + b; the division by that interval's size is done to the weights, so it costs
nothing. The encryption is planned for weights as large as they may be, since the real ones are the
evaluator's own, and with room for the noise by which it re-randomises its results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray

from confide import he
from confide.errors import EncryptionError, PlanError
from confide.plan.masking import SECURITY_BITS

__all__ = ["LINKS", "Circuit", "Reals"]

Reals = NDArray[np.float64]

LINKS: Final = ("identity", "logistic")
"""The function that is applied to w·x + b: the identity, or the sigmoid."""

_DEGREES: Final = (3, 5, 7, 9, 11, 13, 15, 19, 23, 27, 31, 47, 63)
"""Degrees of the polynomial that replaces the sigmoid, in the order in which they are tried."""

_GRID: Final = 4001
"""Points on which the polynomial is compared with the sigmoid."""

_FEWEST_SLOTS: Final = 2048
"""Slots of a ciphertext in the smallest ring."""


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """A linear model with a link, on a table of rows.

    Attributes:
        columns: Numbers in a row.
        bound: The largest size of one.
        weight_bound: The largest size of a weight and of the intercept.
        link: One of `LINKS`.
        rows: Rows of a table.
        rounds: Tables that are scored by one model.
        precision: The largest error of a score.
    """

    columns: int
    bound: float
    weight_bound: float
    link: str
    rows: int
    rounds: int
    precision: float

    @property
    def margin(self) -> float:
        """The largest size of w·x + b."""
        return self.weight_bound * (self.bound * self.columns + 1)

    @property
    def queries(self) -> int:
        """τ, how many ciphertexts of results the key holder gets at most."""
        return self.rounds * -(-self.rows // _FEWEST_SLOTS)

    @property
    def approximation(self) -> float:
        """The largest error of the polynomial that replaces the sigmoid."""
        return 0.0 if self.link == "identity" else _sigmoid(self.margin, self.precision / 2)[1]

    @property
    def largest(self) -> float:
        """The largest absolute value of a score, without its error."""
        return self.margin if self.link == "identity" else 1.0

    def on(self, weights: Reals, intercept: float) -> Callable[..., Any]:
        """The computation with these weights, (columns,), on an encrypted `table`."""
        if self.link == "identity":
            return lambda table: table @ weights + intercept
        polynomial, _ = _sigmoid(self.margin, self.precision / 2)
        scaled, shift = weights / self.margin, intercept / self.margin
        return lambda table: (table @ scaled + shift).chebyshev(polynomial.coef, -1, 1)

    def in_clear(self, weights: Reals, intercept: float, rows: Reals) -> Reals:
        """The scores without encryption, (rows,), with the sigmoid itself."""
        line = rows @ weights + intercept
        return np.asarray(line if self.link == "identity" else _exact_sigmoid(line))

    def planned(self, ring: he.Literal | None) -> he.Plan:
        """The encryption: its ring, its keys, its error and its time.

        Args:
            ring: The ring, to check that it suffices; the cheapest one if None.

        Raises:
            PlanError: If none suffices, or this one does not.
        """
        return _planned(self, ring)


@lru_cache(maxsize=64)
def _planned(circuit: Circuit, ring: he.Literal | None) -> he.Plan:
    worst = np.full(circuit.columns, circuit.weight_bound)
    shape = (circuit.rows, circuit.columns)
    try:
        parameters = None if ring is None else ring.checked()
        if parameters is not None and parameters.scheme is not he.Scheme.CKKS:
            raise EncryptionError(f"{parameters.scheme.value} computes with whole numbers")
        return he.plan(
            circuit.on(worst, circuit.weight_bound),
            {"table": he.Input(shape=shape, bound=circuit.bound)},
            precision=circuit.precision - circuit.approximation,
            shared=he.Shared(queries=circuit.queries, statistical_bits=SECURITY_BITS),
            parameters=parameters,
        )
    except EncryptionError as error:
        which = "no encryption gives" if ring is None else "this encryption does not give"
        raise PlanError(
            f"{which} scores within {circuit.precision:g}: {error}. Ask for less precision, or "
            "take fewer columns or smaller bounds"
        ) from error


@lru_cache(maxsize=64)
def _sigmoid(margin: float, error: float) -> tuple[Chebyshev, float]:
    """The polynomial of least degree that is within an error of σ(margin · t) on [-1, 1]."""
    grid = np.linspace(-1, 1, _GRID)
    exact = _exact_sigmoid(margin * grid)
    for degree in _DEGREES:
        made = Chebyshev.interpolate(lambda t: _exact_sigmoid(margin * t), degree, [-1, 1])
        # σ - ½ is odd: coefficients of even powers are rounding errors, and would only cost time.
        made.coef[2::2] = 0.0
        found = float(np.abs(made(grid) - exact).max())
        if found <= error:
            return made, found
    raise PlanError(
        f"a sigmoid over numbers up to {margin:g} takes a polynomial of a degree above "
        f"{_DEGREES[-1]} for an error of {error:g}: scale the columns, bound the weights more "
        "narrowly, or ask for less precision"
    )


def _exact_sigmoid(t: Any) -> Any:
    return 0.5 * (1 + np.tanh(0.5 * t))
