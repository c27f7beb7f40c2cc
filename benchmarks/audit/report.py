"""Tables of the audit suite, from its records alone."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.record import Record
from benchmarks.tables import Table, mebibytes, seconds

__all__ = ["tables"]


def tables(records: Sequence[Record]) -> Sequence[Table]:
    """One table for each kind of case that was measured."""
    made = []
    for kind, build in (("bits", _bits), ("tables", _tables), ("answers", _answers),
                        ("marginals", _marginals)):  # fmt: skip
        found = [r for r in records if r.case.split()[0] == kind]
        if found:
            made.append(build(found))
    return made


def _bits(records: Sequence[Record]) -> Table:
    people = records[0].params["people"]
    rows = [[f"{r.params['noise_sqrt_n']:g}·√n", f"{r.measured['recovered']:.0%}",
             f"{r.measured['recovered_by_any']:.0%}", seconds(r.measured["cpu_s"])]
            for r in records]  # fmt: skip
    return Table(
        f"Secret bits recovered from noisy counts, n = {people}",
        ["largest error of an answer", "recovered", "by any bits that fit", "processor time"], rows,
        "4·n random subsets are asked about; errors are uniform (Dinur and Nissim 2003). The "
        "first attack minimises the largest error, the second takes any bits that fit the bound. A "
        "coin recovers half.",
    )  # fmt: skip


def _tables(records: Sequence[Record]) -> Table:
    rows = [
        [r.case.removeprefix("tables "), f"{r.measured['cells']:,}", seconds(r.measured["cpu_s"]),
         seconds(r.measured["wall_s"]), str(r.measured["programs"]),
         f"{r.measured['sharp']:.1%}", mebibytes(r.measured["peak_rss_bytes"])]
        for r in records
    ]  # fmt: skip
    return Table(
        "Audits of sums over two columns",
        ["counties × lines, occupied", "cells", "processor time", "wall time", "linear programs",
         "intervals proven sharp", "memory"], rows,
        "Sums of lognormal values; the true values lie within all intervals.",
    )  # fmt: skip


def _answers(records: Sequence[Record]) -> Table:
    rows = [
        [r.params["clients"], str(r.measured["people"]), str(r.measured["answers"]),
         f"{r.measured['deviation']:.2f}", f"{r.params['added_deviation']:g}",
         f"{r.measured['recovered']:.1%}", f"{r.measured['base_rate']:.1%}"]
        for r in records
    ]  # fmt: skip
    return Table(
        "Real answers of a production system (Cohen and Nissim 2020)",
        ["clients", "people", "answers", "its noise", "noise added by us", "statuses recovered",
         "guessing the more frequent"], rows,
        "Noise as a standard deviation on each answer. The rows with 0 are the real answers alone; "
        "in the others we added Gaussian noise, to see which noise would have ended the attack.",
    )  # fmt: skip


def _marginals(records: Sequence[Record]) -> Table:
    rows = [
        [r.case.removeprefix("marginals "), str(r.params["marginals"]), f"{r.measured['counts']:,}",
         f"{r.measured['stated_rmse']:.2f}", f"{r.measured['measured_rmse']:.2f}",
         f"{r.measured['equal_split_rmse']:.2f}",
         f"{r.measured['stated_rmse'] / r.measured['equal_split_rmse']:.2f}×",
         seconds(r.measured["cpu_s"])]
        for r in records
    ]  # fmt: skip
    return Table(
        "Marginals at ε = 1, δ = 10⁻⁶: root mean square error of a count",
        ["table", "marginals", "counts", "stated", "measured", "equal splitting", "ratio",
         "processor time"], rows,
        "All marginals of so many attributes. Equal splitting gives each marginal the same part of "
        "the budget and Gaussian noise of its own; it is computed, not drawn. Measured over 20, 5 "
        "and 2 releases of 1-, 2- and 3-way marginals.",
    )  # fmt: skip
