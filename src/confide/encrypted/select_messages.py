"""What owner and evaluator of a selection send each other, as values and as bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from confide import canonical, he
from confide.encrypted.selection import COMPLEX_BOUND, Selection, Unit
from confide.errors import EncryptionError, ProtocolError
from confide.he.ciphertext import Ciphertext
from confide.he.context import Context
from confide.he.sealed import SealedVector

__all__ = ["Coefficients", "Rows", "SealedUnit", "Sums", "read_unit", "write_unit"]

_MOST_ITEMS: Final = 64
_SPARE: Final = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Rows:
    """From the owner, once: what the null model is fitted on.

    Attributes:
        covariates: In the order of the selection, `single` in slots.
        label: Likewise.
    """

    covariates: tuple[SealedVector, ...] = field(repr=False)
    label: SealedVector = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Coefficients:
    """From the owner, in each round: the null model's coefficients, one number a ciphertext.

    Attributes:
        slopes: One for each covariate.
        of_p: Chebyshev coefficients of p.
        of_w: Those of W.
    """

    slopes: tuple[SealedVector, ...] = field(repr=False)
    of_p: tuple[SealedVector, ...] = field(repr=False)
    of_w: tuple[SealedVector, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Sums:
    """From the evaluator: packed sums over the rows, of the null model or of all variables."""

    packed: tuple[Ciphertext, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class SealedUnit:
    """From the owner: some variables.

    Attributes:
        values: `paired` in slots.
        squares: Those of the same rows' squares; None where they are the values.
    """

    values: SealedVector = field(repr=False)
    squares: SealedVector | None = field(repr=False)

    def require(self, selection: Selection, unit: Unit) -> None:
        """Refuses what is not encrypted as the selection says.

        Raises:
            EncryptionError: If the shape, the level or the bound is another.
        """
        if (self.squares is not None) != unit.squares:
            raise EncryptionError(
                f"unit {unit.index} {'without' if unit.squares else 'with'} squares: send the units"
                " in the order of the selection"
            )
        length = selection.blocks * selection.plan.parameters.slots
        for part in (self.values, self.squares):
            if part is None:
                continue
            if part.length != length or not part.layout.complex:
                raise EncryptionError(f"unit {unit.index} has {part.length} slots; not {length}")
            if part.bound is None or part.bound > COMPLEX_BOUND:
                raise EncryptionError(f"unit {unit.index} was not checked against its bounds")
            level = selection.levels["variables"]
            if any(x.level != level or x.squared or x.parts != 2 for x in part.blocks):
                raise EncryptionError(f"unit {unit.index} is not at level {level}")


def write_unit(unit: SealedUnit, context: Context) -> bytes:
    """A unit as bytes, with the seeds of its ciphertexts in place of their second halves."""
    squares = None if unit.squares is None else he.write(unit.squares, context)
    return canonical.encode(
        {"kind": "unit", "squares": squares, "values": he.write(unit.values, context)}
    )


def read_unit(data: bytes, selection: Selection, context: Context) -> SealedUnit:
    """A unit.

    Raises:
        ProtocolError: If the bytes are malformed.
        EncryptionError: If it is of other parameters.
    """
    length = selection.blocks * selection.plan.parameters.slots
    blocks = selection.blocks * (8 * len(context.parameters.primes) * context.parameters.degree)
    fields: Any = canonical.decode(data, 2 * blocks + _SPARE, _MOST_ITEMS)
    if not isinstance(fields, dict) or set(fields) != {"kind", "squares", "values"}:
        raise ProtocolError("not a unit: its fields are kind, squares, values")
    if fields["kind"] != "unit" or not isinstance(fields["values"], bytes):
        raise ProtocolError("not a unit of variables")
    squares = fields["squares"]
    if squares is not None and not isinstance(squares, bytes):
        raise ProtocolError("squares of a unit are bytes or nothing")

    def read(part: bytes) -> SealedVector:
        return he.read_vector(part, context, most_length=length)

    return SealedUnit(
        values=read(fields["values"]), squares=None if squares is None else read(squares)
    )
