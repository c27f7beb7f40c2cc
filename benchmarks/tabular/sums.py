"""Statistics of ten owners with a million rows each, in clear and masked."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import confide as cf
from benchmarks.meter import Stopwatch, peak_rss_bytes
from benchmarks.record import Record
from confide.analytics import Moments, moments, statistics_table
from confide.analytics import statistics as found_by

__all__ = ["statistics"]

_OWNERS = 10
_COLUMNS = ("age", "pay")


def statistics(*, quick: bool) -> Iterator[Record]:
    """Number, mean and variance of two columns.

    Raises:
        RuntimeError: If a mean is not that of all rows.
    """
    rows = 10_000 if quick else 1_000_000
    rng = np.random.default_rng(0)
    data = {
        f"owner-{place}": {
            "age": rng.normal(40 + place, 10, rows).clip(0, 120),
            "pay": rng.lognormal(10, 0.5, rows).clip(0, 1e6),
        }
        for place in range(_OWNERS)
    }
    table = statistics_table({"age": cf.Number(bounds=(0, 120)), "pay": cf.Number(bounds=(0, 1e6))})
    counted = moments(table, capacity=rows)
    trusting = cf.Threat(confidentiality=cf.Adversary(
        coordinator=cf.Corruption.HONEST, network=cf.Corruption.CURIOUS, colluding_parties=0,
    ))  # fmt: skip
    clear = counted.plan(parties=list(data), dropouts=0, aggregation=cf.Clear(), threat=trusting)
    masked = counted.plan(parties=list(data), dropouts=0, aggregation=cf.Masked())
    for subject, plan in (("in clear", clear), ("masked", masked)):
        clock = Stopwatch()
        with clock.running():
            run = cf.simulate(plan, data, computation=counted)
        found = found_by(run.plan, run.state)["moments"]
        assert isinstance(found, Moments)  # noqa: S101 - that is what was asked for
        for place, name in enumerate(_COLUMNS):
            true = np.concatenate([owner[name] for owner in data.values()]).mean()
            if not np.isclose(found.mean[place], true, rtol=1e-2):
                raise RuntimeError(f"the mean of {name} is not that of all rows")
        yield Record(
            suite="tables", case=f"statistics, {_OWNERS} owners of {rows:,} rows", subject=subject,
            params={"rows": rows, "owners": _OWNERS},
            measured={
                "wall_s": round(clock.wall_ns / 1e9, 3), "cpu_s": round(clock.cpu_ns / 1e9, 3),
                "sent_bytes": sum(e["bytes_sent_per_party"] for e in run.rounds),
                "peak_bytes": peak_rss_bytes(),
            },
        )  # fmt: skip
