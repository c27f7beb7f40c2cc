"""Three devices and their mean: what a naive protocol tells the neighbours, and what masks do not.

The devices hold (1, 2), (3, 4) and (5, 6). Their own means are 1.5, 3.5 and 5.5; together 3.5.

Run it: python examples/three_devices.py
"""

from collections.abc import Mapping, Sequence

import numpy as np

import confide as cf
from confide.computation import Data, State, Totals

DEVICES = {"device-1": [1.0, 2.0], "device-2": [3.0, 4.0], "device-3": [5.0, 6.0]}
UNEQUAL = {"device-1": [1.0], "device-2": [3.0, 4.0], "device-3": [5.0, 6.0, 7.0, 8.0]}


def naive_chain(devices: Mapping[str, Sequence[float]]) -> tuple[float, dict[str, float]]:
    """Each device adds its mean to what it was handed; the last one divides.

    Returns:
        The mean of the means, and what each device was handed.
    """
    running, handed = 0.0, {}
    for name, values in devices.items():
        handed[name] = running
        running += float(np.mean(values))
    return running / len(devices), handed


def contribute(state: State, data: Data, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Each value once in the total and once in the count."""
    return {"total": data["value"], "count": np.ones(len(data["value"]))}


def update(state: State, totals: Totals) -> State:
    """The weighted mean: the sum of all values over the number of all values."""
    return {"mean": totals["total"] / totals["count"]}


mean = cf.Computation(
    task=cf.Task.of("mean"),
    sums=cf.SumGroup(
        (
            cf.Sum(name="total", unit_bound=10, capacity=100, meaning="sum of all values"),
            cf.Sum(name="count", unit_bound=1, capacity=100, meaning="number of values"),
        )
    ),
    columns=("value",),
    init=dict,
    contribute=contribute,
    update=update,
)


def masked_mean(devices: Mapping[str, Sequence[float]]) -> float:
    """The mean of all values by sums that open as a whole only."""
    # One round opens one sum, over all devices, so there is no other sum to compare it with.
    plan = mean.plan(parties=list(devices), dropouts=0)
    data = {name: {"value": np.array(values)} for name, values in devices.items()}
    return float(cf.simulate(plan, data, computation=mean).state["mean"])


def main() -> None:
    """Tells the story."""
    average, handed = naive_chain(DEVICES)
    print("The naive chain: 1.5, then 1.5 + 3.5 = 5, then 5 + 5.5 = 10.5, over 3 gives", average)
    for name in ("device-2", "device-3"):
        print(f"  {name} is handed {handed[name]}", end="")
        print(": the mean of device-1, exactly" if name == "device-2" else ": the sum of two means")
    print("  and device-3 asks device-2 for its part: it then knows device-1's.\n")

    print("Masked sums:", round(masked_mean(DEVICES), 2))
    plan = mean.plan(parties=list(DEVICES), dropouts=0)
    for name in ("device-2", "coordinator"):
        seen = cf.views(plan).view(name).observations
        print(f"  {name} observes", "; ".join(f"{o.value}: {o.form}" for o in seen))

    average, _ = naive_chain(UNEQUAL)
    everything = np.concatenate([np.array(v) for v in UNEQUAL.values()])
    print("\nUnequal sizes (1, 2 and 4 values):")
    print(f"  mean of means {average:.4f}: wrong, it counts the one value of device-1 like four")
    print(f"  weighted sum  {masked_mean(UNEQUAL):.4f}; the truth is {everything.mean():.4f}")


if __name__ == "__main__":
    main()
