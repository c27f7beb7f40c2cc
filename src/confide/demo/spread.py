"""How far the demonstration's results spread over seeds: assignments, hold-outs and noise.

Twenty seeds take minutes, so their scores come with the package, in `seeds.csv`. The command
`python -m confide.demo.spread` computes them again and writes the file; they are the same, except
for the noise, which cannot be repeated.
"""

from __future__ import annotations

import sys
from importlib import resources
from io import StringIO
from pathlib import Path
from typing import Final

import pandas as pd

from confide.demo.experiment import (
    DROP,
    Progress,
    train_centrally,
    train_federated,
    train_privately,
)
from confide.demo.lenders import LENDERS, load_market
from confide.plan import Clear, Masked

__all__ = ["MODELS", "SEEDS", "compute_spread", "read_spread"]

SEEDS: Final = range(20)
"""The seeds whose scores come with the package."""

MODELS: Final = ("pooled", "clear", "masked", "private")
"""The columns of a spread, in addition to each lender's own model."""

_FILE: Final = "seeds.csv"


def read_spread() -> pd.DataFrame:
    """AUC on the hold-out: one row for each seed, a column for each lender and each of `MODELS`."""
    text = resources.files(__package__).joinpath(_FILE).read_text(encoding="ascii")
    return pd.read_csv(StringIO(text), index_col="seed")


def compute_spread(
    seeds: range, progress: Progress, models: tuple[str, ...] = MODELS
) -> pd.DataFrame:
    """The same, computed.

    Args:
        seeds: Which.
        progress: Called with the label of the work, how much is done, and of how much.
        models: Which of `MODELS`; those of the lenders are always there.
    """
    rows = []
    for i, seed in enumerate(seeds):
        rows.append(_scores(seed, models))
        progress("seeds", i + 1, len(seeds))
    return pd.DataFrame(rows, index=pd.Index(seeds, name="seed"))


def _scores(seed: int, models: tuple[str, ...]) -> dict[str, float]:
    market = load_market(seed)
    federated = {
        "clear": lambda: train_federated(market, seed, Clear()),
        "masked": lambda: train_federated(market, seed, Masked(), drops=[DROP]),
        "private": lambda: train_privately(market, seed),
    }
    scores = {n: train_centrally(market.lenders[n], market.hold_out).auc for n in LENDERS}
    for model in models:
        scores[model] = (
            train_centrally(market.pooled, market.hold_out).auc
            if model == "pooled"
            else federated[model]().rounds[-1]["auc"]
        )
    return scores


def main() -> None:
    """Computes the scores again and writes the package's file."""
    path = Path(__file__).with_name(_FILE)
    spread = compute_spread(SEEDS, lambda *done: print(*done, file=sys.stderr))  # noqa: T201
    spread.round(5).to_csv(path, lineterminator="\n")


if __name__ == "__main__":
    main()
