"""How good predictions are. A metric of private records is a release like any other.

Computed here in the clear, for a public hold-out or your own records; metrics over several parties'
records go through a declared sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import DataError
from confide.learning.models.inputs import as_numbers

__all__ = ["accuracy", "auc", "log_loss"]

Reals = NDArray[np.float64]


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """The share of records whose predicted class is the true one.

    Args:
        y_true: Classes of any type, shape `(m,)`, m at least 1.
        y_pred: Predicted classes, shape `(m,)`.

    Returns:
        From 0 to 1.

    Raises:
        DataError: If a shape is wrong or there is no record.

    Example:
        >>> accuracy(["yes", "no", "no", "no"], ["yes", "yes", "no", "no"])
        0.75
    """
    true, predicted = _pair(np.asarray(y_true), np.asarray(y_pred), "y_pred")
    return float(np.mean(true == predicted))


def auc(y_true: ArrayLike, score: ArrayLike) -> float:
    """The area under the ROC curve: the chance that a positive scores above a negative.

    Ties count one half. With R the sum of the ranks that the p positives have among all p + q
    scores, tied scores sharing their mean rank, it is (R − p(p + 1)/2) / (pq).

    Args:
        y_true: 0 or 1 (or booleans), shape `(m,)`, with both among them.
        score: Higher for likelier positives, shape `(m,)`; infinities are ranked like any number.

    Returns:
        From 0 to 1; 0.5 for scores that say nothing.

    Raises:
        DataError: If one class is missing, a label is not 0 or 1, a score is NaN or a shape is
            wrong.

    Example:
        >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
        0.875

    References:
        J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating
        characteristic (ROC) curve", Radiology 143, 1982: §III.
    """
    labels, scores = _pair(_binary(y_true), as_numbers(score, "score"), "score")
    if np.isnan(scores).any():
        raise DataError(
            f"score is NaN in record {int(np.argmax(np.isnan(scores)))}; drop the record"
        )
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if positives == 0 or negatives == 0:
        raise DataError(
            f"all {len(labels)} labels are of one class; an AUC compares positives with "
            "negatives: use records of both classes"
        )
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(mean_ranks[places][labels == 1].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def log_loss(
    y_true: ArrayLike,
    probability: ArrayLike,
    *,
    classes: Sequence[Any] | NDArray[Any] | None = None,
) -> float:
    """The mean of −log of the probability given to the true class.

    As in scikit-learn, a probability of 0 counts as 2^-52, so that one miss is not infinitely bad.

    Args:
        y_true: Classes, shape `(m,)`.
        probability: Shape `(m, n_classes)`, rows adding up to 1; or `(m,)` for two classes: that of
            the second.
        classes: What the columns stand for, distinct, shape `(n_classes,)`; None for 0, 1, 2, ...

    Returns:
        In nats per record, at least 0.

    Raises:
        DataError: If a class is unknown, a row is not a distribution or a shape is wrong.

    Example:
        >>> round(log_loss(["no", "yes"], [0.2, 0.9], classes=["no", "yes"]), 6)
        0.164252
    """
    given = as_numbers(probability, "probability")
    rows = np.column_stack([1 - given, given]) if given.ndim == 1 else given
    _check_distributions(rows)
    known = np.arange(rows.shape[1]) if classes is None else np.asarray(classes)
    if known.shape != (rows.shape[1],):
        raise DataError(
            f"{len(known)} classes for {rows.shape[1]} columns of probability; one each"
        )
    true, rows = _pair(np.asarray(y_true), rows, "probability")
    matches = true[:, np.newaxis] == known
    unknown = matches.sum(axis=1) != 1
    if unknown.any():
        record = int(np.argmax(unknown))
        raise DataError(
            f"the class in record {record} is not one of the {len(known)} known ones; pass the "
            "classes in the order of the columns"
        )
    return float(-np.mean(np.log(np.maximum(rows[matches], np.finfo(np.float64).eps))))


def _binary(y_true: ArrayLike) -> Reals:
    labels = as_numbers(y_true, "y_true")
    wrong = (labels != 0) & (labels != 1)
    if wrong.any():
        raise DataError(
            f"y_true is neither 0 nor 1 in record {int(np.argmax(wrong))}; compare with the "
            "positive class, for example y == 'yes'"
        )
    return labels


def _check_distributions(rows: Reals) -> None:
    if rows.ndim != 2:
        raise DataError(
            f"probability of shape {rows.shape}; it must be (records, classes) or (records,)"
        )
    wrong = ~(((rows >= 0) & (rows <= 1)).all(axis=1) & (np.abs(rows.sum(axis=1) - 1) <= 1e-6))
    if wrong.any():
        record = int(np.argmax(wrong))
        raise DataError(
            f"the probabilities in record {record} do not add up to 1 or leave [0, 1]; each row is "
            "a distribution over the classes"
        )


def _pair(true: NDArray[Any], other: NDArray[Any], name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    if true.ndim != 1 or other.ndim == 0 or len(true) != len(other) or len(true) == 0:
        raise DataError(
            f"y_true of shape {true.shape} with {name} of shape {other.shape}; both have one entry "
            "for each of at least 1 record"
        )
    return true, other
