"""What a model's quality is made of: what each row counts, and the metrics that follow.

A row counts once in a histogram, or with a few squares, each of magnitude at most 1, so one row
moves the sum by a bound that is known beforehand. `fed_metrics` sums the rows' terms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from confide.learning.models.families import Bernoulli, Categorical, Family, Poisson

__all__ = ["Distances", "Lifetimes", "Measure", "measure_of_family"]

Reals = NDArray[np.float64]
Rows = Mapping[str, NDArray[Any]]

BINS: Final = 20
"""Cells of equal width that probabilities are sorted into."""

_MOST_LOSS: Final = 8.0
"""The loss of one row counts up to here, in nats."""

_MOST_DEVIATIONS: Final = 4.0
"""A scaled label, and a residual, count up to so many standard deviations."""

TIMES: Final = 16
RISKS: Final = 16
"""Cells of times and of risks that rows are sorted into for the concordance."""


class Measure(Protocol):
    """How good a model is, from sums over rows."""

    @property
    def size(self) -> int:
        """How many numbers a row counts in."""

    @property
    def unit_bound(self) -> float:
        """How far it moves them, in L2."""

    @property
    def cells(self) -> str | None:
        """What they count rows in, if one may hold a single row."""

    def terms(self, scores: Reals, rows: Rows) -> Reals:
        """What each row counts, shape `(rows, size)`, each term of magnitude at most 1.

        Args:
            scores: What the predictor says of each row, shape `(rows, outputs)`.
            rows: `targets`, labels as the model is trained on them, and of times `events` and
                `cells`, each of shape `(rows,)`.
        """

    def metrics(self, sums: Reals) -> dict[str, Any]:
        """The metrics of the sums of all rows' terms, shape `(size,)`; noise may be in them."""


def measure_of_family(family: Family, most: float | None = None) -> Measure:
    """The measure of predictions of a family.

    Args:
        family: The distribution of the label.
        most: Of counts, the most that a row counts.
    """
    if isinstance(family, Bernoulli):
        return _TwoClasses(family)
    if isinstance(family, Categorical):
        return _SeveralClasses(family)
    return _Counts(family, most or 100.0) if isinstance(family, Poisson) else _Numbers(family)


def _loss(family: Family, scores: Reals, targets: Reals) -> Reals:
    """Each row's loss as a share of the largest that counts."""
    loss = family.half_deviance(scores, family.encode(targets))
    return np.asarray(np.minimum(loss, _MOST_LOSS) / _MOST_LOSS)


