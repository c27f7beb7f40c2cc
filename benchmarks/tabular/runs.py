"""Runs the cases: each kind on each table, with noise, trees on the clock, and statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

import confide as cf
from benchmarks.meter import Stopwatch, peak_rss_bytes
from benchmarks.record import Record
from benchmarks.suite import Options
from benchmarks.tabular import fits
from benchmarks.tabular.data import Subject, split, subjects
from benchmarks.tabular.sums import statistics
from confide.tables import Label
from confide.training import Trained

__all__ = ["run"]

_SEEDS, _PRIVATE_RUNS = 5, 20


def run(options: Options) -> Iterator[Record]:
    """Quality on each table, then with noise, then statistics of many rows."""
    pooled = "pooled" in options.peers
    found = subjects(options.data, flights=pooled, quick=options.quick)
    with TemporaryDirectory() as folder:
        for subject in found:
            for kind in subject.kinds:
                yield from _without_noise(options, kind, subject, folder if pooled else None)
            for kind in subject.private:
                yield from _with_noise(options, kind, subject, folder if pooled else None)
    if options.only in "statistics":
        options.report("statistics")
        yield from statistics(quick=options.quick)


def _without_noise(
    options: Options, kind: str, subject: Subject, folder: str | None
) -> Iterator[Record]:
    case = f"{kind}, {subject.name}"
    if options.only not in case:
        return
    for seed in range(options.repeats or (1 if options.quick else _SEEDS)):
        options.report(f"{case}, seed {seed}")
        owners, held = split(subject, seed)
        made, spent = _timed(kind, subject, owners)
        yield _record(case, "confide", seed, {"metric": fits.quality(made.model, held), **spent})
        both = (
            fits.encoded(made.model, pd.concat(owners.values())),
            fits.encoded(made.model, held),
        )
        if kind == "cox":
            if folder is not None:
                yield _record(case, "xgboost", seed, fits.xgboost_cox(*both, folder))
        elif kind != "trees":
            found = {"metric": fits.scikit_learn(kind, *both)}
            yield _record(case, "scikit-learn", seed, found)
        elif folder is not None:
            target = fits.schema_of(made.model).target
            classes = len(target.classes) if isinstance(target, Label) else 0
            yield _record(case, "xgboost", seed, fits.xgboost(*both, classes, folder))


def _with_noise(
    options: Options, kind: str, subject: Subject, folder: str | None
) -> Iterator[Record]:
    case = f"{kind}, {subject.name}, ε = 3"
    if options.only not in case:
        return
    for seed in range(options.repeats or _PRIVATE_RUNS):
        options.report(f"{case}, run {seed}")
        owners, held = split(subject, seed)
        made, spent = _timed(kind, subject, owners, privacy=cf.Epsilon(fits.EPSILON))
        yield _record(case, "confide", seed, {"metric": fits.quality(made.model, held), **spent})
        exact = fits.exact(kind, subject, owners)
        yield _record(case, "confide, exact", seed, {"metric": fits.quality(exact, held)})
        pooled = fits.pooled_private(kind, subject, owners)
        yield _record(case, "confide, pooled", seed, {"metric": fits.quality(pooled, held)})
        if folder is not None:
            both = (fits.encoded(exact, pd.concat(owners.values())), fits.encoded(exact, held))
            found = fits.diffprivlib(kind, *both, folder)
            yield _record(case, "diffprivlib", seed, found)


def _timed(
    kind: str, subject: Subject, owners: Mapping[str, pd.DataFrame], **more: Any
) -> tuple[Trained, dict[str, float]]:
    clock = Stopwatch()
    with clock.running():
        made = fits.ours(kind, subject, owners, **more)
    sent = sum(entry["bytes_sent_per_party"] for entry in made.run.rounds)
    return made, {
        "wall_s": clock.wall_ns / 1e9, "cpu_s": clock.cpu_ns / 1e9, "sent_bytes": sent,
        "peak_bytes": peak_rss_bytes(),
    }  # fmt: skip


def _record(case: str, subject: str, seed: int, measured: Mapping[str, Any]) -> Record:
    numbers = {n: float(f"{v:.6g}") for n, v in measured.items() if n != "versions"}
    made = Record(
        suite="tables", case=case, subject=subject, params={"seed": seed}, measured=numbers
    )
    theirs = measured.get("versions", {})
    return made if not theirs else Record(**{**vars(made), "versions": {**made.versions, **theirs}})
