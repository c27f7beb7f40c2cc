"""Encrypted vectors and tables as they travel, and the key holder's side of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from confide.errors import EncryptionError
from confide.he.ciphertext import Ciphertext
from confide.he.encoding import Numbers
from confide.he.flooding import LEAST_STATISTICAL_BITS
from confide.he.keys import PublicKey, SecretKey
from confide.he.layout import as_line, as_table, blocks_of, numbers_of

__all__ = [
    "SealedTable",
    "SealedVector",
    "decrypt_private",
    "decrypt_shared",
    "encrypt",
    "encrypt_columns",
]


class SealedVector:
    """Ciphertexts, and how many numbers they hold.

    Attributes:
        blocks: The ciphertexts, N/2 slots each.
        length: How many numbers there are.

    Raises:
        EncryptionError: If there are not as many ciphertexts as the numbers take.
    """

    def __init__(self, blocks: Sequence[Ciphertext], length: int) -> None:
        self.blocks: Final = tuple(blocks)
        self.length: Final = length
        slots = self.blocks[0].parameters.slots if self.blocks else 1
        if length < 1 or len(self.blocks) != -(-length // slots):
            raise EncryptionError(f"{len(self.blocks)} ciphertexts for {length!r} numbers")

    @property
    def shape(self) -> tuple[int]:
        """(length,)."""
        return (self.length,)

    def __len__(self) -> int:
        return self.length

    def __repr__(self) -> str:
        return f"SealedVector(length={self.length}, {len(self.blocks)} x {self.blocks[0]!r})"


class SealedTable:
    """Columns, one sealed vector each.

    Attributes:
        columns: Of one length.

    Raises:
        EncryptionError: If there is no column, or they are of several lengths.
    """

    def __init__(self, columns: Sequence[SealedVector]) -> None:
        self.columns: Final = tuple(columns)
        if not self.columns or len({len(column) for column in self.columns}) != 1:
            raise EncryptionError("a table has columns, all of one length")

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.columns[0]), len(self.columns)

    def __repr__(self) -> str:
        return f"SealedTable(shape={self.shape}, {self.columns[0]!r})"


def encrypt(
    key: SecretKey | PublicKey, values: ArrayLike, *, level: int | None = None
) -> SealedVector:
    """Encrypts a line of numbers of any length.

    Args:
        key: The secret key, which makes half the bytes, or the public one.
        values: (n,) with n ≥ 1.
        level: How many multiplications are to come; all if None.

    Raises:
        EncryptionError: If the numbers do not fit the scheme or the level.
    """
    numbers = as_line(values)
    blocks = blocks_of(numbers, key.context.parameters.slots)
    return SealedVector([key.encrypt(block, level=level) for block in blocks], len(numbers))


def encrypt_columns(
    key: SecretKey | PublicKey, table: ArrayLike, *, level: int | None = None
) -> SealedTable:
    """Encrypts a table by columns: thousands of rows stand side by side in the slots.

    Args:
        key: The secret key, which makes half the bytes, or the public one.
        table: (rows, columns).
        level: How many multiplications are to come; all if None.

    Raises:
        EncryptionError: If it is no table, or the numbers do not fit the scheme or the level.
    """
    return SealedTable([encrypt(key, column, level=level) for column in as_table(table).T])


def decrypt_private(secret: SecretKey, x: SealedVector | SealedTable) -> Numbers:
    """The numbers, for the key holder alone; see `SecretKey.decrypt_private`.

    Returns:
        (length,) or (rows, columns): float64 for CKKS, whose imaginary parts are left out, and
        int64 for BGV.

    Raises:
        EncryptionError: If a ciphertext is of another key or of other parameters.
    """
    return _opened(x, secret.decrypt_private)


def decrypt_shared(
    secret: SecretKey,
    x: SealedVector | SealedTable,
    *,
    noise: float,
    queries: int,
    statistical_bits: int = LEAST_STATISTICAL_BITS,
) -> Numbers:
    """The numbers, for others to see: each ciphertext is a query of `SecretKey.decrypt_shared`.

    Returns:
        As `decrypt_private`, with noise that hides the error (CKKS).

    Raises:
        EncryptionError: As `SecretKey.decrypt_shared` does.
    """
    return _opened(
        x,
        lambda block: secret.decrypt_shared(
            block, noise=noise, queries=queries, statistical_bits=statistical_bits
        ),
    )


def _opened(x: SealedVector | SealedTable, decrypt: Callable[[Ciphertext], Numbers]) -> Numbers:
    if isinstance(x, SealedTable):
        return np.stack([_opened(column, decrypt) for column in x.columns], axis=1)
    # BGV has two rows of slots, alike in a vector.
    blocks = [np.atleast_2d(decrypt(block))[0].real for block in x.blocks]
    return numbers_of(blocks, x.length)
