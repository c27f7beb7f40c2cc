"""The four exponential families, each with its canonical link.

With the canonical link the linear predictor η is the natural parameter, so that for every family
the derivative of a record's loss by η is `mean - y`, and its second derivative the covariance of y.
That is why one implementation fits all: a family only says what mean and covariance are.

References:
    P. McCullagh and J. A. Nelder, "Generalized Linear Models", 2nd ed., 1989: §2.2.2 (families),
    §2.2.4 (canonical links), §2.3 (deviance).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.errors import DataError, PlanError
from confide.learning.models.inputs import LARGEST, as_numbers

__all__ = ["Bernoulli", "Categorical", "Family", "Gaussian", "Poisson"]

Reals = NDArray[np.float64]

_SMALLEST_MEAN: Final = 1e-15
_SATURATION: Final = 100.0


class Family(ABC):
    """A distribution of the target given the linear predictor η, with k outputs.

    Attributes:
        name: The name in the literature, for plans and reports.
    """

    name: ClassVar[str]

    @property
    def n_outputs(self) -> int:
        """k, how many linear predictors a record has."""
        return 1

    @abstractmethod
    def encode(self, target: ArrayLike) -> Reals:
        """Checks targets and writes each as the vector whose expectation the model predicts.

        Args:
            target: Shape `(m,)`.

        Returns:
            Shape `(m, n_outputs)`.

        Raises:
            DataError: If a target is missing or not in the family's range, naming the first.
        """

    @abstractmethod
    def link(self, mean: Reals) -> Reals:
        """The η that predicts `mean` (kept off the edges, where η is infinite), same shape."""

    @abstractmethod
    def inverse_link(self, eta: Reals) -> Reals:
        """The mean that η predicts, shape `(m, n_outputs)` like `eta`."""

    @abstractmethod
    def half_deviance(self, eta: Reals, y: Reals) -> Reals:
        """The negative log-likelihood less that of a perfect fit, in nats; variance 1 if Gaussian.

        What is subtracted does not depend on η; with it, zero is a perfect fit in every family.

        Args:
            eta: Linear predictors up to `LARGEST` in magnitude, shape `(m, n_outputs)`.
            y: Encoded targets, shape `(m, n_outputs)`.

        Returns:
            Shape `(m,)`, finite.
        """

    @abstractmethod
    def covariance(self, mean: Reals) -> Reals:
        """The covariance of y, shape `(m, n_outputs, n_outputs)`, where its mean is `mean`."""


@dataclass(frozen=True)
class Gaussian(Family):
    """Real targets with constant variance: linear regression. The loss is ½(η − y)²."""

    name: ClassVar[str] = "gaussian"

    def encode(self, target: ArrayLike) -> Reals:
        """Real numbers as one column; see `Family.encode`."""
        return _column(target)[:, np.newaxis]

    def link(self, mean: Reals) -> Reals:
        """The identity."""
        return mean

    def inverse_link(self, eta: Reals) -> Reals:
        """The identity."""
        return eta

    def half_deviance(self, eta: Reals, y: Reals) -> Reals:
        """½(η − y)²; see `Family.half_deviance`."""
        return np.asarray(0.5 * (eta - y) ** 2)[:, 0]

    def covariance(self, mean: Reals) -> Reals:
        """One."""
        return np.ones((len(mean), 1, 1))


@dataclass(frozen=True)
class Bernoulli(Family):
    """Targets 0 or 1: logistic regression. The loss is log(1 + exp(±η))."""

    name: ClassVar[str] = "bernoulli"

    def encode(self, target: ArrayLike) -> Reals:
        """Zeros and ones as one column; see `Family.encode`."""
        y = _column(target)
        _refuse((y != 0) & (y != 1), "a binary target is 0 or 1: encode the classes so")
        return y[:, np.newaxis]

    def link(self, mean: Reals) -> Reals:
        """The log-odds."""
        inside = np.clip(mean, _SMALLEST_MEAN, 1 - _SMALLEST_MEAN)
        return np.asarray(np.log(inside) - np.log1p(-inside))

    def inverse_link(self, eta: Reals) -> Reals:
        """1 / (1 + exp(−η)), to full relative precision in the lower tail."""
        return np.asarray(np.exp(-np.logaddexp(0.0, -eta)))

    def half_deviance(self, eta: Reals, y: Reals) -> Reals:
        """log(1 + exp(−η)) if y is 1, log(1 + exp(η)) if it is 0; see `Family.half_deviance`."""
        return np.asarray(np.logaddexp(0.0, (1 - 2 * y) * eta))[:, 0]

    def covariance(self, mean: Reals) -> Reals:
        """p(1 − p)."""
        return (mean * (1 - mean))[:, :, np.newaxis]


@dataclass(frozen=True, kw_only=True)
class Categorical(Family):
    """Targets 0, ..., n_classes − 1 with one η per class: softmax (multinomial) regression.

    A constant added to all η of a record changes nothing, so the classes' coefficients are
    determined only up to a common vector. Gradients add up to zero over the classes, so that what
    starts at zero keeps coefficients that add up to zero.

    Attributes:
        n_classes: At least 2.

    Raises:
        PlanError: If there are fewer classes.
    """

    name: ClassVar[str] = "categorical"

    n_classes: int

    def __post_init__(self) -> None:
        if self.n_classes < 2:
            raise PlanError(
                f"n_classes is {self.n_classes}; at least 2: give the number of classes"
            )

    @property
    def n_outputs(self) -> int:
        """One per class."""
        return self.n_classes

    def encode(self, target: ArrayLike) -> Reals:
        """One-hot rows; see `Family.encode`."""
        y = _column(target)
        outside = (y != np.floor(y)) | (y < 0) | (y >= self.n_classes)
        limit = f"classes are the whole numbers 0 to {self.n_classes - 1}: encode them so"
        _refuse(outside, limit)
        rows = np.zeros((len(y), self.n_classes))
        rows[np.arange(len(y)), y.astype(np.intp)] = 1.0
        return rows

    def link(self, mean: Reals) -> Reals:
        """Log-probabilities, centred over the classes."""
        logs = np.log(np.maximum(mean, _SMALLEST_MEAN))
        return np.asarray(logs - logs.mean(axis=-1, keepdims=True))

    def inverse_link(self, eta: Reals) -> Reals:
        """The softmax."""
        odds = np.exp(eta - eta.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def half_deviance(self, eta: Reals, y: Reals) -> Reals:
        """−log of the probability of the record's class; see `Family.half_deviance`."""
        shifted = eta - eta.max(axis=1, keepdims=True)
        return np.asarray(np.log(np.exp(shifted).sum(axis=1)) - (y * shifted).sum(axis=1))

    def covariance(self, mean: Reals) -> Reals:
        """diag(p) − ppᵀ."""
        diagonal = mean[:, :, np.newaxis] * np.eye(self.n_classes)
        return np.asarray(diagonal - mean[:, :, np.newaxis] * mean[:, np.newaxis, :])


