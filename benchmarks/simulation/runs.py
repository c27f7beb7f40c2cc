"""Runs the cases: a round of ours, then one of the loop by hand, in turn, under one load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import torch

from benchmarks import machine
from benchmarks.clients import WORK, client_rows, cohorts, loop_round, module
from benchmarks.meter import Stopwatch, peak_rss_bytes
from benchmarks.record import Record, medians
from benchmarks.suite import Options
from confide.engines import simulate
from confide.learning import TorchModel, fed_avg
from confide.plan import Adversary, Clear, Corruption, Plan, Threat
from confide.plan.crowds import Cohort, Cohorts

__all__ = ["run"]

_HONEST = Threat(confidentiality=Adversary(coordinator=Corruption.HONEST))
_ROUNDS = 6


def run(options: Options) -> Iterator[Record]:
    """Each case in clear, beside the loop by hand."""
    for case in WORK:
        if options.only in case:
            options.report(case)
            yield from _measured(case, 1 if options.quick else options.repeats or _ROUNDS)


def _measured(case: str, rounds: int) -> Iterator[Record]:
    """Our rounds and those of the loop; the first of each, which warms up, does not count."""
    torch.set_num_threads(1)
    names = [f"c{number}" for number in range(WORK[case]["clients"])]
    data = {}
    for number, name in enumerate(names):
        x, y = client_rows(case, number)
        data[name] = {"x": x, "y": y}
    plan, training = _plan(case, names, rounds + 1)
    net = module(WORK[case]["model"])
    w = [parameter.detach().clone() for parameter in net.parameters()]
    ours, by_hand = [Stopwatch()], list[Stopwatch]()

    def loop(entry: Mapping[str, Any]) -> None:
        nonlocal w
        # What the loop took is no part of our round, which ends here.
        running[-1].__exit__(None, None, None)
        watch = Stopwatch()
        with watch.running():
            w = loop_round(case, net, w, cohorts(case)[entry["round"] % len(cohorts(case))])
        by_hand.append(watch)
        ours.append(Stopwatch())
        running.append(ours[-1].running())
        running[-1].__enter__()

    running = [ours[0].running()]
    running[0].__enter__()
    simulate(plan, data, computation=training, on_round=loop)
    running[-1].__exit__(None, None, None)
    params = {**WORK[case], "rounds": rounds, "threads": 1}
    yield _record(case, "confide", params, _medians(ours[1:-1]))
    yield _record(case, "loop", params, _medians(by_hand[1:]))


def _plan(case: str, names: list[str], rounds: int) -> tuple[Plan, Any]:
    work = WORK[case]
    model = TorchModel(module(work["model"]), inputs=["x"], label="y")
    training = fed_avg(
        model, weight_cap=work["rows"], clip_norm_l2=10.0, local_epochs=1,
        batch_rows=work["batch"], learning_rate=0.05,
    )  # fmt: skip
    crowd = Cohorts(
        cohorts=tuple(
            Cohort(name=f"g{place}", parties=tuple(names[client] for client in cohort))
            for place, cohort in enumerate(cohorts(case))
        )
    )
    plan = training.plan(
        parties=names, rounds=rounds, crowd=crowd, aggregation=Clear(), threat=_HONEST
    )
    return plan, training


def _medians(watches: list[Stopwatch]) -> dict[str, Any]:
    spent = [{"wall_s": w.wall_ns / 1e9, "cpu_s": w.cpu_ns / 1e9} for w in watches]
    return medians(spent, keep=("cpu_s",)) | {"peak_rss_bytes": peak_rss_bytes()}


def _record(
    case: str,
    subject: str,
    params: Mapping[str, Any],
    measured: Mapping[str, Any],
) -> Record:
    used = {**machine.versions(), "torch": version("torch")}
    return Record(suite="simulation", case=case, subject=subject, params=params,
                  measured=measured, versions=used)  # fmt: skip
