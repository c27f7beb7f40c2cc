"""Requested parameters of a ring, and the checked parameters made from them.

The modulus is a product of primes in three parts: the *base*, which stays to the end; a group of
one or two primes for each *level*, which one multiplication uses up; and the *special* primes, in
which keys are switched. Groups of two are composite scaling (Agrawal et al. 2023): scales beyond
the 50 bits of a prime.

A ciphertext's scale follows from its level alone. CKKS starts at S_L and divides a product by the
level's primes, so S_{l-1} = S_l^2 / q_l; the primes are chosen so that the scales stay within a
prime's gap of one another (Kim, Papadimitriou and Polyakov 2020). BGV's correction factor obeys the
same rule modulo t. Two ciphertexts at one level can therefore always be added, and a scale that
does not fit cannot occur.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from itertools import accumulate
from numbers import Integral
from typing import Any, Final

from confide import canonical
from confide.errors import EncryptionError
from confide.he import primes
from confide.he.security import DEGREES, require_secure

__all__ = ["MOST_DEPTH", "Literal", "Parameters", "Scheme", "least_base_bits"]

MOST_DEPTH: Final = 60
"""Levels that a literal may ask for."""

_VERSION: Final = 1


class Scheme(Enum):
    """Which numbers are computed with."""

    CKKS = "CKKS"
    """Approximate real and complex numbers (Cheon, Kim, Kim and Song 2017)."""

    BGV = "BGV"
    """Whole numbers modulo a prime t (Brakerski, Gentry and Vaikuntanathan 2012)."""


@dataclass(frozen=True, kw_only=True)
class Literal:
    """Requested parameters. `checked` makes parameters of them, or says what is wrong.

    Attributes:
        scheme: CKKS or BGV.
        degree: N, a power of two from 4096 to 65536. A ciphertext has N/2 slots.
        depth: The multiplicative depth that a fresh ciphertext allows.
        level_bits: Bits that a level divides by. For CKKS these are the bits of the scale, so of
            the precision. From 20 to 50 it is one prime, from 51 to 100 two.
        base_bits: Bits of the one or two primes that stay. For CKKS, results are smaller than
            2^(sum of base_bits - level_bits - 1).
        special_bits: Bits of the special primes; when empty, as many primes of 50 bits as the
            digits need.
        width: How many primes a digit of key switching has: 1 gives the fastest arithmetic and the
            least noise, more give smaller keys and take more special primes.
        plain_modulus: For BGV, the prime t that is 1 modulo 2·degree, of 20 to 50 bits.
    """

    scheme: Scheme
    degree: int
    depth: int
    level_bits: int
    base_bits: tuple[int, ...]
    special_bits: tuple[int, ...] = ()
    width: int = 1
    plain_modulus: int | None = None

    def __post_init__(self) -> None:
        # Whole numbers of numpy are Python's from here on; `checked` refuses all others.
        for name, value in vars(self).items():
            object.__setattr__(self, name, _as_int(value))

    def checked(self) -> Parameters:
        """The parameters.

        Raises:
            EncryptionError: If a value is out of its range, the primes cannot be found, or the ring
                is less than 128 bits secure.
        """
        return Parameters(self)

    def as_value(self) -> dict[str, Any]:
        """What stands in canonical CBOR."""
        return {
            "base_bits": list(self.base_bits),
            "degree": self.degree,
            "depth": self.depth,
            "level_bits": self.level_bits,
            "plain_modulus": self.plain_modulus,
            "scheme": self.scheme.value,
            "special_bits": list(self.special_bits),
            "version": _VERSION,
            "width": self.width,
        }

    @staticmethod
    def from_value(value: object) -> Literal:
        """The literal that `as_value` wrote.

        Raises:
            EncryptionError: If it is of another version or has other fields or types.
        """
        if not isinstance(value, dict) or value.get("version") != _VERSION:
            raise EncryptionError(f"parameters that are not of version {_VERSION}")
        given = {name: field for name, field in value.items() if name != "version"}
        try:
            for name in ("base_bits", "special_bits"):
                given[name] = tuple(given[name])
            literal = Literal(**{**given, "scheme": Scheme(given["scheme"])})
        except (KeyError, TypeError, ValueError) as error:
            raise EncryptionError("parameters with other fields than these") from error
        return literal


def _as_int(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_as_int(each) for each in value)
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else value


class Parameters:
    """Checked parameters: the primes, what each level holds, and a hash that names it all.

    Attributes:
        literal: What was asked for.
        primes: All primes: base, then levels from the first to the top one, then special.
        plain_modulus: t of BGV; 1 for CKKS, whose errors are not multiplied by it.
    """

    literal: Final[Literal]
    primes: Final[tuple[int, ...]]
    plain_modulus: Final[int]

    def __init__(self, literal: Literal) -> None:
        _check(literal)
        self.literal = literal
        self.plain_modulus = literal.plain_modulus or 1
        special_bits = literal.special_bits or _special_bits(literal)
        special = _take(special_bits, literal.degree, self.plain_modulus, ())
        base = _take(literal.base_bits, literal.degree, self.plain_modulus, special)
        levels, self._scales = _levels(literal, self.plain_modulus, (*special, *base))
        self._sizes = (len(base), *(len(group) for group in levels))
        self.primes = (*base, *(q for group in levels for q in group), *special)
        self._special_count = len(special)
        require_secure(literal.degree, self.primes)
        self._check_special()

    @property
    def scheme(self) -> Scheme:
        """CKKS or BGV."""
        return self.literal.scheme

    @property
    def degree(self) -> int:
        """N."""
        return self.literal.degree

    @property
    def slots(self) -> int:
        """N/2: how many numbers a ciphertext holds that rotations move."""
        return self.degree // 2

    @property
    def depth(self) -> int:
        """The level of a fresh ciphertext."""
        return self.literal.depth

    @property
    def width(self) -> int:
        """Primes of a digit."""
        return self.literal.width

    @cached_property
    def hash(self) -> bytes:
        """SHA-256 of the literal and of the primes that it leads to (32 bytes)."""
        return canonical.sha256(
            {"literal": self.literal.as_value(), "primes": list(self.primes), "what": "confide.he"}
        )

    @cached_property
    def _ends(self) -> tuple[int, ...]:
        return tuple(accumulate(self._sizes))

    def rows(self, level: int) -> range:
        """The primes of a ciphertext at a level, by their places in `primes`."""
        return range(self._ends[level])

    def dropped(self, level: int) -> range:
        """The primes that a ciphertext at this level loses when it is rescaled."""
        return range(self._ends[level - 1], self._ends[level])

    @cached_property
    def special(self) -> range:
        """The primes in which keys are switched."""
        return range(len(self.primes) - self._special_count, len(self.primes))

    def digits(self, level: int) -> int:
        """Digits that key switching at a level has."""
        return -(-self._ends[level] // self.width)

    def scale(self, level: int) -> float:
        """By what numbers are multiplied at a level (CKKS); 1 for BGV."""
        return self._scales[level]

    @cached_property
    def _factors(self) -> tuple[int, ...]:
        """BGV's correction factors modulo t, from level 0 to the top; 1 for CKKS."""
        t, factors = self.plain_modulus, [1]
        for level in range(self.depth, 0, -1):
            divided = pow(self.product(self.dropped(level)), -1, t) if t > 1 else 1
            factors.append(factors[-1] ** 2 * divided % t if t > 1 else 1)
        return tuple(reversed(factors))

    def factor(self, level: int) -> int:
        """By what whole numbers are multiplied at a level, modulo t (BGV); 1 for CKKS."""
        return self._factors[level]

    def product(self, rows: range) -> int:
        """The product of some primes."""
        return math.prod(self.primes[i] for i in rows)

    def _check_special(self) -> None:
        rows, special = self.rows(self.depth), self.product(self.special)
        starts = rows[:: self.width]
        largest = max(self.product(rows[i : i + self.width]) for i in starts)
        if special < largest:
            raise EncryptionError(
                f"special primes of {special.bit_length()} bits in all, and a digit of"
                f" {largest.bit_length()}: switching keys would drown the message. Take more"
                " special primes, or leave special_bits empty"
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Parameters) and self.literal == other.literal

    def __hash__(self) -> int:
        return hash(self.literal)

    def __repr__(self) -> str:
        bits = math.prod(self.primes).bit_length()
        if self.scheme is Scheme.CKKS:
            numbers = f"scale 2^{math.log2(self.scale(self.depth)):.1f}"
        else:
            numbers = f"modulo {self.plain_modulus}"
        return (
            f"Parameters({self.scheme.value}, N={self.degree}, {self.depth} levels, {numbers},"
            f" {len(self.primes)} primes, {bits} bits, {self.hash.hex()[:8]})"
        )


