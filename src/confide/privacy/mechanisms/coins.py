"""Choices with exactly the stated probabilities, although these are irrational.

A uniform number is drawn 64 bits at a time, and probabilities are bounded as tightly as the
decision needs: whole numbers throughout, as in `confide.noise`. Floating point is only used to
guess how many digits are needed.
"""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from confide.noise.exact import WORD_BITS, exp_bounds, is_below_exp
from confide.noise.stream import KeyStream

__all__ = ["below", "exponential_choice", "succeeds"]

_PLENTY: Final = 90.0
"""Nats after which what is left is rarely looked at: e^-90 against weights below 2^64."""


def below(count: int, stream: KeyStream) -> int:
    """A uniform whole number from 0 to count - 1, by rejection.

    Args:
        count: At least 1.
        stream: Gives the bits.
    """
    bits = (count - 1).bit_length()
    words = -(-bits // WORD_BITS)
    while True:
        drawn = int.from_bytes(stream.bytes(words), "little") >> (words * WORD_BITS - bits)
        if drawn < count:
            return drawn


def succeeds(exponent: Fraction, stream: KeyStream) -> bool:
    """Whether a coin that succeeds with probability exp(-a) does.

    Args:
        exponent: a ≥ 0.
        stream: Gives the bits.
    """
    return is_below_exp(exponent, stream.word(), stream.word)


def exponential_choice(
    weights: NDArray[np.int64], distances: NDArray[np.int64], rate: Fraction, stream: KeyStream
) -> int:
    """Draws i with probability exactly in proportion to w_i·exp(-rate·d_i).

    The nearest come first. How far down the list it must look is not known in advance: the weights
    behind the ones looked at are bounded by their sum times the largest exponential among them.

    Args:
        weights: (n,) positive.
        distances: (n,) at least 0.
        rate: Positive.
        stream: Gives the bits.

    Returns:
        The index.
    """
    order = np.argsort(distances, kind="stable")
    nearest = distances[order] - distances[order[0]]
    looked = int(np.searchsorted(nearest, _PLENTY / float(rate)))
    bits, drawn = 0, 0
    while True:
        bits, drawn = bits + WORD_BITS, drawn << WORD_BITS | stream.word()
        found = _found(weights[order], nearest, rate, min(looked, len(order)), (drawn, bits))
        if found is not None:
            return int(order[found])
        looked *= 2


def _found(
    weights: NDArray[np.int64],
    distances: NDArray[np.int64],
    rate: Fraction,
    looked: int,
    uniform: tuple[int, int],
) -> int | None:
    """The index whose share of the whole holds all numbers with these first bits, if one does."""
    drawn, bits = uniform
    bounds = {int(d): exp_bounds(rate * int(d), bits) for d in np.unique(distances[:looked])}
    terms = [
        (int(w) * bounds[int(d)][0], int(w) * bounds[int(d)][1])
        for w, d in zip(weights[:looked], distances[:looked], strict=True)
    ]
    low = list(accumulate((term[0] for term in terms), initial=0))
    high = list(accumulate((term[1] for term in terms), initial=0))
    behind = 0
    if looked < len(weights):
        left = sum(map(int, weights[looked:]))
        behind = left * exp_bounds(rate * int(distances[looked]), bits)[1]
    # U lies in [drawn, drawn + 1)/2^bits; the whole, W, in [low, high + behind].
    first, last = drawn * low[-1] >> bits, -(-(drawn + 1) * (high[-1] + behind) >> bits)
    index = bisect_right(high, first) - 1
    # Where U·W is at least the upper bound of all before and at most the lower bound up to here.
    inside = index < looked and high[index] <= first and last <= low[index + 1]
    only = looked == len(weights) and index == looked - 1
    return index if inside or only else None
