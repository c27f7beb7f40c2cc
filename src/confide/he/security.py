"""How large a modulus is secure in a ring.

The table of Bossuat et al. (2024), *Security Guidelines for Implementing Homomorphic Encryption*
(ePrint 2024/463, table 5.2): 128 bits against classical attacks, for secrets that are uniform and
ternary and errors of standard deviation 3.19 and more. The primes of key switching count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from confide.errors import EncryptionError

__all__ = ["DEGREES", "MOST_BITS", "require_secure"]

MOST_BITS: Final = {4096: 106, 8192: 214, 16384: 430, 32768: 868, 65536: 1747}
"""From N to the largest log2(QP), of all primes together."""

DEGREES: Final = tuple(MOST_BITS)


def require_secure(degree: int, primes: Iterable[int]) -> None:
    """Refuses what is less than 128 bits secure.

    Args:
        degree: N, one of `DEGREES`.
        primes: Every prime of the ring, those of key switching too.

    Raises:
        EncryptionError: If the degree is not in the table, or the modulus exceeds its row.
    """
    if degree not in MOST_BITS:
        raise EncryptionError(
            f"a ring of degree {degree!r}; the security table has {', '.join(map(str, DEGREES))}"
        )
    bits = math.prod(primes).bit_length()
    if bits <= MOST_BITS[degree]:
        return
    roomy = next((n for n, most in MOST_BITS.items() if bits <= most), None)
    fix = f"degree {roomy} allows that" if roomy else "no degree allows that"
    raise EncryptionError(
        f"a modulus of {bits} bits at degree {degree}, where 128-bit security allows"
        f" {MOST_BITS[degree]} (2024 guidelines, key switching included): {fix}, or take fewer"
        " levels or smaller primes"
    )
