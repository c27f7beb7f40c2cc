"""What the demonstration computes: four ways to train one model, and what was seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from confide.computation import Computation
from confide.demo.lenders import GROUPS, LENDERS, TABLE, Market, load_market
from confide.demo.received import contribution_as_received
from confide.engines import Drop, Run, simulate
from confide.learning import (
    GeneralisedLinearModel,
    LogisticRegression,
    accuracy,
    auc,
    fed_avg,
    quality,
    trained_model,
)
from confide.learning.models import Bernoulli
from confide.plan import (
    Adversary,
    Aggregation,
    Clear,
    Corruption,
    Masked,
    Plan,
    Threat,
)

__all__ = ["DROP", "ROUNDS", "Experiment", "Scores", "run_experiment", "seed_spread"]

L2: Final = 0.01
ROUNDS: Final = 30
DROP: Final = Drop("cedar", first_round=12, last_round=16)
"""One lender drops out in the middle: it has shared its keys and then does not contribute."""

TRUSTING: Final = Threat(
    confidentiality=Adversary(coordinator=Corruption.HONEST, network=Corruption.CURIOUS)
)
WARY: Final = Threat(confidentiality=Adversary(colluding_parties=2))
"""A lying coordinator, a lying network and any two lenders, all together."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Scores:
    """How well a model tells approvals from refusals in the hold-out."""

    auc: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything the demonstration found with one seed."""

    seed: int
    market: Market
    alone: Mapping[str, Scores]
    pooled: Scores
    clear: Run
    masked: Run
    masked_equals_clear: bool
    seen: Mapping[str, NDArray[np.float64]]
    fairness: pd.DataFrame

    @property
    def alone_mean(self) -> Scores:
        """The five lenders' own models, on average."""
        return Scores(
            float(np.mean([s.auc for s in self.alone.values()])),
            float(np.mean([s.accuracy for s in self.alone.values()])),
        )

    def scores(self, run: Run) -> Scores:
        """The scores of a federated run's model."""
        last = run.rounds[-1]
        return Scores(last["auc"], last["accuracy"])


def run_experiment(seed: int, progress: Progress) -> Experiment:
    """Trains alone, pooled, federated in clear and federated under masks.

    Args:
        seed: Of the market; equal seeds give equal results.
        progress: Called with what is done, how far, and of how much.
    """
    market = load_market(seed)
    alone = {}
    for i, (name, own) in enumerate(market.lenders.items()):
        alone[name] = _central(own, market.hold_out)
        progress("alone", i + 1, len(LENDERS))
    pooled = _central(market.pooled, market.hold_out)
    progress("pooled", 1, 1)
    clear = _federated(market, seed, Clear(), progress, "clear")
    twin = _federated(market, seed, Clear(), progress, "clear, without cedar for a while", DROP)
    masked = _federated(market, seed, Masked(), progress, "masked, without cedar for a while", DROP)
    return Experiment(
        seed=seed,
        market=market,
        alone=alone,
        pooled=pooled,
        clear=clear,
        masked=masked,
        masked_equals_clear=_same_bits(twin, masked),
        seen={
            name: contribution_as_received(lenders_plan(market, seed, how), market, DROP.party)
            for name, how in (("clear", Clear()), ("masked", Masked()))
        },
        fairness=_fairness(market, masked),
    )


def seed_spread(seeds: range, progress: Progress) -> pd.DataFrame:
    """AUC of the models over seeds: one row a seed, columns alone, pooled and clear."""
    rows = []
    for i, seed in enumerate(seeds):
        market = load_market(seed)
        alone = [_central(own, market.hold_out).auc for own in market.lenders.values()]
        run = _federated(market, seed, Clear())
        rows.append(
            {
                "alone": float(np.mean(alone)),
                "pooled": _central(market.pooled, market.hold_out).auc,
                "clear": run.rounds[-1]["auc"],
            }
        )
        progress("seeds", i + 1, len(seeds))
    return pd.DataFrame(rows, index=pd.Index(seeds, name="seed"))


def lenders_plan(market: Market, seed: int, aggregation: Aggregation) -> Plan:
    """The lenders' plan under a protection."""
    return _computation().plan(
        name=f"five rival lenders, {type(aggregation).__name__.lower()}",
        parties=list(LENDERS),
        rounds=ROUNDS,
        dropouts=1,
        aggregation=aggregation,
        threat=TRUSTING if isinstance(aggregation, Clear) else WARY,
        public=market.public,
        seed=seed,
    )


def _computation() -> Computation:
    model = GeneralisedLinearModel(family=Bernoulli(), n_features=len(TABLE.features), l2=L2)
    return fed_avg(
        model, TABLE, weight_cap=500, clip_norm_l2=5.0, local_steps=10, learning_rate=1.0
    )


def _central(rows: pd.DataFrame, hold_out: pd.DataFrame) -> Scores:
    """A model trained by somebody who sees all these rows."""
    model = LogisticRegression(l2=L2).fit(TABLE.inputs(rows), TABLE.targets(rows))
    score = model.predict_proba(TABLE.inputs(hold_out))[:, 1]
    truth = TABLE.targets(hold_out)
    return Scores(auc(truth, score), accuracy(truth, (score > 1 / 2).astype(float)))


def _federated(
    market: Market,
    seed: int,
    aggregation: Aggregation,
    progress: Progress | None = None,
    label: str = "",
    *drops: Drop,
) -> Run:
    plan = lenders_plan(market, seed, aggregation)

    def on_round(entry: Mapping[str, Any]) -> None:
        if progress:
            progress(label, entry["round"] + 1, plan.rounds)

    measure = quality(plan, market.hold_out)
    return simulate(plan, market.lenders, drops=drops, measure=measure, on_round=on_round)


def _same_bits(one: Run, other: Run) -> bool:
    """Whether two runs released the same integers over the same survivors in every round."""
    return len(one.totals) == len(other.totals) and all(
        a.survivors == b.survivors and np.array_equal(a.totals, b.totals)
        for a, b in zip(one.totals, other.totals, strict=True)
    )


def _fairness(market: Market, run: Run) -> pd.DataFrame:
    """How the masked model treats groups in the hold-out; they were no part of the score.

    The model approves as large a share as the lenders did. Groups with unknown membership in a
    column are left out of that column's rows.
    """
    hold_out = market.hold_out
    model, _ = trained_model(run.plan)
    score = model.mean_response(run.state["parameters"], TABLE.inputs(hold_out))[:, 0]
    truth = TABLE.targets(hold_out)
    approved = score >= np.quantile(score, 1 - truth.mean())
    rows = {"all": _group_row(np.ones(len(truth), bool), truth, approved, score)}
    for group, column in GROUPS.items():
        rows[group] = _group_row(hold_out[column].to_numpy() == 1, truth, approved, score)
    rows["women"] = _group_row(hold_out["male"].to_numpy() == 0, truth, approved, score)
    return pd.DataFrame(rows).T


def _group_row(
    members: NDArray[np.bool_],
    truth: NDArray[np.float64],
    approved: NDArray[np.bool_],
    score: NDArray[np.float64],
) -> dict[str, float]:
    return {
        "applications": int(members.sum()),
        "lenders_approved": float(truth[members].mean()),
        "model_approves": float(approved[members].mean()),
        "auc": auc(truth[members], score[members]),
    }
