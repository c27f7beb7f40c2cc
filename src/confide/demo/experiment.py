"""What the demonstration computes: five ways to train one model, and what was seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from confide.computation import Account, Computation
from confide.demo.lenders import GROUPS, LENDERS, TABLE, Market, load_market
from confide.demo.received import contribution_as_received
from confide.engines import Drop, Run, simulate
from confide.errors import PrivacyBudgetError
from confide.learning import (
    GeneralisedLinearModel,
    LogisticRegression,
    accuracy,
    auc,
    fed_avg,
    fed_sgd,
    quality,
    trained_model,
)
from confide.learning.models.families import Bernoulli
from confide.plan import (
    Adversary,
    Aggregation,
    Clear,
    Corruption,
    FixedCrowd,
    Masked,
    NoiseShares,
    Plan,
    Threat,
)
from confide.privacy.accounting.statement import PrivacyStatement
from confide.privacy.guarantee import statement, with_noise
from confide.privacy.ledger import Cap, Filter, Ledger

__all__ = [
    "DROP",
    "ROUNDS",
    "Experiment",
    "Scores",
    "run_experiment",
    "train_centrally",
    "train_federated",
    "train_privately",
]

L2: Final = 0.01
ROUNDS: Final = 30
EPSILON: Final = 3.0
DELTA: Final = 1e-5
CAPACITY: Final = 1000
"""Applications that a lender counts at most, when a record is protected; all have fewer."""
DATASET: Final = "applications"
"""What each lender's ledger calls its rows."""
DROP: Final = Drop("cedar", first_round=0)
"""One lender misses the first round: it has shared its keys and then does not contribute.

The crowd is fixed, so it stays out. Were it to come back, the difference of two rounds would be
what it contributed.
"""

TRUSTING: Final = Threat(
    confidentiality=Adversary(coordinator=Corruption.HONEST, network=Corruption.CURIOUS)
)
WARY: Final = Threat(confidentiality=Adversary(colluding_parties=2, parties=Corruption.CURIOUS))
"""A lying coordinator, a lying network, and any two lenders that tell them what they see."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Scores:
    """How well a model tells approvals from refusals in the hold-out."""

    auc: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything the demonstration found with one seed.

    Attributes:
        seed: Of the market.
        market: Who holds which applications.
        alone: Each lender's own model, by lender.
        pooled: The model of all rows in one place.
        clear: The federated run whose coordinator reads each update.
        masked: The same under masks, without a lender that missed the first round.
        private: Under masks, with noise that protects each application.
        privacy: What that noise is worth.
        accounts: What each lender's ledger says after the private run.
        refusal: What the ledgers said when the same was asked again.
        masked_equals_clear: Whether masked and clear released the same integers.
        seen: One lender's update as the coordinator received it, in clear and masked.
        fairness: How the masked model treats groups.
    """

    seed: int
    market: Market
    alone: Mapping[str, Scores]
    pooled: Scores
    clear: Run
    masked: Run
    private: Run
    privacy: PrivacyStatement
    accounts: Mapping[str, str]
    refusal: str
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


def run_experiment(seed: int, progress: Progress, ledgers: Path) -> Experiment:
    """Trains alone, pooled, federated in clear, under masks, and under masks with noise.

    Args:
        seed: Of the market; equal seeds give equal results, but for the noise, which nobody can
            repeat.
        progress: Called with what is done, how far, and of how much.
        ledgers: A folder without ledgers yet, for one of each lender.
    """
    market = load_market(seed)
    alone = {}
    for i, (name, own) in enumerate(market.lenders.items()):
        alone[name] = train_centrally(own, market.hold_out)
        progress("alone", i + 1, len(LENDERS))
    pooled = train_centrally(market.pooled, market.hold_out)
    progress("pooled", 1, 1)
    clear = train_federated(market, seed, Clear(), progress)
    twin = train_federated(market, seed, Clear(), progress, drops=[DROP])
    masked = train_federated(market, seed, Masked(), progress, drops=[DROP])
    private, accounts, refusal = _charged_run(market, seed, progress, ledgers)
    return Experiment(
        seed=seed,
        market=market,
        alone=alone,
        pooled=pooled,
        clear=clear,
        masked=masked,
        private=private,
        privacy=statement(private.plan),
        accounts=accounts,
        refusal=refusal,
        masked_equals_clear=same_bits(twin, masked),
        seen={
            name: contribution_as_received(
                lenders_plan(market, seed, how), market.lenders, DROP.party
            )["update"]
            for name, how in (("clear", Clear()), ("masked", Masked()))
        },
        fairness=_fairness(market, masked),
    )


