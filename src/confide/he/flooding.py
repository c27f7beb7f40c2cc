"""Noise on results that the key holder shares.

An approximate result contains its error, and the error of a known ciphertext is a linear equation
in the secret key: an attacker who sees enough results can compute the key (Li and Micciancio 2021,
ePrint 2020/1533). So Gaussian noise is added to the coefficients, wide enough to hide that error
(Li, Micciancio, Schultz and Sorrell 2022, ePrint 2022/816): a shift of length t under noise of
standard deviation σ is seen with a divergence of t²/(2σ²), and σ = √(12τ)·2^(s/2)·t leaves 2^-s/24
over τ results. The paper turns that into s bits of statistical security against any adversary.

t is the root mean square error of the slots, which is the mean length of the error's coefficients.
It must come from the plan of the computation, never from anyone who computed.
"""

from __future__ import annotations

import math
from typing import Final

from confide.errors import EncryptionError
from confide.he.context import Context
from confide.he.encoding import Polys
from confide.he.numbers import whole_number
from confide.noise import LARGEST_SCALE, DiscreteGaussian
from confide.randomness import SystemRandom

__all__ = [
    "FLOOD_TAIL",
    "LEAST_STATISTICAL_BITS",
    "flood",
    "flooding_scale",
    "require_room",
    "shareable",
]

LEAST_STATISTICAL_BITS: Final = 30
"""Below this many bits nothing is shared."""

FLOOD_TAIL: Final = 16
"""Standard deviations that the base must have room for."""

_MOST_QUERIES: Final = 1 << 40
_MOST_STATISTICAL_BITS: Final = 128


def flooding_scale(noise: float, queries: int, statistical_bits: int) -> float:
    """σ = √(12τ)·2^(s/2)·t, in the units of `noise`.

    Args:
        noise: t, the root mean square error that is drowned.
        queries: τ, results that the key may give away.
        statistical_bits: s, at least 30.

    Example:
        >>> round(math.log2(flooding_scale(1.0, 1000, 30)), 1)
        21.8
    """
    return math.sqrt(12 * queries) * 2 ** (statistical_bits / 2) * noise


def shareable(queries: object, statistical_bits: object) -> tuple[int, int]:
    """Both as whole numbers.

    Raises:
        EncryptionError: If one is not a number, or out of its range.
    """
    return (
        whole_number(queries, "queries", 1, _MOST_QUERIES),
        whole_number(
            statistical_bits, "statistical_bits", LEAST_STATISTICAL_BITS, _MOST_STATISTICAL_BITS
        ),
    )


def require_room(context: Context, scale: float) -> None:
    """Refuses flooding for which the base has no room.

    Args:
        context: Its parameters.
        scale: The standard deviation, in units of the coefficients.

    Raises:
        EncryptionError: If it has none.
    """
    room = context.parameters.product(context.parameters.rows(0))
    if 4 * FLOOD_TAIL * scale > room:
        raise EncryptionError(
            f"flooding takes noise of 2^{math.log2(scale):.1f} and the base has"
            f" {room.bit_length()} bits: plan with two base primes, fewer queries or less error"
        )


def flood(context: Context, phase: Polys, scale: float) -> None:
    """Adds discrete Gaussian noise to a decrypted polynomial, in place.

    Args:
        context: Its parameters.
        phase: Modulo the first primes, the base's or more, transformed: (1, rows, N).
        scale: The standard deviation, in units of the coefficients.
    """
    rows = range(phase.shape[1])
    out = context.empty(1, len(rows))
    for weight, part in _parts(scale):
        noise = part.sample(context.parameters.degree, SystemRandom())
        context.ring.from_integers(out, noise, rows)
        context.ring.forward(out, rows)
        context.ring.scale(out, out, context.encoding.residues(weight, rows), rows)
        context.ring.add(phase, phase, out, rows)


def _parts(scale: float) -> list[tuple[int, DiscreteGaussian]]:
    """A Gaussian as one that the sampler draws, or as a coarse one and a fine one that fills it.

    The sum of a Gaussian on the multiples of w and one on the whole numbers of standard deviation
    4w is within 2^-200 of a Gaussian on the whole numbers (Micciancio and Walter 2017, ePrint
    2017/259, §4): 4w is far above the smoothing parameter of wZ for that.
    """
    if scale <= LARGEST_SCALE:
        return [(1, DiscreteGaussian(scale=max(math.ceil(scale), 1)))]
    weight = 1 << math.ceil(math.log2(scale / float(LARGEST_SCALE)))
    return [
        (weight, DiscreteGaussian(scale=math.ceil(scale / weight))),
        (1, DiscreteGaussian(scale=4 * weight)),
    ]
