"""What owner and evaluator of a selection send each other, as values and as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeVar

from confide import canonical, he
from confide.encrypted.selection import COMPLEX_BOUND, Selection, Unit
from confide.errors import EncryptionError, ProtocolError
from confide.he.ciphertext import Ciphertext
from confide.he.context import Context
from confide.he.sealed import SealedVector

__all__ = [
    "Coefficients",
    "Rows",
    "SealedUnit",
    "Sums",
    "read_message",
    "write_message",
]

_MOST_PARTS: Final = 1 << 16
"""Ciphertexts of sums, covariates or coefficients in one message."""

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


Message = TypeVar("Message", bound=Rows | Coefficients | Sums | SealedUnit)

_KINDS: Final[Mapping[type[Any], str]] = {
    Rows: "rows",
    Coefficients: "coefficients",
    Sums: "sums",
    SealedUnit: "unit",
}


def write_message(message: Rows | Coefficients | Sums | SealedUnit, context: Context) -> bytes:
    """A message as bytes, with the seeds of fresh ciphertexts in place of their second halves."""

    def written(part: Any) -> Any:
        if isinstance(part, tuple):
            return [he.write(each, context) for each in part]
        return None if part is None else he.write(part, context)

    parts = {each.name: written(getattr(message, each.name)) for each in fields(message)}
    return canonical.encode({"kind": f"selection's {_KINDS[type(message)]}", **parts})


def read_message(
    data: bytes, kind: type[Message], selection: Selection, context: Context
) -> Message:
    """A message of a kind.

    Raises:
        ProtocolError: If the bytes are malformed or of another kind.
        EncryptionError: If a ciphertext is of other parameters.
    """
    each = 16 * context.parameters.degree * len(context.parameters.primes) + _SPARE
    blocks = 2 * selection.blocks * (len(selection.covariates) + 1)
    most = (blocks + len(selection.units) + selection.refreshes[0].sent + 1) * each
    found: Any = canonical.decode(data, most, _MOST_PARTS)
    names = [each.name for each in fields(kind)]
    if not isinstance(found, dict) or found.get("kind") != f"selection's {_KINDS[kind]}":
        raise ProtocolError(f"not the {_KINDS[kind]} of a selection: these bytes are another kind")
    if set(found) != {"kind", *names}:
        raise ProtocolError(f"{_KINDS[kind]} of a selection with other fields than these")

    def ciphertext(part: object) -> Any:
        if not isinstance(part, bytes):
            raise ProtocolError("ciphertexts are bytes")
        if _KINDS[kind] == "sums":
            return he.read_ciphertext(part, context)
        length = 2 * selection.blocks * selection.plan.parameters.slots
        return he.read_vector(part, context, most_length=length)

    def read(name: str) -> Any:
        part = found[name]
        if name in _SEVERAL:
            if not isinstance(part, list):
                raise ProtocolError(f"{name} is a list of ciphertexts")
            return tuple(ciphertext(each) for each in part)
        return None if part is None and name == "squares" else ciphertext(part)

    return kind(**{name: read(name) for name in names})


_SEVERAL: Final = {"covariates", "slopes", "of_p", "of_w", "packed"}
