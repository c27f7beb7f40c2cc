"""Encrypted vectors and tables as they travel, and the key holder's side of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn, SupportsIndex, overload

import numpy as np

from confide.errors import EncryptionError
from confide.he.ciphertext import Ciphertext
from confide.he.encoding import require_within
from confide.he.flooding import LEAST_STATISTICAL_BITS
from confide.he.keys import PublicKey, SecretKey
from confide.he.layout import Layout, as_line, as_table, blocks_of, numbers_of
from confide.he.numbers import Numbers, real_number

__all__ = [
    "SealedTable",
    "SealedVector",
    "decrypt_private",
    "decrypt_shared",
    "encrypt",
    "encrypt_columns",
]


class _Sealed:
    """Numbers that are opened with a secret key, and looked at in no other way."""

    def __bool__(self) -> NoReturn:
        raise EncryptionError(
            "encrypted numbers are neither true nor false: decrypt them, and look at the result"
        )

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(
            "encrypted numbers are not pickled or copied: send the bytes of write(...), and read"
            " them with read_vector or read_table"
        )


class SealedVector(_Sealed):
    """Ciphertexts, and what they hold.

    Attributes:
        blocks: The ciphertexts, N/2 slots each.
        layout: How many numbers there are, and what is in the padding.
        bound: For what was encrypted under a plan, the largest absolute value, checked when it was
            encrypted; None for all others, results included.

    Raises:
        EncryptionError: If there are not as many ciphertexts as the numbers take.
    """

    def __init__(
        self, blocks: Sequence[Ciphertext], layout: Layout, *, bound: float | None = None
    ) -> None:
        self.blocks: Final = tuple(blocks)
        slots = self.blocks[0].parameters.slots if self.blocks else 1
        if layout.length < 1 or len(self.blocks) != -(-layout.length // slots):
            raise EncryptionError(f"{len(self.blocks)} ciphertexts for {layout.length!r} numbers")
        self.layout: Final = layout.within(slots)
        self.bound: Final = bound

    @property
    def length(self) -> int:
        """How many numbers there are."""
        return self.layout.length

    @property
    def shape(self) -> tuple[int]:
        """(length,)."""
        return (self.length,)

    def __len__(self) -> int:
        return self.length

    def __repr__(self) -> str:
        return f"SealedVector(length={self.length}, {len(self.blocks)} x {self.blocks[0]!r})"


class SealedTable(_Sealed):
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
    def bound(self) -> float | None:
        """The largest of the columns' bounds; None if one has none."""
        bounds = [column.bound for column in self.columns]
        return None if None in bounds else max(b for b in bounds if b is not None)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.columns[0]), len(self.columns)

    def __repr__(self) -> str:
        return f"SealedTable(shape={self.shape}, {self.columns[0]!r})"


def encrypt(
    key: SecretKey | PublicKey,
    values: object,
    *,
    level: int | None = None,
    bound: float | None = None,
) -> SealedVector:
    """Encrypts a line of numbers of any length. For what is planned, see `Plan.encrypt`.

    Args:
        key: The secret key, which makes half the bytes, or the public one.
        values: (n,) with n ≥ 1.
        level: How many multiplications are to come; all if None.
        bound: The largest size of a number by the plan of what will be computed; None without one.

    Raises:
        EncryptionError: If the numbers do not fit the scheme or the level, or exceed the bound.
    """
    numbers = as_line(values)
    most = None if bound is None else real_number(bound, "bound")
    if most is not None:
        require_within(numbers, most, "the numbers")
    blocks = blocks_of(numbers, key.context.parameters.slots)
    layout = Layout(length=len(numbers), clean=True, complex=numbers.dtype.kind == "c")
    sealed = [key.encrypt(block, level=level, bound=most) for block in blocks]
    return SealedVector(sealed, layout, bound=most)


