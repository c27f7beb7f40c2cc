"""What is declared of a computation's inputs and results before anything is encrypted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from confide.errors import EncryptionError
from confide.he.encoding import require_within
from confide.he.flooding import LEAST_STATISTICAL_BITS, shareable
from confide.he.keys import PublicKey, SecretKey
from confide.he.numbers import Numbers, numbers_in, real_number, whole_number
from confide.he.sealed import SealedTable, SealedVector, encrypt, encrypt_columns

__all__ = ["Input", "Shared"]

_MOST: Final = 1 << 40


@dataclass(frozen=True, kw_only=True)
class Input:
    """What is known of an input before it is encrypted.

    Attributes:
        shape: (n,) for a vector, (n, d) for a table.
        bound: The largest size of a number, of a complex one its distance from zero.
            `Plan.encrypt` refuses larger ones: they would spoil results, and what hides the key.
        complex: Whether the numbers may have imaginary parts (CKKS).
    """

    shape: tuple[int] | tuple[int, int]
    bound: float
    complex: bool = False

    def __post_init__(self) -> None:
        shape: object = self.shape
        if not isinstance(shape, tuple) or len(shape) not in {1, 2}:
            raise EncryptionError("an input's shape is (n,) or (n, d), whole and positive")
        sizes = tuple(whole_number(size, "a size in an input's shape", 1, _MOST) for size in shape)
        bound = real_number(self.bound, "an input's bound", "a positive number")
        if bound <= 0:
            raise EncryptionError(f"an input's bound is {bound!r}; a positive number")
        if type(self.complex) is not bool:
            raise EncryptionError("an input's complex is True or False")
        object.__setattr__(self, "shape", sizes)
        object.__setattr__(self, "bound", bound)

    def checked(self, values: object, name: str) -> Numbers:
        """Numbers of this shape and within this bound.

        Raises:
            EncryptionError: If they are not. None of them is shown.
        """
        numbers = numbers_in(values)
        if numbers.shape != self.shape:
            raise EncryptionError(f"{name} of shape {numbers.shape}, planned as {self.shape}")
        if numbers.dtype.kind == "c" and not self.complex:
            raise EncryptionError(
                f"{name} has complex numbers and was planned with real ones: say"
                " Input(complex=True), or give the real parts"
            )
        require_within(numbers, self.bound, name)
        return numbers.astype(np.complex128) if self.complex else numbers

    def repeated(self, values: object, name: str) -> Numbers:
        """Samples in this shape: of a table the rows that there are, again and again.

        Raises:
            EncryptionError: As `checked` does.
        """
        numbers = numbers_in(values)
        if len(self.shape) == 2 and numbers.ndim == 2 and len(numbers):
            rows = np.arange(self.shape[0]) % len(numbers)
            numbers = numbers[rows]
        return self.checked(numbers, name)

    def encrypted(self, key: SecretKey | PublicKey, numbers: Numbers) -> SealedVector | SealedTable:
        """What `checked` returned, encrypted for what was planned."""
        if len(self.shape) == 1:
            return encrypt(key, numbers, bound=self.bound)
        return encrypt_columns(key, numbers, bound=self.bound)

    def require_planned(self, given: SealedVector | SealedTable, name: str) -> None:
        """Refuses what was not encrypted with a check against this bound.

        Raises:
            EncryptionError: If it is of another shape, or nobody checked its numbers.
        """
        if given.shape != self.shape:
            raise EncryptionError(f"{name} of shape {given.shape}, planned as {self.shape}")
        if given.bound is None:
            raise EncryptionError(
                f"{name} was encrypted without a check of its numbers against the planned bound of"
                f" {self.bound:g}, or is a result: encrypt it with plan.encrypt(key, {name}=...),"
                " and continue with results in evaluate(...)"
            )
        columns = given.columns if isinstance(given, SealedTable) else (given,)
        if given.bound > self.bound:
            raise EncryptionError(
                f"{name} was encrypted with a bound of {given.bound:g}; planned is {self.bound:g}"
            )
        if not self.complex and any(column.layout.complex for column in columns):
            raise EncryptionError(f"{name} is complex; planned are real numbers")


@dataclass(frozen=True, kw_only=True)
class Shared:
    """That results are shown to others than the key holder (`SecretKey.decrypt_shared`).

    Attributes:
        queries: τ, how many ciphertexts of results one key opens at most.
        statistical_bits: s, at least 30.
    """

    queries: int
    statistical_bits: int = LEAST_STATISTICAL_BITS

    def __post_init__(self) -> None:
        queries, bits = shareable(self.queries, self.statistical_bits)
        object.__setattr__(self, "queries", queries)
        object.__setattr__(self, "statistical_bits", bits)
