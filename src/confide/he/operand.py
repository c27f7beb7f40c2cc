"""What encrypted vectors and tables have in common: their values are not visible to Python."""

from __future__ import annotations

from typing import NoReturn

from confide.errors import EncryptionError

__all__ = ["EncryptedNumbers"]


class EncryptedNumbers:
    """Numbers that cannot be read here: they have no truth value, no comparison and no array."""

    __array_ufunc__ = None
    """numpy leaves its operators to these classes."""

    def __bool__(self) -> NoReturn:
        raise EncryptionError(
            "the evaluator cannot tell whether an encrypted number is true or false: an `if` "
            "cannot depend on it. Compute both branches and combine them"
        )

    def _compared(self, other: object) -> NoReturn:
        raise EncryptionError(
            "the evaluator cannot compare encrypted numbers: subtract them, approximate"
            " the sign with chebyshev(...), or compare after decryption"
        )

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _compared
    __hash__ = object.__hash__

    def __array__(self, *_args: object, **_kwargs: object) -> NoReturn:
        raise EncryptionError(
            "encrypted numbers make no array: use their own operators and methods, such as x.sum()"
        )
