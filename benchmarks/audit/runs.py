"""Runs the cases: reconstruction, table audits, and marginals."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from benchmarks.audit.aircloak import asked
from benchmarks.meter import Stopwatch, peak_rss_bytes
from benchmarks.record import Record
from benchmarks.suite import Options
from confide.audit import attack_noise, audit_tables, reconstruct_bits
from confide.privacy.accounting import noise_multiplier
from confide.privacy.mechanisms import GaussianNoise, Marginals

__all__ = ["run"]

_NOISES: Final = (0.1, 0.3, 0.6, 1.0, 2.0)
_GRIDS: Final = ((250, 200, 1.0), (300, 250, 0.66), (1000, 500, 0.1))
_DEVIATIONS: Final = (0.0, 5.0, 10.0, 20.0, 40.0)
_EPSILON, _DELTA = 1.0, 1e-6


def run(options: Options) -> Iterator[Record]:
    """Measures each case; those of real answers and credit data need `--data`."""
    for name, cases in (("bits", _bits), ("tables", _tables), ("answers", _answers),
                        ("marginals", _marginals)):  # fmt: skip
        if options.only in name:
            for case, subject, params, measured in cases(options):
                options.report(f"{name}: {case}")
                yield Record(suite="audit", case=f"{name} {case}", subject=subject, params=params,
                             measured=measured)  # fmt: skip


Case = tuple[str, str, dict[str, Any], dict[str, Any]]


def _bits(options: Options) -> Iterator[Case]:
    people = 64 if options.quick else 256
    for noise in _NOISES:
        clock = Stopwatch()
        with clock.running():
            (found,) = attack_noise(people, [noise])
        (weaker,) = attack_noise(people, [noise], loss="any")
        yield (
            f"{noise:g}", "confide", {"people": people, "noise_sqrt_n": noise},
            {
                "recovered": found.recovered, "recovered_by_any": weaker.recovered,
                "cpu_s": clock.cpu_ns / 1e9,
            },
        )  # fmt: skip


def _tables(options: Options) -> Iterator[Case]:
    for rows, columns, share in _GRIDS[1:2] if options.quick else _GRIDS:
        rng = np.random.default_rng(0)
        county, line = np.nonzero(rng.random((rows, columns)) < share)
        cells = pd.DataFrame({"county": [f"c{c}" for c in county], "line": [f"l{c}" for c in line]})
        sales = np.round(rng.lognormal(3, 1.5, len(cells))) + 1
        known = cells.assign(sales=sales)
        published = [known.groupby(c, as_index=False)["sales"].sum() for c in ("county", "line")]
        clock = Stopwatch()
        with clock.running():
            found = audit_tables(published, cells=cells, value="sales")
        low, high = np.array([cell.interval for cell in found.cells]).T
        yield (
            f"{rows} × {columns}, {share:.0%}", "confide",
            {"rows": rows, "columns": columns, "occupied": share},
            {
                "cells": len(cells), "cpu_s": clock.cpu_ns / 1e9, "wall_s": clock.wall_ns / 1e9,
                "programs": found.programs, "sharp": float(np.mean([c.sharp for c in found.cells])),
                "truth_inside": bool(((low <= sales) & (sales <= high)).all()),
                "peak_rss_bytes": peak_rss_bytes(),
            },
        )  # fmt: skip


def _answers(options: Options) -> Iterator[Case]:
    for data in asked(options.data) if options.data else ():
        errors = data.answers - data.queries @ data.truth
        rng = np.random.default_rng(0)
        for deviation in _DEVIATIONS[:2] if options.quick else _DEVIATIONS:
            answers = data.answers + rng.normal(0, deviation, len(data.answers))
            guess = reconstruct_bits(data.queries, answers, loss="total")
            base = max(data.truth.mean(), 1 - data.truth.mean())
            yield (
                f"{data.name}, +{deviation:g}", "confide",
                {"clients": data.name, "added_deviation": deviation},
                {
                    "people": len(data.truth), "answers": len(answers),
                    "recovered": float((guess == data.truth).mean()), "base_rate": float(base),
                    "deviation": float(errors.std()),
                },
            )  # fmt: skip


def _marginals(options: Options) -> Iterator[Case]:
    multiplier = noise_multiplier(epsilon=_EPSILON, delta=_DELTA)
    for name, frame in _frames(options.data):
        domain = {str(c): tuple(sorted(frame[c].unique())) for c in frame}
        for ways in (1, 2, 3):
            workload = list(combinations(domain, ways))
            clock = Stopwatch()
            with clock.running():
                ours = Marginals(domain=domain, workload=workload,
                                 noise=GaussianNoise(multiplier))  # fmt: skip
                released = [ours.release(frame).value]
            released += [ours.release(frame).value for _ in range((0, 19, 4, 1)[ways])]
            split = multiplier * np.sqrt(len(workload))
            errors = np.concatenate([
                (one[m] - _exact(frame, domain, m)).ravel() for m in ours.workload
                for one in released
            ])  # fmt: skip
            cells = np.array([released[0][m].size for m in ours.workload])
            stated = np.array([ours.standard_errors[m] for m in ours.workload])
            yield (
                f"{name}, {ways}-way", "confide",
                {"rows": len(frame), "attributes": len(domain), "marginals": len(workload)},
                {
                    "stated_rmse": float(np.sqrt((cells * stated**2).sum() / cells.sum())),
                    "measured_rmse": float(np.sqrt((errors**2).mean())),
                    "equal_split_rmse": float(split), "cpu_s": clock.cpu_ns / 1e9,
                    "counts": int(cells.sum()),
                },
            )  # fmt: skip


def _exact(frame: pd.DataFrame, domain: dict[str, tuple[Any, ...]], marginal: Any) -> Any:
    codes = [pd.Categorical(frame[m], categories=domain[m]).codes.astype(int) for m in marginal]
    sizes = tuple(len(domain[m]) for m in marginal)
    return np.bincount(np.ravel_multi_index(codes, sizes), minlength=int(np.prod(sizes))).reshape(
        sizes
    )


def _frames(folder: Path | None) -> Iterator[tuple[str, pd.DataFrame]]:
    """Tables of categories; their values are taken from public codebooks, here from the columns."""
    from confide.demo.lenders import load_market

    market = load_market(0)
    loans = pd.concat([market.pooled, market.hold_out], ignore_index=True)
    few = [column for column in loans if 2 <= loans[column].nunique() <= 8]
    yield "loans", loans[few].dropna().astype(int)
    for path in sorted(folder.rglob("UCI_Credit_Card.csv"))[:1] if folder else ():
        credit = pd.read_csv(path)
        few = [column for column in credit if 2 <= credit[column].nunique() <= 12]
        yield "credit", credit[few]
