"""How errors grow, before anything is encrypted.

Errors are followed in the slots, where a product of polynomials is a product of numbers. A
polynomial with independent coefficients of variance v has slots of mean square N·v. Sums of errors
are bounded by the sum of their sizes, whether they depend on one another or not; products take the
largest size that the numbers can have. So what comes out is an upper bound of the root mean square,
on the average over keys and encryptions (Costache, Curtis, Hales, Murphy, Ogilvie and Player 2022,
ePrint 2022/162, follow the same quantity).

CKKS counts errors in the units of the numbers: all of them, or those alone that depend on the
secret key, which is what flooding must hide (rounding in an encoding is known to whoever knows the
numbers). BGV counts the size of all that a ciphertext holds, message and error: it is right until
that exceeds the modulus.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from confide.errors import EncryptionError
from confide.he.ckks import MOST_COEFFICIENT_BITS
from confide.he.parameters import Parameters
from confide.he.ranges import Size, alike

__all__ = ["TAIL", "BGVNoise", "CKKSNoise", "Error", "Noise", "added", "largest"]

Error: TypeAlias = "float | NDArray[np.float64]"
"""Of all slots, or of each, shape (period,). BGV's is a whole number of any size."""

ERROR_VARIANCE: Final = 10.5
"""Of the centred binomial of 21 coins."""

SECRET_VARIANCE: Final = 2 / 3

TAIL: Final = 10.0
"""A slot's error exceeds TAIL times its root mean square with probability e^-100 = 2^-144."""

_FLOAT: Final = 2.0**-48
"""What double precision may lose in an encoding, of the largest number."""


def largest(error: Error) -> float:
    """That of the worst slot."""
    return float(error.max()) if isinstance(error, np.ndarray) else error


def added(x: Error, y: Error) -> Error:
    """The sum, slot by slot."""
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        x, y = alike(x, y)
    return x + y


class Noise(ABC):
    """One scheme's rules. Errors are numbers of the scheme's own unit."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.degree = parameters.degree

    @abstractmethod
    def fresh(self, bound: float, level: int, *, public: bool) -> float:
        """Of a fresh encryption of numbers up to `bound`."""

    @abstractmethod
    def plain(self, bound: float, level: int) -> float:
        """Of plain numbers up to `bound`, encoded."""

    @abstractmethod
    def product(self, x: Error, x_bound: Size, y: Error, y_bound: Size) -> Error:
        """Of a product of numbers with errors x and y."""

    @abstractmethod
    def rescaled(self, error: Error, level: int) -> Error:
        """After division by a level's primes."""

    @abstractmethod
    def squared_scale(self, error: Error, bound: float, level: int) -> Error:
        """After multiplication by a whole number that only changes the scale."""

    @abstractmethod
    def switched(self, error: Error, level: int, *, squared: bool) -> Error:
        """After a key switch at a level."""

    @abstractmethod
    def opened(self, error: float, level: int) -> float:
        """Of a result of a level, when its key holder has taken it to the base."""

    @abstractmethod
    def require_room(self, error: float, bound: float, level: int, *, squared: bool) -> None:
        """Refuses what no longer fits the modulus.

        Raises:
            EncryptionError: If it does not, saying by how much.
        """

    @abstractmethod
    def require_encodable(self, bound: float, level: int) -> None:
        """Refuses numbers up to a bound that cannot be encoded at a level.

        Raises:
            EncryptionError: If they cannot.
        """

    def _hiding(self, *, public: bool) -> float:
        """Root mean square of the slots of what hides a fresh message.

        Under the public key it is v·e + e0 + e1·s modulo QP, divided by P, and the rounding.
        """
        if not public:
            return math.sqrt(self.degree * ERROR_VARIANCE)
        above = math.sqrt(self.degree * ERROR_VARIANCE * (1 + 2 * SECRET_VARIANCE * self.degree))
        special = self.parameters.special
        return above * (1 / self.parameters.product(special)) + self._rounding(len(special))

    def _rounding(self, count: int) -> float:
        """Root mean square of the slots after division by `count` primes."""
        return count * math.sqrt(self.degree / 12 * (1 + SECRET_VARIANCE * self.degree))

    def _switching(self, level: int) -> float:
        """Root mean square of the slots that a key switch adds, without its rounding."""
        parameters = self.parameters
        rows, special = parameters.rows(level), parameters.product(parameters.special)
        total = 0.0
        for first in range(0, len(rows), parameters.width):
            digit = rows[first : first + parameters.width]
            share = len(digit) * parameters.product(digit) / special
            total += self.degree * ERROR_VARIANCE * share**2 / 12
        return math.sqrt(self.degree * total)


