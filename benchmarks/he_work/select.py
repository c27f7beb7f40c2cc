"""Variables selected on encrypted data: the owner's part and the evaluator's, apart."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.he_work.synthetic import COVARIATES, Synthetic, in_clear
from benchmarks.meter import Stopwatch, peak_rss_bytes
from benchmarks.record import Record
from benchmarks.suite import Options
from benchmarks.tables import Table, mebibytes, seconds
from confide import he
from confide.encrypted import (
    Column,
    SealedUnit,
    Selection,
    SelectionEvaluator,
    SelectionOwner,
    Sums,
    read_message,
    write_message,
)
from confide.he.context import Context

__all__ = ["run_select", "tables_of_select"]

_SIZES = {
    "245 x 10,643": (245, 10_643, 0.3),
    "36,400 x 564": (36_400, 564, 0.01),
    "364,000 x 564": (364_000, 564, 0.01),
}
"""Rows, variables and positives: iDASH 2018's, the shape of Masters et al. 2019, a tenth of it."""

_QUICK = {"245 x 500": (245, 500, 0.3), "20,000 x 12": (20_000, 12, 0.01)}
_THREADS = 2
_TOP = 20
_NO_VARIANCE = 1e-9
_ALIKE = 1e-4


def run_select(options: Options) -> Iterator[Record]:
    """Each size once: seconds, bytes and memory of both parts, and whether the top is the same."""
    for size, (rows, variables, positives) in (_QUICK if options.quick else _SIZES).items():
        case = f"select {size}"
        if options.only in case:
            options.report(case)
            yield Record(
                suite="he_work",
                case=case,
                subject="confide",
                params={
                    "rows": rows, "variables": variables, "positives": positives,
                    "covariates": COVARIATES, "threads": _THREADS,
                },
                measured=_measured(Synthetic(rows, variables, positives)),
            )  # fmt: skip


def _measured(table: Synthetic) -> dict[str, Any]:
    selection = Selection(
        rows=table.rows,
        covariates={f"covariate {i}": Column() for i in range(COVARIATES)},
        variables={f"variable {i}": Column() for i in range(table.variables)},
        label="label",
    )
    encrypting, null, refreshing, testing, opening = (Stopwatch() for _ in range(5))
    with tempfile.TemporaryDirectory(prefix="confide-selection-") as folder:
        _forget_peak()
        with encrypting.running():
            owner = SelectionOwner(selection, table, threads=_THREADS)
            context, keys = owner.secret.context, owner.keys()
            key_bytes = len(he.write(keys, context))
            rows = owner.rows()
            row_bytes = sum(len(he.write(x, context)) for x in (*rows.covariates, rows.label))
            paths = [
                _written(Path(folder) / f"{i}.unit", write_message(unit, context))
                for i, unit in enumerate(owner.units())
            ]
        unit_bytes = sum(path.stat().st_size for path in paths)
        owner_peak = peak_rss_bytes()
        _forget_peak()
        with null.running():
            evaluator = SelectionEvaluator(selection, keys, rows, threads=_THREADS)
        coefficients, refresh_bytes = owner.coefficients(), 0
        for _ in selection.refreshes:
            with null.running():
                sums = evaluator.step(coefficients)
            with refreshing.running():
                coefficients = owner.refresh(sums)
            sent = (*coefficients.slopes, *coefficients.of_p, *coefficients.of_w)
            refresh_bytes += sum(len(he.write(x, context)) for x in sent)
        with null.running():
            last = evaluator.finish_null(coefficients)
        with testing.running():
            units = _read(paths, selection, context)
            found = Sums(packed=tuple(evaluator.test(units)))
        evaluator_peak = peak_rss_bytes()
    with opening.running():
        selected = owner.result(last, found)
    u, v = in_clear(table)
    # A rare mark on few rows may stand on none of them.
    true = np.where(v > _NO_VARIANCE, u**2 / np.maximum(v, _NO_VARIANCE), 0.0)
    places = [int(each.variable.split()[1]) for each in selected.top(_TOP)]
    statistic = np.array([each.statistic for each in selected.tested])
    evaluator_ns = null.wall_ns + testing.wall_ns
    return {
        "degree": selection.plan.parameters.degree,
        "encrypt_s": encrypting.wall_ns / 1e9,
        "encrypt_cpu_s": encrypting.cpu_ns / 1e9,
        "null_s": null.wall_ns / 1e9,
        "null_cpu_s": null.cpu_ns / 1e9,
        "test_s": testing.wall_ns / 1e9,
        "test_cpu_s": testing.cpu_ns / 1e9,
        "evaluator_s": evaluator_ns / 1e9,
        "evaluator_cpu_s": (null.cpu_ns + testing.cpu_ns) / 1e9,
        "refresh_s": refreshing.wall_ns / 1e9,
        "open_s": opening.wall_ns / 1e9,
        "key_bytes": key_bytes,
        "row_bytes": row_bytes,
        "unit_bytes": unit_bytes,
        "refreshes": len(selection.refreshes),
        "refresh_bytes": refresh_bytes,
        "result_bytes": sum(len(he.write(x, context)) for x in found.packed),
        "owner_peak_bytes": owner_peak,
        "evaluator_peak_bytes": evaluator_peak,
        # Of thousands of statistics some differ by less than the polynomial of degree 8 does.
        "top_equal": bool(np.allclose(true[places], -np.sort(-true)[:_TOP], rtol=_ALIKE)),
        "most_off": float(np.abs(statistic - true).max()),
        "largest_statistic": float(statistic.max()),
        "gradient": selected.null.gradient,
    }


def _written(path: Path, data: bytes) -> Path:
    """On the disk, and not in the memory of the system: reading it again is work."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return path


def _read(paths: Sequence[Path], selection: Selection, context: Context) -> Iterator[Any]:
    for path in paths:
        yield read_message(path.read_bytes(), SealedUnit, selection, context)


def _forget_peak() -> None:
    """Starts the count of the most memory again, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def tables_of_select(records: Sequence[Record]) -> list[Table]:
    """Time and bytes of the owner and of the evaluator."""
    rows = []
    for record in records:
        if not record.case.startswith("select "):
            continue
        m = record.measured
        rows.append(
            [
                record.case.removeprefix("select "),
                seconds(m["encrypt_s"]),
                seconds(m["encrypt_cpu_s"]),
                mebibytes(m["row_bytes"] + m["unit_bytes"]),
                mebibytes(m["owner_peak_bytes"]),
                seconds(m["evaluator_s"]),
                seconds(m["null_cpu_s"]),
                seconds(m["test_cpu_s"]),
                mebibytes(m["evaluator_peak_bytes"]),
                f"{m['refreshes']}",
                mebibytes(m["refresh_bytes"]),
                mebibytes(m["result_bytes"]),
                "yes" if m["top_equal"] else "no",
                f"{m['most_off']:.1e} of {m['largest_statistic']:.0f}",
            ]
        )
    if not rows:
        return []
    columns = (
        "rows x variables", "encrypt", "its processor", "ciphertexts", "peak of owner",
        "evaluator", "null model's processor", "tests' processor", "peak of evaluator", "refreshes",
        "their bytes", "result", f"same top {_TOP}", "statistic off by",
    )  # fmt: skip
    note = (
        "Two threads. The evaluator's time includes reading variables from the disk, and not the"
        " owner's answers. No variable is declared binary, so squares are encrypted too. Processor"
        " times add both threads up: on a machine that does other work they say more. Tops are"
        f" the same where statistics within {_ALIKE:g} of each other may have changed places."
    )
    return [Table(title="Select variables", columns=columns, rows=rows, note=note)]
