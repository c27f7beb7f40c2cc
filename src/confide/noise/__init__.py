"""Exact noise on the integers, for all releases.

`DiscreteGaussian` and `DiscreteLaplace` are frozen values: a scale, perhaps a bound, and `sample`.
"""

from confide.noise.distributions import (
    LARGEST_SCALE,
    LEAST_SCALE,
    DiscreteGaussian,
    DiscreteLaplace,
    DiscreteNoise,
)
from confide.noise.kernel import Backend, backend

__all__ = [
    "LARGEST_SCALE",
    "LEAST_SCALE",
    "Backend",
    "DiscreteGaussian",
    "DiscreteLaplace",
    "DiscreteNoise",
    "backend",
]
