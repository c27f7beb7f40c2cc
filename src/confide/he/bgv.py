"""BGV: whole numbers modulo a prime t (Brakerski, Gentry and Vaikuntanathan 2012).

As t is 1 modulo 2N, a polynomial modulo t has N values at the odd powers of a root ψ of X^N + 1:
row 0 of the slots is at ψ^(5^j), row 1 at ψ^(-5^j), for j < N/2 (Smart and Vercauteren 2014). A
ciphertext's phase is f·m + t·e, with the level's correction factor f: dividing by q when primes are
dropped multiplies the message by 1/q modulo t.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from confide.errors import EncryptionError
from confide.he.encoding import Encoding, Polys
from confide.he.kernel import make_ring
from confide.he.numbers import Numbers, numbers_in
from confide.he.parameters import Parameters

if TYPE_CHECKING:
    from confide_native import Ring

__all__ = ["BGVEncoding"]


class BGVEncoding(Encoding):
    """Whole numbers from -t/2 to t/2: two rows of N/2, or one row that is in both."""

    def __init__(self, parameters: Parameters, ring: Ring) -> None:
        super().__init__(parameters, ring)
        self._plain = make_ring(parameters.degree, [parameters.plain_modulus], 1)
        self._places = self._find_places()

    def _find_places(self) -> NDArray[np.intp]:
        """Where the transform modulo t leaves each slot's value: (2, N/2)."""
        degree, t = self.parameters.degree, self.parameters.plain_modulus
        roots = np.zeros((1, 1, degree), np.uint64)
        roots[0, 0, 1] = 1
        self._plain.forward(roots, [0])
        at = {root: place for place, root in enumerate(roots[0, 0].tolist())}
        root, square = int(roots[0, 0, 0]), int(roots[0, 0, 0]) ** 2 % t
        of_power = {}
        for power in range(1, 2 * degree, 2):
            of_power[power] = at[root]
            root = root * square % t
        places, power = np.empty((2, degree // 2), np.intp), 1
        for j in range(degree // 2):
            places[:, j] = of_power[power], of_power[2 * degree - power]
            power = power * 5 % (2 * degree)
        return places

    def checked(self, values: object) -> Numbers:
        """(n,) for both rows alike, or (2, n), with n ≤ N/2; a single number for every slot."""
        numbers = numbers_in(values)
        slots, half = self.parameters.slots, self.parameters.plain_modulus // 2
        if (
            numbers.ndim > 2
            or (numbers.ndim == 2 and numbers.shape[0] != 2)
            or (numbers.ndim and numbers.shape[-1] > slots)
        ):
            raise EncryptionError(
                f"numbers of shape {numbers.shape}; a ciphertext holds (n,) or (2, n) with n up"
                f" to {slots}. Encrypted vectors (confide.he.encrypt) take any length"
            )
        kind = numbers.dtype.kind
        if kind not in "biuf" or (kind == "f" and (np.rint(numbers) != numbers).any()):
            raise EncryptionError(
                "BGV encrypts whole numbers, and nothing else; round them, or take CKKS"
            )
        if numbers.size and not (-half <= numbers.min() and numbers.max() <= half):
            raise EncryptionError(
                f"a number beyond {half} in size: modulo {self.parameters.plain_modulus} it would"
                " be taken for another one; take a larger plain_modulus"
            )
        return numbers.astype(np.int64)

    def encode(self, values: Numbers, level: int) -> Polys:
        """See `Encoding`; free slots are zero."""
        parameters, t = self.parameters, self.parameters.plain_modulus
        rows = parameters.rows(level)
        spread = np.zeros((2, parameters.slots), np.int64)
        spread[:, : values.shape[-1] if values.ndim else None] = values
        plain = np.zeros((1, 1, parameters.degree), np.uint64)
        plain[0, 0, self._places] = (spread % t).astype(np.uint64)
        self._plain.scale(plain, plain, [parameters.factor(level)], [0])
        self._plain.inverse(plain, [0])
        coefficients = plain[0, 0].astype(np.int64)
        coefficients[coefficients > t // 2] -= t
        out = self.empty(1, len(rows))
        self.ring.from_integers(out, coefficients, rows)
        self.ring.forward(out, rows)
        return out

    def require_room(self, values: Numbers, level: int) -> None:
        """See `Encoding`: `checked` has seen to it."""

    def require_opening(self, values: Numbers, level: int) -> None:
        """See `Encoding`: `checked` has seen to it."""

    def to_base(self, phase: Polys, level: int) -> Polys:
        """The other primes are divided out, and most of the error with them."""
        base, above = self.parameters.rows(0), self._above(level)
        if not above:
            return phase
        out = self.empty(len(phase), len(base))
        self.ring.lower(out, phase, base, above, self.parameters.plain_modulus)
        return out

    def decode(self, phase: Polys, level: int) -> NDArray[np.int64]:
        """Both rows of slots: (2, N/2), from -t/2 to t/2."""
        parameters, t = self.parameters, self.parameters.plain_modulus
        rows, phase = parameters.rows(0), phase.copy()
        self.ring.inverse(phase, rows)
        coefficients = np.empty(parameters.degree, np.int64)
        self.ring.to_residues(coefficients, phase, rows, t)
        plain = (coefficients % t).astype(np.uint64)[None, None]
        self._plain.forward(plain, [0])
        undone = parameters.product(self._above(level)) * pow(parameters.factor(level), -1, t) % t
        self._plain.scale(plain, plain, [undone], [0])
        values: NDArray[np.int64] = plain[0, 0, self._places].astype(np.int64)
        values[values > t // 2] -= t
        return values

    def constant(self, value: complex, level: int) -> int | None:
        """Times the factor, about zero."""
        return self._centred(int(value.real) * self.parameters.factor(level))

    def to_squared(self, level: int) -> int:
        """The factor itself."""
        return self._centred(self.parameters.factor(level))

    def to_level(self, high: int, low: int) -> int:
        """f_low·q/f_high modulo t."""
        parameters, t = self.parameters, self.parameters.plain_modulus
        divided = parameters.product(parameters.dropped(low + 1))
        return self._centred(parameters.factor(low) * divided * pow(parameters.factor(high), -1, t))

    def _above(self, level: int) -> range:
        """The primes of a level that are not the base's."""
        return range(len(self.parameters.rows(0)), len(self.parameters.rows(level)))

    def _centred(self, number: int) -> int:
        t = self.parameters.plain_modulus
        return (number + t // 2) % t - t // 2