class CKKSNoise(Noise):
    """Errors in the units of the numbers.

    Args:
        parameters: Of the ciphertexts.
        secret: Whether only errors that depend on the secret key count.
    """

    def __init__(self, parameters: Parameters, *, secret: bool = False) -> None:
        super().__init__(parameters)
        self._encodings = 0.0 if secret else 1.0

    def fresh(self, bound: float, level: int, *, public: bool) -> float:
        """See `Noise`."""
        return self._hiding(public=public) / self.parameters.scale(level) + self.plain(bound, level)

    def plain(self, bound: float, level: int) -> float:
        """See `Noise`: rounding to whole coefficients."""
        rounding = math.sqrt(self.degree / 12) / self.parameters.scale(level)
        return self._encodings * (rounding + bound * _FLOAT)

    def product(self, x: Error, x_bound: Size, y: Error, y_bound: Size) -> Error:
        """See `Noise`."""
        x, y, x_bound, y_bound = alike(x, y, x_bound, y_bound)
        return x * y_bound + y * x_bound + x * y

    def rescaled(self, error: Error, level: int) -> Error:
        """See `Noise`."""
        count = len(self.parameters.dropped(level))
        return error + self._rounding(count) / self.parameters.scale(level - 1)

    def squared_scale(self, error: Error, bound: float, level: int) -> Error:
        """See `Noise`: the whole number is a rounded one."""
        return error + self._encodings * bound / self.parameters.scale(level)

    def switched(self, error: Error, level: int, *, squared: bool) -> Error:
        """See `Noise`."""
        added = self._switching(level) + self._rounding(len(self.parameters.special))
        return error + added / self.parameters.scale(level) ** (2 if squared else 1)

    def opened(self, error: float, level: int) -> float:
        """See `Noise`: primes are left out, which changes nothing."""
        return error

    def require_encodable(self, bound: float, level: int) -> None:
        """See `Noise`: the kernel takes coefficients of so many bits."""
        scale = math.log2(self.parameters.scale(level))
        if bound > 0 and math.log2(bound) + scale >= MOST_COEFFICIENT_BITS:
            raise EncryptionError(
                f"numbers up to {bound:.3g} at a scale of 2^{scale:.0f}, where coefficients have at"
                f" most {MOST_COEFFICIENT_BITS} bits: divide the numbers, or ask for less precision"
            )
        self.require_room(0.0, bound, level, squared=False)

    def require_room(self, error: float, bound: float, level: int, *, squared: bool) -> None:
        """See `Noise`: numbers and errors, scaled, stay below half the modulus."""
        scale = self.parameters.scale(level) ** (2 if squared else 1)
        modulus = self.parameters.product(self.parameters.rows(level))
        # Moduli exceed any float; their logarithms do not.
        room = math.log2(modulus) - 1 - math.log2(scale)
        size = bound + TAIL * error
        if size > 0 and math.log2(size) >= room:
            raise EncryptionError(
                f"numbers up to {bound:.3g}, where the modulus has room for {2.0**room:.3g}: divide"
                " the inputs, or take a larger base"
            )


class BGVNoise(Noise):
    """Sizes of message and error together, as whole numbers: they exceed any float."""

    def fresh(self, bound: float, level: int, *, public: bool) -> float:
        """See `Noise`."""
        return self._sized(math.hypot(math.sqrt(self.degree / 12), self._hiding(public=public)))

    def plain(self, bound: float, level: int) -> float:
        """See `Noise`: coefficients anywhere below t."""
        return self._sized(math.sqrt(self.degree / 12))

    def product(self, x: Error, x_bound: Size, y: Error, y_bound: Size) -> Error:
        """See `Noise`."""
        return x * y

    def rescaled(self, error: Error, level: int) -> Error:
        """See `Noise`."""
        dropped = self.parameters.dropped(level)
        divided = int(error) // self.parameters.product(dropped) + 1
        return divided + self._sized(self._rounding(len(dropped)))

    def squared_scale(self, error: Error, bound: float, level: int) -> Error:
        """See `Noise`: by a factor below t/2."""
        return error * (self.parameters.plain_modulus // 2)

    def switched(self, error: Error, level: int, *, squared: bool) -> Error:
        """See `Noise`."""
        added = self._switching(level) + self._rounding(len(self.parameters.special))
        return error + self._sized(added)

    def opened(self, error: float, level: int) -> float:
        """See `Noise`: primes are divided out of what holds no secret any more."""
        above = range(len(self.parameters.rows(0)), len(self.parameters.rows(level)))
        if not above:
            return error
        rounding = len(above) * math.sqrt(self.degree / 12)
        return int(error) // self.parameters.product(above) + 1 + self._sized(rounding)

    def require_encodable(self, bound: float, level: int) -> None:
        """See `Noise`: below t/2."""
        self.require_room(0.0, bound, level, squared=False)

    def require_room(self, error: float, bound: float, level: int, *, squared: bool) -> None:
        """See `Noise`: the numbers stay below t/2, and all that is held below half the modulus."""
        half = self.parameters.plain_modulus // 2
        if bound > half:
            raise EncryptionError(
                f"numbers up to {bound:.0f} modulo {self.parameters.plain_modulus}, which tells"
                f" numbers up to {half} apart: take a larger plain_modulus"
            )
        modulus = self.parameters.product(self.parameters.rows(level))
        if 2 * error >= modulus:
            raise EncryptionError(
                f"an error of {int(error).bit_length()} bits and a modulus of"
                f" {modulus.bit_length()} at level {level}: take larger levels"
            )

    def _sized(self, root_mean_square: float) -> int:
        return math.ceil(TAIL * root_mean_square) * self.parameters.plain_modulus
