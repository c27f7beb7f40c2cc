"""Statistics of three hospitals' patients, whose tables stay apart: exact, and with noise.

Run it: python examples/federated_statistics.py
"""

import numpy as np
import pandas as pd

import confide as cf


def hospital(seed: int, patients: int) -> pd.DataFrame:
    """One hospital's patients; each hospital's are older than the last one's."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.normal(45 + 10 * seed, 12, patients).clip(0, 110).round(),
            "ward": rng.choice(["surgery", "medicine"], patients),
            "days": rng.geometric(0.2, patients),
        }
    )


# What everybody knows without looking at a table.
COLUMNS = {
    "age": cf.Number(bounds=(0, 120)),
    "days": cf.Number(bounds=(0, 60)),
    "ward": cf.Category(values=("surgery", "medicine")),
}


def main() -> None:
    """Describes all patients, and says what each way of doing so tells."""
    owners = {"north": hospital(0, 200), "south": hospital(1, 900), "west": hospital(2, 400)}
    everybody = pd.concat(owners.values())
    shown = ["count", "mean", "50%"]

    exact = cf.describe(owners, columns=COLUMNS, by=["ward"], resolution={"age": 1, "days": 1})
    print(exact.verdicts)
    print(exact.table.loc[["age", "days"], shown])
    print("pooled, which nobody may do: mean age", round(float(everybody["age"].mean()), 3))
    of_means = np.mean([table["age"].mean() for table in owners.values()])
    print("the mean of the means is another number:", round(float(of_means), 3))
    print(exact.statistics["groups"].table[["rows", "mean days"]])

    private = cf.describe(owners, columns=COLUMNS, privacy=cf.Epsilon(3.0))
    print(private.verdicts)
    print(private.table.loc[["age", "days"], [*shown, "mean from", "mean to"]])


if __name__ == "__main__":
    main()
