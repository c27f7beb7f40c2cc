"""Owners' tables for tests of statistics, and their pooled twin."""

from typing import Any

import numpy as np
import pandas as pd

import confide as cf
from confide.analytics import statistics, statistics_table
from confide.plan import Sums
from confide.privacy.guarantee import plan_with

CAPACITY = 1000
WARDS = ("A", "B")
TABLE = statistics_table(
    {
        "age": cf.Number(bounds=(0, 120)),
        "cost": cf.Number(bounds=(-50, 2000)),
        "weight": cf.Number(bounds=(0, 4)),
        "months": cf.Number(bounds=(0, 60)),
        "ward": cf.Category(values=WARDS),
        "smoker": cf.Boolean(),
        "died": cf.Boolean(),
        "day": cf.Date(bounds=("2026-01-01", "2026-12-31")),
    }
)


def owner(rows, seed):
    """Rows of one owner: skewed numbers, some missing, a value beyond the vocabulary."""
    rng = np.random.default_rng(seed)
    age = rng.integers(0, 100, rows).astype(float)
    age[rng.random(rows) < 0.1] = np.nan
    return pd.DataFrame(
        {
            "age": age,
            "cost": rng.gamma(2, 100 * (1 + seed), rows).clip(0, 1999).round(2),
            "weight": rng.integers(1, 5, rows),
            "months": np.ceil(rng.exponential(12, rows)).clip(1, 60),
            "ward": rng.choice(
                np.array(["A", "B", "Z", None], object), rows, p=[0.5, 0.3, 0.1, 0.1]
            ),
            "smoker": rng.random(rows) < 0.3,
            "died": rng.random(rows) < 0.6,
            "day": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 300, rows), "D"),
        }
    )


def owners(sizes=(7, 60, 133)):
    """Owners of these many rows each."""
    return {name: owner(rows, seed) for seed, (name, rows) in enumerate(zip("abcd", sizes))}  # noqa: B905


def pooled(data):
    """All owners' rows."""
    return pd.concat(data.values(), ignore_index=True)


def stage(computation, name="sums", rounds=1, budget=1.0) -> Sums:
    """A stage of a plan."""
    return computation.stage(name=name, rounds=rounds, budget=budget)


def plan_of(data, stages, *, epsilon=None, **fields):
    """A plan in which nobody may be missing."""
    noise: Any = cf.NoNoise()
    if epsilon is not None:
        noise = cf.Calibrated(kind=cf.NoiseShares, epsilon=epsilon, delta=1e-6)
    given = {
        "threat": cf.Threat(confidentiality=cf.Adversary(parties=cf.Corruption.CURIOUS)),
        "crowd": cf.FixedCrowd(),
        **fields,
    }
    parties = tuple(map(cf.Party.simulation, data))
    return plan_with(noise, name="statistics", parties=parties, stages=tuple(stages), **given)


def run(data, *computations, rounds=None, epsilon=None, **fields):
    """What computations find, one stage each, and the run."""
    counts = [1] * len(computations) if rounds is None else rounds
    stages = [
        stage(c, f"s{i}", n, 1 / len(computations))
        for i, (c, n) in enumerate(zip(computations, counts, strict=True))
    ]
    plan = plan_of(data, stages, epsilon=epsilon, **fields)
    made = cf.simulate(plan, data, computation=computations)
    return statistics(made.plan, made.state), made
