"""Tables and columns to arrays: the one place where types and missing values are checked."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.aggregation.numbers import real_numbers
from confide.errors import DataError

__all__ = [
    "LARGEST",
    "as_features",
    "as_numbers",
    "check_features",
    "feature_names",
    "record_weights",
]

Reals = NDArray[np.float64]

LARGEST: Final = 1e100
"""No input and no linear predictor exceeds this, so that squares and products stay finite."""


def as_features(x: ArrayLike, n_features: int | None = None) -> Reals:
    """A table as real numbers, shape `(m, n_features)`; missing values are not looked for.

    Args:
        x: An array or a pandas DataFrame, shape `(m, n_features)`.
        n_features: How many columns it must have; None for any positive number.

    Raises:
        DataError: If the shape is wrong or a value is not a number.
    """
    array = as_numbers(x, "x")
    if array.ndim != 2:
        raise DataError(
            f"x of shape {array.shape}; it must be (records, features). Reshape your data: "
            "x.reshape(1, -1) for one record, x.reshape(-1, 1) for one feature"
        )
    width = array.shape[1]
    if width == 0:
        raise DataError(
            f"x has 0 feature(s) (shape={array.shape}) while a minimum of 1 is required."
        )
    if n_features is not None and width != n_features:
        raise DataError(
            f"x has {width} features, but the model takes {n_features}: "
            "pass the columns it is made for"
        )
    # The layout in memory decides the order of additions; one layout, the same bits.
    return np.ascontiguousarray(array)


def check_features(x: Reals, names: NDArray[np.object_] | None = None) -> None:
    """Refuses a table without records, with a missing value or with one beyond `LARGEST`.

    Args:
        x: Shape `(m, n_features)`.
        names: The features' names for the message, shape `(n_features,)`.

    Raises:
        DataError: Naming the first such record and feature.
    """
    if len(x) == 0:
        raise DataError("x has 0 records; at least 1 is needed")
    wrong = ~(np.abs(x) <= LARGEST)  # NaN compares false
    if wrong.any():
        record, column = (int(place[0]) for place in np.nonzero(wrong))
        feature = column if names is None else repr(names[column])
        raise DataError(
            f"x has a value out of range in record {record}, feature {feature}; values are neither "
            f"NaN nor infinite, and at most {LARGEST:g} in magnitude: fill or drop missing "
            "values, rescale large ones"
        )


def as_numbers(values: ArrayLike, name: str) -> Reals:
    """Numbers as 64-bit reals; text and dates are refused even where numpy would convert them.

    Args:
        values: Numbers of any shape.
        name: What they are, for the message.

    Raises:
        DataError: If a value is not a number.
    """
    if hasattr(values, "toarray"):
        raise DataError(f"{name} is sparse; sparse data are not supported: pass {name}.toarray()")
    if getattr(values, "dtype", None) is not None and np.iscomplexobj(values):
        raise DataError(f"{name}: Complex data not supported; encode it as real numbers")
    return real_numbers(values, name)


def feature_names(x: object) -> NDArray[np.object_] | None:
    """The column names of a DataFrame, shape `(n_features,)`, if all are text; else None."""
    columns = getattr(x, "columns", None)
    if columns is None or not all(isinstance(column, str) for column in columns):
        return None
    return np.asarray(columns, dtype=object)


def record_weights(sample_weight: ArrayLike | None, records: int) -> Reals:
    """Weights that add up to one, shape `(records,)`.

    Args:
        sample_weight: How much each record counts, from 0, shape `(records,)`; None for equally.
        records: How many records there are.

    Raises:
        DataError: If there is no record, or the weights have a wrong shape, are negative or missing
            or are all zero.
    """
    if records == 0:
        raise DataError("a mean over 0 records; at least 1 is needed: skip an empty batch")
    if sample_weight is None:
        return np.full(records, 1 / records)
    weights = as_numbers(sample_weight, "sample_weight")
    if weights.shape != (records,):
        raise DataError(
            f"sample_weight of shape {weights.shape}; {records} records take ({records},)"
        )
    wrong = ~((weights >= 0) & (weights <= LARGEST))
    if wrong.any():
        record = int(np.argmax(wrong))
        raise DataError(
            f"a sample_weight out of range in record {record}; weights are from 0 to {LARGEST:g}: "
            "drop the record or weight it 0"
        )
    total = float(weights.sum())
    if total == 0:
        raise DataError("every sample_weight is zero; at least one must be positive")
    return weights / total
