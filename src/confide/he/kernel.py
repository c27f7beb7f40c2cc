"""The compiled ring. Nothing can be encrypted without it: there is no slower replacement."""

from __future__ import annotations

import importlib
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from confide._version import __version__
from confide.errors import EncryptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confide_native import Ring, Secret, SumKey

__all__ = ["empty_polys", "make_ring", "make_secret", "make_sum_key"]


_LINE_WORDS: Final = 8


@lru_cache(maxsize=1)
def _module() -> ModuleType:
    try:
        module = importlib.import_module("confide_native")
    except ImportError as error:
        raise EncryptionError(
            "encryption needs the compiled kernels: pip install 'confide[he]', or ./native from"
            " a checkout"
        ) from error
    if module.__version__ != __version__:
        raise EncryptionError(
            f"confide {__version__} with the kernels of {module.__version__}: install the same"
            " version of both"
        )
    return module


def make_ring(degree: int, primes: Sequence[int], threads: int, instructions: str = "") -> Ring:
    """The ring of these primes.

    Raises:
        EncryptionError: If the kernels are not installed, are of another version, or cannot use
            these instructions here.
    """
    module = _module()
    if instructions and instructions not in module.paths():
        raise EncryptionError(
            f"instructions {instructions!r}; this processor has {', '.join(module.paths())}"
        )
    ring: Ring = module.Ring(degree, list(primes), path=instructions, threads=threads)
    return ring


def empty_polys(polys: int, rows: int, degree: int) -> NDArray[np.uint64]:
    """Room for polynomials that begins with a cache line, as the kernels' vectors do.

    A vector that lies across two lines takes twice as long to read.
    """
    words = polys * rows * degree
    room = np.empty(words + _LINE_WORDS, np.uint64)
    start = -room.ctypes.data % (8 * _LINE_WORDS) // 8
    return room[start : start + words].reshape(polys, rows, degree)


def make_secret(ring: Ring, *coefficients: object) -> Secret:
    """A fresh secret, or the one of these coefficients."""
    secret: Secret = _module().Secret(ring, *coefficients)
    return secret


def make_sum_key(ring: Ring, high: Sequence[int], low: Sequence[int], seed: bytes) -> SumKey:
    """A short key for one vector, drawn from a cumulative table; nobody else knows its seed."""
    key: SumKey = _module().SumKey(ring, high, low, seed)
    return key
