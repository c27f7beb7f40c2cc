"""Federated averaging from its parts, as in TensorFlow Federated's tutorial on custom algorithms.

Ten clients have one digit each, the hardest split there is. An algorithm is what is broadcast (the
state), what is mapped at each client (`contribute`), what is summed, and what everybody makes of
the sums (`update`). Evaluation is another such pair, on the same clients.

Run it: python examples/custom_algorithm.py
"""

from typing import Any

import numpy as np
from sklearn.datasets import load_digits

import confide as cf
from confide.computation import Data, State, Totals
from confide.learning import partition

BATCH, CLASSES, PIXELS = 20, 10, 64


def probabilities(w: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Softmax regression with a bias, shape `(rows, classes)`."""
    scores = x @ w[:-1] + w[-1]
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def local_train(w: np.ndarray, rate: float, data: Data) -> np.ndarray:
    """One pass of SGD over a client's batches."""
    for start in range(0, len(data["y"]), BATCH):
        x, y = (data[column][start : start + BATCH] for column in ("x", "y"))
        error = (probabilities(w, x) - np.eye(CLASSES)[y]) / len(y)
        w = w - rate * np.vstack([x.T @ error, error.sum(axis=0)])
    return w


def contribute(state: State, data: Data, rng: np.random.Generator) -> dict[str, object]:
    """At each client, from what was broadcast: how it would change the model, and that it did."""
    trained = local_train(state["w"], float(state["rate"]), data)
    return {"change": trained - state["w"], "clients": 1.0}


def update(state: State, totals: Totals) -> State:
    """From the sums: the mean of the clients' models, and a lower learning rate."""
    mean = totals["change"] / totals["clients"]
    return {"w": state["w"] + mean, "rate": 0.9 * state["rate"]}


def evaluate(state: State, data: Data, rng: np.random.Generator) -> dict[str, object]:
    """At each client: its loss, which one client can move by 10 at most, and its size."""
    found = probabilities(state["w"], data["x"])[np.arange(len(data["y"])), data["y"]]
    return {"loss": -np.log(found).mean(), "clients": 1.0}


PARTY: dict[str, Any] = {"unit": cf.Unit.PARTY, "capacity": 1}
CLIENTS = cf.Sum(name="clients", unit_bound=1, **PARTY)
CHANGE = cf.Sum(name="change", shape=(PIXELS + 1, CLASSES), unit_bound=5, **PARTY)
training = cf.Computation(
    task=cf.Task.of("custom-averaging", batch=BATCH),
    sums=cf.SumGroup((CHANGE, CLIENTS)),
    columns=("x", "y"),
    init=lambda: {"w": np.zeros((PIXELS + 1, CLASSES)), "rate": np.array(0.3)},
    contribute=contribute,
    update=update,
)
evaluation = cf.Computation(
    task=cf.Task.of("custom-evaluation"),
    sums=cf.SumGroup((cf.Sum(name="loss", unit_bound=10, **PARTY), CLIENTS)),
    columns=("x", "y"),
    init=lambda: {"w": np.zeros((PIXELS + 1, CLASSES))},
    contribute=evaluate,
    update=lambda state, totals: {**state, "mean": totals["loss"] / totals["clients"]},
)


def main() -> None:
    """Trains, and evaluates on the clients, under masks: two stages of one plan."""
    x, y = load_digits(return_X_y=True)
    clients = partition.by_column({"x": x / 16, "y": y, "digit": y}, "digit")
    stages = (
        training.stage(name="train", rounds=8, budget=0.5),
        evaluation.stage(name="evaluate", budget=0.5),
    )
    parties = tuple(cf.Party.simulation(name) for name in clients.client_ids)
    plan = cf.Plan(name="digits", parties=parties, stages=stages)
    run = cf.simulate(plan, clients.data(), computation=(training, evaluation))
    right = probabilities(run.state["w"], x / 16).argmax(axis=1) == y
    print(f"mean loss at the clients: {run.state['mean']:.3f} (before: {np.log(CLASSES):.3f})")
    print(f"right: {right.mean():.3f}")


if __name__ == "__main__":
    main()
