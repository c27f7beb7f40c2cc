"""Named arrays as one vector: what the algorithms compute with, and sums are declared over."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from confide.computation import State
from confide.errors import DataError, PlanError
from confide.plan.codec import nearest

__all__ = ["Layout", "matching"]

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """Where named arrays stand in one vector: one after the other, in this order.

    Attributes:
        shapes: Each array's shape by its name.
        dtypes: The type that each is kept in, by its name; bfloat16 is kept as float32, which holds
            it exactly.

    Raises:
        PlanError: If a name has a `/`, which the names of algorithms' own arrays have.

    Example:
        >>> layout = Layout({"w": (2, 2), "b": (2,)}, {"w": "float32", "b": "float32"})
        >>> layout.size, layout.mask(["b"]).astype(int).tolist()
        (6, [0, 0, 0, 0, 1, 1])
        >>> layout.named(np.arange(6.0))["b"].tolist()
        [4.0, 5.0]
    """

    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]

    def __post_init__(self) -> None:
        for name in self.shapes:
            if "/" in name:
                raise PlanError(
                    f"an array named {name!r}; a name has no '/', which is for algorithms' own"
                )

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of coordinates of each array."""
        return tuple(math.prod(shape) for shape in self.shapes.values())

    @property
    def size(self) -> int:
        """The number of coordinates of all."""
        return sum(self.sizes)

    def flat(self, state: State) -> Reals:
        """The arrays of a state as a new vector, shape `(size,)`.

        Raises:
            DataError: If one is missing or of another shape.
        """
        parts = [np.zeros(0)]
        for name, shape in self.shapes.items():
            if name not in state:
                raise DataError(f"the state has no array {name!r}; {nearest(name, state)}")
            if np.shape(state[name]) != shape:
                raise DataError(
                    f"array {name!r} has shape {np.shape(state[name])}, and the model's is "
                    f"{shape}: take the state of a run of this model"
                )
            parts.append(np.asarray(state[name], dtype=np.float64).ravel())
        return np.concatenate(parts)

    def named(self, flat: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
        """A vector of shape `(size,)` as named arrays of their types."""
        ends = np.cumsum(self.sizes, dtype=np.intp)
        return {
            name: flat[end - size : end].reshape(shape).astype(self.dtypes[name])
            for (name, shape), size, end in zip(self.shapes.items(), self.sizes, ends, strict=True)
        }

    def mask(self, patterns: Sequence[str]) -> NDArray[np.bool_]:
        """Which coordinates belong to the names that one of the patterns fits, shape `(size,)`.

        Raises:
            PlanError: If a pattern fits no name.
        """
        chosen = matching(tuple(self.shapes), patterns)
        return np.repeat([name in chosen for name in self.shapes], self.sizes)

    def only(self, patterns: Sequence[str], *, others: bool = False) -> Layout:
        """The layout of the names that a pattern fits, or of the others.

        Raises:
            PlanError: If a pattern fits no name.
        """
        chosen = matching(tuple(self.shapes), patterns)
        kept = [name for name in self.shapes if (name in chosen) != others]
        return Layout({n: self.shapes[n] for n in kept}, {n: self.dtypes[n] for n in kept})


def matching(names: Sequence[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """The names that one of the patterns fits: `head.*` fits all of a module called head.

    Raises:
        PlanError: If a pattern fits no name, which is never meant.
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise PlanError(f"no parameter is called {pattern!r}; {nearest(pattern, names)}")
    return tuple(n for n in names if any(fnmatchcase(n, pattern) for pattern in patterns))
