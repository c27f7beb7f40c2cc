"""A model, rows and keys that tests of encrypted scoring share."""

from functools import cache

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from confide.encrypted.keys import OwnerKeys
from confide.encrypted.models import scorer_of
from confide.encrypted.score import Scorer

BOUNDS = {"age": (0.0, 120.0), "income": (0.0, 2e5), "kids": (0.0, 20.0)}


def people(count: int, seed: int = 1) -> pd.DataFrame:
    """Rows within the bounds."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.uniform(18, 90, count),
            "income": rng.uniform(0, 2e5, count),
            "kids": rng.integers(0, 9, count),
        }
    )


def fitted() -> LogisticRegression:
    """A logistic model of these columns, whose coefficients differ by orders of magnitude."""
    rows = people(500)
    chance = 1 / (1 + np.exp(-(rows.age / 20 + rows.income / 5e4 - 5 - rows.kids / 4)))
    labels = np.where(np.random.default_rng(2).random(500) < chance, "yes", "no")
    model = LogisticRegression(C=1e6, max_iter=10_000).fit(rows.to_numpy() / SIZES, labels)
    model.coef_ = model.coef_ / SIZES
    return model


SIZES = [100, 1e5, 10]


@cache
def scorer() -> Scorer:
    """Its scorer, in blocks of 64 rows."""
    return scorer_of(fitted(), bounds=BOUNDS, rows=64)


@cache
def owner() -> OwnerKeys:
    """Keys for its job."""
    return OwnerKeys.make(scorer().job)