def encrypt_columns(
    key: SecretKey | PublicKey,
    table: object,
    *,
    level: int | None = None,
    bound: float | None = None,
) -> SealedTable:
    """Encrypts a table by columns: thousands of rows stand side by side in the slots.

    Args:
        key: The secret key, which makes half the bytes, or the public one.
        table: (rows, columns).
        level: How many multiplications are to come; all if None.
        bound: The largest size of a number by the plan of what will be computed; None without one.

    Raises:
        EncryptionError: If it is not a table, the numbers do not fit the scheme or the level, or
            they exceed the bound.
    """
    # One copy, so that a column's numbers stand side by side: each is read several times.
    columns = np.ascontiguousarray(as_table(table).T)
    return SealedTable([encrypt(key, column, level=level, bound=bound) for column in columns])


@overload
def decrypt_private(secret: SecretKey, x: SealedVector | SealedTable) -> Numbers: ...


@overload
def decrypt_private(secret: SecretKey, x: Mapping[str, Any]) -> dict[str, Any]: ...


def decrypt_private(secret: SecretKey, x: SealedVector | SealedTable | Mapping[str, Any]) -> Any:
    """The numbers, for the key holder alone; see `SecretKey.decrypt_private`.

    Args:
        secret: Of the key that they were encrypted under.
        x: A vector, a table, or results by name.

    Returns:
        (length,) or (rows, columns): float64 for real numbers, complex128 for complex ones, and
        int64 for BGV. Results by name if x is that.

    Raises:
        EncryptionError: If a ciphertext is of another key or of other parameters.
    """
    return _opened(x, lambda blocks: [secret.decrypt_private(block) for block in blocks])


@overload
def decrypt_shared(
    secret: SecretKey,
    x: SealedVector | SealedTable,
    *,
    noise: float,
    queries: int,
    statistical_bits: int = LEAST_STATISTICAL_BITS,
) -> Numbers: ...


@overload
def decrypt_shared(
    secret: SecretKey,
    x: Mapping[str, Any],
    *,
    noise: float,
    queries: int,
    statistical_bits: int = LEAST_STATISTICAL_BITS,
) -> dict[str, Any]: ...


def decrypt_shared(
    secret: SecretKey,
    x: SealedVector | SealedTable | Mapping[str, Any],
    *,
    noise: float,
    queries: int,
    statistical_bits: int = LEAST_STATISTICAL_BITS,
) -> Any:
    """The numbers, for others to see: each ciphertext is a query of `SecretKey.decrypt_shared`.

    Either all are opened, or none at no cost.

    Returns:
        As `decrypt_private`, with noise that hides the error (CKKS).

    Raises:
        EncryptionError: As `SecretKey.decrypt_shared` does, or if not all of them may be opened.
    """
    return _opened(
        x,
        lambda blocks: secret.open_shared(
            blocks, noise=noise, queries=queries, statistical_bits=statistical_bits
        ),
    )


def _opened(x: Any, decrypt: Callable[[Sequence[Ciphertext]], Sequence[Numbers]]) -> Any:
    """Every ciphertext of x in one call of `decrypt`, and the numbers put together as x was."""
    vectors = list(_vectors(x))
    opened = iter(decrypt([block for vector in vectors for block in vector.blocks]))
    numbers = iter([_numbers(vector, [next(opened) for _ in vector.blocks]) for vector in vectors])

    def rebuilt(part: Any) -> Any:
        if isinstance(part, SealedVector):
            return next(numbers)
        if isinstance(part, SealedTable):
            return np.stack([next(numbers) for _ in part.columns], axis=1)
        return {name: rebuilt(each) for name, each in part.items()}

    return rebuilt(x)


def _vectors(x: Any) -> Iterator[SealedVector]:
    if isinstance(x, SealedVector):
        yield x
    elif isinstance(x, SealedTable):
        yield from x.columns
    elif isinstance(x, Mapping):
        for each in x.values():
            yield from _vectors(each)
    else:
        raise EncryptionError(
            f"a {type(x).__name__}, where an encrypted vector or table is decrypted"
        )


def _numbers(vector: SealedVector, opened: Sequence[Numbers]) -> Numbers:
    # BGV has two rows of slots, alike in a vector.
    rows = [np.atleast_2d(slots)[0] for slots in opened]
    numbers = numbers_of(rows, vector.length)
    return numbers if vector.layout.complex else np.ascontiguousarray(numbers.real)
