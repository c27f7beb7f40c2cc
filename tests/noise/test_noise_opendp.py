"""OpenDP's discrete samplers as an oracle: two samples, one distribution."""

import numpy as np
import pytest
from scipy.stats import chi2

from confide.noise import DiscreteGaussian, DiscreteLaplace
from confide.randomness import SystemRandom

dp = pytest.importorskip("opendp.prelude")

SAMPLES = 30_000
FALSE_ALARMS = 1e-9
LEAST = 100


def _theirs(kind, scale):
    dp.enable_features("contrib")
    domain = dp.vector_domain(dp.atom_domain(T="i64"))
    if kind is DiscreteGaussian:
        release = dp.m.make_gaussian(domain, dp.l2_distance(T=float), scale)
    else:
        release = dp.m.make_laplace(domain, dp.l1_distance(T="i64"), scale)
    return np.array(release([0] * SAMPLES))


@pytest.mark.parametrize("kind", [DiscreteGaussian, DiscreteLaplace])
@pytest.mark.parametrize("scale", [0.5, 1.0, 3.7, 100.0, 12345.678, 2.0**30])
def test_draws_like_opendp(kind, scale):
    """Two-sample χ²; false alarms: 1e-9 each."""
    ours, theirs = kind(scale).sample(SAMPLES, SystemRandom()), _theirs(kind, scale)
    both = np.concatenate([ours, theirs])
    edges = np.unique(np.quantile(both, np.linspace(0, 1, 60)).astype(np.int64))
    a, b = (
        np.bincount(np.searchsorted(edges, s), minlength=len(edges) + 1) for s in (ours, theirs)
    )
    enough = a + b >= LEAST
    statistic = ((a - b)[enough] ** 2 / (a + b)[enough]).sum()
    assert statistic <= chi2.isf(FALSE_ALARMS, enough.sum())