def _check(literal: Literal) -> None:
    """Refuses values out of range, before any prime is looked for."""
    for name in ("base_bits", "special_bits"):
        if not isinstance(getattr(literal, name), tuple):
            raise EncryptionError(f"{name} is {getattr(literal, name)!r}; a tuple of bits")
    ckks = literal.scheme is Scheme.CKKS
    most_level_bits = 2 * primes.MOST_BITS
    ranges: tuple[tuple[str, object, int, int], ...] = (
        ("depth", literal.depth, 0, MOST_DEPTH),
        ("level_bits", literal.level_bits, primes.LEAST_BITS, most_level_bits),
        ("width", literal.width, 1, 2 * MOST_DEPTH + 2),
        ("the number of base primes", len(literal.base_bits), 1, 2),
        ("the number of special primes", len(literal.special_bits), 0, 2 * MOST_DEPTH + 2),
        *((f"a prime of {name}", bits, primes.LEAST_BITS, primes.MOST_BITS)
          for name in ("base_bits", "special_bits") for bits in getattr(literal, name)),
    )  # fmt: skip
    for name, value, low, high in ranges:
        if type(value) is not int or not low <= value <= high:
            raise EncryptionError(f"{name} is {value!r}; it lies between {low} and {high}")
    if type(literal.degree) is not int or literal.degree not in DEGREES:
        raise EncryptionError(
            f"degree is {literal.degree!r}; it is one of {', '.join(map(str, DEGREES))}"
        )
    if ckks and sum(literal.base_bits) <= literal.level_bits:
        raise EncryptionError(
            f"a base of {sum(literal.base_bits)} bits holds no number at a scale of"
            f" {literal.level_bits} bits: take base_bits of {literal.level_bits + 2} and more"
        )
    t = literal.plain_modulus
    if ckks != (t is None):
        raise EncryptionError(
            "plain_modulus is for BGV, and BGV needs it: "
            + ("leave it out of CKKS" if ckks else "take a prime of 20 to 50 bits")
        )
    if t is not None and not (
        type(t) is int
        and primes.LEAST_BITS <= t.bit_length() <= primes.MOST_BITS
        and t % (2 * literal.degree) == 1
        and primes.is_prime(t)
    ):
        raise EncryptionError(
            f"plain_modulus is {t!r}; it is a prime of {primes.LEAST_BITS} to"
            f" {primes.MOST_BITS} bits that is 1 modulo {2 * literal.degree}, such as"
            f" {next(primes.falling(30, literal.degree))}"
        )
    if t is not None and sum(literal.base_bits) < least_base_bits(t, literal.degree):
        raise EncryptionError(
            f"a base of {sum(literal.base_bits)} bits for whole numbers modulo {t}: fresh"
            f" ciphertexts need {least_base_bits(t, literal.degree)}"
        )


