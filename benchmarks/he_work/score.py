"""Rows scored on encrypted data, beside TenSEAL's batched tensors; trees and a network alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import tenseal
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from benchmarks import machine
from benchmarks.meter import Stopwatch
from benchmarks.record import Record, medians
from benchmarks.suite import Options
from benchmarks.tables import Table, ratio
from confide import he
from confide.encrypted import Scorer, scorer_of

__all__ = ["run_score", "tables_of_score"]

_ROWS, _COLUMNS, _REPEATS = 4096, 564, 3
_BOUND = 8.0


def run_score(options: Options) -> Iterator[Record]:
    """A linear model of 564 columns, ours and TenSEAL's in turn; then a small network."""
    columns = 64 if options.quick else _COLUMNS
    repeats = options.repeats or (1 if options.quick else _REPEATS)
    rng = np.random.default_rng(1)
    table = np.clip(rng.normal(size=(_ROWS, columns)), -_BOUND, _BOUND)
    linear = LogisticRegression(max_iter=200).fit(table, table[:, 0] + rng.normal(size=_ROWS) > 0)
    subjects: dict[str, dict[str, Callable[[], dict[str, float]]]] = {
        f"score linear {columns}": {
            "confide": lambda: _ours(scorer_of(linear, bounds=(-_BOUND, _BOUND)), table),
            "tenseal": lambda: _tenseal(linear, table),
        },
        "score network 64-16-10": {"confide": lambda: _ours(*_network())},
    }
    for case, of in subjects.items():
        if options.only not in case:
            continue
        found: dict[str, list[dict[str, float]]] = {name: [] for name in of}
        for repeat in range(repeats):
            options.report(f"{case}, {repeat + 1} of {repeats}")
            for name, measure in of.items():
                found[name].append(measure())
        for name, runs in found.items():
            yield Record(
                suite="he_work",
                case=case,
                subject=name,
                params={"rows": _ROWS, "repeats": repeats},
                measured=medians(runs),
                versions={**machine.versions(), "tenseal": version("tenseal")},
            )


def _network() -> tuple[Scorer, np.ndarray]:
    rng = np.random.default_rng(2)
    table = rng.uniform(0, 1, (_ROWS, 64))
    labels = (table[:, :10] @ rng.normal(size=(10, 10))).argmax(axis=1)
    model = MLPClassifier((16,), max_iter=10, random_state=1).fit(table, labels)
    return scorer_of(model, bounds=(0, 1), samples=table[:500], rows=_ROWS), table


def _ours(scorer: Scorer, table: np.ndarray) -> dict[str, float]:
    job = scorer.job
    secret = he.SecretKey(he.Context(job.parameters))
    keys = secret.evaluation_keys_of(job.needs)
    encrypting, scoring = Stopwatch(), Stopwatch()
    with encrypting.running():
        blocks = list(job.encrypt(secret, table))
    with scoring.running():
        scored = [scorer.score(keys, block) for block in blocks]
    found = job.scores(secret, scored, len(table))
    want = scorer.circuit.in_clear(job.reading.encode(table))
    size = sum(len(he.write(block, secret.context)) for block in blocks)
    return _facts(encrypting, scoring, size, found, want)


def _tenseal(model: Any, table: np.ndarray) -> dict[str, float]:
    """Its batched tensors: a ciphertext a column, as ours."""
    context = tenseal.context(
        tenseal.SCHEME_TYPE.CKKS, 8192, coeff_mod_bit_sizes=[60, 40, 60], n_threads=1
    )
    context.global_scale = 2.0**40
    weights = tenseal.plain_tensor(model.coef_.T)
    encrypting, scoring = Stopwatch(), Stopwatch()
    with encrypting.running():
        plain = tenseal.plain_tensor(table[:, np.newaxis, :])
        sealed = tenseal.ckks_tensor(context, plain, batch=True)
    with scoring.running():
        scored = sealed.mm(weights)
    found = np.array(scored.decrypt().tolist()).reshape(-1, 1) + model.intercept_
    size = len(sealed.serialize())
    return _facts(encrypting, scoring, size, found, model.decision_function(table)[:, np.newaxis])


def _facts(
    encrypting: Stopwatch, scoring: Stopwatch, size: int, found: Any, want: Any
) -> dict[str, float]:
    return {
        "encrypt_row_cpu_s": encrypting.cpu_ns / 1e9 / _ROWS,
        "score_row_cpu_s": scoring.cpu_ns / 1e9 / _ROWS,
        "row_bytes": size / _ROWS,
        "largest_error": float(np.abs(found - want).max()),
        "ranking_equal": float((np.argsort(found[:, 0]) == np.argsort(want[:, 0])).all()),
    }


def tables_of_score(records: Sequence[Record]) -> list[Table]:
    """Microseconds and bytes of a row, and ours by theirs."""
    scored = [record for record in records if record.case.startswith("score ")]
    ours = {record.case: record.measured for record in scored if record.subject == "confide"}
    rows = []
    for record in scored:
        m, base = record.measured, ours[record.case]
        rows.append(
            [
                f"{record.case.removeprefix('score ')}, {record.subject}",
                f"{m['encrypt_row_cpu_s'] * 1e6:.3g} µs",
                ratio(base["encrypt_row_cpu_s"], m["encrypt_row_cpu_s"]),
                f"{m['score_row_cpu_s'] * 1e6:.3g} µs",
                ratio(base["score_row_cpu_s"], m["score_row_cpu_s"]),
                f"{m['row_bytes'] / 1000:.3g} kB",
                f"{m['largest_error']:.1e}",
                "yes" if m["ranking_equal"] else "no",
            ]
        )
    columns = (
        "model", "encrypt a row", "ours ÷ this", "score a row", "ours ÷ this", "bytes of a row",
        "largest error", "same ranking",
    )  # fmt: skip
    note = (
        "Processor time on one thread, 4,096 rows at a time, plain weights. Ours encrypts under the"
        " secret key, which sends half of each ciphertext as a seed; TenSEAL, which has SEAL"
        " without vector instructions, under the public one. The error of a network is that of"
        " encryption; its polynomials' own is not in it."
    )
    return [Table(title="Score rows", columns=columns, rows=rows, note=note)] if rows else []
