"""Estimators of scikit-learn with `partial_fit` as models that the algorithms train.

A step on a batch is what `partial_fit` of that batch does, so its difference stands in the place of
a gradient: with learning rate 1 an algorithm's step is that of the estimator, whose own settings
say how long it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from confide.computation import Data, State
from confide.errors import DataError, PlanError
from confide.learning.modules.factory import CodeSettings, Factory
from confide.learning.modules.layout import Layout
from confide.learning.modules.model import Averaged
from confide.plan.literals import Literal

__all__ = ["EstimatorSettings", "PartialFitModel"]

Reals = NDArray[np.float64]

_ARRAYS: Final = ("coef_", "intercept_")


class EstimatorSettings(Literal):
    """An estimator in a plan file.

    Attributes:
        factory: `package.module:name` of its class.
        features: The columns of X.
        label: The column of y.
        classes: For a classifier, the labels that there may be at any party; public.
        arguments: What the class is called with.
        arrays: The attributes that hold its parameters.
        code: Its package, filled in if left out.
    """

    factory: str
    features: list[str]
    label: str
    classes: list[int] | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    arrays: list[str] = Field(default_factory=lambda: list(_ARRAYS))
    code: CodeSettings | None = None

    def model(self) -> PartialFitModel:
        """The model.

        Raises:
            PlanError: If it cannot be made, or is not what was agreed.
        """
        fields = self.model_dump(exclude={"factory", "code"})
        made = PartialFitModel(self.factory, **fields)
        made.factory.check(self.code)
        return made


class PartialFitModel:
    """An estimator with `partial_fit`, such as `SGDClassifier` or `MLPClassifier`.

    Its parameters are its coefficient arrays; whatever else it counts (`t_`, an optimiser's
    moments) begins anew in each round. So give it a constant learning rate, and the algorithm
    `learning_rate=1.0`.

    Args:
        factory: Its class, or the name as 'package.module:name'.
        features: The columns of X, each of one number a row.
        label: The column of y.
        classes: For a classifier, the labels that there may be at any party; public.
        arguments: What the class is called with.
        arrays: The attributes that hold its parameters: arrays, or lists of arrays.

    Raises:
        PlanError: If the class has no `partial_fit`, or an attribute is not there after it.

    Example:
        >>> from sklearn.linear_model import SGDClassifier
        >>> model = PartialFitModel(SGDClassifier, features=["age", "dose"], label="cured",
        ...     classes=[0, 1], arguments={"loss": "log_loss", "learning_rate": "constant",
        ...                                "eta0": 0.1})
        >>> {name: array.shape for name, array in model.init().items()}
        {'coef_': (1, 2), 'intercept_': (1,)}
    """

    buffers: str | Averaged = "frozen"
    kept = Layout({}, {})
    read = None

    def __init__(
        self,
        factory: Callable[..., Any] | str,
        *,
        features: Sequence[str],
        label: str,
        classes: Sequence[int] | None = None,
        arguments: Mapping[str, Any] | None = None,
        arrays: Sequence[str] = _ARRAYS,
    ) -> None:
        from sklearn.base import BaseEstimator

        self.factory = Factory.of(factory, arguments or {}, BaseEstimator)
        self.simulation_only = self.factory.simulation_only
        self.columns = (*features, label)
        self._classes, self._arrays = None if classes is None else list(classes), tuple(arrays)
        first = dict(_named(self._begun(), self._arrays))
        self._init = {name: np.zeros_like(array) for name, array in first.items()}
        if any("." in name for name in first):  # Layers of zeros would never leave zero.
            self._init = {name: array.copy() for name, array in first.items()}
        self.layout = Layout(
            {name: array.shape for name, array in first.items()},
            {name: array.dtype.name for name, array in first.items()},
        )

    def init(self) -> State:
        """See `Model.init`: zeros, or of several layers what `partial_fit` begins with."""
        return dict(self._init)

    def open(self, state: State, data: Data, rng: np.random.Generator) -> PartialFitSession:
        """See `Model.open`."""
        x = np.column_stack([data[name] for name in self.columns[:-1]]).astype(np.float64)
        y = data[self.columns[-1]]
        if self._classes is not None:
            known = np.isin(y, self._classes)
            if not known.all():
                raise DataError(
                    f"column {self.columns[-1]!r} has a class that was not agreed on, first in "
                    f"record {int(np.argmin(known))}; classes are {self._classes}"
                )
        return PartialFitSession(self, self._begun(int(rng.integers(1 << 31))), state, x, y)

    def settings(self) -> Mapping[str, Any]:
        """See `Model.settings`."""
        said = {
            "features": list(self.columns[:-1]), "label": self.columns[-1],
            "classes": self._classes, "arrays": list(self._arrays),
        }  # fmt: skip
        return {"estimator": self.factory.settings() | said}

    def estimator(self, state: State) -> Any:
        """A fitted estimator with the parameters of a state.

        Raises:
            DataError: If an array is missing or of another shape.
        """
        made = self._begun()
        self.put(made, self.layout.flat(state))
        return made

    def fit(self, estimator: Any, x: Reals, y: NDArray[Any]) -> None:
        """One `partial_fit`."""
        if self._classes is None:
            estimator.partial_fit(x, y)
        else:
            estimator.partial_fit(x, y, classes=np.array(self._classes))

    def put(self, estimator: Any, w: Reals) -> None:
        """Sets the parameters, in place, since an estimator may hold them elsewhere too."""
        named = self.layout.named(w)
        for name, array in _named(estimator, self._arrays):
            array[...] = named[name]

    def get(self, estimator: Any) -> Reals:
        """The parameters as one vector."""
        return self.layout.flat(dict(_named(estimator, self._arrays)))

    def _begun(self, seed: int = 0) -> Any:
        """An estimator whose arrays exist: after a `partial_fit` of one row of zeros a class."""
        made = self.factory.make(**self.factory.arguments)
        if not hasattr(made, "partial_fit"):
            raise PlanError(
                f"{type(made).__name__} has no partial_fit; such estimators are trained"
            )
        if "random_state" in made.get_params() and made.random_state is None:
            made.set_params(random_state=seed)
        labels = np.array([0.0] if self._classes is None else self._classes)
        self.fit(made, np.zeros((len(labels), len(self.columns) - 1)), labels)
        return made


class PartialFitSession:
    """An estimator at one party in one round; see `Session`."""

    def __init__(
        self, model: PartialFitModel, estimator: Any, state: State, x: Reals, y: NDArray[Any]
    ) -> None:
        self._model, self._estimator, self._x, self._y = model, estimator, x, y
        self.rows, self.start = len(x), model.layout.flat(state)

    def gradient(self, w: Reals, batch: Any) -> Reals:
        """See `Session.gradient`: what `partial_fit` of the batch subtracts."""
        self._model.put(self._estimator, w)
        self._model.fit(self._estimator, self._x[batch], self._y[batch])
        return w - self._model.get(self._estimator)

    def loss(self, w: Reals) -> float:
        """See `Session.loss`: one less the estimator's score."""
        self._model.put(self._estimator, w)
        return 1.0 - float(self._estimator.score(self._x, self._y))

    def vector(self, flat: Reals) -> Reals:
        """See `Session.vector`."""
        return flat

    def array(self, w: Reals) -> Reals:
        """See `Session.array`."""
        return w

    def buffers(self) -> State:
        """See `Session.buffers`."""
        return {}


def _named(estimator: Any, attributes: Sequence[str]) -> list[tuple[str, NDArray[Any]]]:
    """The arrays of an estimator by name; of a list of arrays `name.0`, `name.1` and so on."""
    found = []
    for attribute in attributes:
        value = getattr(estimator, attribute, None)
        if value is None:
            raise PlanError(
                f"{type(estimator).__name__} has no {attribute!r} after partial_fit; name the "
                "attributes that hold its parameters by arrays=…"
            )
        if isinstance(value, list):
            found += [(f"{attribute}.{place}", part) for place, part in enumerate(value)]
        else:
            found.append((attribute, value))
    return found
