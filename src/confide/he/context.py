"""Parameters made ready to compute with: the ring's tables and the scheme's encoding."""

from __future__ import annotations

import operator
from typing import Final, NoReturn, SupportsIndex

from confide.he.bgv import BGVEncoding
from confide.he.ckks import CKKSEncoding
from confide.he.encoding import Encoding, Polys
from confide.he.kernel import make_ring
from confide.he.numbers import whole_number
from confide.he.parameters import Parameters, Scheme

__all__ = ["Context", "moved_by"]

_MOST_THREADS: Final = 256


class Context:
    """What keys, ciphertexts and engines of one set of parameters share. Holds no secret.

    Args:
        parameters: Checked parameters.
        threads: How many threads one operation may use, over the residues it works on. The
            interpreter's lock is released, so operations can also run in parallel.
        instructions: "avx512", "avx2" or "portable"; the fastest that this processor has if empty.
            All compute the same, bit for bit.

    Raises:
        EncryptionError: If the kernels are not installed, `threads` is out of range, or the
            processor has no such instructions.
    """

    def __init__(self, parameters: Parameters, *, threads: int = 1, instructions: str = "") -> None:
        threads = whole_number(threads, "threads", 1, _MOST_THREADS)
        self.parameters: Final = parameters
        self.ring: Final = make_ring(parameters.degree, parameters.primes, threads, instructions)
        scheme = CKKSEncoding if parameters.scheme is Scheme.CKKS else BGVEncoding
        self.encoding: Final[Encoding] = scheme(parameters, self.ring)

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(
            "a Context is not pickled or copied: send the bytes of write_parameters(...), and make"
            " a Context where they are read"
        )

    def empty(self, polys: int, rows: int) -> Polys:
        """Room for residues: (polys, rows, N)."""
        return self.encoding.empty(polys, rows)

    def __repr__(self) -> str:
        return f"Context({self.parameters!r}, {self.ring.path}, threads={self.ring.threads})"


def moved_by(steps: SupportsIndex, degree: int) -> int:
    """The power g of X -> X^g that moves slot j + steps to slot j.

    Example:
        >>> moved_by(1, 4096), moved_by(-1, 4096) * 5 % 8192
        (5, 1)
    """
    return pow(5, operator.index(steps) % (degree // 2), 2 * degree)
