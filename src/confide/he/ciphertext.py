"""What is encrypted, and plain numbers that meet it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

from confide.errors import EncryptionError
from confide.he.encoding import Polys
from confide.he.numbers import Numbers
from confide.he.parameters import Parameters, Scheme

__all__ = ["KEY_ID_BYTES", "Ciphertext", "Plain", "require_fit"]

KEY_ID_BYTES: Final = 16


@dataclass(frozen=True, eq=False, kw_only=True)
class Ciphertext:
    """Encrypted slots. Nobody writes into one: each operation makes another.

    Attributes:
        parameters: Of its key.
        key_id: Names the secret key that opens it: 16 random bytes, not a part of the key.
        data: The residues: 2 polynomials, or 3 of a product that is not yet relinearised.
        level: How many more multiplications it allows.
        squared: Whether it carries the square of the level's scale, as a product does before it is
            rescaled.
        seed: The seed of the second polynomial, if it has one: then only the seed is sent.
    """

    parameters: Parameters
    key_id: bytes
    data: Polys = field(repr=False)
    level: int
    squared: bool = False
    seed: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.data.flags.writeable = False

    @property
    def parts(self) -> int:
        """2, or 3 before relinearisation."""
        return len(self.data)

    @property
    def scale(self) -> float:
        """By what CKKS multiplied the numbers; 1 for BGV."""
        return self.parameters.scale(self.level) ** (2 if self.squared else 1)

    def __repr__(self) -> str:
        numbers = self.parameters.scheme.value
        if self.parameters.scheme is Scheme.CKKS:
            numbers += f", scale 2^{math.log2(self.scale):.1f}"
        size = self.data.nbytes / 2**20
        return (
            f"Ciphertext({numbers}, N={self.parameters.degree}, level {self.level} of"
            f" {self.parameters.depth}, {self.parts} parts, {size:.1f} MiB,"
            f" key {self.key_id.hex()[:8]})"
        )


class Plain:
    """Plain numbers that are added to ciphertexts or multiplied with them.

    They are encoded when they meet a ciphertext, once for each level and scale. An engine keeps
    what it made under a key of its own.

    Attributes:
        values: The numbers, checked by the engine that made this.
        encoded: What engines made of them.
    """

    __slots__ = ("encoded", "values")

    def __init__(self, values: Numbers) -> None:
        self.values = values
        self.encoded: dict[Any, Any] = {}

    @property
    def constant(self) -> complex | None:
        """The one number of every slot, if that is what it is."""
        return complex(self.values) if self.values.ndim == 0 else None

    def __repr__(self) -> str:
        return f"Plain(shape={self.values.shape}, {self.values.dtype})"


def require_fit(parameters: Parameters, key_id: bytes, *others: Ciphertext) -> None:
    """Refuses ciphertexts of other parameters or keys.

    Raises:
        EncryptionError: If one does not belong here; nothing was computed with it.
    """
    for other in others:
        if other.parameters != parameters:
            raise EncryptionError(
                f"a ciphertext of other parameters: {other.parameters!r}, where {parameters!r} is"
                " used"
            )
        if other.key_id != key_id:
            raise EncryptionError(
                f"a ciphertext under key {other.key_id.hex()[:8]}, where key {key_id.hex()[:8]} is"
                " used: encrypt under one key what is computed together"
            )