@dataclass(frozen=True)
class Poisson(Family):
    """Counts, or rates, from 0: Poisson regression with the logarithm as link.

    The loss is exp(η) − yη and what makes a perfect fit zero. Beyond η = 100 the exponential goes
    on as its tangent: loss and gradient stay finite, the one convex, the other its derivative. A
    mean of exp(100) = 3e43 is not a realistic count.
    """

    name: ClassVar[str] = "poisson"

    def encode(self, target: ArrayLike) -> Reals:
        """Counts as one column; see `Family.encode`."""
        y = _column(target)
        _refuse(y < 0, "a count is at least 0: model differences with linear regression")
        return y[:, np.newaxis]

    def link(self, mean: Reals) -> Reals:
        """The logarithm."""
        return np.asarray(np.log(np.maximum(mean, _SMALLEST_MEAN)))

    def inverse_link(self, eta: Reals) -> Reals:
        """exp(η), at most exp(100)."""
        return np.asarray(np.exp(np.minimum(eta, _SATURATION)))

    def half_deviance(self, eta: Reals, y: Reals) -> Reals:
        """exp(η) − y − y(η − log y); see `Family.half_deviance`."""
        tangent = 1 + np.maximum(eta - _SATURATION, 0.0)
        logs = np.log(np.where(y > 0, y, 1.0))
        return np.asarray(self.inverse_link(eta) * tangent - y - y * (eta - logs))[:, 0]

    def covariance(self, mean: Reals) -> Reals:
        """The mean."""
        return mean[:, :, np.newaxis]


def _column(target: ArrayLike) -> Reals:
    y = as_numbers(target, "y")
    if y.ndim != 1:
        raise DataError(
            f"y of shape {y.shape}; it must be (records,): pass one column, for example y.ravel()"
        )
    _refuse(~(np.abs(y) <= LARGEST), f"targets are finite, at most {LARGEST:g}: drop the record")
    return y


def _refuse(wrong: NDArray[np.bool_], limit: str) -> None:
    """Names the record and not its target, which is private."""
    if wrong.any():
        raise DataError(f"a target out of range in record {int(np.argmax(wrong))}; {limit}")
