"""What an encrypted variable selection does, said before anything is encrypted.

Rows lie in the slots, two in each (one in the real part, one in the imaginary part), variables are
columns. A table with few rows has several variables in one ciphertext: slot j belongs to variable j
modulo G. A `Unit` is what is encrypted, computed and forgotten at a time, so memory stays the same
however many variables there are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide import he
from confide.encrypted.null_model import levels_of, null_sums, residuals
from confide.encrypted.packing import Grouping
from confide.errors import DataError, PlanError, ProtocolError
from confide.he.vector import EncryptedVector

__all__ = ["Column", "Refresh", "Selection", "Unit", "read_selection"]

Reals = NDArray[np.float64]

COMPLEX_BOUND: Final = math.sqrt(2)
"""Of two numbers between -1 and 1 in one slot."""

_LEAST_ROWS_OF_GROUP: Final = 32
_LEAST_SLOTS: Final = 8192
"""Seven levels and more take a ring of at least so many."""
_MOST_ROWS: Final = 1 << 30
_FORMAT: Final = "confide-selection-1"
_MOST_TEXT: Final = 1 << 30
_MOST_COLUMNS: Final = 1 << 24
_DEGREES: Final = (2, 64)
_NEWTON_STEPS: Final = (1, 20)
_SLOT_ERROR: Final = 4e-5
"""Of a product of a row with its residual, at worst."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """Where the numbers of a column lie.

    Attributes:
        low: The smallest.
        high: The largest.
        binary: Whether each is 0 or 1. Then no squares are encrypted: half the bytes and less work.
    """

    low: float = 0.0
    high: float = 1.0
    binary: bool = False

    def __post_init__(self) -> None:
        try:
            low, high = float(self.low), float(self.high)
        except (TypeError, ValueError) as error:
            raise PlanError("a column's low and high are numbers") from error
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise PlanError(f"a column from {low:g} to {high:g}; low is the smaller, both finite")
        if self.binary and (low, high) != (0.0, 1.0):
            raise PlanError(f"a binary column from {low:g} to {high:g}; it has 0 and 1: leave out")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    def checked(self, values: object, name: str, rows: int) -> Reals:
        """The numbers of a column (rows,), as they are declared.

        Raises:
            DataError: If they are not. None of them is shown.
        """
        try:
            numbers = np.asarray(values, np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"column {name!r} has values that are not numbers") from error
        if numbers.shape != (rows,):
            raise DataError(f"column {name!r} of shape {numbers.shape}; declared are {rows} rows")
        if not np.isfinite(numbers).all():
            raise DataError(
                f"column {name!r} has missing or infinite values: fill them in or leave their rows"
                " out; a score test takes complete rows"
            )
        if numbers.min() < self.low or numbers.max() > self.high:
            raise DataError(
                f"column {name!r} has a value outside the declared {self.low:g} to {self.high:g}:"
                " declare a wider range, or correct the value"
            )
        if self.binary and not np.isin(numbers, (0.0, 1.0)).all():
            raise DataError(f"column {name!r} is declared binary and has values beside 0 and 1")
        return numbers

    @property
    def half(self) -> float:
        """By what encrypted numbers are multiplied to have the size of the column's."""
        return 1.0 if self.binary else self.high / 2 - self.low / 2

    def scaled(self, numbers: Reals) -> Reals:
        """Between -1 and 1; of a binary column as they are."""
        if self.binary:
            return numbers
        middle = self.high / 2 + self.low / 2
        return np.clip((numbers - middle) / self.half, -1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Variables that are encrypted together.

    Attributes:
        index: Its place among the units.
        names: Of the variables, at most as many as there are groups of slots.
        squares: Whether their squares are encrypted too.
    """

    index: int
    names: tuple[str, ...]
    squares: bool


@dataclass(frozen=True, kw_only=True)
class Refresh:
    """What the owner decrypts, and sends encrypted again, during a selection.

    Attributes:
        round: From 1 on.
        opened: How many sums over all rows it decrypts.
        sent: How many numbers it encrypts in answer.
    """

    round: int
    opened: int
    sent: int


@dataclass(frozen=True, kw_only=True)
class Selection:
    """A score test of every variable, given covariates (Sikorska et al. 2013, for GWAS).

    With the residuals r = y - p and weights W = p(1 - p) of the logistic null model on an intercept
    and the covariates X, a variable s has U = s'r and V = s'Ws - s'WX (X'WX)⁻¹ X'Ws. Under the null
    hypothesis U²/V is χ² with one degree of freedom. One model is fitted, not one a variable.

    Attributes:
        rows: n, how many rows there are.
        covariates: By name; at least one.
        variables: By name.
        label: The column that is 0 or 1.
        degree: Of the polynomials for p and W.
        newton_steps: How often the owner refreshes the null model's coefficients.
    """

    rows: int
    covariates: Mapping[str, Column]
    variables: Mapping[str, Column] = field(repr=False)
    label: str
    degree: int = 8
    newton_steps: int = 4

    def __post_init__(self) -> None:
        for name, value, (least, most) in (
            ("rows", self.rows, (2, _MOST_ROWS)),
            ("degree", self.degree, _DEGREES),
            ("newton_steps", self.newton_steps, _NEWTON_STEPS),
        ):
            if type(value) is not int or not least <= value <= most:
                raise PlanError(f"{name} is {value!r}; a whole number from {least} to {most}")
        for what, columns in (("covariates", self.covariates), ("variables", self.variables)):
            if not 1 <= len(columns) <= _MOST_COLUMNS:
                raise PlanError(f"a selection without {what}; name at least one")
            if not all(isinstance(column, Column) for column in columns.values()):
                raise PlanError(f"{what} are Column(low=..., high=...) by name")
            object.__setattr__(self, what, dict(columns))
        names = [self.label, *self.covariates, *self.variables]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise PlanError(f"column {twice!r} stands twice: as label, covariate or variable, once")

    def text(self) -> str:
        """The selection as JSON, which `read_selection` reads: names, ranges and sizes."""
        columns = {
            what: [[name, c.low, c.high, c.binary] for name, c in named.items()]
            for what, named in (("covariates", self.covariates), ("variables", self.variables))
        }
        return json.dumps(
            {
                "format": _FORMAT, "rows": self.rows, "label": self.label, "degree": self.degree,
                "newton_steps": self.newton_steps, **columns,
            },
            allow_nan=False,
        )  # fmt: skip

    @cached_property
    def plan(self) -> he.Plan:
        """Parameters for one slot of the computation: every other has the same."""
        constant = he.Input(shape=(1, self.degree + 1), bound=1.25)
        covariates = len(self.covariates)
        one = he.Input(shape=(1,), bound=1.0)
        inputs = {
            "x": he.Input(shape=(1, covariates), bound=1.0),
            "y": one,
            "slopes": he.Input(shape=(1, covariates), bound=1.0),
            "of_p": constant,
            "of_w": constant,
            "s": one,
        }
        # Sums over the blocks need the room: of complex products, at most twice as large.
        blocks = 4 * -(-self.rows // (2 * _LEAST_SLOTS))

        def all_sums(**given: Any) -> dict[str, EncryptedVector[Any]]:
            x, s = given["x"].columns, given["s"]
            found = residuals(
                x, given["y"], given["slopes"].columns, given["of_p"].columns, given["of_w"].columns
            )
            sums = [s * found.r, s * found.w, *(s * wx for wx in found.wx), *null_sums(found, x)]
            return {str(i): total * blocks for i, total in enumerate(sums)}

        return he.plan(all_sums, inputs, precision=blocks * _SLOT_ERROR)

    @property
    def slot_error(self) -> float:
        """The largest error of a row's product with its residual or weight."""
        return self.plan.error / (4 * -(-self.rows // (2 * _LEAST_SLOTS)))

    @property
    def needs(self) -> dict[int, int]:
        """The evaluation keys, as `SecretKey.evaluation_keys_of` takes them."""
        return {**self.plan.needs, **self.grouping.needs(), **self.null_grouping.needs()}

    @cached_property
    def levels(self) -> dict[str, int]:
        """At which level each input is encrypted."""
        return levels_of(self.degree)

    @cached_property
    def grouping(self) -> Grouping:
        """Of the variables' sums."""
        slots = self.plan.parameters.slots
        half = -(-self.rows // 2)
        rows = min(max(_LEAST_ROWS_OF_GROUP, 1 << (half - 1).bit_length()), slots)
        groups = slots // rows
        return Grouping(degree=2 * slots, groups=groups)

    @cached_property
    def null_grouping(self) -> Grouping:
        """Of the null model's sums, which are few."""
        degree, groups = self.grouping.degree, self.grouping.groups
        return Grouping(degree=degree, groups=groups, expected=self.null_sums)

    @property
    def blocks(self) -> int:
        """Ciphertexts of a unit: each has two rows in every slot of a group."""
        return -(-self.rows // (2 * self.grouping.rows))

    @property
    def padding(self) -> int:
        """Rows that do not exist in the blocks."""
        return 2 * self.blocks * self.grouping.rows - self.rows

    @property
    def null_sums(self) -> int:
        """How many sums the null model takes: of the gradient and the Hessian."""
        k = len(self.covariates)
        return 2 * (k + 1) + k * (k + 1) // 2

    @cached_property
    def units(self) -> Sequence[Unit]:
        """The variables, in the order in which they are encrypted: binary ones come last."""
        found: list[Unit] = []
        for squares in (True, False):
            names = [name for name, c in self.variables.items() if c.binary is not squares]
            groups = self.grouping.groups
            for first in range(0, len(names), groups):
                some = tuple(names[first : first + groups])
                found.append(Unit(index=len(found), names=some, squares=squares))
        return found

    def sums_of(self, unit: Unit) -> int:
        """How many sums the evaluator returns for a unit: s'r, s'W, s'WX and (s²)'W."""
        return 2 + len(self.covariates) + unit.squares

    @property
    def refreshes(self) -> tuple[Refresh, ...]:
        """All that the owner decrypts before the results: sums of the null model, in each round."""
        sent = len(self.covariates) + 2 * (self.degree + 1)
        return tuple(
            Refresh(round=i + 1, opened=self.null_sums, sent=sent) for i in range(self.newton_steps)
        )

    def paired(self, columns: Reals) -> NDArray[np.complex128]:
        """Rows in slots, two in each, in the order of a unit's blocks.

        Args:
            columns: (n, v) with v up to the number of groups.

        Returns:
            (blocks · slots,).
        """
        lines = self._padded(columns, self.grouping.groups)
        halves = lines.reshape(self.blocks, 2, self.grouping.rows, self.grouping.groups)
        return np.asarray(halves[:, 0] + 1j * halves[:, 1]).reshape(-1)

    def single(self, column: Reals) -> Reals:
        """Rows in slots, one in each, the same for all groups: (2 · blocks · slots,)."""
        return np.repeat(self._padded(column[:, None], 1)[:, 0], self.grouping.groups)

    def _padded(self, columns: Reals, width: int) -> Reals:
        padded = np.zeros((self.rows + self.padding, width))
        padded[: self.rows, : columns.shape[1]] = columns
        return padded


def read_selection(text: str) -> Selection:
    """The selection that `Selection.text` wrote. Its ring is planned again, not believed.

    Raises:
        ProtocolError: If it is malformed, or of another release.
        PlanError: If it is unsound.
    """
    try:
        given = json.loads(text) if len(text) <= _MOST_TEXT else None
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict) or given.pop("format", None) != _FORMAT:
        raise ProtocolError(f"not a selection: its format is {_FORMAT!r}, in JSON")
    try:
        for what in ("covariates", "variables"):
            columns = {
                str(name): Column(low=low, high=high, binary=binary is True)
                for name, low, high, binary in given[what]
            }
            if len(columns) < len(given[what]):
                raise ProtocolError(f"a selection with two {what} of one name")
            given[what] = columns
        return Selection(**given)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, PlanError):
            raise
        raise ProtocolError("a selection with other fields than these") from error