def lenders_plan(market: Market, seed: int, aggregation: Aggregation) -> Plan:
    """The lenders' plan under a protection."""
    return _computation().plan(
        name=f"five rival lenders, {type(aggregation).__name__.lower()}",
        parties=list(LENDERS),
        rounds=ROUNDS,
        dropouts=1,
        crowd=FixedCrowd(),
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


def private_plan(market: Market, seed: int) -> Plan:
    """The lenders' plan that protects each application, at ε = 3 for all rounds together."""
    model = GeneralisedLinearModel(family=Bernoulli(), n_features=len(TABLE.features), l2=L2)
    # About how many applications there are is known in the trade, so it need not be released.
    training = fed_sgd(
        model, TABLE, capacity=CAPACITY, clip_norm_l2=2.0, learning_rate=4.0, expected_units=1500
    )
    plan = training.plan(
        name="five rival lenders, masked, with noise",
        parties=list(LENDERS),
        rounds=ROUNDS,
        dropouts=1,
        crowd=FixedCrowd(),
        aggregation=Masked(),
        threat=WARY,
        public=market.public,
        seed=seed,
    )
    return with_noise(plan, NoiseShares, epsilon=EPSILON, delta=DELTA)


def _charged_run(
    market: Market, seed: int, progress: Progress, folder: Path
) -> tuple[Run, Mapping[str, str], str]:
    """The private run, what each ledger says of it, and what they say to another."""
    with ExitStack() as opened:
        accounts = {name: _account(folder / f"{name}.db", opened) for name in LENDERS}
        run = train_privately(market, seed, progress, accounts)
        said = {name: _said(account) for name, account in accounts.items()}
        try:
            # A plan is run once: a second run is another plan, over the same rows.
            train_privately(market, seed + 1, accounts=accounts)
        except PrivacyBudgetError as error:
            return run, said, str(error)
    raise AssertionError("a second run went through, although the first took the whole budget")


def _account(path: Path, opened: ExitStack) -> Account:
    """A lender's new ledger, which allows ε = 3 to all others together."""
    ledger = opened.enter_context(Ledger.open(path))
    ledger.open_dataset(DATASET)
    ledger.cap(DATASET, Cap(epsilon=EPSILON, delta=DELTA, filter=Filter.GAUSSIAN))
    return Account(ledger, DATASET)


def _said(account: Account) -> str:
    spent = account.ledger.spent(account.dataset, delta=DELTA)
    (left,) = account.ledger.remaining(account.dataset)
    return f"μ = {spent.mu:.4g} spent, {100 * left.fraction:.0f} % of the cap left"


def train_privately(
    market: Market,
    seed: int,
    progress: Progress | None = None,
    accounts: Mapping[str, Account] | None = None,
) -> Run:
    """The federated run under masks with noise for each application, charged to the accounts."""
    plan = private_plan(market, seed)
    return simulate(
        plan,
        market.lenders,
        drops=[DROP],
        measure=quality(plan, market.hold_out),
        accounts=accounts,
        on_round=reporting(plan, progress, "masked, with noise"),
    )


def train_centrally(rows: pd.DataFrame, hold_out: pd.DataFrame) -> Scores:
    """The scores of a model trained by somebody who sees all these rows."""
    model = LogisticRegression(l2=L2).fit(TABLE.inputs(rows), TABLE.targets(rows))
    score = model.predict_proba(TABLE.inputs(hold_out))[:, 1]
    truth = TABLE.targets(hold_out)
    return Scores(auc(truth, score), accuracy(truth, (score > 1 / 2).astype(float)))


def train_federated(
    market: Market,
    seed: int,
    aggregation: Aggregation,
    progress: Progress | None = None,
    drops: Sequence[Drop] = (),
) -> Run:
    """The federated run under a protection, without noise."""
    plan = lenders_plan(market, seed, aggregation)
    without = "".join(f", without {drop.party}" for drop in drops)
    return simulate(
        plan,
        market.lenders,
        drops=drops,
        measure=quality(plan, market.hold_out),
        on_round=reporting(plan, progress, f"{type(aggregation).__name__.lower()}{without}"),
    )


def reporting(
    plan: Plan, progress: Progress | None, label: str
) -> Callable[[Mapping[str, Any]], None] | None:
    if progress is None:
        return None
    return lambda entry: progress(label, entry["round"] + 1, plan.rounds)


def same_bits(one: Run, other: Run) -> bool:
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
