"""Newton's method for logistic regression: gradient and Hessian as bounded sums.

With |x_i| ≤ 1 the gradient of a record is at most 1 long and its Hessian x xᵀ p(1-p) at most 1/4 in
Frobenius norm, so nothing is ever clipped. A handful of rounds reaches the pooled solution.

Run it: python examples/newton.py
"""

import numpy as np

import confide as cf
from confide.computation import Data, State, Totals

P = 3


def contribute(state: State, data: Data, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Each record's gradient and Hessian at the common weights."""
    x, y = data["x"], data["y"]
    p = 1 / (1 + np.exp(-x @ state["w"]))
    outer = x[:, :, np.newaxis] * x[:, np.newaxis, :]
    return {"gradient": x * (p - y)[:, np.newaxis], "hessian": outer * (p - p**2)[:, None, None]}


def update(state: State, totals: Totals) -> State:
    """One Newton step."""
    return {"w": state["w"] - np.linalg.solve(totals["hessian"], totals["gradient"])}


sums = cf.SumGroup(
    (
        cf.Sum(name="gradient", shape=(P,), unit_bound=1, capacity=1000),
        cf.Sum(name="hessian", shape=(P, P), unit_bound=1 / 4, capacity=1000),
    )
)
newton = cf.Computation(
    task=cf.Task.of("newton-logistic", features=P),
    sums=sums,
    columns=("x", "y"),
    init=lambda: {"w": np.zeros(P)},
    contribute=contribute,
    update=update,
)


def records(seed: int) -> dict[str, dict[str, np.ndarray]]:
    """Four parties' records: rows of length at most 1 with labels from one model."""
    rng = np.random.default_rng(seed)
    data = {}
    for name in "abcd":
        x = rng.normal(size=(300, P)) + rng.normal(size=P)
        x /= np.maximum(1, np.linalg.norm(x, axis=1, keepdims=True))
        y = rng.random(300) < 1 / (1 + np.exp(-x @ [2.0, -1.0, 0.5]))
        data[name] = {"x": x, "y": y}
    return data


def main() -> None:
    """Four parties solve their common regression in six rounds."""
    # The coordinator follows the protocol and reads what it can: the first line of the views says
    # so. Against one that lies together with a lying party, exact sums are not private.
    curious = cf.Adversary(coordinator=cf.Corruption.CURIOUS)
    threat = cf.Threat(confidentiality=curious)
    plan = newton.plan(parties=list("abcd"), rounds=6, threat=threat)
    print(cf.views(plan).promise)
    run = cf.simulate(plan, records(1), computation=newton)
    print("weights:", run.state["w"].round(4))


if __name__ == "__main__":
    main()
