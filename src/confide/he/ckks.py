"""CKKS: approximate real and complex numbers (Cheon, Kim, Kim and Song 2017, §3.2).

Slot j is the polynomial's value at ζ^(5^j), where ζ = exp(πi/N); the values at the conjugates are
conjugate. The points are all ζ^(4t+1), and Σ m_k ζ^((4t+1)k) = Σ_{k<N/2} (m_k + i m_{k+N/2}) ζ^k
exp(2πi tk/(N/2)): one Fourier transform of half the length.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from confide.errors import EncryptionError
from confide.he.encoding import Encoding, Polys
from confide.he.numbers import Numbers, numbers_in
from confide.he.parameters import Parameters

if TYPE_CHECKING:
    from confide_native import Ring

__all__ = ["MOST_COEFFICIENT_BITS", "CKKSEncoding"]

MOST_COEFFICIENT_BITS: Final = 119
"""What the kernel turns into residues."""

_ROOM_BITS: Final = 1
"""Numbers about zero have half the modulus."""

_OPENING_BITS: Final = 2
"""As much again for the error, where no plan has counted it."""


class CKKSEncoding(Encoding):
    """Real or complex numbers, one in each of N/2 slots."""

    def __init__(self, parameters: Parameters, ring: Ring) -> None:
        super().__init__(parameters, ring)
        slots, degree = parameters.slots, parameters.degree
        powers = [1]
        for _ in range(slots - 1):
            powers.append(powers[-1] * 5 % (2 * degree))
        self._places = (np.array(powers) - 1) // 4
        self._twist = np.exp(1j * np.pi / degree * np.arange(slots))

    def checked(self, values: object) -> Numbers:
        """Complex numbers if any is complex, else real ones."""
        numbers = numbers_in(values)
        numbers = numbers.astype(np.complex128 if numbers.dtype.kind == "c" else np.float64)
        if numbers.ndim > 1 or numbers.size > self.parameters.slots:
            raise EncryptionError(
                f"numbers of shape {numbers.shape}; a ciphertext holds a line of at most"
                f" {self.parameters.slots}. Encrypted vectors (confide.he.encrypt) take any length"
            )
        if not np.isfinite(numbers).all():
            raise EncryptionError("NaN or infinity among the numbers; they cannot be encrypted")
        return numbers

    def encode(self, values: Numbers, level: int) -> Polys:
        """See `Encoding`; a single number fills every slot, several are followed by zeros."""
        rows = self.parameters.rows(level)
        scale = self.parameters.scale(level)
        self.require_room(values, level)
        out = self.empty(1, len(rows))
        self.ring.from_reals(out, self.coefficients_of(values, scale), rows)
        self.ring.forward(out, rows)
        return out

    def to_base(self, phase: Polys, level: int) -> Polys:
        """The other primes are left out: the numbers are smaller than these."""
        return np.ascontiguousarray(phase[:, : len(self._opening(level))])

    def decode(self, phase: Polys, level: int) -> NDArray[np.complex128]:
        """All N/2 slots, as complex numbers."""
        rows, phase = self.parameters.rows(level)[: phase.shape[1]], phase.copy()
        self.ring.inverse(phase, rows)
        coefficients = np.empty(self.parameters.degree)
        self.ring.to_reals(coefficients, phase, rows)
        return self.slots_of(coefficients / self.parameters.scale(level))

    def slots_of(self, coefficients: NDArray[np.float64]) -> NDArray[np.complex128]:
        """The values of a polynomial with real coefficients."""
        slots = self.parameters.slots
        halves = (coefficients[:slots] + 1j * coefficients[slots:]) * self._twist
        values: NDArray[np.complex128] = np.fft.ifft(halves, norm="forward")[self._places]
        return values

    def coefficients_of(self, values: Numbers, scale: float = 1.0) -> NDArray[np.float64]:
        """The real coefficients (N,) of the polynomial with these values, times `scale`."""
        spread = np.zeros(self.parameters.slots, np.complex128)
        spread[self._places[: values.size] if values.ndim else self._places] = values
        halves = np.fft.fft(spread, norm="forward")
        halves *= self._twist.conj() * scale
        return np.concatenate([halves.real, halves.imag])

    def constant(self, value: complex, level: int) -> int | None:
        """A real number, scaled and rounded; a complex one has no such stand-in."""
        if value.imag:
            return None
        self.require_room(np.asarray(value.real), level)
        return round(value.real * self.parameters.scale(level))

    def to_squared(self, level: int) -> int:
        """The scale itself."""
        return round(self.parameters.scale(level))

    def to_level(self, high: int, low: int) -> int:
        """S_low·q/S_high."""
        divided = self.parameters.product(self.parameters.dropped(low + 1))
        return round(self.parameters.scale(low) * divided / self.parameters.scale(high))

    def require_room(self, values: Numbers, level: int) -> None:
        """See `Encoding`."""
        self._require(values, level, self.parameters.rows(level), _ROOM_BITS)

    def require_opening(self, values: Numbers, level: int) -> None:
        """See `Encoding`."""
        self._require(values, level, self._opening(level), _OPENING_BITS)

    def _opening(self, level: int) -> range:
        """The primes modulo which a ciphertext is opened: the kernel reads from up to two."""
        rows = self.parameters.rows(level)
        return rows[: max(len(self.parameters.rows(0)), min(len(rows), 2))]

    def _require(self, values: Numbers, level: int, rows: range, free: int) -> None:
        scale = math.log2(self.parameters.scale(level))
        most = min(math.log2(self.parameters.product(rows)) - free, MOST_COEFFICIENT_BITS)
        size = float(np.abs(values).max(initial=0.0))
        if size and math.log2(size) + scale >= most:
            raise EncryptionError(
                f"a number that does not fit: at level {level} a scale of 2^{scale:.0f} leaves room"
                f" for less than {2.0 ** (most - scale):.3g}; divide the numbers, or take a larger"
                " base"
            )