def least_base_bits(t: int, degree: int) -> int:
    """Of a base in which a fresh BGV ciphertext is decrypted without fail.

    Its message and error, under the public key, have slots of root mean square below 4·N·t, and
    exceed ten times that with probability 2^-144; half the modulus must hold them.
    """
    return (2 * 10 * 4 * degree * t).bit_length()


def _special_bits(literal: Literal) -> tuple[int, ...]:
    """As many of the largest size as the largest digit can need."""
    halves = 1 if literal.level_bits <= primes.MOST_BITS else 2
    bits = [*literal.base_bits, *[-(-literal.level_bits // halves)] * (halves * literal.depth)]
    need = max(sum(bits[i : i + literal.width]) for i in range(0, len(bits), literal.width))
    return (primes.MOST_BITS,) * -(-need // primes.MOST_BITS)


def _take(sizes: tuple[int, ...], degree: int, t: int, used: tuple[int, ...]) -> tuple[int, ...]:
    found: list[int] = []
    for bits in sizes:
        found += primes.largest(1, bits, degree, frozenset((*used, *found, t)))
    return tuple(found)


def _levels(
    literal: Literal, t: int, used: tuple[int, ...]
) -> tuple[list[tuple[int, ...]], tuple[float, ...]]:
    """The primes of each level, from the first to the top one, and the scales from 0 to the top."""
    halves = 1 if literal.level_bits <= primes.MOST_BITS else 2
    high = -(-literal.level_bits // halves)
    sizes = (high,) if halves == 1 else (high, literal.level_bits - high)
    # Twice as many as are needed, so that some lie on either side of the target.
    taken = {*used, t}
    pools = []
    for bits in sizes:
        count = (2 if literal.scheme is Scheme.CKKS else 1) * literal.depth + 1
        pools.append(primes.largest(count, bits, literal.degree, frozenset(taken)))
        taken.update(pools[-1])
    target = math.prod(float(pool[len(pool) // 2]) for pool in pools)
    scales, groups = [target], []
    for _ in range(literal.depth):
        ideal = scales[-1] ** 2 / target
        group: list[int] = []
        for i, pool in enumerate(pools):
            rest = (
                ideal / math.prod(group)
                if i
                else ideal / math.prod(float(other[len(other) // 2]) for other in pools[1:])
            )
            group.append(primes.near(rest, pool))
            pool.remove(group[-1])
        scales.append(scales[-1] ** 2 / math.prod(group))
        groups.append(tuple(group))
    if literal.scheme is Scheme.BGV:
        scales = [1.0] * len(scales)
    return groups[::-1], tuple(scales[::-1])
