"""The evaluator's half of a selection: ciphertexts in, ciphertexts out, and never a secret key.

What it sends, and when, follows from the selection alone: how many sums, how many ciphertexts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from confide.encrypted.in_order import in_order
from confide.encrypted.null_model import Residuals, null_sums, residuals
from confide.encrypted.packing import Packer
from confide.encrypted.select_messages import Coefficients, Rows, SealedUnit, Sums
from confide.encrypted.selection import Selection, Unit
from confide.errors import EncryptionError, ProtocolError
from confide.he.ciphertext import Ciphertext, require_fit
from confide.he.engine import NativeEngine
from confide.he.evaluator import Evaluator
from confide.he.keys import EvaluationKeys
from confide.he.layout import Layout
from confide.he.sealed import SealedVector
from confide.he.vector import EncryptedVector

__all__ = ["SelectionEvaluator"]

_Vector = EncryptedVector[Ciphertext]


@dataclass
class _Null:
    """r, W and W·x of all rows, two rows in each slot, ready to meet variables."""

    r: list[Ciphertext] = field(default_factory=list)
    w: list[Ciphertext] = field(default_factory=list)
    wx: list[list[Ciphertext]] = field(default_factory=list)


class SelectionEvaluator:
    """Computes on ciphertexts (a state machine over messages).

    Args:
        selection: As both agreed on it.
        keys: From the owner.
        rows: From the owner.
        threads: How many blocks or units are worked on at a time.

    Raises:
        EncryptionError: If keys or rows are of other parameters, another key or another shape.
    """

    def __init__(
        self, selection: Selection, keys: EvaluationKeys, rows: Rows, *, threads: int = 1
    ) -> None:
        if keys.context.parameters != selection.plan.parameters:
            raise EncryptionError(
                f"keys of {keys.context.parameters!r}, planned {selection.plan.parameters!r}"
            )
        self.selection: Final = selection
        self._threads = threads
        self._engine = NativeEngine(keys)
        self._evaluator: Evaluator[Ciphertext] = Evaluator(self._engine)
        self._layout = Layout(length=self._engine.slots, clean=True, complex=False)
        if len(rows.covariates) != len(selection.covariates):
            raise EncryptionError(
                f"{len(rows.covariates)} covariates, declared are {len(selection.covariates)}"
            )
        levels = selection.levels
        for x in rows.covariates:
            self._require(x, self._all_rows, levels["covariates"], 1.0)
        self._require(rows.label, self._all_rows, levels["label"], 1.0)
        self._rows = rows
        self._rounds = 0
        self._null: _Null | None = None

    def step(self, coefficients: Coefficients) -> Sums:
        """One round of the null model: the sums for the owner's Newton step.

        Raises:
            ProtocolError: If it is one round too many.
            EncryptionError: If the coefficients do not fit.
        """
        if self._rounds == self.selection.newton_steps:
            raise ProtocolError(f"a round after the {self._rounds} that the selection has")
        self._rounds += 1
        return self._pass(coefficients, None)

    def finish_null(self, coefficients: Coefficients) -> Sums:
        """The null model at its last coefficients; then variables are tested.

        Raises:
            ProtocolError: If rounds are missing.
            EncryptionError: If the coefficients do not fit.
        """
        if self._rounds != self.selection.newton_steps:
            raise ProtocolError(
                f"the end of the null model after {self._rounds} of"
                f" {self.selection.newton_steps} rounds"
            )
        self._null = _Null(wx=[[] for _ in self.selection.covariates])
        return self._pass(coefficients, self._null)

    def test(self, units: Iterable[SealedUnit]) -> Iterator[Ciphertext]:
        """The sums of every variable, packed; a few units are in memory at a time.

        Args:
            units: In the order of the selection; such as from a folder.

        Raises:
            ProtocolError: If the null model is not finished, or units are missing or too many.
            EncryptionError: If a unit does not fit.
        """
        null = self._null
        if null is None:
            raise ProtocolError("variables before the null model is finished: finish_null first")
        packer = Packer(self._evaluator, self.selection.grouping)

        def sums(given: tuple[Unit, SealedUnit]) -> list[Ciphertext]:
            return [packer.ready(x) for x in self._sums_of(null, *given)]

        for found in in_order(sums, self._matched(units), self._threads):
            for x in found:
                yield from packer.add(x)
        yield from packer.last()

    def _matched(self, units: Iterable[SealedUnit]) -> Iterator[tuple[Unit, SealedUnit]]:
        expected, count = self.selection.units, 0
        for count, given in enumerate(units, 1):
            if count > len(expected):
                raise ProtocolError(f"more than the {len(expected)} units of the selection")
            yield expected[count - 1], given
        if count < len(expected):
            raise ProtocolError(f"{count} of {len(expected)} units arrived; the rest is missing")

    def _sums_of(self, null: _Null, unit: Unit, given: SealedUnit) -> list[Ciphertext]:
        """s'r, s'W, s'WX and (s²)'W, each a sum of products that is relinearised once."""
        given.require(self.selection, unit)
        dot, s = self._evaluator.dot, given.values.blocks
        found = [dot(s, null.r), dot(s, null.w), *(dot(s, wx) for wx in null.wx)]
        if given.squares is not None:
            found.append(dot(given.squares.blocks, null.w))
        return found

    def _pass(self, given: Coefficients, null: _Null | None) -> Sums:
        degree, levels = self.selection.degree, self.selection.levels
        if len(given.slopes) != len(self.selection.covariates):
            raise EncryptionError(f"{len(given.slopes)} slopes of the covariates")
        if not len(given.of_p) == len(given.of_w) == degree + 1:
            raise EncryptionError(f"coefficients of another degree than {degree}")
        for x in given.slopes:
            self._require(x, 1, levels["slopes"], 1.0)
        for c in (given.of_p, given.of_w):
            for i, x in enumerate(c):
                self._require(x, 1, levels["weights" if i else "constants"], 1.25)
        slopes, of_p, of_w = (
            [self._vector(x.blocks[0]) for x in part]
            for part in (given.slopes, given.of_p, given.of_w)
        )

        def work(pair: int) -> tuple[list[_Vector], Residuals, Residuals]:
            halves, total = [], None
            for block in (2 * pair, 2 * pair + 1):
                x = [self._vector(column.blocks[block]) for column in self._rows.covariates]
                y = self._vector(self._rows.label.blocks[block])
                found = residuals(x, y, slopes, of_p, of_w)
                total = _added(total, null_sums(found, x))
                halves.append(found)
            return total or [], halves[0], halves[1]

        total: list[_Vector] | None = None
        for sums, even, odd in in_order(work, range(self.selection.blocks), self._threads):
            total = _added(total, sums)
            if null is not None:
                self._keep(null, even, odd)
        return Sums(packed=tuple(self._packed(total or [])))

    def _packed(self, sums: Sequence[_Vector]) -> Iterator[Ciphertext]:
        packer = Packer(self._evaluator, self.selection.null_grouping)
        for x in sums:
            yield from packer.add(packer.ready(x.blocks[0]))
        yield from packer.last()

    def _keep(self, null: _Null, even: Residuals, odd: Residuals) -> None:
        """Keeps a - i·b: the real part of its product with c + i·d is a·c + b·d."""
        half = self._engine.slots  # X^(N/2) is i in every slot

        def joined(a: _Vector, b: _Vector) -> Ciphertext:
            return self._engine.subtract(a.blocks[0], self._engine.shifted(b.blocks[0], half))

        null.r.append(joined(even.r, odd.r))
        null.w.append(joined(even.w, odd.w))
        for kept, a, b in zip(null.wx, even.wx, odd.wx, strict=True):
            kept.append(joined(a, b))

    def _vector(self, block: Ciphertext) -> _Vector:
        return EncryptedVector(self._evaluator, [block], self._layout)

    @property
    def _all_rows(self) -> int:
        return 2 * self.selection.blocks * self._engine.slots

    def _require(self, x: SealedVector, length: int, level: int, bound: float) -> None:
        require_fit(self.selection.plan.parameters, self._engine.keys.key_id, *x.blocks)
        if x.length != length or x.layout.complex:
            raise EncryptionError(f"a vector of {x.length} numbers, where {length} are declared")
        if x.bound is None or x.bound > bound:
            raise EncryptionError(f"a vector that was not checked against its bound of {bound:g}")
        if any(block.level != level or block.squared for block in x.blocks):
            raise EncryptionError(f"a vector at another level than {level}")


def _added(total: list[_Vector] | None, more: list[_Vector]) -> list[_Vector]:
    return more if total is None else [a + b for a, b in zip(total, more, strict=True)]
