"""Records of every family."""

import numpy as np
import pytest

from confide.learning.models.families import Bernoulli, Categorical, Gaussian, Poisson

FAMILIES = [Gaussian(), Bernoulli(), Categorical(n_classes=2), Categorical(n_classes=4), Poisson()]


@pytest.fixture(params=FAMILIES, ids=repr, scope="module")
def family(request):
    return request.param


@pytest.fixture(scope="session")
def draw():
    """Draws records of a family: features of shape (m, d), parameters, and targets."""

    def records(family, seed, m=60, d=3, spread=0.7):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(m, d))
        coef = spread * rng.normal(size=(d, family.n_outputs))
        mean = family.inverse_link(x @ coef + 0.3)
        return x, coef, targets(family, mean, rng)

    return records


def targets(family, mean, rng):
    if isinstance(family, Gaussian):
        return mean[:, 0] + rng.normal(size=len(mean))
    if isinstance(family, Poisson):
        return rng.poisson(mean[:, 0])
    if isinstance(family, Bernoulli):
        return rng.binomial(1, mean[:, 0])
    chosen = (rng.random(len(mean))[:, np.newaxis] > mean.cumsum(axis=1)).sum(axis=1)
    return np.minimum(chosen, family.n_classes - 1)
