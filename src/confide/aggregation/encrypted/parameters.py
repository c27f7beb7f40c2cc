"""Ring, modulus and packing of an encrypted sum, derived from the plan.

The modulus is as small as the sum allows, so that contributions are: with errors of at most B in
each coefficient and n parties, t·Σe + Σm stays below q/2 in magnitude if q > t·n·(2B + 1). No sum
is ever decrypted wrongly: the bound holds for the largest possible errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from confide.aggregation.chunks import chunk_bytes
from confide.aggregation.encrypted.gaussian import LARGEST
from confide.aggregation.encrypted.packing import Packing
from confide.aggregation.modular import Layout
from confide.errors import ProtocolError
from confide.he import kernel, primes
from confide.he.security import require_secure
from confide.plan.plan import Plan

if TYPE_CHECKING:
    from confide_native import Ring

__all__ = ["DEGREE", "ROW", "Residues", "SumParameters", "chunks_of", "parameters_of"]

DEGREE: Final = 4096
"""N. The security table allows a modulus of 106 bits in this ring, and sums take at most 50."""

ROW: Final = [0]
"""The one prime of the ring, as the kernels count."""

Residues = NDArray[np.uint64]
"""Polynomials modulo q, shape `(polynomials, 1, N)`."""


@dataclass(frozen=True)
class SumParameters:
    """What both sides of an encrypted sum compute with.

    Attributes:
        packing: Where the numbers lie, T bits to a coefficient.
        modulus: q, a prime.
    """

    packing: Packing
    modulus: int

    @property
    def blocks(self) -> int:
        """Polynomials that the vector takes."""
        return -(-self.packing.coefficients // DEGREE)

    @property
    def polynomial_bytes(self) -> int:
        """Bytes of one polynomial: a share of a key, or a block of a contribution."""
        return DEGREE * self.modulus.bit_length() // 8

    def chunks(self, most_bytes: int) -> list[slice]:
        """A contribution's blocks in consecutive parts of at most so many bytes, or one block."""
        step = max(1, most_bytes // self.polynomial_bytes)
        return [slice(k, min(k + step, self.blocks)) for k in range(0, self.blocks, step)]

    @property
    def vector_bytes(self) -> int:
        """Bytes of a contribution."""
        return self.blocks * self.polynomial_bytes

    @property
    def ring(self) -> Ring:
        """The compiled ring.

        Raises:
            EncryptionError: If the kernels are not installed.
        """
        return _ring(self.modulus)

    def to_bytes(self, polynomials: Residues) -> bytes:
        """Packs polynomials."""
        return self.ring.pack(polynomials, ROW)

    def from_bytes(self, data: bytes, count: int) -> Residues:
        """What `to_bytes` wrote.

        Raises:
            ProtocolError: If the number of polynomials is wrong, or a number is not below q.
        """
        out = np.empty((count, 1, DEGREE), np.uint64)
        self.read(out, data)
        return out

    def read(self, out: Residues, data: bytes) -> None:
        """Reads what `to_bytes` wrote of as many polynomials as `out` holds.

        Raises:
            ProtocolError: If the number of polynomials is wrong, or a number is not below q.
        """
        if len(data) != len(out) * self.polynomial_bytes:
            raise ProtocolError(
                f"{len(data):,} bytes where {len(out)} polynomials of {self.polynomial_bytes:,} "
                "belong"
            )
        try:
            self.ring.unpack(out, data, ROW)
        except ValueError as error:
            raise ProtocolError(
                f"a polynomial with a number that is not a residue: {error}"
            ) from None


def chunks_of(parameters: SumParameters, plan: Plan) -> list[slice]:
    """Blocks that are sent as one chunk. A contribution for an enclave stays whole."""
    return parameters.chunks(chunk_bytes(plan, parameters.vector_bytes))


@lru_cache(maxsize=64)
def parameters_of(plan: Plan) -> SumParameters:
    """Derives the parameters that take the fewest bytes.

    Raises:
        EncryptionError: If the modulus is larger than the security table allows.
    """
    layout, n = Layout.of_sum(plan), len(plan.parties)
    growth = (n * (2 * LARGEST + 1)).bit_length()
    most = primes.MOST_BITS - growth
    candidates = [Packing(layout, n, bits) for bits in range(n.bit_length() + 1, most + 1)]
    made = [SumParameters(packing, _modulus(packing)) for packing in candidates]
    best = min(made, key=lambda p: (p.vector_bytes, p.packing.coefficients))
    require_secure(DEGREE, [best.modulus])
    return best


def _modulus(packing: Packing) -> int:
    """The largest prime of the fewest bits that leaves room for the errors of all parties."""
    bound = (packing.parties * (2 * LARGEST + 1)) << packing.bits
    bits = max(bound.bit_length(), primes.LEAST_BITS)
    return _largest_prime(bits) if _largest_prime(bits) > bound else _largest_prime(bits + 1)


@lru_cache(maxsize=64)
def _largest_prime(bits: int) -> int:
    return primes.largest(1, bits, DEGREE, frozenset())[0]


@lru_cache(maxsize=8)
def _ring(modulus: int) -> Ring:
    return kernel.make_ring(DEGREE, [modulus], threads=1)
