"""k-means over everybody's records: each round is one Lloyd step, made of two sums.

Run it: python examples/kmeans.py
"""

import numpy as np

import confide as cf
from confide.computation import Data, State, Totals

K, DIMENSIONS, RADIUS = 3, 2, 10.0


def contribute(state: State, data: Data, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Each record counts at its nearest centre."""
    points = data["points"]
    distances = np.linalg.norm(points[:, np.newaxis] - state["centres"], axis=2)
    nearest = np.eye(K)[distances.argmin(axis=1)]
    return {"members": nearest[:, :, np.newaxis] * points[:, np.newaxis], "counts": nearest}


def update(state: State, totals: Totals) -> State:
    """A centre moves to the mean of its members; one without members stays."""
    counts = totals["counts"][:, np.newaxis]
    means = totals["members"] / np.maximum(counts, 1)
    return {"centres": np.where(counts > 0.5, means, state["centres"])}


sums = cf.SumGroup(
    (
        cf.Sum(name="members", shape=(K, DIMENSIONS), unit_bound=RADIUS, capacity=1000),
        cf.Sum(name="counts", shape=(K,), unit_bound=1, capacity=1000),
    )
)
k_means = cf.Computation(
    task=cf.Task.of("k-means", k=K, dimensions=DIMENSIONS, radius=RADIUS),
    sums=sums,
    columns=("points",),
    init=lambda: {"centres": np.array([[-1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])},
    contribute=contribute,
    update=update,
)


def clouds(seed: int) -> dict[str, dict[str, np.ndarray]]:
    """Five parties' points around three places, in unequal shares."""
    rng = np.random.default_rng(seed)
    places = np.array([[-4.0, -2.0], [0.0, 4.0], [5.0, -1.0]])
    shares = {name: rng.dirichlet([1, 1, 1]) for name in "abcde"}
    return {
        name: {"points": places[rng.choice(3, 200, p=p)] + rng.normal(size=(200, 2))}
        for name, p in shares.items()
    }


def main() -> None:
    """Five parties find the places together; one misses the first round, and so all of them."""
    # The coordinator may lie, so the crowd is fixed: all sums are over the parties of the first
    # one, and no difference of two sums is what one party contributed.
    plan = k_means.plan(parties=list("abcde"), rounds=8, dropouts=1, crowd=cf.FixedCrowd())
    run = cf.simulate(plan, clouds(1), computation=k_means, drops=[cf.Drop("b", first_round=0)])
    print(run.history[["survivors", "bytes_sent_per_party"]])
    print("\ncentres:\n", run.state["centres"].round(2))


if __name__ == "__main__":
    main()
