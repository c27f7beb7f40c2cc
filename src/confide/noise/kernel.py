"""The compiled sampler, where `confide-native` is installed, and the choice between the two.

Both samplers read the same words in the same way and decide by the same tables, so they yield the
same samples; neither is less exact than the other. The kernel contains no cryptography: it asks for
random words, and for a decision where they are not enough.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from confide._version import __version__
from confide.errors import PlanError
from confide.noise.law import Law
from confide.noise.reference import fill
from confide.noise.resolver import Resolver
from confide.noise.stream import KeyStream
from confide.noise.table import table_of
from confide.randomness import SecureRandom

__all__ = ["Backend", "Words", "backend", "fill_with", "sample"]


class Backend(Enum):
    """Which code samples."""

    KERNEL = "kernel"
    """`confide-native`, compiled."""
    REFERENCE = "reference"
    """numpy."""


class _Kernel(Protocol):
    def fill(
        self,
        out: NDArray[np.int64],
        *,
        floors: NDArray[np.uint64],
        shift: int,
        bound: int,
        quadratic: float,
        linear: float,
        refill: Callable[[int], bytes],
        cell: Callable[[int], int],
        keeps: Callable[[int, int], bool],
    ) -> None: ...


class Words(Protocol):
    """A source of words of 64 uniform bits."""

    def bytes(self, words: int, /) -> bytes:
        """The next words as bytes, in this machine's order."""

    def words(self, count: int, /) -> NDArray[np.uint64]:
        """The next words as an array."""


def backend() -> Backend:
    """The code that samples here unless another is asked for.

    Example:
        >>> backend() in Backend
        True
    """
    return Backend.REFERENCE if _kernel() is None else Backend.KERNEL


def sample(law: Law, size: int, random: SecureRandom, using: Backend | None) -> NDArray[np.int64]:
    """Draws `size` independent samples of a law.

    Raises:
        PlanError: If the kernel is asked for and not installed.
    """
    out = np.empty(size, dtype=np.int64)
    fill_with(using or backend(), out, law, KeyStream(random), Resolver(law, _LazyWords(random)))
    return out


def fill_with(
    using: Backend, out: NDArray[np.int64], law: Law, stream: Words, resolver: Resolver
) -> None:
    """Fills an array with independent samples, by the code named.

    Raises:
        PlanError: If the kernel is asked for and not installed.
    """
    table = table_of(law)
    if using is Backend.REFERENCE:
        fill(out, law, table, stream.words, resolver)
        return
    kernel = _kernel()
    if kernel is None:
        raise PlanError(
            f"the kernel is asked for and confide-native {__version__} is not installed; "
            "install it, or leave `backend` out: the reference draws the same samples"
        )
    kernel.fill(
        out,
        floors=table.floors,
        shift=law.shift,
        bound=law.bound,
        quadratic=float(law.quadratic),
        linear=float(law.linear),
        refill=stream.bytes,
        cell=resolver.cell,
        keeps=resolver.keeps,
    )


class _LazyWords:
    """A second stream for what is undecided, made when it is first needed."""

    def __init__(self, random: SecureRandom) -> None:
        self._random = random
        self._stream: KeyStream | None = None

    def __call__(self) -> int:
        if self._stream is None:
            self._stream = KeyStream(self._random)
        return self._stream.word()


@lru_cache(maxsize=1)
def _kernel() -> _Kernel | None:
    """The kernel of exactly this version, or None."""
    try:
        module = importlib.import_module("confide_native")
    except ImportError:
        return None
    if module.__version__ != __version__:
        return None
    return cast("_Kernel", module)
