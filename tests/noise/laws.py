"""The distributions by mpmath, and χ² against them: nothing here is shared with the samplers."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from scipy.stats import chi2

from confide.noise import Backend, DiscreteGaussian, DiscreteLaplace, backend

SCALES = (0.1, 0.5, 1, 3.7, 16, 100, 12345.678, 2**20 + 0.5, 2**40)
KINDS = (DiscreteGaussian, DiscreteLaplace)
FALSE_ALARMS = 1e-9
"""Of every test that calls `assert_fits` once."""

_LEAST_EXPECTED = 200
_SUMMED_BELOW = 1000

mpmath.mp.prec = 160

BACKENDS = [
    pytest.param(
        which,
        marks=pytest.mark.skipif(
            which is Backend.KERNEL and backend() is Backend.REFERENCE,
            reason="confide-native is not installed",
        ),
    )
    for which in Backend
]


def rational(value):
    """A number of mpmath that is this very one."""
    exact = Fraction(value)
    return mpmath.mpf(exact.numerator) / exact.denominator


def energy(noise, x):
    if isinstance(noise, DiscreteGaussian):
        return mpmath.mpf(x) ** 2 / (2 * rational(noise.scale) ** 2)
    return abs(mpmath.mpf(x)) / rational(noise.scale)


def mass(noise, first, last):
    """Σ exp(-E(x)) over first ≤ x ≤ last with 0 ≤ first, unnormalised."""
    if first > last:
        return mpmath.mpf(0)
    if isinstance(noise, DiscreteLaplace):
        b = rational(noise.scale)
        return (mpmath.exp(-first / b) - mpmath.exp(-(mpmath.mpf(last) + 1) / b)) / (
            1 - mpmath.exp(-1 / b)
        )
    if noise.scale < _SUMMED_BELOW:
        return mpmath.fsum(mpmath.exp(-energy(noise, x)) for x in range(first, last + 1))
    # Midpoints: off by 1/24σ² of it, less than 1e-7, which no sample of a million shows.
    root = mpmath.sqrt(2) * rational(noise.scale)
    ends = [
        mpmath.erf((mpmath.mpf(2 * x + side) / 2) / root) for x, side in ((first, -1), (last, 1))
    ]
    return (ends[1] - ends[0]) * root * mpmath.sqrt(mpmath.pi) / 2


def reach(noise):
    """Where nothing counts any more in 160 bits, or the bound."""
    widths = 16 if isinstance(noise, DiscreteGaussian) else 120
    far = int(widths * noise.scale) + 2
    return far if noise.bound is None else min(far, noise.bound)


def probabilities(noise, edges):
    """P[edge_i ≤ |x| < edge_{i+1}] for rising edges from 0 on; the last bin is open."""
    far = reach(noise)
    both = [
        (1 if first == 0 else 0) + 2 * mass(noise, max(first, 1), min(last - 1, far))
        for first, last in zip(edges, [*edges[1:], far + 1], strict=True)
    ]
    total = mpmath.fsum(both)
    return np.array([float(p / total) for p in both])


def assert_fits(samples, noise):
    """χ² of |x| in bins, of the signs and of the low bits; false alarms below `FALSE_ALARMS`."""
    magnitudes = np.abs(samples)
    if noise.bound is not None:
        assert magnitudes.max() <= noise.bound
    edges, expected = _bins(noise, samples.size)
    counts = np.bincount(np.searchsorted(edges, magnitudes, side="right") - 1, minlength=len(edges))
    _assert_chi_squared(counts, expected)
    signs = samples[samples != 0] > 0
    if signs.size > _LEAST_EXPECTED:
        _assert_chi_squared(np.bincount(signs, minlength=2), np.full(2, signs.size / 2))
    if noise.scale >= 2**20:
        _assert_chi_squared(
            np.bincount(samples & 255, minlength=256), np.full(256, samples.size / 256)
        )


def _bins(noise, size):
    step = max(1, int(noise.scale / 12.3))
    edges = list(range(0, min(reach(noise), 14 * step * 12) + 1, step))
    expected = probabilities(noise, edges) * size
    while len(edges) > 1 and expected[-1] < _LEAST_EXPECTED:
        edges.pop()
        expected = np.append(expected[:-2], expected[-2] + expected[-1])
    return np.array(edges), expected


def _assert_chi_squared(counts, expected):
    if len(counts) == 1:
        return
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert statistic <= chi2.isf(FALSE_ALARMS / 3, len(counts) - 1)
