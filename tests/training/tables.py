"""Tables of owners for the tests of the door."""

import numpy as np
import pandas as pd

NAMES = ("north", "south", "west")
SECRET = 4711


def owner(seed, rows=150, *, salary=False):
    """Rows with a number far from one, a ward, and a label that follows from the number."""
    rng = np.random.default_rng(seed)
    x = rng.normal(90_000, 20_000, rows) if salary else rng.normal(50, 10, rows)
    spread = float(x.std())
    return pd.DataFrame(
        {
            "age": x.round(3),
            "ward": rng.choice(["A", "B"], rows),
            "ill": (x + rng.normal(0, spread / 2, rows) > x.mean()).astype(int),
        }
    )


def owners(**changes):
    """Three owners; keyword arguments are `owner`'s."""
    return {name: owner(seed, **changes) for seed, name in enumerate(NAMES)}


def numbers_only(**changes):
    """Three owners without the column of texts."""
    return {name: table.drop(columns="ward") for name, table in owners(**changes).items()}
