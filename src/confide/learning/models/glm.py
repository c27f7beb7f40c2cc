"""Generalised linear models with canonical links: one loss, one gradient, one Hessian.

A record has the linear predictor η = Wᵀx + b and the mean g⁻¹(η). Linear, logistic, softmax and
Poisson regression differ in the family only; in each, the gradient of a record's loss is the outer
product of [x, 1] and `mean - y`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from confide.aggregation.numbers import real_numbers
from confide.errors import DataError, PlanError
from confide.learning.models.families import Family
from confide.learning.models.inputs import LARGEST, as_features, check_features, record_weights
from confide.numbers import check_real, check_whole, shown

__all__ = ["GeneralisedLinearModel", "Parameters"]

Reals = NDArray[np.float64]

Parameters = NDArray[np.float64]
"""A model's weights as one vector of shape `(n_parameters,)`.

It is the matrix of shape `(n_features + 1, n_outputs)`, row by row: a row for each feature, then
the intercept (no such row without one).
"""


@dataclass(frozen=True, kw_only=True)
class GeneralisedLinearModel:
    """A specification; parameters are passed in and handed back, never kept.

    The loss is the mean of the records' half deviances plus ½·l2·‖W‖²; the intercept is not
    penalised. The methods take plain targets, shape `(m,)`, as `Family.encode` reads them, and
    refuse NaN and infinity wherever they come from.

    Attributes:
        family: The distribution of the target; it fixes link and loss.
        n_features: Columns of x, at least 1.
        l2: The weight of the penalty, at least 0. With m records, scikit-learn's `Ridge` has
            alpha = m·l2, `LogisticRegression` C = 1 / (m·l2), `PoissonRegressor` alpha = l2.
        fit_intercept: Whether η has the constant b.

    Raises:
        PlanError: If a field is out of range.

    Example:
        >>> from confide.learning.models import GeneralisedLinearModel
        >>> from confide.learning.models.families import Bernoulli
        >>> model = GeneralisedLinearModel(family=Bernoulli(), n_features=2)
        >>> x, y = [[0.0, 2.0], [1.0, 4.0]], [0, 1]
        >>> model.per_record_gradients(model.init(), x, y)
        array([[ 0. ,  1. ,  0.5],
               [-0.5, -2. , -0.5]])
        >>> model.gradient(model.init(), x, y)
        array([-0.25, -0.5 ,  0.  ])
    """

    family: Family
    n_features: int
    l2: float = 0.0
    fit_intercept: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.family, Family):
            raise PlanError(
                f"family is {shown(self.family)}; give Bernoulli(), Categorical(n_classes=3), "
                "Gaussian() or Poisson() of confide.families"
            )
        features = check_whole(
            "n_features", self.n_features, least=1, limit="at least 1: count the columns of x"
        )
        l2 = check_real(
            "l2", self.l2, least=0, below=math.inf,
            limit="it is finite and at least 0: 0 means no penalty",
        )  # fmt: skip
        if not isinstance(self.fit_intercept, bool):
            raise PlanError(f"fit_intercept is {shown(self.fit_intercept)}; it is True or False")
        object.__setattr__(self, "n_features", features)
        object.__setattr__(self, "l2", l2)

    @property
    def n_parameters(self) -> int:
        """The length of a parameter vector."""
        return (self.n_features + int(self.fit_intercept)) * self.family.n_outputs

    def init(self) -> Parameters:
        """Zeros, the usual start: the loss is convex."""
        return np.zeros(self.n_parameters)

    def unflatten(self, parameters: Parameters) -> tuple[Reals, Reals]:
        """Takes a parameter vector apart.

        Args:
            parameters: Shape `(n_parameters,)`.

        Returns:
            W of shape `(n_features, n_outputs)` and b of shape `(n_outputs,)`, zero without
            intercept.

        Raises:
            DataError: If the shape is wrong.
        """
        matrix = self._matrix(parameters)
        if self.fit_intercept:
            return matrix[:-1], matrix[-1]
        return matrix, np.zeros(self.family.n_outputs)

    def flatten(self, coef: ArrayLike, intercept: ArrayLike | None = None) -> Parameters:
        """Puts a parameter vector together; the inverse of `unflatten`.

        Args:
            coef: W, shape `(n_features, n_outputs)`.
            intercept: b, shape `(n_outputs,)` or one number for all; ignored by a model without
                intercept.

        Raises:
            DataError: If a shape is wrong.
        """
        w = np.asarray(coef, dtype=np.float64)
        b = np.asarray(0.0 if intercept is None else intercept, dtype=np.float64)
        outputs = self.family.n_outputs
        if w.shape != (self.n_features, outputs) or b.shape not in ((), (outputs,)):
            raise DataError(
                f"coef of shape {w.shape} and intercept of shape {b.shape}; this model takes "
                f"({self.n_features}, {outputs}) and ({outputs},)"
            )
        return self._rows(w, np.broadcast_to(b, outputs)).ravel()

    def mean_response(self, parameters: Parameters, x: ArrayLike) -> Reals:
        """What the model predicts: a mean, a probability, one per class, or a rate.

        Args:
            parameters: Shape `(n_parameters,)`.
            x: Shape `(m, n_features)`.

        Returns:
            Shape `(m, n_outputs)`.

        Raises:
            DataError: If a shape is wrong, or a value is missing or too large.
        """
        return self.family.inverse_link(self.linear_predictor(parameters, x))

    def linear_predictor(self, parameters: Parameters, x: ArrayLike) -> Reals:
        """η = XW + b, shape `(m, n_outputs)`; see `mean_response`."""
        coef, intercept = self.unflatten(parameters)
        features = as_features(x, self.n_features)
        with np.errstate(over="ignore", invalid="ignore"):
            eta = features @ coef + intercept
        # A NaN or an infinity anywhere in a record's inputs shows here, for a fraction of the cost
        # of looking at the inputs themselves.
        if not (np.abs(eta) <= LARGEST).all():
            _explain(eta, features)
        return np.asarray(eta)

    def loss(
        self,
        parameters: Parameters,
        x: ArrayLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """The mean half deviance plus the penalty.

        Args:
            parameters: Shape `(n_parameters,)`.
            x: Shape `(m, n_features)`, m at least 1.
            y: Targets, shape `(m,)`.
            sample_weight: How much each record counts in the mean, shape `(m,)`; None for equally.

        Returns:
            In nats per record; for the Gaussian, half the mean squared error.

        Raises:
            DataError: If a shape is wrong, or a value is missing, too large or out of range.
        """
        eta = self.linear_predictor(parameters, x)
        weights = record_weights(sample_weight, len(eta))
        losses = self.family.half_deviance(eta, self._encode(y, len(eta)))
        return float(weights @ losses) + self.penalty(parameters)

    def gradient(
        self,
        parameters: Parameters,
        x: ArrayLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Parameters:
        """The gradient of `loss`, shape `(n_parameters,)`; arguments and errors as there."""
        features = as_features(x, self.n_features)
        residuals = self._residuals(parameters, features, y)
        weighted = record_weights(sample_weight, len(features))[:, np.newaxis] * residuals
        mean = self._rows(features.T @ weighted, weighted.sum(axis=0))
        return np.asarray(mean.ravel() + self.penalty_gradient(parameters))

    def per_record_gradients(self, parameters: Parameters, x: ArrayLike, y: ArrayLike) -> Reals:
        """Each record's gradient, without the penalty: what is clipped for differential privacy.

        Args:
            parameters: Shape `(n_parameters,)`.
            x: Shape `(m, n_features)`; m may be 0, as a sampled batch may be empty.
            y: Targets, shape `(m,)`.

        Returns:
            Shape `(m, n_parameters)`. The rows' mean plus `penalty_gradient` is `gradient`.

        Raises:
            DataError: As `loss`.
        """
        features = as_features(x, self.n_features)
        residuals = self._residuals(parameters, features, y)
        outer = self._design(features)[:, :, np.newaxis] * residuals[:, np.newaxis, :]
        return outer.reshape(len(features), self.n_parameters)

    def hessian(
        self, parameters: Parameters, x: ArrayLike, *, sample_weight: ArrayLike | None = None
    ) -> Reals:
        """The Hessian of `loss`, which with a canonical link is the Fisher information.

        Args:
            parameters: Shape `(n_parameters,)`.
            x: Shape `(m, n_features)`, m at least 1.
            sample_weight: How much each record counts in the mean, shape `(m,)`; None for equally.

        Returns:
            Shape `(n_parameters, n_parameters)`, symmetric and positive semi-definite. For the
            categorical family it is singular along what adds the same to every class.

        Raises:
            DataError: If a shape is wrong, or a value is missing or too large.
        """
        features = as_features(x, self.n_features)
        weights = record_weights(sample_weight, len(features))[:, np.newaxis, np.newaxis]
        curvature = weights * self.family.covariance(self.mean_response(parameters, features))
        design = self._design(features)
        rows, outputs = design.shape[1], self.family.n_outputs
        blocks = np.empty((rows, outputs, rows, outputs))
        for a in range(outputs):
            for b in range(a, outputs):
                blocks[:, a, :, b] = design.T @ (curvature[:, a, b, np.newaxis] * design)
                blocks[:, b, :, a] = blocks[:, a, :, b]
        dense = blocks.reshape(self.n_parameters, self.n_parameters)
        return np.asarray(dense + np.diag(self._ridge()))

    def penalty(self, parameters: Parameters) -> float:
        """½·l2·‖W‖², without the intercept."""
        coef, _ = self.unflatten(parameters)
        return 0.5 * self.l2 * float(np.sum(coef**2)) if self.l2 else 0.0

    def penalty_gradient(self, parameters: Parameters) -> Parameters:
        """The gradient of `penalty`, shape `(n_parameters,)`; zero for the intercept."""
        return np.asarray(self._ridge() * self._matrix(parameters).ravel())

    def _ridge(self) -> Parameters:
        return self.flatten(np.full((self.n_features, self.family.n_outputs), float(self.l2)))

    def _matrix(self, parameters: Parameters) -> Reals:
        vector = real_numbers(parameters, "parameters")
        if vector.shape != (self.n_parameters,):
            raise DataError(
                f"parameters of shape {vector.shape}; this model takes ({self.n_parameters},): "
                "start from init()"
            )
        wrong = ~(np.abs(vector) <= LARGEST)
        if wrong.any():
            index = int(np.argmax(wrong))
            raise DataError(
                f"parameter {index} is out of range; parameters are finite and at most "
                f"{LARGEST:g} in magnitude: lower the learning rate if training diverges"
            )
        return vector.reshape(-1, self.family.n_outputs)

    def _rows(self, coef: Reals, intercept: Reals) -> Reals:
        return np.vstack([coef, intercept]) if self.fit_intercept else coef

    def _design(self, features: Reals) -> Reals:
        return self._rows(features.T, np.ones(len(features))).T

    def _encode(self, y: ArrayLike, records: int) -> Reals:
        encoded = self.family.encode(y)
        if len(encoded) != records:
            raise DataError(f"x has {records} records, y has {len(encoded)}; each needs one target")
        return encoded

    def _residuals(self, parameters: Parameters, x: ArrayLike, y: ArrayLike) -> Reals:
        mean = self.mean_response(parameters, x)
        return mean - self._encode(y, len(mean))


def _explain(eta: Reals, features: Reals) -> None:
    """Raises the error that says where a linear predictor out of range comes from."""
    check_features(features)
    record = int(np.argmax(~(np.abs(eta) <= LARGEST).all(axis=1)))
    raise DataError(
        f"record {record} has a linear predictor out of range; at most {LARGEST:g} is computed "
        "with: standardise the features, or lower the learning rate if training diverges"
    )
