from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__version__: str

def fill(
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
