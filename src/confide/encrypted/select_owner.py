"""The owner's half of a selection: it has the table and the secret key.

It answers every round with the same number of ciphertexts at the same levels, whatever it
decrypted. Its answers are encryptions, and tell the party that sent the sums nothing, even if these
were made up. What is wrong with them it says at the end, to its own user.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from confide import he
from confide.encrypted.in_order import in_order
from confide.encrypted.null_model import NullFit, Reals
from confide.encrypted.packing import opened_sums
from confide.encrypted.select_messages import Coefficients, Rows, SealedUnit, Sums
from confide.encrypted.select_result import NullModel, Selected, Tested, tested
from confide.encrypted.selection import COMPLEX_BOUND, Column, Selection, Unit
from confide.errors import DataError, ProtocolError
from confide.he.context import Context
from confide.he.keys import EvaluationKeys, SecretKey
from confide.he.sealed import SealedVector

__all__ = ["SelectionOwner"]

_MOST_POLYNOMIAL_ERROR: Final = 0.01


class SelectionOwner:
    """Encrypts, refreshes and reads the result (a state machine over messages).

    Args:
        selection: As both agreed on it.
        columns: Numbers (rows,) by name; each variable is looked up when it is encrypted, so a
            mapping that reads columns from a file need not hold them all.
        threads: How many units are encrypted at a time.

    Raises:
        DataError: If a covariate or the label is missing, of another length, incomplete or outside
            its declared range, or if the label has one value alone.
    """

    def __init__(
        self, selection: Selection, columns: Mapping[str, Any], *, threads: int = 1
    ) -> None:
        self.selection: Final = selection
        self._columns, self._threads = columns, threads
        self._label = self._read(selection.label, Column(binary=True))
        positives = float(self._label.mean())
        if not 0 < positives < 1:
            raise DataError(
                f"label {selection.label!r} has one value alone; a score test needs both"
            )
        self._covariates = [
            self._read(name, column) for name, column in selection.covariates.items()
        ]
        self.secret: Final = SecretKey(Context(selection.plan.parameters))
        self.fit: Final = NullFit(
            len(self._covariates), positives, selection.degree, selection.padding
        )
        self._rounds = 0

    def keys(self) -> EvaluationKeys:
        """For the evaluator: products, and the automorphisms that pack sums."""
        return self.secret.evaluation_keys_of(self.selection.needs)

    def rows(self) -> Rows:
        """For the evaluator: the covariates and the label, encrypted."""
        levels, single = self.selection.levels, self.selection.single

        def sealed(numbers: Reals, name: str) -> SealedVector:
            return he.encrypt(self.secret, single(numbers), level=levels[name], bound=1.0)

        columns = self.selection.covariates.values()
        return Rows(
            covariates=tuple(
                sealed(column.scaled(x), "covariates")
                for x, column in zip(self._covariates, columns, strict=True)
            ),
            label=sealed(self._label, "label"),
        )

    def units(self) -> Iterator[SealedUnit]:
        """For the evaluator: all variables, encrypted one unit after another.

        Raises:
            DataError: If a variable is not as it was declared.
        """
        yield from in_order(self._unit, self.selection.units, self._threads)

    def coefficients(self) -> Coefficients:
        """For the evaluator: the null model's coefficients, at first those of the label alone."""
        found, levels = self.fit.approximation, self.selection.levels

        def sealed(numbers: Reals, names: Sequence[str], bound: float) -> tuple[SealedVector, ...]:
            return tuple(
                he.encrypt(self.secret, [x], level=levels[name], bound=bound)
                for x, name in zip(numbers, names, strict=True)
            )

        names = ["constants", *["weights"] * self.selection.degree]
        return Coefficients(
            slopes=sealed(np.clip(found.slopes, -1, 1), ["slopes"] * len(found.slopes), 1.0),
            of_p=sealed(found.of_p, names, 1.25),
            of_w=sealed(found.of_w, names, 1.25),
        )

    def refresh(self, sums: Sums) -> Coefficients:
        """Newton's step on a round's sums: they are decrypted, and coefficients encrypted.

        Raises:
            ProtocolError: If it is one round too many.
            EncryptionError: If there are not as many ciphertexts as a round has, or they are of
                another key.
        """
        if self._rounds == self.selection.newton_steps:
            raise ProtocolError(f"sums after the {self._rounds} rounds of the selection")
        self._rounds += 1
        self._take(sums)
        self.fit.step()
        return self.coefficients()

    def result(self, null: Sums, variables: Sums) -> Selected:
        """The test of every variable.

        Args:
            null: The null model's last sums.
            variables: The sums of all variables.

        Raises:
            ProtocolError: If rounds are missing.
            EncryptionError: If there are not as many ciphertexts as the selection has.
            DataError: If the null model could not be fitted; nothing is sent after this.
        """
        if self._rounds != self.selection.newton_steps:
            raise ProtocolError(
                f"results after {self._rounds} of {self.selection.newton_steps} rounds"
            )
        self._take(null)
        self._require_fitted()
        units = self.selection.units
        count = sum(self.selection.sums_of(unit) for unit in units)
        opened = opened_sums(self.secret, variables.packed, self.selection.grouping, count).real
        inverse, at, found = self.fit.inverse(), 0, {}
        for unit in units:
            sums = opened[at : at + self.selection.sums_of(unit)]
            at += len(sums)
            # A binary variable is its own square.
            lines = sums if unit.squares else np.concatenate([sums, sums[1:2]])
            for place, name in enumerate(unit.names):
                found[name] = self._tested(name, lines[:, place], inverse)
        return Selected(
            tested=tuple(found[name] for name in self.selection.variables), null=self._null_model()
        )

    def _tested(self, name: str, sums: Reals, inverse: Reals) -> Tested:
        return tested(
            name,
            sums,
            gradient=self.fit.gradient,
            inverse=inverse,
            half=self.selection.variables[name].half,
            error=self.selection.slot_error * self.selection.rows**0.5,
        )

    def _take(self, sums: Sums) -> None:
        grouping, count = self.selection.null_grouping, self.selection.null_sums
        # Every group holds the same rows.
        self.fit.take(opened_sums(self.secret, sums.packed, grouping, count).real[:, 0])

    def _require_fitted(self) -> None:
        if self.fit.fault:
            raise DataError(f"the null model was not fitted: {self.fit.fault}")
        error = self.fit.approximation.error
        if error > _MOST_POLYNOMIAL_ERROR:
            raise DataError(
                f"the null model's polynomials of degree {self.selection.degree} are off by up to"
                f" {error:.2g}, more than {_MOST_POLYNOMIAL_ERROR:g}: take a larger degree, or"
                " leave out covariates that separate the label"
            )

    def _null_model(self) -> NullModel:
        beta, columns = self.fit.beta, self.selection.covariates.values()
        slopes = [b / column.half for b, column in zip(beta[1:], columns, strict=True)]
        middles = [0.0 if c.binary else c.high / 2 + c.low / 2 for c in columns]
        intercept = beta[0] - sum(b * m for b, m in zip(slopes, middles, strict=True))
        return NullModel(
            coefficients=(float(intercept), *(float(b) for b in slopes)),
            gradient=float(np.abs(self.fit.gradient).max()),
            polynomial_error=self.fit.approximation.error,
        )

    def _unit(self, unit: Unit) -> SealedUnit:
        variables = self.selection.variables
        columns = np.stack(
            [variables[name].scaled(self._read(name, variables[name])) for name in unit.names],
            axis=1,
        )
        return SealedUnit(
            values=self._paired(columns), squares=self._paired(columns**2) if unit.squares else None
        )

    def _paired(self, columns: Reals) -> SealedVector:
        level = self.selection.levels["variables"]
        return he.encrypt(
            self.secret, self.selection.paired(columns), level=level, bound=COMPLEX_BOUND
        )

    def _read(self, name: str, column: Column) -> Reals:
        try:
            values = self._columns[name]
        except KeyError:
            raise DataError(f"column {name!r} is declared and not in the table") from None
        return column.checked(values, name, self.selection.rows)
