"""Tables like a bank's, column by column, so that none of any length is ever held whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Synthetic", "in_clear"]

Reals = NDArray[np.float64]

COVARIATES = 3
_MATTER = 12
"""Variables on which the label depends."""


class Synthetic(Mapping[str, Any]):
    """Covariates, a label, and variables that are drawn again each time they are looked up.

    Args:
        rows: How many.
        variables: How many.
        positives: Share of labels that are 1, about.
    """

    def __init__(self, rows: int, variables: int, positives: float) -> None:
        self.rows, self.variables = rows, variables
        random = np.random.default_rng(0)
        self._kept = {f"covariate {i}": random.uniform(0, 1, rows) for i in range(COVARIATES)}
        signal = self._kept["covariate 0"] - self._kept["covariate 1"]
        for i in range(min(_MATTER, variables)):
            x = self[f"variable {i}"]
            signal = signal + 1.5 / (i + 1) * (x - x.mean()) / x.std()
        # The intercept at which so many labels are expected to be positive.
        low, high = -30.0, 30.0
        for _ in range(60):
            middle = (low + high) / 2
            share = (1 / (1 + np.exp(-signal - middle))).mean()
            low, high = (middle, high) if share < positives else (low, middle)
        drawn = random.uniform(size=rows) < 1 / (1 + np.exp(-signal - low))
        self._kept["label"] = drawn.astype(float)

    def __getitem__(self, name: str) -> Reals:
        if not name.startswith("variable "):
            return self._kept[name]
        place = int(name.removeprefix("variable "))
        drawn = np.random.default_rng((1, place)).uniform(0, 1, self.rows)
        # Even amounts, skewed amounts, counts, and rare marks.
        kinds = (drawn, drawn**4, np.floor(drawn * 6) / 5, (drawn < 0.02).astype(float))
        return kinds[place % len(kinds)]

    def __iter__(self) -> Iterator[str]:
        yield from self._kept
        yield from (f"variable {i}" for i in range(self.variables))

    def __len__(self) -> int:
        return len(self._kept) + self.variables


def in_clear(table: Synthetic) -> tuple[Reals, Reals]:
    """U and V of every variable without encryption, by numpy alone."""
    x = [table[f"covariate {i}"] for i in range(COVARIATES)]
    design, y = np.column_stack([np.ones(table.rows), *x]), table["label"]
    beta = np.zeros(design.shape[1])

    def fitted() -> tuple[Reals, Reals]:
        p = 1 / (1 + np.exp(-design @ beta))
        return p, design * (p * (1 - p))[:, None]

    for _ in range(30):
        p, weighted = fitted()
        beta = beta + np.linalg.solve(design.T @ weighted, design.T @ (y - p))
    p, weighted = fitted()
    u, v = np.empty((2, table.variables))
    inverse = np.linalg.inv(design.T @ weighted)
    w = p * (1 - p)
    for i in range(table.variables):
        s = table[f"variable {i}"]
        c = weighted.T @ s
        u[i], v[i] = s @ (y - p), (s * s) @ w - c @ inverse @ c
    return u, v