@dataclass(frozen=True)
class _TwoClasses:
    """A histogram of scores by class, and the loss."""

    family: Family

    size = 2 * BINS + 1
    unit_bound = math.sqrt(2)
    cells: str | None = "bins of scores by class"

    def terms(self, scores: Reals, rows: Rows) -> Reals:
        targets = rows["targets"]
        each = np.arange(len(scores))
        means = self.family.inverse_link(scores)[:, 0]
        cell = np.minimum((means * BINS).astype(np.intp), BINS - 1)
        found = np.zeros((len(scores), self.size))
        found[each, targets.astype(np.intp) * BINS + cell] = 1.0
        found[:, -1] = _loss(self.family, scores, targets)
        return found

    def metrics(self, sums: Reals) -> dict[str, Any]:
        table = sums[:-1].reshape(2, BINS)
        counts = np.maximum(table, 0.0)
        low, high = table[:, : BINS // 2].sum(axis=1), table[:, BINS // 2 :].sum(axis=1)
        middles = (np.arange(BINS) + 0.5) / BINS
        calibration = [
            [float(middle), float(positives / rows), float(rows)]
            for middle, positives, rows in zip(middles, counts[1], counts.sum(axis=0), strict=True)
            if rows >= 1
        ]
        return {
            "loss": _mean_loss(sums[-1], table.sum()),
            "auc": _auc(table),
            **_of_confusion(np.column_stack([low, high])),
            "calibration": calibration,
        }


@dataclass(frozen=True)
class _SeveralClasses:
    """The confusion matrix, and the loss."""

    family: Categorical

    unit_bound = math.sqrt(2)
    cells: str | None = "pairs of true and predicted class"

    @property
    def size(self) -> int:
        return self.family.n_classes**2 + 1

    def terms(self, scores: Reals, rows: Rows) -> Reals:
        targets = rows["targets"]
        means = self.family.inverse_link(scores)
        cell = targets.astype(np.intp) * self.family.n_classes + means.argmax(axis=1)
        found = np.zeros((len(scores), self.size))
        found[np.arange(len(scores)), cell] = 1.0
        found[:, -1] = _loss(self.family, scores, targets)
        return found

    def metrics(self, sums: Reals) -> dict[str, Any]:
        confusion = sums[:-1].reshape(self.family.n_classes, -1)
        return {"loss": _mean_loss(sums[-1], confusion.sum()), **_of_confusion(confusion)}


@dataclass(frozen=True)
class _Numbers:
    """The label, its square and the residual's."""

    family: Family

    size = 5
    unit_bound = math.sqrt(5)
    cells: str | None = None

    def terms(self, scores: Reals, rows: Rows) -> Reals:
        targets = rows["targets"]
        label = np.clip(targets / _MOST_DEVIATIONS, -1, 1)
        means = self.family.inverse_link(scores)[:, 0]
        missed = np.clip((targets - means) / _MOST_DEVIATIONS, -1, 1)
        loss = _loss(self.family, scores, targets)
        return np.column_stack([np.ones(len(scores)), label, label**2, missed**2, loss])

    def metrics(self, sums: Reals) -> dict[str, Any]:
        rows = max(float(sums[0]), 1.0)
        mean, squares, missed = (float(v) / rows for v in sums[1:4])
        spread = squares - mean**2
        r2 = 1 - missed / spread if spread > 0 else 0.0
        return {"loss": _mean_loss(sums[-1], rows), "r2": min(r2, 1.0), "rows": rows}


@dataclass(frozen=True)
class _Counts:
    """The count, what its deviance needs, and the deviance (McCullagh and Nelder 1989, §2.3)."""

    family: Family
    most: float

    size = 4
    unit_bound = 2.0
    cells: str | None = None

    @property
    def _scales(self) -> Reals:
        return np.array([1.0, self.most, self.most * math.log(max(self.most, math.e)), self._cut])

    @property
    def _cut(self) -> float:
        """The half deviance of one row counts up to here: of the largest count, predicted as 1."""
        return max(_MOST_LOSS, self.most * math.log(max(self.most, math.e)))

    def terms(self, scores: Reals, rows: Rows) -> Reals:
        targets = rows["targets"]
        y = np.clip(targets, 0, self.most)
        own = y * np.log(np.where(y > 0, y, 1.0))
        missed = self.family.half_deviance(scores, y[:, np.newaxis])
        terms = np.column_stack([np.ones(len(y)), y, own, np.minimum(missed, self._cut)])
        return np.asarray(terms / self._scales)

    def metrics(self, sums: Reals) -> dict[str, Any]:
        rows, counted, own, missed = (float(v) for v in sums * self._scales)
        rows, mean = max(rows, 1.0), max(counted, 1e-12) / max(rows, 1.0)
        # Of the mean count: Σ y·log y − Σ y·log ȳ, as Σ (y − ȳ) is 0.
        of_mean = own - max(counted, 0.0) * math.log(mean)
        d2 = 1 - missed / of_mean if of_mean > 0 else 0.0
        return {"deviance": 2 * max(missed, 0.0) / rows, "d2": min(d2, 1.0), "rows": rows}


@dataclass(frozen=True)
class Lifetimes:
    """Rows by time, by risk and by whether the event came: the concordance of Harrell (1982).

    A row whose event came is compared with those of later cells of time, and risks of one cell are
    ties. Risks come as their ranks, from 0 to 1.
    """

    size = 2 * TIMES * RISKS
    unit_bound = 1.0
    cells: str | None = "times by risks"

    def terms(self, scores: Reals, rows: Rows) -> Reals:
        """See `Measure.terms`."""
        risk = np.minimum((scores[:, 0] * RISKS).astype(np.intp), RISKS - 1)
        cell = (rows["events"].astype(np.intp) * TIMES + rows["cells"]) * RISKS + risk
        found = np.zeros((len(scores), self.size))
        found[np.arange(len(scores)), cell] = 1.0
        return found

    def metrics(self, sums: Reals) -> dict[str, Any]:
        """See `Measure.metrics`."""
        # Noise below zero stays: cutting it would pull the concordance towards one half.
        table = sums.reshape(2, TIMES, RISKS)
        both = table.sum(axis=0)
        later = both.sum(axis=0) - np.cumsum(both, axis=0)  # by risk, of later cells of time
        less = np.cumsum(later, axis=1) - later / 2
        good, pairs = (
            float((table[1] * less).sum()),
            float((table[1].sum(axis=1) * later.sum(axis=1)).sum()),
        )
        found = min(max(good / pairs, 0.0), 1.0) if pairs > 0 else 0.5
        return {
            "concordance": found,
            "events": max(float(table[1].sum()), 0.0),
            "rows": max(float(both.sum()), 1.0),
        }


@dataclass(frozen=True)
class Distances:
    """How much of the rows' spread a description keeps: squared distances before and after.

    Scores are each row's squared distance to the middle of all rows, and to its description: its
    cluster's centre, or its projection.

    Attributes:
        inputs: How many inputs a row has.
    """

    inputs: int

    size = 3
    unit_bound = math.sqrt(3)
    cells: str | None = None

    @property
    def _most(self) -> float:
        """A row's squared distance counts up to here; standardised inputs have 1 each."""
        return 10.0 * self.inputs

    def terms(self, scores: Reals, rows: Rows) -> Reals:
        """See `Measure.terms`."""
        return np.column_stack([np.ones(len(scores)), np.minimum(scores / self._most, 1.0)])

    def metrics(self, sums: Reals) -> dict[str, Any]:
        """See `Measure.metrics`."""
        rows = max(float(sums[0]), 1.0)
        whole, left = (max(float(v), 0.0) * self._most for v in sums[1:])
        return {
            "explained": max(0.0, 1 - left / whole) if whole > 0 else 0.0,
            "inertia": left / rows,
            "rows": rows,
        }


def _auc(table: Reals) -> float:
    """The AUC of a histogram of scores by class, negatives first; ties count one half.

    Counts below zero, which noise makes, stay: cut, they would pull it towards one half.
    """
    negatives, positives = table
    if min(negatives.sum(), positives.sum()) < 1:
        return 0.5
    below = np.cumsum(negatives) - negatives / 2
    found = float(positives @ below) / float(positives.sum() * negatives.sum())
    return min(max(found, 0.0), 1.0)


def _mean_loss(lost: float, rows: float) -> float:
    return max(float(lost), 0.0) * _MOST_LOSS / max(float(rows), 1.0)


def _of_confusion(confusion: Reals) -> dict[str, Any]:
    """Metrics of a confusion matrix, whose rows are true classes; noise is cut to what can be."""
    total = max(float(confusion.sum()), 1.0)
    right, most = float(np.trace(confusion)), float(confusion.sum(axis=1).max())
    return {
        "accuracy": min(max(right / total, 0.0), 1.0),
        "base_rate": min(max(most / total, 0.0), 1.0),
        "rows": total,
        "confusion": np.maximum(confusion, 0.0).tolist(),
    }
