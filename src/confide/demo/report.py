"""The demonstration's findings, as what JSON can hold and as a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pandas as pd

from confide._version import __version__
from confide.demo.experiment import DROP, Experiment, Scores
from confide.demo.lenders import GROUPS, LENDERS, TABLE
from confide.demo.plots import learning_curves, lenders_gains, models_compared, what_was_seen
from confide.demo.spread import MODELS
from confide.plan import Plan
from confide.report import ViewReport, estimate, to_json, views
from confide.report.document import render

__all__ = ["findings", "write_report"]

_FEW: Final = 50
"""A share among fewer applications than this is called uncertain."""


def findings(experiment: Experiment, spread: pd.DataFrame) -> dict[str, Any]:
    """Everything the demonstration found, as what JSON can hold."""
    masked_plan = experiment.masked.plan
    of_models = {"alone": _alone(spread), **{name: spread[name] for name in MODELS}}
    return {
        "confide": __version__,
        "seed": experiment.seed,
        "applications": {
            "lenders": {n: len(rows) for n, rows in experiment.market.lenders.items()},
            "approved": {
                n: round(float(rows["approve"].mean()), 4)
                for n, rows in experiment.market.lenders.items()
            },
            "hold_out": len(experiment.market.hold_out),
        },
        "models": {
            "approve_all": {"auc": 0.5, "accuracy": round(_approved(experiment), 4)},
            "alone": {
                **_scores(experiment.alone_mean),
                "lenders": {n: _scores(s) for n, s in experiment.alone.items()},
            },
            "pooled": _scores(experiment.pooled),
            "clear": _scores(experiment.scores(experiment.clear)),
            "masked": _scores(experiment.scores(experiment.masked)),
            "private": _scores(experiment.scores(experiment.private)),
        },
        "gains": _gains(experiment, spread),
        "verdicts": {
            "clear": _verdicts(views(experiment.clear.plan)),
            "masked": _verdicts(views(masked_plan)),
            "private": _verdicts(views(experiment.private.plan)),
        },
        "privacy": {
            "epsilon": experiment.privacy.epsilon,
            "delta": experiment.privacy.delta,
            "mu": experiment.privacy.mu,
            "sentence": experiment.privacy.sentence,
            "statement": to_json(experiment.privacy),
            "ledgers": dict(experiment.accounts),
            "second_run": experiment.refusal,
        },
        "masked_equals_clear": experiment.masked_equals_clear,
        "dropout": {"party": DROP.party, "round": DROP.first_round},
        "seeds": {
            "count": len(spread),
            "auc_mean": {c: round(float(column.mean()), 4) for c, column in of_models.items()},
            "auc_sd": {c: round(float(column.std(ddof=0)), 4) for c, column in of_models.items()},
            "largest_gap_to_pooled": round(float((spread["pooled"] - spread["clear"]).max()), 4),
            "better_than_alone": int((spread["clear"] > _alone(spread)).sum()),
        },
        "fairness": to_json(experiment.fairness.round(4).to_dict("index")),
        "fairness_notes": _fairness_notes(experiment.fairness["applications"]),
        "plans": {
            "clear": experiment.clear.plan.hash.hex(),
            "masked": masked_plan.hash.hex(),
            "private": experiment.private.plan.hash.hex(),
        },
        "estimate": to_json(_estimate(masked_plan, experiment)),
        "views": to_json(views(masked_plan)),
        "history": {
            "clear": to_json(list(experiment.clear.rounds)),
            "masked": to_json(list(experiment.masked.rounds)),
            "private": to_json(list(experiment.private.rounds)),
        },
    }


def write_report(experiment: Experiment, spread: pd.DataFrame, folder: Path) -> tuple[Path, Path]:
    """Writes `report.html` and `report.json`; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    found = findings(experiment, spread)
    page, data = folder / "report.html", folder / "report.json"
    data.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    page.write_text(
        render(
            "demo.html",
            package="confide.demo",
            title="Five rival lenders train one model",
            found=found,
            groups=["all", *GROUPS, "women"],
            report=views(experiment.masked.plan),
            clear_report=views(experiment.clear.plan),
            private_report=views(experiment.private.plan),
            estimate=_estimate(experiment.masked.plan, experiment),
            drop=DROP,
            gains=lenders_gains(experiment),
            curves=learning_curves(experiment),
            compared=models_compared(experiment, spread),
            seen=what_was_seen(experiment),
        ),
        encoding="utf-8",
    )
    return page, data


def _approved(experiment: Experiment) -> float:
    """The accuracy of approving everybody."""
    return float(TABLE.targets(experiment.market.hold_out).mean())


def _alone(spread: pd.DataFrame) -> pd.Series:
    """The lenders' own models, on average, by seed."""
    return spread[list(LENDERS)].mean(axis=1)


def _gains(experiment: Experiment, spread: pd.DataFrame) -> dict[str, dict[str, float]]:
    """What each lender gains in AUC by the model of all, here and over the seeds."""
    masked, private = (
        experiment.scores(run).auc for run in (experiment.masked, experiment.private)
    )
    return {
        name: {
            "alone": round(own.auc, 4),
            "masked": round(masked - own.auc, 4),
            "private": round(private - own.auc, 4),
            "seeds_that_gain": int((spread["masked"] > spread[name]).sum()),
        }
        for name, own in experiment.alone.items()
    }


def _verdicts(report: ViewReport) -> dict[str, str]:
    """For each unit of privacy, what the plan guarantees over all rounds."""
    return {
        verdict.who: verdict.verdict.value
        + (f" at ε = {verdict.statement.epsilon:.3g}" if verdict.statement else "")
        for verdict in report.verdicts
    }


def _fairness_notes(applications: pd.Series) -> list[str]:
    """What a reader needs to know of the groups' sizes."""
    counts = {str(group): int(count) for group, count in applications.items()}
    notes = []
    if unknown := counts["all"] - counts["men"] - counts["women"]:
        notes.append(
            f"Sex is unknown for {unknown} applications, so men and women do not add up to all."
        )
    if few := [f"{group} ({count})" for group, count in counts.items() if count < _FEW]:
        notes.append(
            f"Groups of fewer than {_FEW} applications: {', '.join(few)}. Their shares and AUC are "
            "uncertain."
        )
    return notes


def _estimate(plan: Plan, experiment: Experiment) -> Any:
    return estimate(plan, {n: len(rows) for n, rows in experiment.market.lenders.items()})


def _scores(scores: Scores) -> dict[str, float]:
    return {"auc": round(scores.auc, 4), "accuracy": round(scores.accuracy, 4)}
