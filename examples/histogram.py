"""A histogram over everybody's records: a new federated computation in a dozen lines.

Run it: python examples/histogram.py
"""

import numpy as np

import confide as cf
from confide.computation import Data, State, Totals

EDGES = np.array([18, 30, 40, 50, 60, 70, 80])


def contribute(state: State, data: Data, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Each record is a one-hot row: one record moves the sum by 1."""
    return {"counts": np.eye(len(EDGES) - 1)[np.digitize(data["age"], EDGES[1:-1])]}


def update(state: State, totals: Totals) -> State:
    """Counts are whole numbers; the lattice holds them to a part in some hundreds."""
    return {"counts": totals["counts"].round()}


counts = cf.Sum(name="counts", shape=(len(EDGES) - 1,), unit_bound=1, capacity=10_000)
histogram = cf.Computation(
    task=cf.Task.of("age-histogram", edges=EDGES.tolist()),
    sums=cf.SumGroup((counts,)),
    columns=("age",),
    init=dict,
    contribute=contribute,
    update=update,
)


def main() -> None:
    """Four clinics count their patients' ages together."""
    rng = np.random.default_rng(1)
    ages = {name: {"age": rng.integers(18, 80, 500 + 200 * i)} for i, name in enumerate("abcd")}
    # One round opens one sum, over all four, so there is no other sum to compare it with.
    plan = histogram.plan(parties=list(ages), dropouts=0)
    print(cf.views(plan))
    run = cf.simulate(plan, ages, computation=histogram)
    print("\ncounts:", run.state["counts"].astype(int).tolist())


if __name__ == "__main__":
    main()
