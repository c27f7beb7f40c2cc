"""Decides the comparisons that 64 bits leave open, with as many more bits as needed.

It happens about once in 2^39 samples. Every step is in whole numbers, so the answer is right
whatever the floating-point unit does, and each further word leaves a probability of 2^-64 to
continue.
"""

from __future__ import annotations

from collections.abc import Callable

from confide.noise.exact import WORD_BITS, is_below_exp
from confide.noise.law import Law, unfolded
from confide.noise.table import floors, found

__all__ = ["Resolver"]


class Resolver:
    """Settles what is undecided about samples of one law.

    Args:
        law: The distribution.
        more: Gives the next 64 bits.
    """

    def __init__(self, law: Law, more: Callable[[], int]) -> None:
        self._law = law
        self._more = more

    def cell(self, word: int) -> int:
        """The j of the cell that U lies in.

        Args:
            word: The first 64 bits of U.
        """
        drawn, bits = word, WORD_BITS
        while True:
            drawn, bits = drawn << WORD_BITS | self._more(), bits + WORD_BITS
            cell = found(floors(self._law, bits), drawn)
            if cell is not None:
                return unfolded(cell)

    def keeps(self, x: int, word: int) -> bool:
        """Whether V < exp(-a(x)): whether the proposal x is kept.

        Args:
            x: The proposal.
            word: The first 64 bits of V.
        """
        return is_below_exp(self._law.excess(x), word, self._more)
