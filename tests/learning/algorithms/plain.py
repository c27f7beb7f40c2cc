"""What the algorithms should compute, in numpy, from all rows at once and without the library.

Logistic regression with an intercept: the gradient of a row is (σ(w·[x, 1]) - y) [x, 1], and the
penalty is ½λ‖w‖² without the intercept.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from confide.learning import GeneralisedLinearModel, Table
from confide.learning.models.families import Bernoulli
from confide.plan import Adversary, Clear, Corruption, Masked, Sum, Threat

Reals = NDArray[np.float64]
Rows = Mapping[str, Reals]

L2 = 0.05
TABLE = Table(features=("a", "b"), label="y", scaling={"b": (2.0, 4.0)}, limit=5.0)
MODEL = GeneralisedLinearModel(family=Bernoulli(), n_features=2, l2=L2)

TRUSTED = Threat(confidentiality=Adversary(coordinator=Corruption.HONEST))
PROTECTIONS: dict[str, dict[str, object]] = {
    "clear": {"aggregation": Clear(), "threat": TRUSTED},
    "masked": {"aggregation": Masked()},
}


def draw_rows(rows: int, seed: int = 0) -> Rows:
    """Rows of one party, each party's around a centre of its own."""
    rng = np.random.default_rng([seed, rows])
    a, b = rng.normal(size=(2, rows)) + rng.normal(size=(2, 1))
    label = rng.random(rows) < 1 / (1 + np.exp(-2 * a + b))
    return {"a": a, "b": 2 + 4 * b, "y": label.astype(float)}


def design(rows: Rows) -> Reals:
    """[x, 1] with x scaled, shape `(rows, 3)`."""
    scaled = np.clip((rows["b"] - 2) / 4, -5, 5)
    return np.column_stack([np.clip(rows["a"], -5, 5), scaled, np.ones(len(scaled))])


def row_gradients(w: Reals, rows: Rows) -> Reals:
    """Each row's gradient without the penalty, shape `(rows, 3)`."""
    x = design(rows)
    return (1 / (1 + np.exp(-x @ w)) - rows["y"])[:, np.newaxis] * x


def penalty(w: Reals) -> Reals:
    """The gradient of the penalty."""
    return L2 * np.array([w[0], w[1], 0.0])


def descend(w: Reals, rows: Rows, *, steps: int, rate: float) -> Reals:
    """Full-batch gradient descent."""
    for _ in range(steps):
        w = w - rate * (row_gradients(w, rows).mean(axis=0) + penalty(w))
    return w


def clip(v: Reals, bound: float) -> Reals:
    """Vectors scaled down to a length, along the last axis."""
    length = np.linalg.norm(v, axis=-1, keepdims=True)
    return v * np.minimum(1, bound / np.maximum(length, 1e-300))


def together(*parties: Rows) -> Rows:
    """All parties' rows in one table."""
    return {name: np.concatenate([p[name] for p in parties]) for name in ("a", "b", "y")}


def rounding(declared: Sum, parties: int, rows: int = 1) -> float:
    """How far the released sum may lie from the exact one in a coordinate.

    A party's total moves by less than a step of the lattice, each row's by half a fine step.
    """
    lattice = declared.lattice
    return parties * lattice.resolution + rows * lattice.fine_resolution / 2
